"""From the command line to the exit status, as Slicer goes about it."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType

from .command_line import CommandLine, UsageError, parse

HELP = """usage: python SlicerBench [--no-main-window] [options] --python-script X.py [--] arguments…
Acts as a Slicer command on the slicer-core wheel: real MRML; with its main window, on Qt, unless
--no-main-window is given.
  --python-script FILE            run FILE; Slicer stays until the script exits
  --python-code CODE, -c CODE     run CODE; -c ends Slicer afterwards
  X.py arguments…                 run X.py and end, as Python would
  --additional-module-paths DIR…  load the scripted modules in these folders
  --testing                       end after the script; exit status 1 if it raised
  --exit-after-startup            end once everything is loaded
As in Slicer, a script that raises or just ends leaves the application running: end with sys.exit(…)."""


def main(arguments: Sequence[str]) -> int:
    """Run the host; returns the exit status, or never, where Slicer would go on running."""
    try:
        line = parse(arguments)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 1
    if "help" in line.flags:
        print(HELP)
        return 0
    if "no-main-window" not in line.flags:
        from slicer_bench.run import run

        return run(line)
    return _run(line)


def _run(line: CommandLine) -> int:
    from .start_up import start

    app = start(line)
    if "version" in line.flags:
        print(f"{app.applicationName} {app.applicationVersion}")
        return 0
    if "exit-after-startup" in line.flags:
        return 0
    app.startupCompleted.emit()
    try:
        raised = execute_all(line)
    except SystemExit as request:
        return status_of(request)
    if app.exit_status is not None:
        return app.exit_status
    if app.commandOptions().runPythonAndExit:
        return 1 if raised else 0
    _keep_running(raised)
    return 0


def execute_all(line: CommandLine) -> bool:
    """Run script and code in `__main__`; returns whether one of them raised.

    Raises:
        SystemExit: the script asked to end.
    """
    import slicer

    slicer.app.commandOptions().runPythonAndExit = line.run_and_exit
    sys.argv = [line.script or "", *line.arguments]
    raised = False
    if line.script is not None:
        script = Path(line.script)
        if script.exists():
            code = compile(script.read_bytes(), line.script, "exec")
            raised = _execute(code, line.script)
        else:
            print(f"Specified python script doesn't exist: {line.script}", file=sys.stderr)
    if line.code is not None:
        raised = _execute(compile(line.code, "<string>", "exec")) or raised
    return raised


def _execute(code: CodeType, file: str | None = None) -> bool:
    variables = sys.modules["__main__"].__dict__
    if file is not None:
        variables["__file__"] = file
    try:
        exec(code, variables)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        return True
    return False


def status_of(request: SystemExit) -> int:
    if request.code is None or isinstance(request.code, int):
        return request.code or 0
    print(request.code, file=sys.stderr)
    return 1


def _keep_running(raised: bool) -> None:
    """What Slicer does after a script that did not exit: nothing, until somebody ends it."""
    end = "raised" if raised else "ended without sys.exit()"
    print(f"The script {end}: Slicer goes on running. End it with Ctrl-C.", file=sys.stderr)
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        sys.exit(130)
