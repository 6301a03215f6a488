"""The kernel-weighted loss equals the paper's double sum, gradients too, for every kernel, size and temperature."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_batches import KERNELS, batch, kernel_of, odd_batch
from torch.nn import functional

from WSPCirrhosisLib import kernels, losses
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.kernel_expression import Factor
from WSPCirrhosisLib.losses import kernel_contrastive_loss


def double_loop(latents_1, latents_2, kernel, temperature):
    """METHODS.md, section 4, first formula, term by term in float64."""
    n = len(latents_1)
    z = functional.normalize(torch.cat([latents_1, latents_2]).double(), dim=1)
    total = z.new_zeros(())
    for t in range(2 * n):
        others = [i for i in range(2 * n) if i != t]
        weight = {i: float(kernel[t % n, i % n]) for i in others}
        row_sum = sum(weight.values())
        log_sum = torch.stack([z[t] @ z[j] / temperature for j in others]).logsumexp(0)
        for i in others:
            total = total - weight[i] / row_sum * (z[t] @ z[i] / temperature - log_sum)
    return total / (2 * n)


def row_by_row(latents_1, latents_2, kernel, temperature):
    """The same with the inner sums as vectors, for batches as large as real ones."""
    n = len(latents_1)
    z = functional.normalize(torch.cat([latents_1, latents_2]).double(), dim=1)
    weights = kernel.double().repeat(2, 2)
    total = z.new_zeros(())
    for t in range(2 * n):
        others = torch.arange(2 * n) != t
        similarity = z[others] @ z[t] / temperature
        weight = weights[t, others] / weights[t, others].sum()
        total = total - (weight * (similarity - similarity.logsumexp(0))).sum()
    return total / (2 * n)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(KERNELS),
    n=st.integers(1, 9),
    size=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    temperature=st.floats(0.01, 5),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_loss_and_gradients_equal_the_double_loop(name, n, size, seed, temperature, scale):
    (a, b), random = batch(n, size, seed, scale)
    kernel = kernel_of(name, n, random)
    loss = kernel_contrastive_loss(a, b, kernel, temperature)
    expected = double_loop(a, b, kernel, temperature)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
    for ours, theirs in zip(
        torch.autograd.grad(loss, (a, b)), torch.autograd.grad(expected, (a, b)), strict=True
    ):
        tolerance = 1e-6 * max(1.0, 1 / (scale * temperature))
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=tolerance)


def test_loss_of_a_real_batch_is_within_a_millionth_of_the_double_loop():
    (a, b), random = batch(64, 64, 1)
    kernel = kernel_of("wsp", 64, random)
    expected = double_loop(a, b, kernel, 0.1)
    loss = kernel_contrastive_loss(a, b, kernel)
    assert abs(loss.item() - expected.item()) < 1e-6
    for ours, theirs in zip(
        torch.autograd.grad(loss, (a, b)), torch.autograd.grad(expected, (a, b)), strict=True
    ):
        assert (ours - theirs).abs().max() < 1e-6


# What comes back is rounded: the loss to float32 (relative 6e-8), a gradient to the latents' own type (relative 6e-8 and
# 4e-3). What is computed in float32 on the way must stay below that.
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-8)])
@pytest.mark.parametrize("temperature", [1e-4, 0.1, 1e4])
@pytest.mark.parametrize("n", [2, 33, 256])
def test_loss_and_gradients_of_real_batches_equal_the_sum_row_by_row(
    n, temperature, dtype, rounding
):
    (a, b), random = batch(n, 8, n)
    a, b = (x.detach().to(dtype).requires_grad_() for x in (a, b))
    for name in KERNELS:
        kernel = kernel_of(name, n, random)
        loss = kernel_contrastive_loss(a, b, kernel, temperature)
        expected = row_by_row(a, b, kernel, temperature)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
        in_float64 = torch.autograd.grad(expected, (a, b))
        for ours, theirs in zip(torch.autograd.grad(loss, (a, b)), in_float64, strict=True):
            largest = theirs.abs().max().item()
            torch.testing.assert_close(ours, theirs, rtol=rounding, atol=rounding * largest)


def test_row_by_row_is_the_double_loop():
    (a, b), random = batch(7, 3, 2)
    for name in KERNELS:
        kernel = kernel_of(name, 7, random)
        expected = double_loop(a, b, kernel, 0.1)
        torch.testing.assert_close(row_by_row(a, b, kernel, 0.1), expected)


def finite_in_odd_batches(seeds):
    for seed in seeds:
        (a, b), kernel = odd_batch(seed)
        temperature = (1e-6, 0.01, 0.1, 1.0, 1e6)[seed % 5]
        loss = kernel_contrastive_loss(a, b, kernel, temperature)
        gradients = torch.autograd.grad(loss, (a, b))
        assert all(torch.isfinite(x).all() for x in (loss, *gradients)), seed


def test_odd_batches_give_finite_losses_and_gradients():
    finite_in_odd_batches(range(3000))


@pytest.mark.slow
def test_ten_thousand_odd_batches_give_finite_losses_and_gradients():
    finite_in_odd_batches(range(3000, 13000))


def test_simclr_is_the_textbook_nt_xent_mean():
    (a, b), _ = batch(16, 8, 3)
    z = functional.normalize(torch.cat([a, b]), dim=1)
    similarity = (z @ z.T / 0.1).fill_diagonal_(-math.inf)
    partner = torch.arange(32).roll(16)
    expected = functional.cross_entropy(similarity, partner)
    torch.testing.assert_close(kernel_contrastive_loss(a, b, kernels.identity(16)), expected)


def test_blocks_of_rows_give_what_one_block_gives(monkeypatch):
    (a, b), random = batch(37, 8, 4)
    kernel = kernel_of("wsp", 37, random)

    def loss_and_gradients():
        loss = kernel_contrastive_loss(a, b, kernel)
        return loss, *torch.autograd.grad(loss, (a, b))

    whole = loss_and_gradients()
    monkeypatch.setattr(losses, "BLOCK_ELEMENTS", {"cpu": 1})
    monkeypatch.setattr(losses, "SMALLEST_BLOCK_ROWS", 10)
    for one, other in zip(whole, loss_and_gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 1e3, 1e6])
def test_extreme_temperatures_stay_finite_and_exact(temperature):
    (a, b), random = batch(8, 4, 5)
    kernel = kernel_of("depth-aware", 8, random)
    loss = kernel_contrastive_loss(a, b, kernel, temperature)
    gradients = torch.autograd.grad(loss, (a, b))
    assert all(torch.isfinite(g).all() for g in (loss, *gradients))
    expected = double_loop(a, b, kernel, temperature).item()
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_scaling_latents_changes_nothing():
    (a, b), random = batch(8, 4, 6)
    kernel = kernel_of("wsp", 8, random)
    loss = kernel_contrastive_loss(a, b, kernel)
    torch.testing.assert_close(kernel_contrastive_loss(1e4 * a, 1e-4 * b, kernel), loss)


def test_rows_are_normalised_not_columns():
    # One slice similar to many, many similar to one: row and column sums differ.
    (a, b), _ = batch(3, 4, 7)
    kernel = torch.tensor([[1.0, 0.9, 0.9], [0.9, 1.0, 0.0], [0.9, 0.0, 1.0]])
    torch.testing.assert_close(
        kernel_contrastive_loss(a, b, kernel).double(), double_loop(a, b, kernel, 0.1)
    )


def test_half_precision_latents_are_compared_in_full_precision():
    (a, b), random = batch(8, 4, 8)
    kernel = kernel_of("wsp", 8, random)
    a, b = (x.detach().bfloat16() for x in (a, b))
    with torch.autocast("cpu", torch.bfloat16):
        loss = kernel_contrastive_loss(a, b, kernel)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, kernel_contrastive_loss(a.float(), b.float(), kernel))


@pytest.mark.parametrize(
    ("shapes", "temperature", "code"),
    [
        (((4, 3), (5, 3), (4, 4)), 0.1, "loss.shape"),
        (((4, 3), (4, 3), (8, 8)), 0.1, "loss.shape"),
        (((4,), (4,), (4, 4)), 0.1, "loss.shape"),
        (((4, 3), (4, 3), (4, 4)), 0.0, "loss.temperature"),
        (((4, 3), (4, 3), (4, 4)), float("nan"), "loss.temperature"),
    ],
)
def test_shapes_and_temperatures_that_do_not_fit_are_refused(shapes, temperature, code):
    with pytest.raises(InputError) as refused:
        kernel_contrastive_loss(*(torch.ones(shape) for shape in shapes), temperature)
    assert refused.value.code == code


def test_a_kernel_made_row_by_row_gives_the_loss_of_its_matrix(monkeypatch):
    monkeypatch.setattr(losses, "BLOCK_ELEMENTS", {"cpu": 1})
    monkeypatch.setattr(losses, "SMALLEST_BLOCK_ROWS", 10)
    (a, b), random = batch(37, 8, 10)
    factor = Factor("gaussian", "depth", 0.1)
    kernel = kernels.BatchKernel([(factor, torch.rand(37, generator=random))])
    found, expected = (kernel_contrastive_loss(a, b, k) for k in (kernel, kernel.dense()))
    assert torch.equal(found, expected)
    for one, other in zip(
        *(torch.autograd.grad(x, (a, b)) for x in (found, expected)), strict=True
    ):
        assert torch.equal(one, other)


def test_a_large_batch_is_within_four_millionths_of_float64():
    (a, b), random = batch(700, 16, 11)
    kernel = kernel_of("wsp", 700, random)
    in_float64 = [x.detach().double().requires_grad_() for x in (a, b)]
    loss = kernel_contrastive_loss(a, b, kernel)
    expected = kernel_contrastive_loss(*in_float64, kernel)
    assert abs(loss.item() - expected.item()) < 1e-6
    found = torch.autograd.grad(loss, (a, b))
    for ours, theirs in zip(found, torch.autograd.grad(expected, in_float64), strict=True):
        assert (ours - theirs).abs().max() < 4e-6 * theirs.abs().max()


def test_products_stay_exact_where_the_process_allows_less():
    (a, b), random = batch(33, 64, 12)
    kernel = kernel_of("wsp", 33, random)
    expected = kernel_contrastive_loss(a, b, kernel)
    allowed = torch.backends.mkldnn.matmul.fp32_precision
    try:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        assert torch.equal(kernel_contrastive_loss(a, b, kernel), expected)
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = allowed
