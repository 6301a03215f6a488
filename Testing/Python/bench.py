"""For tests: runs checks inside the bench with its window, or inside the real Slicer when SLICER_EXECUTABLE names one.

Checks are functions `test_*` in a file `inside_*.py`; one process runs them all. In a pytest file:

    CHECKS = Path(__file__).with_name("inside_panel.py")

    @pytest.fixture(scope="module")
    def outcomes(tmp_path_factory):
        return bench.run_inside(CHECKS, tmp_path_factory.mktemp("panel"), modules=[host.MODULE_FOLDER])

    @pytest.mark.parametrize("name", bench.names(CHECKS))
    def test_inside_the_application(outcomes, name):
        bench.expect(outcomes, name)
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import host
import pytest

RUNNER = Path(__file__).with_name("inside_runner.py")


def names(checks: Path) -> list[str]:
    """The checks of a file, in the order in which they run."""
    tree = ast.parse(checks.read_text(encoding="utf-8"))
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    return [each.name for each in functions if each.name.startswith("test_")]


def run_inside(
    checks: Path,
    folder: Path,
    *arguments: str | Path,
    modules: Sequence[Path] = (),
    timeout: float = 300,
    env: dict[str, str] | None = None,
) -> dict[str, str]:
    """Run a file's checks; returns {check: what went wrong, or nothing}.

    Args:
        folder: for files of this run.
        arguments: what the checks find in `sys.argv[1:]`.
        modules: folders of `--additional-module-paths`.
    """
    report = folder / "outcomes.json"
    options = ["--additional-module-paths", *modules] if modules else []
    script = ["--python-script", RUNNER, "--", checks, report, *arguments]
    done = run_window(*options, *script, timeout=timeout, env=env)
    assert report.exists(), f"The application ended with {done.returncode}:\n{done.stderr}"
    return json.loads(report.read_text(encoding="utf-8"))


def run_window(
    *arguments: str | Path, timeout: float = 120, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Start the application with its window and wait for its end."""
    return subprocess.run(
        [*host.slicer_command(), "--no-splash", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def expect(outcomes: dict[str, str], name: str) -> None:
    """Fail, skip or pass as the check did inside the application."""
    problem = outcomes.get(name, "The application ended before this check.")
    if problem.startswith("skip: "):
        pytest.skip(problem.removeprefix("skip: "))
    assert not problem, problem
