"""``make bench``: every stage against the textbook and against the limit of the machine, as one table.

    python Testing/Benchmarks [--device cpu|cuda] [--stages a,b] [--encoders e,f] [--image-size S] [--rounds N]
                                [--json FILE]

Every ``<area>_stages.py`` beside this file has ``rows(options)``, which yields its rows as they are measured, each area in a
process of its own.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Collection
from functools import partial
from pathlib import Path

import torch
from own_process import elsewhere, rows_of
from timing import Options, Row, as_table, machine, write_rows

from WSPCirrhosisLib.__main__ import count
from WSPCirrhosisLib.errors import BAD_INPUT, DONE, SOME_FAILED, InputError
from WSPCirrhosisLib.events import Events, terminal
from WSPCirrhosisLib.files import refuse_existing
from WSPCirrhosisLib.phantom import make_cohort
from WSPCirrhosisLib.pretrain_config import ENCODER_NAMES

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
AREAS = sorted(file.stem.removesuffix("_stages") for file in HERE.glob("*_stages.py"))
# Some hundred slices, and grades enough to balance a batch over.
PATIENTS = 8


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        _say("There is no CUDA device here.")
        return BAD_INPUT
    try:
        failed = _measure(asked)
    except InputError as error:
        Events(terminal()).error(**error.as_event())
        return BAD_INPUT
    if failed:
        _say(f"Failed, see above: {', '.join(failed)}")
    return SOME_FAILED if failed else DONE


def _measure(asked: argparse.Namespace) -> list[str]:
    """Measure what is asked for, keep and print it; gives back the areas that failed, which cost the others nothing."""
    facts = machine(asked.device)
    path = asked.json or _unused(BUILD, f"bench-{asked.device}-{facts['date']}")
    refuse_existing(path)
    rows: list[Row] = []
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        _say(f"{PATIENTS} phantoms of {asked.image_size} px to measure on")
        cohort = make_cohort(
            Path(folder, "cohort"), PATIENTS, size=asked.image_size, events=Events(terminal())
        )
        try:
            for area in asked.stages:
                scratch = Path(folder, area)
                scratch.mkdir()
                options = Options(
                    folder=scratch,
                    cohort=cohort,
                    image_size=asked.image_size,
                    device=asked.device,
                    rounds=asked.rounds,
                    encoders=tuple(asked.encoders),
                )
                try:
                    for row in elsewhere(rows_of, area, options):
                        _say(_progress(row))
                        rows.append(row)
                except RuntimeError as error:
                    _say(str(error))
                    failed.append(area)
        finally:
            # What was measured before Ctrl+C took minutes, too.
            if rows:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_rows(path, rows, facts)
                print(as_table(rows, facts))
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python Testing/Benchmarks",
        description="Measure every stage against the textbook and the machine's limit, in turns in one run.",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--stages",
        type=partial(_some_of, AREAS),
        default=AREAS,
        metavar="A,B",
        help=f"areas, of {', '.join(AREAS)} (default: all)",
    )
    parser.add_argument(
        "--encoders",
        type=partial(_some_of, ENCODER_NAMES),
        default=ENCODER_NAMES,
        metavar="E,F",
        help=f"of {', '.join(ENCODER_NAMES)} (default: all)",
    )
    parser.add_argument("--image-size", type=count, default=512, help="pixels (default: 512)")
    parser.add_argument("--rounds", type=count, default=5, help="times each way runs (default: 5)")
    parser.add_argument("--json", type=Path, help="default: build/bench-DEVICE-DATE.json")
    return parser


def _some_of(known: Collection[str], text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
    return names


def _unused(folder: Path, name: str) -> Path:
    """``name.json`` in `folder`, or the first of ``name-2.json`` … that is not there yet."""
    path, n = folder / f"{name}.json", 1
    while path.exists():
        n += 1
        path = folder / f"{name}-{n}.json"
    return path


def _progress(row: Row) -> str:
    against = "" if row.ratio is None else f", {row.ratio:.1f}× the textbook"
    share = "" if row.share is None else f", {100 * row.share:.0f} % of the limit"
    return f"{row.stage}: {row.ours:.4g} {row.unit}{against}{share}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Ended like this it still takes its scratch folder away, which may be a gigabyte.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
