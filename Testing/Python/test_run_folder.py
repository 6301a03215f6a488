"""A run folder tells truly who holds it and how its run ended, and never loses or mixes up runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import REPOSITORY

from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.files import write_json
from WSPCirrhosisLib.run_folder import RunFolder

HOLD = """
import sys, time
from WSPCirrhosisLib.files import write_json
from WSPCirrhosisLib.run_folder import RunFolder
folder = RunFolder(sys.argv[1])
with folder.hold(resume=True):
    write_json(folder.config_file, {"format_version": 1})
    print("held", flush=True)
    time.sleep(60)
"""


def started(folder: RunFolder, run) -> None:
    write_json(folder.config_file, {"format_version": 1})
    run.leaves_nothing = False


@pytest.fixture
def other_process(tmp_path):
    """A child process that holds the run in tmp_path/run."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_state_follows_a_run_from_new_to_finished(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert folder.state() == "new" and not folder.path.exists()
    with folder.hold(resume=False) as run:
        started(folder, run)
        assert RunFolder(folder.path).state() == "running"
        run.step, run.total = 3, 9
    assert folder.state() == "finished"
    beat = folder.heartbeat()
    assert (beat["pid"], beat["host"]) == (os.getpid(), socket.gethostname())
    assert (beat["step"], beat["total"], beat["status"]) == (3, 9, "finished")


@pytest.mark.parametrize(
    "beat",
    [
        "[1]",
        '{"status": ["x"]}',
        '{"status": "running", "host": "elsewhere", "time": "noon"}',
        '{"status": "running", "host": "elsewhere", "time": 1e999}',
    ],
)
def test_a_damaged_heartbeat_is_that_of_a_dead_run(tmp_path, beat):
    folder = RunFolder(tmp_path)
    write_json(folder.config_file, {"format_version": 1})
    folder.heartbeat_file.write_text(beat, encoding="utf-8")
    assert folder.state() == "killed"


@pytest.mark.parametrize("was_run", [True, False])
def test_what_a_kill_left_half_written_is_no_obstacle_and_goes(tmp_path, was_run):
    folder = RunFolder(tmp_path)
    (tmp_path / ".checkpoint.pt.0123abcd.part").write_bytes(b"half")
    (tmp_path / ".heartbeat.89abcdef.part").touch()
    if was_run:
        write_json(folder.config_file, {"format_version": 1})
    with folder.hold(resume=was_run) as run:
        started(folder, run)
        assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("pid", [-1, 0, "1", True])
def test_what_is_no_process_number_is_not_told_to_anybody_who_would_end_it(tmp_path, pid):
    folder = RunFolder(tmp_path)
    write_json(folder.heartbeat_file, {"pid": pid, "step": 3})
    assert folder.heartbeat() == {"step": 3}


def test_a_name_that_is_too_long_is_that_of_no_run_and_refused_in_words(tmp_path):
    folder = RunFolder(tmp_path / ("x" * 300))
    assert folder.state() == "new"
    with pytest.raises(InputError) as refused, folder.hold(resume=False):
        pass
    assert refused.value.code == "output.not_writable"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Cancelled("enough"), "stopped"),
        (KeyboardInterrupt(), "stopped"),
        (InputError("pretrain.diverged", "The loss is nan."), "failed"),
        (ZeroDivisionError("a defect"), "failed"),
    ],
)
def test_how_a_run_ended_is_kept_with_its_reason(tmp_path, error, state):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(type(error)), folder.hold(resume=False) as run:
        started(folder, run)
        raise error
    assert folder.state() == state
    if state == "failed":
        told = folder.events()[-1]
        assert told["event"] == "error" and told["message"] in folder.log_file.read_text()
        assert "loss is nan" in told["message"] or "a defect" in told["message"]


def test_a_run_that_is_killed_is_known_as_killed_at_once(tmp_path, other_process):
    folder = RunFolder(tmp_path / "run")
    assert folder.state() == "running"
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert folder.state() == "killed"
    with folder.hold(resume=True) as run:
        assert run.continues


def test_a_live_run_keeps_others_out(tmp_path, other_process):
    for resume in (True, False):
        with pytest.raises(InputError) as refused, RunFolder(tmp_path / "run").hold(resume):
            pass
        assert refused.value.code == "run.held" and str(other_process.pid) in refused.value.message
    assert RunFolder(tmp_path / "run").state() == "running"


