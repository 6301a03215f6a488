"""The Pretrain section with real runs: one application starts a run and is killed over it, the next goes on with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import bench
import host
import pytest
from small_cohort import write_cohort

from WSPCirrhosisLib.run_folder import RunFolder

CHECKS = Path(__file__).with_name("inside_panel_pretrain.py")
PATIENCE_S = 180
# More steps than anybody waits for, and a checkpoint after each.
START = """
slicer.util.selectModule("WSPCirrhosis")
ui = slicer.modules.wspcirrhosis.widgetRepresentation().self().ui
ui.cohortPathLineEdit.setCurrentPath(sys.argv[1])
ui.runFolderLineEdit.setCurrentPath(sys.argv[2])
small = {"ImageSize": 156, "BatchSize": 4, "SlicesPerEpoch": 40, "Epochs": 2000, "Checkpoint": 0}
for name, value in small.items():
    getattr(ui, f"pretrain{name}SpinBox").setValue(value)
ui.pretrainButton.click()
wait(lambda: ui.runStateLabel.text.startswith("Running"), 180)
print("running", flush=True)
wait(lambda: False, 600)
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are ended by POSIX signals")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A cohort and what is wrong with others."""
    folder = tmp_path_factory.mktemp("panel")
    table = write_cohort(folder / "cohort", patients=4)
    text = table.read_text(encoding="utf-8")
    table.with_name("bad.csv").write_text(text.replace("ct1.nrrd", "gone.nrrd"), encoding="utf-8")
    header, *rows = text.replace("weak_label", "grade,age").splitlines()
    rows = [f"{row},{50 + n}" for n, row in enumerate(rows)]
    table.with_name("other.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def steps_at_the_kill(folder) -> int:
    """Start a run from the panel, and kill the application that the panel is in."""
    script = folder / "start.py"
    body = "\n".join("    " + line for line in START.strip().splitlines())
    script.write_text(host.GUI_GUARD.format(body=body), encoding="utf-8")
    options = ["--no-splash", "--additional-module-paths", str(host.MODULE_FOLDER)]
    arguments = [str(folder / "cohort" / "cohort.csv"), str(folder / "run")]
    application = subprocess.Popen(
        [*host.slicer_command(), *options, "--python-script", str(script), "--", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        assert any(line == "running\n" for line in application.stdout), "the run never began"
    finally:
        os.killpg(application.pid, signal.SIGKILL)
        application.wait()
        application.stdout.close()
    return len(RunFolder(folder / "run").metrics())


@pytest.fixture(scope="module")
def outcomes(folder, steps_at_the_kill):
    yield bench.run_inside(
        CHECKS,
        folder,
        folder,
        modules=[host.MODULE_FOLDER],
        timeout=500,
        env={"TMPDIR": str(folder)},
    )
    # A check that failed may have left the run behind.
    run = RunFolder(folder / "run")
    if run.state() == "running":
        os.kill(run.heartbeat()["pid"], signal.SIGKILL)


def test_a_run_outlives_the_application_that_started_it(folder, steps_at_the_kill):
    run = RunFolder(folder / "run")
    deadline = time.monotonic() + PATIENCE_S
    while len(run.metrics()) < steps_at_the_kill + 3:
        assert time.monotonic() < deadline and run.state() == "running"
        time.sleep(0.05)


@pytest.mark.parametrize("name", bench.names(CHECKS))
def test_after_a_restart(outcomes, name):
    bench.expect(outcomes, name)
