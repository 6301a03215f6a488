"""Predict in Slicer without a window: `Slicer --no-main-window --python-script PredictBatch.py -- --help`.

Options, files and exit statuses are those of `python -m WSPCirrhosisLib predict`; volumes and masks may be
anything Slicer loads, scenes (.mrb) too.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

# Slicer gives the script's own path as the first argument; the module lies one folder up, the library beside
# it when installed, and one folder further up in a source tree.
MODULE_FOLDER = Path(sys.argv[0]).resolve().parent.parent
sys.path[:0] = [str(MODULE_FOLDER), str(MODULE_FOLDER.parent)]


def parser() -> argparse.ArgumentParser:
    """The options of `predict`, and those that only Slicer has."""
    from WSPCirrhosisLib.__main__ import add_queue_options, count

    options = argparse.ArgumentParser(prog="PredictBatch.py", description=__doc__)
    options.add_argument("--model", type=Path, required=True, metavar="M.onnx")
    options.add_argument("--cohort", type=Path, metavar="C.csv", help="patient_id, volume, mask")
    options.add_argument("--volume", metavar="CT", help="a file, a DICOM folder, or case.mrb#CT")
    options.add_argument(
        "--mask", metavar="MASK", help="seg.nii.gz#5, case.seg.nrrd#Liver, case.mrb#Liver"
    )
    options.add_argument("--output", type=Path, required=True, metavar="OUT")
    options.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    add_queue_options(options)
    options.add_argument("--events", action="store_true", help="JSON lines on stdout")
    options.add_argument(
        "--jobs",
        type=count,
        default=1,
        help="has no effect here: a scene holds one case at a time; accepted as on the command line",
    )
    options.add_argument(
        "--no-scenes",
        action="store_true",
        help="leave out case.mrb, which holds CT, mask and results",
    )
    options.add_argument(
        "--install", action="store_true", help="install missing packages into Slicer's Python"
    )
    return options


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 done, 2 bad input, 3 some cases failed, 4 cancelled, 1 our defect."""
    options = parser().parse_args(arguments)
    from WSPCirrhosisSlicer.batch.headless import predictCohort, predictOne

    from WSPCirrhosis import WSPCirrhosisLogic
    from WSPCirrhosisLib.errors import BAD_INPUT, CANCELLED, DEFECT, Cancelled, InputError
    from WSPCirrhosisLib.events import Events, json_lines, terminal

    events = Events(json_lines(sys.stdout)) if options.events else Events(terminal(sys.stderr))
    cancelled = listenForCancel()
    logic = WSPCirrhosisLogic()
    kept = {"saveScenes": not options.no_scenes, "events": events}
    try:
        start = checkedStart(options)
        provide(logic.missingPackages(), options.install)
        if options.cohort is not None:
            return predictCohort(
                logic.predict,
                options.model,
                options.cohort,
                options.output,
                start=start,
                isCancelled=cancelled.is_set,
                **kept,
            )
        return predictOne(
            logic.predict,
            options.model,
            options.volume,
            options.mask,
            options.output,
            overwrite=options.overwrite,
            **kept,
        )
    except InputError as error:
        events.error(**error.as_event())
        return BAD_INPUT
    except Cancelled as error:
        events.log(str(error) or "Cancelled.")
        return CANCELLED
    except Exception as error:
        traceback.print_exc()
        events.error("defect", f"A defect of ours: {type(error).__name__}: {error}")
        return DEFECT


def checkedStart(options: argparse.Namespace) -> Any:
    """How a cohort's queue is to start; refuses anything but one scan or one table."""
    from WSPCirrhosisLib.errors import InputError
    from WSPCirrhosisLib.queue_plan import QueueStart

    one = options.volume is not None or options.mask is not None
    both = options.volume is not None and options.mask is not None
    if one == (options.cohort is not None) or one != both:
        raise InputError("usage", "Give --volume and --mask for one scan, or --cohort for many.")
    retried = None if options.retry_failed is None else tuple(options.retry_failed)
    start = QueueStart(options.resume, retried, options.overwrite)
    if start.goes_on and one:
        raise InputError("usage", "--resume and --retry-failed go on with a --cohort.")
    return start


def provide(missing: list[str], install: bool) -> None:
    """Install what is missing when that was asked for; else say how, at once."""
    import slicer

    from WSPCirrhosisLib.errors import InputError

    if not missing:
        return
    if install:
        slicer.util.pip_install(shlex.join(missing))
        return
    command = shlex.join([sys.executable, "-m", "pip", "install", *missing])
    raise InputError(
        "packages.missing",
        f"Slicer's Python lacks {', '.join(missing)}.",
        hint=f"Install it with: {command}   or run this again with --install.",
    )


def listenForCancel() -> threading.Event:
    """The event that SIGTERM and Ctrl-C set; the worker that runs is ended too.

    Nothing is raised: where a signal meets a VTK callback, VTK would swallow it or end Slicer on the spot.
    """
    from WSPCirrhosisSlicer.worker import cancelRunning

    cancelled = threading.Event()

    def cancel(*_: object) -> None:
        cancelled.set()
        cancelRunning()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, cancel)
    return cancelled


if __name__ == "__main__":
    # A script that raises leaves Slicer running for ever.
    try:
        STATUS = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        STATUS = 1
    sys.exit(STATUS)
