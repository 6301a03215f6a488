"""A run that a panel starts is a process of its own, and its folder tells everything about it to anybody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import host
import pytest
from small_cohort import write_cohort

from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.files import write_json
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.run_folder import RunFolder

sys.path.append(str(host.MODULE_FOLDER))
from WSPCirrhosisSlicer.detached_command import DetachedCommand
from WSPCirrhosisSlicer.file_tail import FileTail
from WSPCirrhosisSlicer.pretrain.run_follow import RunFollower
from WSPCirrhosisSlicer.pretrain.run_launch import forgetOutput, launchRun, whyItDidNotBegin

PATIENCE_S = 180
# More steps than any test waits for.
LONG = PretrainConfig(
    image_size=156,
    batch_size=4,
    slices_per_epoch=40,
    epochs=2000,
    device="cpu",
    checkpoint_minutes=0.0,
)
# A parent like Slicer: starts a run, says so, and waits to be killed.
PARENT = """
import json, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisSlicer.pretrain.run_launch import launchRun
config = PretrainConfig.from_dict(json.loads(sys.argv[6]))
launch = launchRun(sys.argv[3], sys.argv[4], config, scratch=sys.argv[5])
print(launch.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), patients=4)


def wait_until(holds, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def polled(follower: RunFollower) -> RunFollower:
    follower.poll()
    return follower


def launched(cohort, run, scratch, config=LONG, **options) -> DetachedCommand:
    return launchRun(cohort, run, config, scratch=scratch, **options)


def test_a_file_is_read_on_line_by_line_and_anew_when_it_was_replaced(tmp_path):
    path = tmp_path / "log.txt"
    tail = FileTail(path)
    assert tail.read() == (False, [])
    path.write_bytes(b"one\ntw")
    assert tail.read() == (False, ["one"])
    with open(path, "ab") as stream:
        stream.write(b"o\n")
    assert tail.read() == (False, ["two"])
    assert tail.read() == (False, [])
    # Not shorter than before, so that its length alone does not tell.
    (tmp_path / "new").write_bytes(b"three and four\n")
    os.replace(tmp_path / "new", path)
    assert tail.read() == (True, ["three and four"])


def test_a_run_outlives_its_parent_is_killed_and_goes_on(cohort, tmp_path):
    run = tmp_path / "run"
    arguments = [str(host.ROOT), str(host.MODULE_FOLDER), str(cohort), str(run), str(tmp_path)]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments, json.dumps(LONG.to_dict())],
        stdout=subprocess.PIPE,
        text=True,
    )
    follower = RunFollower(run)
    try:
        parent.stdout.readline()
        wait_until(lambda: len(polled(follower).rows) >= 2, "the run told of two steps")
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    seen = len(follower.rows)
    wait_until(lambda: len(polled(follower).rows) > seen + 2, "the run went on without its parent")
    assert follower.state == "running" and follower.canBeEnded
    assert follower.epochOf(11) == 2 and follower.total == 20_000

    follower.endProcess()
    wait_until(lambda: polled(follower).state == "killed", "the run was known as killed")
    saved = follower.checkpointStep
    assert follower.canResume and saved >= seen
    assert follower.resumesInEpoch == saved // 10 + 1

    resumed = launched(cohort, run, tmp_path, resume=True)
    wait_until(
        lambda: polled(follower).rows and follower.rows[-1]["step"] > saved + 1, "it went on"
    )
    second = launched(cohort, run, tmp_path, resume=True)
    wait_until(second.hasEnded, "a second process was kept out")
    with pytest.raises(InputError) as refused:
        second.finish()
    assert refused.value.code == "run.held"

    follower.requestStop()
    wait_until(lambda: polled(follower).state in ("stopping", "stopped"), "it was asked to stop")
    wait_until(resumed.hasEnded, "it stopped")
    follower.poll()
    assert follower.state == "stopped"
    steps = [row["step"] for row in follower.rows]
    assert steps == list(range(1, len(steps) + 1)) and steps[-1] == follower.checkpointStep
    assert follower.rows == RunFolder(run).metrics()
    # A new follower, as after a restart, knows the same.
    assert polled(RunFollower(run)).rows == follower.rows
    # The killed parent could not tidy up; whoever follows the run does.
    assert list(tmp_path.glob("WSPCirrhosisRun-*"))
    forgetOutput(run, tmp_path)
    assert not list(tmp_path.glob("WSPCirrhosisRun-*"))


