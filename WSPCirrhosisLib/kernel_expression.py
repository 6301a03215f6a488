"""What counts as similar, as text: ``same(weak_label) * gaussian(depth, 0.1) * gaussian(age, 5)``.

    kernel = factor { "*" factor }
    factor = "identity" "(" ")" | "same" "(" column ")"
           | "gaussian" "(" column "," sigma ")" | "within" "(" column "," distance ")"
    column = name | "name in quotes"

The column ``depth`` is a slice's place in its liver, 0 to 1; any other is one of the cohort table. A grammar of our
own: nothing of the text is ever run, and Python's words (a column may well be named ``class``) mean nothing here.
No torch, so that a panel can check what was typed; `kernels.py` computes with it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .errors import InputError

DEPTH = "depth"
EXAMPLE = "same(weak_label) * gaussian(depth, 0.1) * gaussian(age, 5)"

# The width that a kind of kernel takes beside its column, as its formula calls it.
_WIDTH = {"same": None, "gaussian": "sigma", "within": "distance"}
_KINDS = "identity(), same(column), gaussian(column, sigma) and within(column, distance)"
_NAME = re.compile(r"[^\W\d]\w*")
_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[^\W\d]\w*)
    |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |"(?P<double>[^"]*)"|'(?P<single>[^']*)'
    |(?P<sign>\S)|(?P<end>$))""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Factor:
    """One kernel of a product.

    Args:
        kind: ``identity``, ``same``, ``gaussian`` or ``within``; the functions of `kernels.py`.
        column: of the cohort table, or `DEPTH`; "" for ``identity``.
        width: sigma or distance in the unit of the column; None where the kind takes none.
    """

    kind: str
    column: str = ""
    width: float | None = None

    def __str__(self) -> str:
        column = self.column
        if column and not _NAME.fullmatch(column):
            column = f"'{column}'" if '"' in column else f'"{column}"'
        width = "" if self.width is None else f", {_shortest(self.width)}"
        return f"{self.kind}({column}{width})"


@dataclass(frozen=True)
class KernelExpression:
    """A product of kernels; as text it is what `parse_kernel` reads."""

    factors: tuple[Factor, ...]

    def __str__(self) -> str:
        return " * ".join(map(str, self.factors))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the cohort table that it compares, each once."""
        named = (factor.column for factor in self.factors)
        return tuple(dict.fromkeys(name for name in named if name not in ("", DEPTH)))


def _shortest(width: float) -> str:
    """5 rather than 5.0, and every digit where they count."""
    return f"{width:g}" if float(f"{width:g}") == width else repr(width)


def product(*factors: Factor) -> KernelExpression:
    return KernelExpression(factors)


def parse_kernel(text: str) -> KernelExpression:
    """Read a kernel.

    Raises:
        InputError: ``kernel.expression``, with the place and what was expected there.
    """
    return _Reader(text).kernel()


class _Reader:
    """Recursive descent over the text, one word ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._after = 0
        self._next()

    def kernel(self) -> KernelExpression:
        factors = [self._factor()]
        while self._kind != "end":
            self._take("*", "“*” and another kernel, or the end")
            factors.append(self._factor())
        return KernelExpression(tuple(factors))

    def _factor(self) -> Factor:
        kind = self._word
        if self._kind != "name":
            raise self._unfit("a kernel", hint=f"There are {_KINDS}.")
        if kind != "identity" and kind not in _WIDTH:
            raise self._unfit("a kernel that there is", hint=f"There are {_KINDS}.")
        self._next()
        self._take("(", f"“(” after {kind}")
        column, width = "", None
        if kind != "identity":
            column = self._column(kind)
            if name := _WIDTH[kind]:
                self._take(",", f"“, {name})”, as in {kind}({column}, 0.1)")
                width = self._positive_number(name)
        self._take(")", f"“)” to end {kind}")
        return Factor(kind, column, width)

    def _column(self, kind: str) -> str:
        column = self._word
        if self._kind not in ("name", "double", "single") or not column:
            raise self._unfit(f"the column that {kind} compares", hint="Quote names with spaces.")
        self._next()
        return column

    def _positive_number(self, name: str) -> float:
        number = float(self._word) if self._kind == "number" else math.nan
        if not (math.isfinite(number) and number > 0):
            raise self._unfit(f"{name}, a number above 0")
        self._next()
        return number

    def _take(self, sign: str, expected: str) -> None:
        if self._kind != "sign" or self._word != sign:
            raise self._unfit(expected)
        self._next()

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self._after)
        self._kind, self._word = found.lastgroup, found.group(found.lastgroup)
        self._start, self._after = found.start(found.lastgroup), found.end()

    def _unfit(self, expected: str, hint: str = f"For example: {EXAMPLE}") -> InputError:
        found = "the end" if self._kind == "end" else f"“{self._word}”"
        return InputError(
            "kernel.expression",
            f"The kernel {self._text!r} has {found} at character {self._start + 1}; expected {expected}.",
            hint=hint,
        )