def test_a_run_on_another_machine_is_judged_by_its_heartbeat(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.hold(resume=False) as run:
        started(folder, run)
    beat = {"pid": 1, "host": "elsewhere", "time": time.time(), "status": "running"}
    write_json(folder.heartbeat_file, beat)
    assert folder.state() == "running"
    with pytest.raises(InputError) as refused, folder.hold(resume=True):
        pass
    assert refused.value.code == "run.held"
    write_json(folder.heartbeat_file, {**beat, "time": time.time() - 3600})
    assert folder.state() == "killed"
    with folder.hold(resume=True):
        pass


def test_another_run_or_other_files_are_never_written_over(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.hold(resume=False) as run:
        started(folder, run)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"dear")
    (tmp_path / "file").write_text("dear")
    for path, resume in (("run", False), ("photos", False), ("photos", True), ("file", True)):
        with pytest.raises(InputError) as refused, RunFolder(tmp_path / path).hold(resume):
            pass
        assert refused.value.code == "output.exists"
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["holiday.jpg"]
    assert folder.state() == "finished"


def test_a_run_refused_before_it_began_leaves_nothing(tmp_path):
    path = tmp_path / "made" / "for" / "run"
    with pytest.raises(InputError), RunFolder(path).hold(resume=False) as run:
        write_json(run.folder.config_file, {})
        raise InputError("cohort.unusable_cases", "row 2")
    assert not list(tmp_path.iterdir())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError), RunFolder(tmp_path / "empty").hold(resume=True):
        raise InputError("cohort.unusable_cases", "row 2")
    assert not list((tmp_path / "empty").iterdir())


def test_a_folder_that_cannot_be_written_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as refused, RunFolder(tmp_path / "file" / "run").hold(False):
        pass
    assert refused.value.code == "output.not_writable"


def test_events_and_log_keep_what_was_told_and_mend_a_torn_line(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.hold(resume=False) as run:
        started(folder, run)
        events = Events(run.sink)
        events.progress("pretrain", 1, 2, loss=float("nan"))
        events.warning("cohort.small", "Few patients.")
    events.log("After the end nobody listens.")
    with open(folder.events_file, "a") as stream:
        stream.write('{"event": "metr')
    with folder.hold(resume=True) as run:
        Events(run.sink).log("Going on.")
    kinds = [event["event"] for event in folder.events()]
    assert kinds == ["progress", "warning", "log"]
    assert folder.events()[0]["loss"] is None
    log = folder.log_file.read_text()
    assert "warning: Few patients." in log and "Going on." in log and "nobody" not in log


def test_metrics_after_the_checkpoint_are_forgotten_on_going_on(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.hold(resume=False) as run:
        started(folder, run)
        run.begin_metrics(("step", "loss"), upto_step=0)
        run.add_metrics([(1, 0.5), (2, 0.25), (3, 0.125)])
    with open(folder.metrics_file, "a") as stream:
        stream.write("4")
    with folder.hold(resume=True) as run:
        run.begin_metrics(("step", "loss"), upto_step=2)
        run.add_metrics([(3, 0.1)])
    assert folder.metrics() == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25},
        {"step": 3, "loss": 0.1},
    ]


def test_an_old_stop_file_does_not_end_a_run_that_goes_on(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.hold(resume=False) as run:
        started(folder, run)
        folder.request_stop()
        assert run.stop_requested()
    with folder.hold(resume=True) as run:
        assert not run.stop_requested()


def test_a_folder_without_a_run_or_with_a_damaged_one_is_told_apart(tmp_path):
    with pytest.raises(InputError) as refused:
        RunFolder(tmp_path).config()
    assert refused.value.code == "run.missing"
    (tmp_path / "config.json").write_text('{"format_ver')
    with pytest.raises(InputError) as refused:
        RunFolder(tmp_path).config()
    assert refused.value.code == "run.damaged"
    assert RunFolder(tmp_path).events() == [] and RunFolder(tmp_path).metrics() == []


def test_looking_at_a_run_needs_no_torch():
    code = "import sys, WSPCirrhosisLib.run_folder, WSPCirrhosisLib.cohort_record, "
    code += "WSPCirrhosisLib.pretrain_config; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert not {"torch", "kornia", "sklearn", "onnx"} & set(json.loads(done.stdout))
