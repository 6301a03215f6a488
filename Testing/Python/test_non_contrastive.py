"""BYOL, SimSiam and Barlow Twins with a kernel: the formula term by term, and the published method where it is identity."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_batches import KERNELS, batch, kernel_of, odd_batch
from torch.nn import functional

from WSPCirrhosisLib import kernels, non_contrastive
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.non_contrastive import (
    barlow_twins_loss,
    byol_loss,
    mean_of_positives,
    simsiam_loss,
    weighted_sums,
)


def unit(x):
    return functional.normalize(torch.cat(x).double(), dim=1)


def pairs(kernel):
    """(t, i, ŵ_ti) of all 2N views t and their positives i ≠ t; weights of a view add up to one."""
    n = len(kernel)
    for t in range(2 * n):
        weights = {i: float(kernel[t % n, i % n]) for i in range(2 * n) if i != t}
        total = sum(weights.values())
        for i, weight in weights.items():
            yield t, i, weight / total


def byol_loop(predictions, targets, kernel):
    p, z = unit(predictions), unit(targets).detach()
    return sum(w * (p[t] - z[i]).square().sum() for t, i, w in pairs(kernel)) / len(kernel)


def simsiam_loop(predictions, latents, kernel):
    p, z = unit(predictions), unit(latents).detach()
    return sum(-w * (p[t] @ z[i]) for t, i, w in pairs(kernel)) / (2 * len(kernel))


def barlow_twins_loop(latents_1, latents_2, kernel, redundancy_weight=0.005):
    n, size = latents_1.shape
    row = [sum(float(kernel[t, i]) for i in range(n)) for t in range(n)]
    chance = {
        (t, i): (float(kernel[t, i]) / row[t] + float(kernel[i, t]) / row[i]) / (2 * n)
        for t in range(n)
        for i in range(n)
    }
    share = [sum(chance[t, i] for i in range(n)) for t in range(n)]

    def standardised(z):
        mean = sum(share[t] * z[t] for t in range(n))
        variance = sum(share[t] * (z[t] - mean).square() for t in range(n))
        return [(z[t] - mean) / (variance + 1e-5).sqrt() for t in range(n)]

    z_1, z_2 = standardised(latents_1.double()), standardised(latents_2.double())
    correlation = sum(chance[t, i] * z_1[t][:, None] * z_2[i][None, :] for t, i in chance)
    total = 0
    for j in range(size):
        for k in range(size):
            agreed = (1 - correlation[j, k]).square()
            total = total + (agreed if j == k else redundancy_weight * correlation[j, k].square())
    return total


def close(loss, expected, inputs, rounding=1e-6):
    """Loss and gradients equal a reference; what is rounded is the loss to float32, a gradient to the inputs' type."""
    assert loss.item() == pytest.approx(float(expected.detach()), rel=2e-6, abs=2e-6)
    in_float64 = torch.autograd.grad(expected, inputs)
    for ours, theirs in zip(torch.autograd.grad(loss, inputs), in_float64, strict=True):
        assert ours.dtype == theirs.dtype
        largest = max(theirs.abs().max().item(), 1e-6)
        torch.testing.assert_close(ours, theirs, rtol=rounding, atol=rounding * largest)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(KERNELS),
    n=st.integers(1, 7),
    size=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-2, 1.0, 1e3]),
)
def test_losses_and_gradients_equal_the_double_loops(name, n, size, seed, scale):
    p, random = batch(n, size, seed, scale)
    z, _ = batch(n, size, seed + 1, scale)
    kernel = kernel_of(name, n, random)
    close(byol_loss(*p, *z, kernel), byol_loop(p, z, kernel), p)
    close(simsiam_loss(*p, *z, kernel), simsiam_loop(p, z, kernel), p)
    if n > 1:
        close(barlow_twins_loss(*p, kernel), barlow_twins_loop(*p, kernel), p, rounding=1e-5)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 2e-6), (torch.bfloat16, 2**-7)])
