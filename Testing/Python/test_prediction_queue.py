"""A cohort's predictions grow row by row; however the work ends, it can be gone on with."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY
from small_cohort import write_cohort
from small_model import write_small_model

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.errors import DONE, SOME_FAILED, Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.prediction import predict_files
from WSPCirrhosisLib.prediction_queue import PredictionQueue
from WSPCirrhosisLib.queue_plan import QueueStart

PATIENTS = 6
FILES = {"prediction.json", "heatmap.nrrd", "report.html"}
DATE = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\+00:00)?")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.onnx")


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    """A cohort's folder; row 4 has no mask."""
    folder = tmp_path_factory.mktemp("scans")
    write_cohort(folder, PATIENTS)
    (folder / "liver2.nrrd").unlink()
    return folder


@pytest.fixture
def cohort(scans, tmp_path) -> Path:
    """A copy of the cohort's table in a folder that a test may change."""
    shutil.copytree(scans, tmp_path / "cohort")
    return tmp_path / "cohort" / "cohort.csv"


@pytest.fixture
def done(model, cohort, tmp_path) -> Path:
    """Its results."""
    assert predict(model, cohort, tmp_path / "out") == SOME_FAILED
    return tmp_path / "out"


def predict(model: Path, cohort: Path, output: Path, **options) -> int:
    return predict_files(model, cohort=cohort, output=output, **options)


