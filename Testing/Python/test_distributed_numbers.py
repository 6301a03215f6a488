"""However many processes share a batch out, they train as one does: same loss, same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ranks import run_ranks
from torch import nn

from WSPCirrhosisLib.distributed import Ranks, joined
from WSPCirrhosisLib.global_batch import GlobalBatchNorm
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining_data import TrainingBatch
from WSPCirrhosisLib.training_state import TrainingState

BATCH = 4
CPU = torch.device("cpu")
FINE = ("wsp", "byol", "simsiam", "barlow-twins", "supervised")


def trained(configs: list[PretrainConfig], steps: int, double: bool) -> list[tuple]:
    """For each setting the losses of some steps, and weights, buffers and gradients after them."""
    with joined(BATCH, CPU) as ranks:
        return [trained_with(ranks, config, steps, double) for config in configs]


def trained_with(
    ranks: Ranks, config: PretrainConfig, steps: int, double: bool
) -> tuple[list[float], np.ndarray]:
    """Of one setting, on made-up slices; of ResNet-18 every 101st weight, for there are millions."""
    random = torch.Generator().manual_seed(5)
    size = config.image_size
    coarse = torch.rand(12, 1, 10, 10, generator=random)
    slices = 200 * nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    slices = (slices + 50 * torch.rand(slices.shape, generator=random)).to(torch.uint8)
    labels, depths = torch.arange(12) % 3, torch.rand(12, generator=random)
    state = TrainingState(config, CPU, "float32", 3, ranks)
    if double:
        in_double(state)
    losses = []
    for _ in range(steps):
        drawn = torch.randperm(12, generator=random)[:BATCH]
        label, depth = labels[drawn], depths[drawn]
        kernel = (label[:, None] == label) * torch.exp(-50 * (depth[:, None] - depth) ** 2)
        batch = TrainingBatch(slices[drawn[ranks.rows(BATCH)]], kernel, label)
        losses.append(float(state.train_on(batch)[0]))
    every = [*state.encoder.state_dict().values(), *state.objective.state_dict().values()]
    if double:
        # Adam hides the scale of a gradient.
        networks = (state.encoder, state.objective)
        every += [p.grad for n in networks for p in n.parameters() if p.grad is not None]
    return losses, torch.cat([value.double().flatten() for value in every])[
        :: 101 if double else 1
    ].numpy()


def in_double(state: TrainingState) -> None:
    """Take what each process computes by itself, the encoder, to float64, so that only a wrong sum is a difference."""
    state.encoder.double()
    if hasattr(state.objective, "target_encoder"):
        state.objective.target_encoder.double()
    views = state.views.of_rows
    state.views.of_rows = lambda *arguments: views(*arguments).double()


def settings(**changed) -> PretrainConfig:
    return PretrainConfig(batch_size=BATCH, epochs=1, slices_per_epoch=20 * BATCH, **changed)


def test_twenty_steps_of_one_two_and_four_processes_agree_to_1e_5():
    # At a low rate: at higher ones rounding alone, which Adam makes as large as a step where a
    # gradient is near 0, sets runs of ONE process apart by more when its threads are other.
    config = settings(image_size=156, learning_rate=5e-6)
    (losses, weights), *others = (
        run_ranks(count, trained, [config], 20, False)[0][0] for count in (1, 2, 4)
    )
    ((_, begun),) = run_ranks(1, trained, [config], 0, False)[0]
    assert np.abs(weights - begun).max() > 5e-5
    for other_losses, other_weights in others:
        np.testing.assert_allclose(other_losses, losses, rtol=0, atol=1e-5)
        np.testing.assert_allclose(other_weights, weights, rtol=0, atol=1e-5)


def test_every_objective_is_that_of_the_whole_batch_batch_norm_included():
    configs = [settings(image_size=48, encoder="resnet18", method=method) for method in FINE]
    alone = run_ranks(1, trained, configs, 2, True)[0]
    for together in run_ranks(2, trained, configs, 2, True):
        for (losses, weights), (one_losses, one_weights) in zip(together, alone, strict=True):
            np.testing.assert_allclose(losses, one_losses, rtol=0, atol=1e-6)
            np.testing.assert_allclose(weights, one_weights, rtol=0, atol=1e-8)


def normalised(dtype: torch.dtype) -> list[torch.Tensor]:
    """A layer's output, gradients and buffers for this process's rows, and what BatchNorm2d has for the same."""
    random = torch.Generator().manual_seed(1)
    maps, upstream = torch.randn(2, 8, 5, 6, 6, generator=random, dtype=dtype).mul(3).add(1)
    one = nn.BatchNorm2d(5, dtype=dtype)
    one.weight.data.uniform_(0.5, 2, generator=random)
    with joined(8, CPU) as ranks:
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


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 1e-4)])
def test_batch_norm_over_processes_is_that_over_their_rows_together(dtype, bound):
    for differences in run_ranks(2, normalised, dtype):
        assert max(differences) < bound


def test_every_process_has_its_own_rows_and_all_have_them_all():
    rows = run_ranks(4, own_rows)
    assert [row for own in rows for row in own] == list(range(BATCH))


def own_rows() -> list[int]:
    with joined(BATCH, CPU) as ranks:
        return list(range(BATCH))[ranks.rows(BATCH)]