def test_why_a_run_could_not_begin_is_known_now_and_after_a_restart(cohort, tmp_path):
    launch = launched(tmp_path / "absent.csv", tmp_path / "run", tmp_path)
    wait_until(launch.hasEnded, "it gave up")
    assert whyItDidNotBegin(tmp_path / "run", tmp_path).code == "cohort.missing"
    with pytest.raises(InputError) as refused:
        launch.finish()
    assert refused.value.code == "cohort.missing" and refused.value.hint
    assert whyItDidNotBegin(tmp_path / "run", tmp_path) is None and not list(tmp_path.iterdir())


def test_a_missing_package_is_named(cohort, tmp_path, monkeypatch):
    # A Python without PyTorch, as Slicer's is at first.
    (tmp_path / "empty").mkdir()
    absent = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    (tmp_path / "empty" / "torch.py").write_text(absent, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "empty"))
    launch = launched(cohort, tmp_path / "run", tmp_path)
    wait_until(launch.hasEnded, "it gave up")
    with pytest.raises(InputError) as refused:
        launch.finish()
    assert refused.value.code == "packages.missing" and "torch" in refused.value.message
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_ended_before_it_begins_leaves_nothing(cohort, tmp_path):
    launch = launched(cohort, tmp_path / "run", tmp_path)
    launch.end()
    wait_until(launch.hasEnded, "it ended")
    with pytest.raises(Cancelled):
        launch.finish()
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="sessions are POSIX's")
def test_a_run_has_a_session_of_its_own_and_no_terminal(cohort, tmp_path):
    launch = launched(cohort, tmp_path / "run", tmp_path)
    try:
        assert os.getsid(launch.pid) == launch.pid != os.getsid(0)
    finally:
        os.killpg(launch.pid, signal.SIGKILL)
        wait_until(launch.hasEnded, "it ended")


def write_run(folder: RunFolder, status: str, **beat) -> None:
    folder.path.mkdir()
    write_json(folder.config_file, {"config": LONG.to_dict(), "device": "cuda"})
    facts = {"pid": 1, "host": "elsewhere", "time": time.time(), "step": 7, "total": 20_000}
    write_json(folder.heartbeat_file, {**facts, "checkpoint_step": None, "status": status, **beat})


def test_an_error_is_known_until_a_resumed_run_makes_progress(tmp_path):
    folder = RunFolder(tmp_path / "run")
    write_run(folder, "failed")
    error = {
        "event": "error",
        "code": "device.out_of_memory",
        "message": "Too little.",
        "hint": "x",
    }
    folder.events_file.write_text(json.dumps(error) + "\n", encoding="utf-8")
    follower = polled(RunFollower(folder.path))
    assert follower.error["code"] == "device.out_of_memory" and follower.canResume
    with open(folder.events_file, "a", encoding="utf-8") as stream:
        stream.write(
            '{"event": "progress", "stage": "pretrain", "step": 8, "total": 9, "eta_s": 5}\n'
        )
    assert polled(follower).error is None and follower.etaSeconds == 5


def test_a_run_on_another_computer_is_never_ended_from_here(tmp_path):
    folder = RunFolder(tmp_path / "run")
    write_run(folder, "running", pid=os.getpid())
    follower = polled(RunFollower(folder.path))
    assert follower.state == "running" and not follower.canBeEnded
    follower.endProcess()
    follower.requestStop()
    assert polled(follower).state == "stopping"


@pytest.mark.parametrize(
    "config",
    ["[]", '{"config": []}', '{"config": {"batch_size": "x", "epochs": []}, "cohort": 3}'],
)
def test_a_folder_that_was_damaged_or_made_by_another_version_can_be_looked_at(tmp_path, config):
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(config, encoding="utf-8")
    beat = {"status": "stopped", "step": 3, "total": "x", "checkpoint_step": 2}
    write_json(folder.heartbeat_file, beat)
    folder.events_file.write_text(
        '[1]\n{"event": "progress", "step": "x", "eta_s": "soon"}\n{"event": "error", "code": 3}\n',
        encoding="utf-8",
    )
    folder.metrics_file.write_text("step,loss\n1,nan\n2\nx,y\n3,2.5\n", encoding="utf-8")
    follower = polled(RunFollower(tmp_path))
    assert (follower.state, follower.step, follower.total) == ("stopped", 3, 0)
    assert (follower.resumesInEpoch, follower.stageStep, follower.etaSeconds) == (3, 0, None)
    assert [row["step"] for row in follower.rows] == [1, 3] and follower.error == {"event": "error"}
