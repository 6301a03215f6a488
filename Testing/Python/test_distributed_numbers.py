"""However many processes share a batch out, they train as one does: same loss, same weights."""

from __future__ import annotations

import numpy as np
import torch
from ranks import run_ranks
from torch import nn

from WSPCirrhosisLib.distributed import Ranks, joined
from WSPCirrhosisLib.global_batch import GlobalBatchNorm
from WSPCirrhosisLib.launch import Launch
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

BATCH = 4
CPU = torch.device("cpu")
FINE = ("wsp", "byol", "simsiam", "barlow-twins", "supervised")


def trained(configs: list[PretrainConfig], steps: int, double: bool) -> list[tuple]:
    """For each setting the losses of some steps, what there was before them, and what there is after them."""
    with joined(BATCH, CPU) as ranks:
        return [trained_with(ranks, config, steps, double) for config in configs]


def trained_with(
    ranks: Ranks, config: PretrainConfig, steps: int, double: bool
) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Of one setting, on made-up slices."""
    random = torch.Generator().manual_seed(5)
    size = config.image_size
    coarse = torch.rand(12, 1, 10, 10, generator=random)
    slices = 200 * nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    slices = (slices + 50 * torch.rand(slices.shape, generator=random)).to(torch.uint8)
    labels, depths = torch.arange(12) % 3, torch.rand(12, generator=random)
    state = TrainingState(config, CPU, "float32", 3, ranks)
    if double:
        in_double(state)
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


def in_double(state: TrainingState) -> None:
    """Take what each process computes by itself, the encoder, to float64, so that only a wrong sum is a difference."""
    state.encoder.double()
    if hasattr(state.objective, "target_encoder"):
        state.objective.target_encoder.double()
    views = state.views.of_rows
    state.views.of_rows = lambda *arguments: views(*arguments).double()


def settings(**changed) -> PretrainConfig:
    return PretrainConfig(batch_size=BATCH, epochs=1, slices_per_epoch=100 * BATCH, **changed)


def test_twenty_steps_of_one_two_and_four_processes_agree_to_the_last_bit():
    config = settings(image_size=156)
    (losses, begun, ended), *others = (
        run_ranks(count, trained, [config], 20, False)[0][0] for count in (1, 2, 4)
    )
    assert np.abs(ended[: len(begun)] - begun).max() > 1e-3
    for other_losses, _, other_ended in others:
        np.testing.assert_array_equal(other_losses, losses)
        np.testing.assert_array_equal(other_ended, ended)


def test_every_objective_is_that_of_the_whole_batch_batch_norm_included():
    configs = [settings(image_size=48, encoder="resnet18", method=method) for method in FINE]
    alone = run_ranks(1, trained, configs, 2, True)[0]
    for together in run_ranks(2, trained, configs, 2, True):
        for (losses, _, ended), (one_losses, _, one_ended) in zip(together, alone, strict=True):
            np.testing.assert_allclose(losses, one_losses, rtol=0, atol=1e-6)
            np.testing.assert_allclose(ended, one_ended, rtol=0, atol=1e-8)


def normalised() -> dict[torch.dtype, list[float]]:
    """For each type of number how far a layer over processes is from one that sees all rows."""
    with joined(8, CPU) as ranks:
        return {dtype: normalised_in(dtype, ranks) for dtype in (torch.float64, torch.float32)}


def normalised_in(dtype: torch.dtype, ranks: Ranks) -> list[float]:
    """Largest differences in output, gradients and buffers for this process's rows."""
    random = torch.Generator().manual_seed(1)
    maps, upstream = torch.randn(2, 8, 5, 6, 6, generator=random, dtype=dtype).mul(3).add(1)
    one = nn.BatchNorm2d(5, dtype=dtype)
    one.weight.data.uniform_(0.5, 2, generator=random)
    like = nn.BatchNorm2d(5, dtype=dtype)
    like.load_state_dict(one.state_dict())
    shared, rows = GlobalBatchNorm(like, ranks), ranks.rows(8)
    found = []
    for layer, part in ((one, slice(None)), (shared, rows)):
        own = maps[part].clone().requires_grad_()
        result = layer(own)
        (result * upstream[part]).sum().backward()
        kept = [layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]
        found.append([result.detach(), own.grad, *kept])
    for gradient in found[1][2:4]:
        ranks.sum_in_place(gradient)
    found[0][:2] = (whole[rows] for whole in found[0][:2])
    return [(a - b).abs().max().item() for a, b in zip(*found, strict=True)]


def test_batch_norm_over_processes_is_that_over_their_rows_together():
    for differences in run_ranks(2, normalised):
        assert max(differences[torch.float64]) < 1e-13
        assert max(differences[torch.float32]) < 1e-4


def test_every_process_has_its_own_rows_and_all_have_them_all():
    ranks = [Ranks(Launch(rank=rank, count=4)) for rank in range(4)]
    every = list(range(BATCH))
    assert [row for own in ranks for row in every[own.rows(BATCH)]] == every
