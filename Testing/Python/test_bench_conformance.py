"""The bench differs from what the real application reported exactly where its list says so."""

import os
from pathlib import Path

import bench
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "SlicerBench" / "conformance"

pytest.importorskip("PySide6", reason="the bench's window needs PySide6-Essentials")
pytestmark = pytest.mark.skipif(
    bool(os.environ.get("SLICER_EXECUTABLE")), reason="the bench is compared, not the application"
)


def test_differences_are_those_listed():
    done = bench.run_window(
        *("--additional-module-paths", FOLDER / "WspProbe"),
        *("--python-script", FOLDER / "run.py"),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_scenarios_agree_but_for_what_the_bench_cannot_have():
    listed = (FOLDER / "DIFFERENCES.md").read_text(encoding="utf-8")
    scenarios = listed.partition("## Scenarios")[2].partition("## Classes")[0]
    assert [line for line in scenarios.splitlines() if line.startswith("### ")] == [
        "### timers_and_process",
        "### views_and_selection",
    ]
