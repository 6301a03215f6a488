"""A table of finished cells as Markdown, CSV or LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import write_whole

_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "σ": r"$\sigma$",
    "∪": r"$\cup$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "≤": r"$\le$",
    "<": "$<$",
}


@dataclass(frozen=True)
class TextTable:
    """Args:
    name: of its files, without ending.
    title: above it.
    header: one cell a column; the same words may stand over two columns.
    rows: cells as they are read.
    notes: below it, one sentence each.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def as_markdown(self) -> str:
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        text = "\n".join(
            f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines
        )
        notes = "".join(f"\n\n{note}" for note in self.notes)
        return f"### {self.title}\n\n{text}{notes}\n"

    def as_csv(self) -> str:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([self.header, *self.rows])
        return stream.getvalue()

    def as_latex(self) -> str:
        lines = [" & ".join(map(_latex, line)) + r" \\" for line in (self.header, *self.rows)]
        return "\n".join(
            [
                r"% needs \usepackage{adjustbox,booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_latex(' '.join((self.title + '.', *self.notes)))}}}",
                rf"\label{{tab:{self.name}}}",
                r"\begin{adjustbox}{max width=\textwidth}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
                *lines[1:],
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{adjustbox}",
                r"\end{table}",
                "",
            ]
        )

    def write(self, folder: Path) -> None:
        for ending, text in (
            ("md", self.as_markdown()),
            ("csv", self.as_csv()),
            ("tex", self.as_latex()),
        ):
            with write_whole(folder / f"{self.name}.{ending}") as stream:
                stream.write(text)


def _latex(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", "\0\\1\1", text)
    text = "".join(_LATEX.get(sign, sign) for sign in text)
    return text.replace("\0", r"\textbf{").replace("\1", "}")
