"""Runs inside the application: every check of a file, one after the other, and writes how each ended."""

import importlib.util
import json
import os
import sys
import traceback
import unittest
from pathlib import Path

import qt
import slicer

# The real application lays its views out first; in the bench they are there at once.
DELAY = 1500 if os.environ.get("SLICER_EXECUTABLE") else 0


def run() -> None:
    checks, report = Path(sys.argv[1]), Path(sys.argv[2])
    sys.argv = [str(checks), *sys.argv[3:]]
    sys.path.insert(0, str(checks.parent))
    outcomes: dict[str, str] = {}
    try:
        for name, check in checks_of(checks):
            outcomes[name] = outcome(check)
            # Written each time: a crash must not take the others' outcomes with it.
            report.write_text(json.dumps(outcomes), encoding="utf-8")
    except Exception:
        traceback.print_exc()
        slicer.util.exit(1)
    else:
        slicer.util.exit(0)


def checks_of(file: Path) -> list:
    specification = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module
    specification.loader.exec_module(module)
    return [(name, value) for name, value in vars(module).items() if name.startswith("test_")]


def outcome(check) -> str:
    """Nothing when the check passed, else why it did not."""
    try:
        check()
    except unittest.SkipTest as reason:
        return f"skip: {reason}"
    except Exception:
        return traceback.format_exc()
    return ""


qt.QTimer.singleShot(DELAY, run)
