"""The bench with its window behaves as the desktop application does."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import bench
import host
import pytest

if "SLICER_EXECUTABLE" not in os.environ:
    pytest.importorskip("PySide6", reason="the bench's window needs PySide6-Essentials")

CHECKS = Path(__file__).with_name("inside_bench_binding.py")
PROBE = host.ROOT / "Testing" / "SlicerBench" / "conformance" / "WspProbe"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, str]:
    return bench.run_inside(CHECKS, tmp_path_factory.mktemp("bench"), modules=[PROBE])


@pytest.mark.parametrize("name", bench.names(CHECKS))
def test_inside_the_application(outcomes, name):
    bench.expect(outcomes, name)


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        ("import sys; sys.exit(3)", [], 3),
        ("import qt, slicer; qt.QTimer.singleShot(50, lambda: slicer.util.exit(4))", [], 4),
        ("raise ValueError('no')", ["--testing"], 1),
    ],
    ids=["sys.exit", "later, from a timer", "an error under --testing"],
)
def test_the_exit_status_is_the_scripts(tmp_path, text, options, status):
    script = tmp_path / "X.py"
    script.write_text(text, encoding="utf-8")
    assert bench.run_window(*options, "--python-script", script).returncode == status


def test_a_script_that_just_ends_leaves_the_application_running(tmp_path):
    script, sign = tmp_path / "X.py", tmp_path / "ran"
    script.write_text(f"open({str(sign)!r}, 'w').close()", encoding="utf-8")
    command = [*host.slicer_command(), "--no-splash", "--python-script", str(script)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 120
        while not sign.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        still_there = running.poll() is None
        running.kill()
    assert sign.exists()
    assert still_there
