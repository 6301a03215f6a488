"""What a user types as a kernel is read exactly, or refused with the place; a cohort's columns are compared by it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from WSPCirrhosisLib import kernels
from WSPCirrhosisLib.cohort import Cohort, read_cohort
from WSPCirrhosisLib.cohort_kernel import CohortKernel
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.kernel_expression import DEPTH, Factor, KernelExpression, parse_kernel

WSP_AND_AGE = "same(weak_label) * gaussian(depth, 0.1) * gaussian(age, 5)"


def test_a_product_is_read_factor_by_factor():
    expression = parse_kernel(WSP_AND_AGE)
    assert expression.factors == (
        Factor("same", "weak_label"),
        Factor("gaussian", DEPTH, 0.1),
        Factor("gaussian", "age", 5.0),
    )
    assert expression.columns == ("weak_label", "age") and str(expression) == WSP_AND_AGE


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("identity()", Factor("identity")),
        ("  within ( depth ,.2 ) ", Factor("within", DEPTH, 0.2)),
        ("gaussian(MELD, 1e1)", Factor("gaussian", "MELD", 10.0)),
        ("same(class)", Factor("same", "class")),
        ("same('my grade')", Factor("same", "my grade")),
        ('same("Grad (Ärztin)")', Factor("same", "Grad (Ärztin)")),
        ("same(größe)", Factor("same", "größe")),
    ],
)
def test_columns_may_have_any_name_and_numbers_any_form(text, factor):
    assert parse_kernel(text).factors == (factor,)


columns = st.text(min_size=1, max_size=12).filter(lambda name: not ("'" in name and '"' in name))
widths = st.floats(1e-300, 1e300)
factors = st.one_of(
    st.just(Factor("identity")),
    columns.map(lambda column: Factor("same", column)),
    st.builds(Factor, st.sampled_from(["gaussian", "within"]), columns, widths),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(factors, min_size=1, max_size=4))
def test_an_expression_comes_back_from_its_own_text(parts):
    expression = KernelExpression(tuple(parts))
    assert parse_kernel(str(expression)) == expression


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 1, "a kernel"),
        ("gausian(age, 5)", 1, "a kernel that there is"),
        ("same(age, 5)", 9, "“)” to end same"),
        ("gaussian(age)", 13, "“, sigma)”"),
        ("within(depth)", 13, "“, distance)”"),
        ("gaussian(age, -5)", 15, "sigma, a number above 0"),
        ("gaussian(age, 0)", 15, "sigma, a number above 0"),
        ("gaussian(age, 1e400)", 15, "sigma, a number above 0"),
        ("gaussian(age, five)", 15, "sigma, a number above 0"),
        ("same(a) + same(b)", 9, "“*” and another kernel"),
        ("same(a) same(b)", 9, "“*” and another kernel"),
        ("same(a) *", 10, "a kernel"),
        ("same()", 6, "the column that same compares"),
        ("same('')", 7, "the column that same compares"),
        ("same(my grade)", 9, "“)” to end same"),
        ('same("x)', 6, "the column that same compares"),
        ("identity", 9, "“(” after identity"),
        ("2 * same(a)", 1, "a kernel"),
        ("__import__('os').system('id')", 1, "a kernel that there is"),
        ("(" * 100_000, 1, "a kernel"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, place, expected):
    with pytest.raises(InputError) as refused:
        parse_kernel(text)
    error = refused.value
    assert error.code == "kernel.expression" and error.hint
    assert f"at character {place};" in error.message and f"expected {expected}" in error.message


@pytest.fixture
def table(tmp_path):
    def write(header: str, *rows: str) -> Cohort:
        lines = [f"patient_id,volume,mask,{header}"]
        lines += [f"P{n},ct{n}.nrrd,liver{n}.nrrd,{row}" for n, row in enumerate(rows)]
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        return read_cohort(path)

    return write


def kernel_over(cohort: Cohort, text: str, heard: list | None = None) -> CohortKernel:
    return CohortKernel(parse_kernel(text), cohort, Events((heard or []).append))


def test_a_batch_is_compared_by_its_scans_columns_and_its_slices_depths(table):
    cohort = table("weak_label,age", "0,60", "1,50", "0,65", "1.0,52")
    scans = np.array([3, 0, 2, 1, 0])
    depths = torch.tensor([0.1, 0.2, 0.25, 0.1, 0.9], dtype=torch.float64)
    made = kernel_over(cohort, WSP_AND_AGE).of_batch(scans, depths).dense()
    expected = kernels.same([1, 0, 0, 1, 0]) * kernels.gaussian(depths, 0.1)
    expected *= kernels.gaussian([52.0, 60, 65, 50, 60], 5)
    assert made.dtype == torch.float32 and torch.equal(made, expected)


def test_a_column_of_words_is_compared_by_same(table):
    cohort = table("sex", "f", "m", "f")
    depths = torch.zeros(3, dtype=torch.float64)
    made = kernel_over(cohort, "same(sex)").of_batch(np.arange(3), depths).dense()
    assert made.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_a_missing_value_makes_no_relation_and_is_counted_aloud(table):
    cohort = table("sex,age", "f,60", "f,", "f,61", ",60")
    heard = []
    kernel = CohortKernel(
        parse_kernel("same(sex) * gaussian(age, 5)"), cohort, Events(heard.append)
    )
    near = float(np.float32(np.exp(-0.02)))
    made = kernel.of_batch(np.arange(4), torch.zeros(4, dtype=torch.float64)).dense()
    assert made.tolist() == [[1, 0, near, 0], [0, 1, 0, 0], [near, 0, 1, 0], [0, 0, 0, 1]]
    warnings = [event for event in heard if event["event"] == "warning"]
    assert [event["code"] for event in warnings] == ["cohort.value_missing"] * 2
    assert "1 of 4 scans have no sex" in warnings[0]["message"]
    assert "1 of 4 scans have no age" in warnings[1]["message"]


@pytest.mark.parametrize(
    ("values", "text", "code", "said"),
    [
        (
            ["60", "old", "inf"],
            "gaussian(age, 5)",
            "not_a_number",
            "'old' in row 3, 'inf' in row 4",
        ),
        (["60", "61", "62,5"], "within(age, 5)", "not_a_number", "'62,5' in row 4"),
        (["", "NA", "nan"], "gaussian(age, 5)", "no_values", "'age' is empty"),
        (["", "", ""], "same(age)", "no_values", "'age' is empty"),
        (["1", "2", "3"], "gaussian(Age, 5)", "column_missing", "'Age'"),
    ],
)
def test_a_column_that_cannot_be_compared_is_refused_in_words(table, values, text, code, said):
    cohort = table("age", *(f'"{value}"' for value in values))
    with pytest.raises(InputError) as refused:
        kernel_over(cohort, text)
    assert refused.value.code == f"cohort.{code}" and said in refused.value.message
