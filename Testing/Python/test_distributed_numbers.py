"""However many processes share a batch out, they train as one does: same loss, same weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from ranks import run_ranks
from torch import nn

from WSPCirrhosisLib.batch_pieces import Pieces
from WSPCirrhosisLib.distributed import Ranks, joined
from WSPCirrhosisLib.launch import Launch
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

BATCH = 4
CPU = torch.device("cpu")
SMALL = {"tinynet": 156, "resnet18": 32}
METHODS = ("wsp", "byol", "simsiam", "barlow-twins", "supervised")


def trained(configs: list[PretrainConfig], steps: int) -> list[tuple]:
    """For each setting the losses of some steps, what there was before them, and what there is after them."""
    with joined(BATCH, CPU) as ranks:
        return [trained_with(ranks, config, steps) for config in configs]


def trained_with(
    ranks: Ranks, config: PretrainConfig, steps: int
) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Of one setting, on made-up slices."""
    random = torch.Generator().manual_seed(5)
    size = config.image_size
    coarse = torch.rand(12, 1, 10, 10, generator=random)
    slices = 200 * nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    slices = (slices + 50 * torch.rand(slices.shape, generator=random)).to(torch.uint8)
    labels, depths = torch.arange(12) % 3, torch.rand(12, generator=random)
    state = TrainingState(config, CPU, config.precision, 3, ranks)
    begun = numbers(state)
    losses = []
    for _ in range(steps):
        drawn = torch.randperm(12, generator=random)[:BATCH]
        label, depth = labels[drawn], depths[drawn]
        kernel = (label[:, None] == label) * torch.exp(-50 * (depth[:, None] - depth) ** 2)
        batch = TrainingBatch(slices[drawn[ranks.rows(BATCH)]], kernel, label)
        losses.append(float(state.train_on(batch)[0]))
    return losses, begun, numbers(state)


def numbers(state: TrainingState) -> np.ndarray:
    """Weights, buffers and gradients (Adam hides their scale), for ResNet-18 every 101st of its millions."""
    networks = (state.encoder, state.objective)
    every = [value for network in networks for value in network.state_dict().values()]
    every += [p.grad for n in networks for p in n.parameters() if p.grad is not None]
    sparse = 101 if state.config.encoder == "resnet18" else 1
    return torch.cat([value.flatten()[::sparse].double() for value in every]).numpy()


def settings(encoder: str, precision: str = "float32", **changed) -> PretrainConfig:
    return PretrainConfig(
        image_size=SMALL[encoder],
        encoder=encoder,
        precision=precision,
        batch_size=BATCH,
        epochs=1,
        slices_per_epoch=100 * BATCH,
        **changed,
    )


def assert_same_bits(counts: tuple[int, ...], configs: list[PretrainConfig], steps: int) -> None:
    """Whatever setting: each number of processes trains as the first of these numbers does."""
    one, *others = (run_ranks(count, trained, configs, steps) for count in counts)
    for losses, begun, ended in one[0]:
        assert np.isfinite(losses).all()
        assert np.abs(ended[: len(begun)] - begun).max() > 1e-4
    for other in others:
        for of_process in other:
            for found, expected in zip(of_process, one[0], strict=True):
                np.testing.assert_array_equal(found[0], expected[0])
                np.testing.assert_array_equal(found[2], expected[2])


def test_twenty_steps_of_one_two_and_four_processes_agree_to_the_last_bit():
    assert_same_bits((1, 2, 4), [settings("tinynet")], 20)


def test_so_do_steps_of_resnet18_whose_batch_norm_sees_all_rows():
    assert_same_bits((1, 2, 4), [settings("resnet18")], 2)


@pytest.mark.slow
def test_and_twenty_of_them():
    assert_same_bits((1, 2, 4), [settings("resnet18")], 20)


def test_every_objective_is_that_of_the_whole_batch():
    configs = [settings("tinynet", method=method) for method in METHODS]
    # BYOL's second encoder keeps its own running means of what it never learns from.
    assert_same_bits((1, 2), [*configs, settings("resnet18", "bfloat16", method="byol")], 1)


def normalised() -> dict[torch.dtype, list[float]]:
    """For each type of number how far BatchNorm over processes is from one that sees all rows."""
    with joined(8, CPU) as ranks:
        return {dtype: normalised_in(dtype, ranks) for dtype in (torch.float64, torch.float32)}


def normalised_in(dtype: torch.dtype, ranks: Ranks) -> list[float]:
    """Largest differences in output, gradients and buffers for this process's rows."""
    random = torch.Generator().manual_seed(1)
    maps, upstream = torch.randn(2, 16, 5, 6, 6, generator=random, dtype=dtype).mul(3).add(1)
    one = nn.BatchNorm2d(5, dtype=dtype)
    one.weight.data.uniform_(0.5, 2, generator=random)
    shared, found = copy.deepcopy(one), []
    for layer, rows in ((one, slice(None)), (shared, ranks.rows(8))):
        # Both views of the rows.
        own = maps.unflatten(0, (2, 8))[:, rows].flatten(0, 1).requires_grad_()
        result = layer(own) if layer is one else Pieces(2).encode(layer, own, ranks)
        (result * upstream.unflatten(0, (2, 8))[:, rows].flatten(0, 1)).sum().backward()
        kept = [layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]
        found.append([result.detach(), own.grad, *kept])
    for gradient in found[1][2:4]:
        ranks.sum_in_place(gradient)
    found[0][:2] = (
        whole.unflatten(0, (2, 8))[:, ranks.rows(8)].flatten(0, 1) for whole in found[0][:2]
    )
    return [(a - b).abs().max().item() for a, b in zip(*found, strict=True)]


def test_batch_norm_over_processes_is_that_over_their_rows_together():
    for differences in run_ranks(2, normalised):
        assert max(differences[torch.float64]) < 1e-12
        assert max(differences[torch.float32]) < 1e-4


def test_every_process_has_its_own_rows_and_all_have_them_all():
    ranks = [Ranks(Launch(rank=rank, count=4)) for rank in range(4)]
    every = list(range(BATCH))
    assert [row for own in ranks for row in every[own.rows(BATCH)]] == every