@pytest.mark.parametrize("n", [2, 33])
def test_losses_of_either_precision_equal_the_double_loops(n, dtype, rounding):
    p, random = batch(n, 4, n)
    z, _ = batch(n, 4, n + 1)
    p, z = ([x.detach().to(dtype).requires_grad_() for x in part] for part in (p, z))
    for name in ("wsp", "missing"):
        kernel = kernel_of(name, n, random)
        close(byol_loss(*p, *z, kernel), byol_loop(p, z, kernel), p, rounding)
        close(simsiam_loss(*p, *z, kernel), simsiam_loop(p, z, kernel), p, rounding)
        close(barlow_twins_loss(*p, kernel), barlow_twins_loop(*p, kernel), p, rounding)


def float64_batch(n, size, seed):
    return [x.detach().double().requires_grad_() for x in batch(n, size, seed)[0]]


def test_losses_of_large_batches_equal_the_formulas_with_all_weights_written_out():
    n = 256
    p, random = batch(n, 6, 1)
    z, _ = batch(n, 6, 2)
    for name in KERNELS:
        kernel = kernel_of(name, n, random).double()
        weights = kernel.repeat(2, 2).fill_diagonal_(0)
        weights = weights / weights.sum(dim=1, keepdim=True)
        distances = 2 - 2 * unit(p) @ unit(z).detach().T
        close(byol_loss(*p, *z, kernel), (weights * distances).sum() / n, p)
        cosines = unit(p) @ unit(z).detach().T
        close(simsiam_loss(*p, *z, kernel), -(weights * cosines).sum() / (2 * n), p)
        row = kernel / kernel.sum(dim=1, keepdim=True)
        chance = (row + row.T) / (2 * n)
        share = chance.sum(dim=1, keepdim=True)
        centred = [x.double() - share.T @ x.double() for x in z]
        scaled = [x / (share.T @ x.square() + 1e-5).sqrt() for x in centred]
        correlation = scaled[0].T @ chance @ scaled[1]
        penalty = torch.full((6, 6), 0.005, dtype=torch.float64).fill_diagonal_(1)
        expected = (penalty * (correlation - torch.eye(6)).square()).sum()
        close(barlow_twins_loss(*z, kernel), expected, z)


