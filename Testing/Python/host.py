"""For tests: runs a script in the host, or in the real Slicer when SLICER_EXECUTABLE names one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE_FOLDER = ROOT / "WSPCirrhosis"
# A script that never exits would leave Slicer, and so the test, running for ever.
GUARD = "import sys, traceback\ntry:\n{body}\nexcept Exception:\n    traceback.print_exc()\n    sys.exit(1)\nsys.exit(0)\n"

# The same with a main window: views are laid out a while after start-up, and events must go on meanwhile.
GUI_GUARD = """import sys, time, traceback
import qt, slicer

def wait(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"after {{seconds}} s still not so")
        slicer.app.processEvents()
        time.sleep(0.005)

def body():
{body}

def run():
    try:
        body()
    except BaseException:
        traceback.print_exc()
        slicer.util.exit(1)
    else:
        slicer.util.exit(0)

qt.QTimer.singleShot(1500, run)
"""


def slicer_command() -> list[str]:
    """How Slicer is started here."""
    executable = os.environ.get("SLICER_EXECUTABLE")
    return [executable] if executable else [sys.executable, str(ROOT / "Testing" / "SlicerBench")]


def run_slicer(
    *arguments: str | Path, timeout: float = 120, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Start Slicer without a window and wait for it."""
    command = [*slicer_command(), "--no-main-window", "--no-splash", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def run_body(
    folder: Path,
    body: str,
    *arguments: str | Path,
    modules: Path | None = None,
    timeout: float = 120,
) -> str:
    """Run `body` inside Slicer, guarded; returns what it printed, fails the test when it raised.

    Args:
        modules: folder of `--additional-module-paths`.
    """
    script = folder / "script.py"
    indented = "\n".join("    " + line for line in body.strip().splitlines())
    script.write_text(GUARD.format(body=indented), encoding="utf-8")
    options = ["--additional-module-paths", modules] if modules else []
    # Scripts look for what is left of theirs in the temporary folder: nobody else may write there.
    temporary = {"TMPDIR": str(folder)}
    done = run_slicer(
        *options, "--python-script", script, "--", *arguments, timeout=timeout, env=temporary
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_gui(
    folder: Path,
    body: str,
    *arguments: str | Path,
    modules: Sequence[Path] = (MODULE_FOLDER,),
    timeout: float = 300,
    env: dict[str, str] | None = None,
) -> str:
    """Run `body` inside Slicer or the bench with its main window and our module, as `run_body`.

    `body` may call `wait(condition, seconds)`, which processes events until the condition holds, and sees `slicer`,
    `qt`, `sys` and `time`.
    """
    script = folder / "gui_script.py"
    indented = "\n".join("    " + line for line in body.strip().splitlines())
    script.write_text(GUI_GUARD.format(body=indented), encoding="utf-8")
    # Settings of its own: the user's, and the models kept beside them, are no business of a test.
    options = ["--disable-settings", "--no-splash"]
    options += ["--additional-module-paths", *map(str, modules)]
    done = subprocess.run(
        [*slicer_command(), *options, "--python-script", str(script), "--", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        env={**os.environ, "TMPDIR": str(folder), **(env or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # What a slot raises is printed, and the application goes on.
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout
