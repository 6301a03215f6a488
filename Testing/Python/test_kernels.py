"""Kernels say which slices of a batch are similar: symmetric, one with itself, and refused where undefined."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from WSPCirrhosisLib import kernels
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.kernel_expression import Factor

DEPTHS = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(DEPTHS, st.floats(1e-3, 10), st.floats(1e-3, 2))
def test_every_kernel_is_symmetric_nonnegative_and_one_on_its_diagonal(depths, sigma, threshold):
    grades = [round(3 * depth) for depth in depths]
    made = (
        kernels.identity(len(depths)),
        kernels.same(grades),
        kernels.gaussian(depths, sigma),
        kernels.within(depths, threshold),
        kernels.same(grades) * kernels.gaussian(depths, sigma),
    )
    for kernel in made:
        assert kernel.dtype == torch.float32 and kernel.shape == (len(depths),) * 2
        assert torch.equal(kernel, kernel.T)
        assert torch.equal(kernel.diagonal(), torch.ones(len(depths)))
        assert kernel.min() >= 0


def test_gaussian_is_the_papers_formula():
    depths = [0.0, 0.1, 0.35, 1.0]
    expected = [[np.exp(-((a - b) ** 2) / (2 * 0.1**2)) for b in depths] for a in depths]
    np.testing.assert_allclose(kernels.gaussian(depths, 0.1), expected, rtol=1e-6)


@pytest.mark.parametrize("sigma", [1e-200, 1e-30, 1e30, 1e200])
def test_gaussian_of_any_sigma_has_no_nan(sigma):
    kernel = kernels.gaussian([0.0, 0.5, 1.0], sigma)
    assert torch.isfinite(kernel).all()
    assert torch.equal(kernel, torch.eye(3) if sigma < 1 else torch.ones(3, 3))


def test_within_leaves_out_what_is_exactly_at_the_threshold():
    kernel = kernels.within([0.0, 0.25, 0.5], 0.25)
    assert kernel.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert kernels.within([0.0, 0.25, 0.5], 0.26)[0].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    "values", [["a", "b", "a"], [7, 8, 7], np.array(["x", "y", "x"]), torch.tensor([1.5, 2.0, 1.5])]
)
def test_same_compares_strings_numbers_arrays_and_tensors(values):
    assert kernels.same(values).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: kernels.identity(0),
        lambda: kernels.same([]),
        lambda: kernels.same(["0", None]),
        lambda: kernels.same([1.0, float("nan")]),
        lambda: kernels.same([[1, 2], [3, 4]]),
        lambda: kernels.gaussian([0.0, float("inf")], 0.1),
        lambda: kernels.gaussian([0.0, 1.0], 0.0),
        lambda: kernels.gaussian([0.0, 1.0], float("nan")),
        lambda: kernels.within([0.0, float("nan")], 0.1),
        lambda: kernels.within([0.0, 1.0], -0.1),
    ],
)
def test_values_and_widths_that_mean_nothing_are_refused(make):
    with pytest.raises(InputError) as refused:
        make()
    assert refused.value.code.startswith("kernel.")


@pytest.mark.parametrize(
    "factor", [Factor("same", "x"), Factor("gaussian", "x", 2.0), Factor("within", "x", 2.0)]
)
def test_a_missing_value_is_similar_to_nothing_but_itself(factor):
    values = torch.tensor([1.0, math.nan, 1.0, math.nan], dtype=torch.float64)
    assert kernels.of_factor(factor, values).tolist() == [
        [1, 0, 1, 0],
        [0, 1, 0, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 1],
    ]


def test_a_factor_is_the_kernel_of_its_name():
    values = torch.tensor([0.0, 1.0, 1.5], dtype=torch.float64)
    made = {
        Factor("identity"): kernels.identity(3),
        Factor("same", "x"): kernels.same(values),
        Factor("gaussian", "x", 0.7): kernels.gaussian(values, 0.7),
        Factor("within", "x", 0.7): kernels.within(values, 0.7),
    }
    for factor, kernel in made.items():
        assert torch.equal(kernels.of_factor(factor, values), kernel)


def test_a_batch_kernel_is_the_product_of_its_factors_whose_rows_are_made_when_asked_for():
    grade = torch.tensor([0.0, 1, 0, 1, 0], dtype=torch.float64)
    depth = torch.tensor([0.1, 0.2, 0.3, math.nan, 0.1], dtype=torch.float64)
    factors = [(Factor("same", "grade"), grade), (Factor("gaussian", "depth", 0.1), depth)]
    kernel = kernels.BatchKernel(factors)
    expected = kernels.of_factor(*factors[0]) * kernels.of_factor(*factors[1])
    assert torch.equal(kernel.dense(), expected)
    assert torch.equal(kernel[1:4], expected[1:4])
    assert kernel.shape == expected.shape and len(kernel) == 5
    assert torch.equal(kernel.to("cpu").T.dense(), expected)