def rows_of(folder: Path) -> list[dict]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def statuses(folder: Path) -> list[str]:
    return [row["status"] for row in rows_of(folder)]


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file but the log of the last start, without dates."""
    return {
        str(path.relative_to(folder)): DATE.sub(b"DATE", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != "events.jsonl"
    }


def when_written(folder: Path) -> dict[str, int]:
    files = (folder / "cases").glob("[0-9]*/prediction.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in files}


def refused(code: str, model: Path, cohort: Path, output: Path, **options) -> InputError:
    """The refusal of a `predict` that changes nothing."""
    before = content_of(output)
    with pytest.raises(InputError) as error:
        predict(model, cohort, output, **options)
    assert error.value.code == code
    assert content_of(output) == before
    return error.value


def edit_table(cohort: Path, change) -> None:
    lines = cohort.read_text(encoding="utf-8").splitlines()
    change(lines)
    cohort.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_again_and_again_it_ends_with_the_results_of_an_uninterrupted_run(
    model, cohort, tmp_path, jobs
):
    predict(model, cohort, tmp_path / "whole", jobs=jobs)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "WSPCirrhosisLib", "predict", "--resume"]
    command += ["--model", model, "--cohort", cohort, "--output", out, "--jobs", str(jobs)]
    kept: dict[str, int] = {}
    # Before the folder is there, in its first moments, and after another scan each time.
    for done in (None, 0, 1, 2):
        with subprocess.Popen(
            command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True
        ) as running:
            deadline = time.monotonic() + 60
            while running.poll() is None and time.monotonic() < deadline:
                if done is None or (
                    (out / "queue.json").exists() and len(when_written(out)) > len(kept) + done - 1
                ):
                    break
                time.sleep(0.001)
            running.kill()
        if not out.exists():
            continue
        assert {**when_written(out), **kept} == when_written(out)
        kept = when_written(out)
        for case in kept:
            assert {path.name for path in (out / "cases" / case).iterdir()} == FILES
        if (out / "predictions.csv").exists():
            assert len(rows_of(out)) == PATIENTS
    assert predict(model, cohort, out, resume=True, jobs=jobs) == SOME_FAILED
    assert {**when_written(out), **kept} == when_written(out)
    assert content_of(out) == content_of(tmp_path / "whole")


def test_the_table_has_every_row_at_every_moment(model, cohort, tmp_path):
    seen = []

    def look(event: dict) -> None:
        if event["event"] == "progress":
            seen.append(statuses(tmp_path / "out"))

    predict(model, cohort, tmp_path / "out", events=Events(look))
    assert all(len(rows) == PATIENTS for rows in seen)
    assert set(seen[0]) == {"waiting"}
    assert statuses(tmp_path / "out") == ["ok", "ok", "failed", "ok", "ok", "ok"]


def test_every_row_is_told_as_it_begins_and_ends(model, cohort, tmp_path):
    seen = []
    predict(model, cohort, tmp_path / "out", jobs=2, events=Events(seen.append))
    rows = [event for event in seen if event["event"] == "row"]
    for number, row in enumerate(rows_of(tmp_path / "out"), 2):
        begun, ended = (event for event in rows if event["row"] == number)
        assert begun["status"] == "running"
        assert {key: str(ended[key]) for key in row if row[key]} == {
            key: value for key, value in row.items() if value
        }
    written = (tmp_path / "out" / "events.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in written.splitlines() if '"row"' in line] == rows
    assert str(tmp_path) not in written


def test_results_that_are_there_stay_unless_something_is_said(model, cohort, done):
    assert "--resume" in refused("output.exists", model, cohort, done).hint


def test_going_on_with_nothing_to_do_changes_nothing(model, cohort, done):
    before = when_written(done), content_of(done)
    assert predict(model, cohort, done, resume=True) == SOME_FAILED
    assert (when_written(done), content_of(done)) == before


def test_going_on_begins_where_there_is_nothing_yet(model, cohort, done, tmp_path):
    predict(model, cohort, tmp_path / "new" / "out", resume=True)
    assert content_of(tmp_path / "new" / "out") == content_of(done)


def test_going_on_in_a_folder_of_something_else_is_refused(model, cohort, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "predictions.csv").write_text("my own", encoding="utf-8")
    refused("output.exists", model, cohort, tmp_path / "mine", resume=True)
    refused("queue.missing", model, cohort, tmp_path / "mine", retry_failed=[])


def test_another_model_is_refused(model, cohort, done, tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    predict(other, cohort, done, resume=True)  # a copy is the same model
    record = json.loads((done / "queue.json").read_text(encoding="utf-8"))
    record["model"]["sha256"] = "0" * 64
    (done / "queue.json").write_text(json.dumps(record), encoding="utf-8")
    refused("queue.model_changed", model, cohort, done, resume=True)


def test_a_judged_row_that_is_another_scan_now_is_refused(model, cohort, done):
    def insert(lines: list[str]) -> None:
        lines.insert(1, lines[-1].replace("ct5", "ct9"))

    edit_table(cohort, insert)
    error = refused("queue.table_changed", model, cohort, done, resume=True)
    assert error.message.startswith("Row 2, 3, 5, 6, 7")


def test_a_table_may_grow_and_failed_rows_may_be_corrected(model, cohort, done):
    judged = when_written(done)
    shutil.copy(cohort.parent / "ct1.nrrd", cohort.parent / "ct6.nrrd")

    def change(lines: list[str]) -> None:
        lines.append("Doe-6,ct6.nrrd,liver1.nrrd#1,1")
        lines[3] = lines[3].replace("liver2", "liver1")

    edit_table(cohort, change)
    assert predict(model, cohort, done, resume=True) == DONE
    assert statuses(done) == ["ok"] * 7
    assert {**when_written(done), **judged} == when_written(done)


def test_a_scan_whose_files_have_changed_is_judged_again(model, cohort, done):
    before, rows = when_written(done), rows_of(done)
    shutil.copy(cohort.parent / "ct5.nrrd", cohort.parent / "ct4.nrrd")
    shutil.copy(cohort.parent / "liver5.nrrd", cohort.parent / "liver4.nrrd")
    predict(model, cohort, done, resume=True)
    after = when_written(done)
    assert {case for case in after if after[case] != before[case]} == {"0006"}
    assert rows_of(done)[4]["probability"] == rows[5]["probability"] != rows[4]["probability"]


def test_failed_rows_are_judged_again_alone_when_asked(model, cohort, done):
    before = when_written(done)
    edit_table(cohort, lambda lines: lines.append("Doe-6,missing.nrrd,liver1.nrrd#1,1"))
    # What waits, waits on.
    assert predict(model, cohort, done, retry_failed=[]) == SOME_FAILED
    assert statuses(done)[-1] == "waiting"
    shutil.copy(cohort.parent / "liver1.nrrd", cohort.parent / "liver2.nrrd")
    refused("queue.not_failed", model, cohort, done, retry_failed=[2])
    predict(model, cohort, done, retry_failed=[4], resume=True)
    assert statuses(done)[2] == "ok"
    assert statuses(done)[-1] == "failed"
    assert {**when_written(done), **before} == when_written(done)


def test_a_result_that_was_taken_away_is_made_again(model, cohort, done):
    before, content = when_written(done), content_of(done)
    shutil.rmtree(done / "cases" / "0005")
    (done / "cases" / "0006" / "prediction.json").unlink()
    predict(model, cohort, done, resume=True)
    assert content_of(done) == content
    after = when_written(done)
    assert {case for case in after if after[case] != before[case]} == {"0005", "0006"}


def test_two_never_work_on_one_folder(model, cohort, done):
    queue, table = PredictionQueue(done), read_cohort(cohort)
    record = queue.record()
    start = QueueStart(resume=True)
    with queue.hold(table, model, record["model"], record["settings"], start, Events()):
        assert queue.is_held()
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match=r"queue\.held"):
                predict(model, cohort, done, **options)
    assert not queue.is_held()


def test_a_stop_file_ends_it_after_the_scans_under_way(model, cohort, tmp_path):
    queue = PredictionQueue(tmp_path / "out")

    def stop(event: dict) -> None:
        if event["event"] == "row" and event["status"] == "ok":
            queue.request_stop()

    with pytest.raises(Cancelled, match="1 of 6 scans judged, 0 failed. 5 wait; --resume"):
        predict(model, cohort, queue.path, events=Events(stop))
    assert statuses(queue.path) == ["ok", *["waiting"] * 5]
    assert predict(model, cohort, queue.path, resume=True) == SOME_FAILED
    assert statuses(queue.path).count("ok") == 5


def test_overwriting_takes_away_what_an_earlier_run_wrote_and_nothing_else(model, cohort, done):
    # As a killed run leaves it.
    unfinished = done / "cases" / ".0004.0123abcd.part"
    unfinished.mkdir()
    (unfinished / ".heatmap.nrrd.0123abcd.part").touch()
    edit_table(cohort, lambda lines: lines.pop())
    (done / "cases" / "0002" / "mine.txt").touch()
    refused("output.exists", model, cohort, done, overwrite=True)
    (done / "cases" / "0002" / "mine.txt").unlink()
    predict(model, cohort, done, overwrite=True)
    assert len(rows_of(done)) == PATIENTS - 1
    assert sorted(when_written(done)) == ["0002", "0003", "0005", "0006"]
    assert not list(done.rglob("*.part"))
    assert not list(done.rglob("*.old"))


@pytest.mark.parametrize(
    "options",
    [
        {"cohort": "c.csv", "resume": True, "overwrite": True},
        {"cohort": "c.csv", "retry_failed": [], "overwrite": True},
        {"volume": "a", "mask": "b", "resume": True},
    ],
)
def test_what_contradicts_itself_is_refused(model, tmp_path, options):
    with pytest.raises(InputError, match="usage"):
        predict_files(model, output=tmp_path / "out", **options)


def test_bad_model_or_table_leave_nothing(model, cohort, tmp_path):
    for options in ((cohort, cohort), (model, tmp_path / "absent.csv")):
        with pytest.raises(InputError):
            predict(*options, tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_terminated_it_keeps_what_is_done_and_says_so(model, cohort, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "WSPCirrhosisLib", "predict", "--events", "--jobs", "1"]
    command += ["--model", model, "--cohort", cohort, "--output", out]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        for line in running.stdout:
            if '"row"' in line and '"ok"' in line:
                break
        running.send_signal(signal.SIGTERM)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 4, said
    assert "--resume goes on" in said
    assert "ok" in statuses(out) and "waiting" in statuses(out)
    assert not list(out.rglob("*.part"))


def test_thousands_of_rows_are_no_trouble(model, scans, tmp_path):
    """Rows that fail at once, so that only the keeping of books takes time."""
    table = tmp_path / "cohort.csv"
    rows = [f"Doe-{n},absent{n}.nrrd,{scans / 'liver1.nrrd'}#1" for n in range(2800)]
    table.write_text("\n".join(["patient_id,volume,mask", *rows]) + "\n", encoding="utf-8")
    began = time.monotonic()
    assert predict(model, table, tmp_path / "out") == SOME_FAILED
    assert statuses(tmp_path / "out") == ["failed"] * 2800
    assert predict(model, table, tmp_path / "out", resume=True) == SOME_FAILED
    assert time.monotonic() - began < 60


def test_all_judged_is_status_0(model, cohort, tmp_path):
    edit_table(cohort, lambda lines: lines.pop(3))
    assert predict(model, cohort, tmp_path / "out", jobs=2) == DONE