def equal_to_rounding_of_float64(ours, published, inputs):
    torch.testing.assert_close(ours, published, rtol=1e-13, atol=1e-13)
    for one, other in zip(
        *(torch.autograd.grad(x, inputs) for x in (ours, published)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


def test_the_mean_of_positives_of_identity_is_the_other_view_to_the_last_bit():
    (a, b), _ = batch(16, 8, 9)
    first, second = mean_of_positives(a.double(), b.double(), kernels.identity(16))
    assert torch.equal(first, b.double()) and torch.equal(second, a.double())


def test_byol_with_identity_is_the_published_loss_exactly():
    p, z = float64_batch(16, 8, 1), float64_batch(16, 8, 2)
    first, second = (functional.normalize(x, dim=1) for x in p)
    seen_1, seen_2 = (functional.normalize(x.detach(), dim=1) for x in z)
    # 2 − 2 cos for each direction, the mean over the batch, and the sum of both (equations 2 and 3).
    cosines = torch.cat([(first * seen_2).sum(dim=1), (second * seen_1).sum(dim=1)])
    published = (2 - 2 * cosines[:16]).mean() + (2 - 2 * cosines[16:]).mean()
    ours = byol_loss(*p, *z, kernels.identity(16))
    equal_to_rounding_of_float64(ours, published, p)


def test_simsiam_with_identity_is_the_published_loss_exactly():
    p, z = float64_batch(16, 8, 3), float64_batch(16, 8, 4)
    # Half the negative cosine of either direction (equations 1 and 4).
    published = -0.5 * functional.cosine_similarity(p[0], z[1].detach()).mean()
    published = published - 0.5 * functional.cosine_similarity(p[1], z[0].detach()).mean()
    ours = simsiam_loss(*p, *z, kernels.identity(16))
    equal_to_rounding_of_float64(ours, published, p)


def test_barlow_twins_with_identity_is_the_published_loss_exactly():
    z = float64_batch(16, 8, 5)
    # Batch normalisation without weights, then the correlation over the batch (equations 1 and 2).
    first, second = (functional.batch_norm(x, None, None, training=True) for x in z)
    correlation = first.T @ second / 16
    on = (correlation.diagonal() - 1).square().sum()
    off = correlation.square().sum() - correlation.diagonal().square().sum()
    published = on + 0.005 * off
    ours = barlow_twins_loss(*z, kernels.identity(16))
    equal_to_rounding_of_float64(ours, published, z)


def test_no_gradient_flows_into_targets():
    p, z = batch(4, 3, 6)[0], batch(4, 3, 7)[0]
    for loss in (byol_loss, simsiam_loss):
        loss(*p, *z, kernels.same([0, 0, 1, 1])).backward()
    assert all(x.grad is None for x in z) and all(x.grad is not None for x in p)


def test_exchanging_the_views_changes_no_loss():
    (a, b), random = batch(9, 4, 8)
    c, d = batch(9, 4, 9)[0]
    kernel = kernel_of("wsp", 9, random)
    torch.testing.assert_close(byol_loss(a, b, c, d, kernel), byol_loss(b, a, d, c, kernel))
    torch.testing.assert_close(barlow_twins_loss(a, b, kernel), barlow_twins_loss(b, a, kernel))


def test_the_kernels_correlations_are_correlations():
    """With λ = 0 a feature costs between 0, agreeing perfectly, and 4, agreeing perfectly in the opposite."""
    classes = torch.tensor([0, 0, 1, 1, 1, 2])
    kernel = kernels.same(classes)
    # Features that are constant in a class are all that can agree with every positive.
    constant = torch.tensor([[-3.0], [1.0], [5.0]])[classes]
    assert barlow_twins_loss(constant, constant, kernel, 0.0).item() == pytest.approx(0, abs=1e-4)
    assert barlow_twins_loss(constant, -constant, kernel, 0.0).item() == pytest.approx(4, abs=1e-4)
    for seed in range(20):
        (a, b), _ = batch(6, 1, seed)
        assert 0 <= barlow_twins_loss(a, b, kernel, 0.0).item() <= 4


def test_blocks_of_rows_give_what_one_block_gives(monkeypatch):
    (a, b), random = batch(37, 8, 4)
    kernel = kernel_of("wsp", 37, random)

    def found():
        parts = [barlow_twins_loss(a, b, kernel), weighted_sums(kernel, a.double(), itself=False)]
        return *parts, *torch.autograd.grad(parts[0] + parts[1].square().sum(), (a, b))

    whole = found()
    monkeypatch.setattr(non_contrastive, "BLOCK_ROWS", 10)
    for one, other in zip(whole, found(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def finite_in_odd_batches(seeds):
    for seed in seeds:
        z, kernel = odd_batch(seed)
        p = [x.detach().flip(0).requires_grad_() for x in z]
        for loss, inputs in (
            (byol_loss(*p, *z, kernel), p),
            (simsiam_loss(*p, *z, kernel), p),
            (barlow_twins_loss(*z, kernel), z),
        ):
            gradients = torch.autograd.grad(loss, inputs)
            assert all(torch.isfinite(x).all() for x in (loss, *gradients)), seed


def test_odd_batches_give_finite_losses_and_gradients():
    finite_in_odd_batches(range(1000))


@pytest.mark.slow
def test_ten_thousand_odd_batches_give_finite_losses_and_gradients():
    finite_in_odd_batches(range(1000, 11000))


def test_half_precision_is_computed_in_full():
    (a, b), random = batch(8, 4, 8)
    kernel = kernel_of("wsp", 8, random)
    a, b = (x.detach().bfloat16() for x in (a, b))
    with torch.autocast("cpu", torch.bfloat16):
        found = [byol_loss(a, b, b, a, kernel), barlow_twins_loss(a, b, kernel)]
    full = [x.float() for x in (a, b)]
    expected = [byol_loss(*full, *full[::-1], kernel), barlow_twins_loss(*full, kernel)]
    assert all(loss.dtype == torch.float32 for loss in found)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shapes", [((4, 3), (5, 3), (4, 4)), ((4, 3), (4, 3), (8, 8))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    a, b, kernel = (torch.ones(shape) for shape in shapes)
    for call in (
        lambda: byol_loss(a, a, b, b, kernel),
        lambda: simsiam_loss(a, a, b, b, kernel),
        lambda: barlow_twins_loss(a, b, kernel),
    ):
        with pytest.raises(InputError) as refused:
            call()
        assert refused.value.code == "loss.shape"
