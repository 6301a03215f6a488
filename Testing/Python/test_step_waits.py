"""A training step gives the device its work and never waits for what comes of it.

Tensors of the device ``meta`` have no numbers: whatever would fetch one from a GPU (``.item()``, ``.cpu()``, a condition
on a tensor, a boolean mask) raises. What only a GPU shows is in test_on_cuda.py.
"""

from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from WSPCirrhosisLib.kernels import BatchKernel
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

META = torch.device("meta")
BATCH, SIZE = 4, 156


class CopiesThatDoNotBlock(TorchDispatchMode):
    """Raises when a tensor is copied to the device in a way that would wait for it; counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operator, types, arguments=(), keywords=None):
        keywords = keywords or {}
        result = operator(*arguments, **keywords)
        source = {"_to_copy": 0, "copy_": 1}.get(operator._opname)
        if source is not None and arguments[source].device != result.device:
            is_free = keywords.get("non_blocking") or arguments[2:3] == (True,)
            assert is_free, f"a copy to the device blocks: {tuple(arguments[source].shape)}"
            self.count += 1
        return result


@pytest.fixture
def state_on_meta(monkeypatch):
    """A method's state on the device without numbers, which knows no autocast either."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)

    def begun(method: str, encoder: str = "tinynet") -> tuple[TrainingState, TrainingBatch]:
        config = PretrainConfig(
            method=method, encoder=encoder, image_size=SIZE, batch_size=BATCH, precision="float32"
        )
        images = torch.zeros(BATCH, 1, SIZE, SIZE, dtype=torch.uint8)
        factors = [(factor, torch.rand(BATCH)) for factor in config.similarity.factors]
        batch = TrainingBatch(images, BatchKernel(factors), torch.arange(BATCH) % 2)
        return TrainingState(config, META, config.precision, 2), batch

    return begun


@pytest.mark.parametrize(
    "method",
    ["wsp", "simclr", "supcon", "pcl", "ordinal", "byol", "simsiam", "barlow-twins", "supervised"],
)
def test_a_step_fetches_no_number_and_its_copies_do_not_block(state_on_meta, method):
    state, batch = state_on_meta(method)
    for _ in range(2):
        with CopiesThatDoNotBlock() as copies:
            measured = state.train_on(batch)
        assert measured.device == META and measured.shape == (3,)
        assert copies.count >= 4, "images, views, kernel and labels"


def test_so_does_one_of_the_larger_encoder(state_on_meta):
    state, batch = state_on_meta("wsp", "resnet18")
    with CopiesThatDoNotBlock():
        state.train_on(batch)


@pytest.mark.parametrize(
    "read",
    [
        lambda loss: loss.item(),
        lambda loss: loss.cpu(),
        lambda loss: loss.tolist(),
        lambda loss: loss if loss > 0 else -loss,
        lambda loss: loss[None][loss[None] > 0],
        lambda loss: loss + torch.ones(1).to(META),
    ],
)
def test_what_would_wait_is_noticed(state_on_meta, read):
    state, batch = state_on_meta("wsp")

    def look(module, inputs, result) -> None:
        read(result[0].detach())

    state.objective.register_forward_hook(look)
    with pytest.raises((RuntimeError, AssertionError)):  # noqa: SIM117
        with CopiesThatDoNotBlock():
            state.train_on(batch)
