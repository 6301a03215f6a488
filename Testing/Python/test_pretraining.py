"""Pretraining learns, tells how it goes, and goes on after any interruption as if there had been none."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY
from small_cohort import patients_named_in, write_cohort

from WSPCirrhosisLib import objectives, pretraining
from WSPCirrhosisLib.cohort_record import patients_in_common, pretraining_cohort
from WSPCirrhosisLib.encoders import load_encoder
from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining import pretrain
from WSPCirrhosisLib.run_folder import RunFolder
from WSPCirrhosisLib.step_figures import warn_of_collapse

# A checkpoint and an event at every step, so that tests can act between any two.
SMALL = {"image_size": 156, "batch_size": 4, "checkpoint_minutes": 0.0, "slices_per_epoch": 12}
CONFIG = PretrainConfig(**SMALL, epochs=2)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    return write_cohort(folder, patients=6, synthetic=["1"] * 6)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("slices")


@pytest.fixture(scope="module")
def whole(cohort, cache, tmp_path_factory) -> RunFolder:
    """A run of six steps that nothing interrupted."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    pretrain(cohort, path, CONFIG, cache_folder=cache)
    return RunFolder(path)


def act_at(step: int, action) -> Events:
    """Events whose listener calls `action` when that step is told of."""

    def sink(record):
        if (record["event"], record.get("stage"), record.get("step")) == (
            "progress",
            "pretrain",
            step,
        ):
            action()

    return Events(sink)


def same_numbers(one: RunFolder, other: RunFolder) -> None:
    """Weights bit for bit, and every metric but the pace."""
    assert one.encoder_file.read_bytes() == other.encoder_file.read_bytes()
    first, second = (
        [{k: v for k, v in row.items() if k != "slices_per_second"} for row in run.metrics()]
        for run in (one, other)
    )
    assert first == second


def test_a_run_folder_holds_all_that_is_promised(whole):
    names = {file.name for file in whole.path.iterdir()}
    assert names >= {
        "config.json",
        "cohort.json",
        "events.jsonl",
        "heartbeat",
        "log.txt",
        "metrics.csv",
        "checkpoint.pt",
        "encoder.safetensors",
        "views.png",
        "tensorboard",
    }
    assert whole.state() == "finished"
    assert list((whole.path / "tensorboard").glob("events.out.tfevents.*"))
    rows = whole.metrics()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["epoch"] for row in rows] == [1, 1, 1, 2, 2, 2]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    cosine = [0.5 * 1e-4 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert [row["learning_rate"] for row in rows] == pytest.approx(cosine)
    checkpoint = torch.load(whole.checkpoint_file, weights_only=True)
    assert checkpoint["step"] == 6
    told = [event for event in whole.events() if event["event"] == "progress"]
    assert told[-1]["step"] == told[-1]["total"] == 6 and told[-1]["eta_s"] == 0
    assert whole.events()[-1]["event"] == "result"


def test_no_patient_and_no_path_is_in_a_run_folder(whole, cohort):
    for file in whole.path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not patients_named_in(content)
            assert str(cohort.parent).encode() not in content


def test_the_encoder_comes_back_with_its_settings(whole):
    encoder, description = load_encoder(whole.path)
    assert not encoder.training and encoder(torch.rand(1, 1, 156, 156)).shape == (1, 256)
    assert description["encoder"] == "tinynet" and description["image_size"] == 156
    assert description["hu_window"] == [-100.0, 400.0] and description["method"] == "wsp"
    counts = description["cohort"]
    assert counts["synthetic"] is True and counts["patients"] == 6
    assert counts["labels"] == {"0": 2, "1": 2, "2": 1, "3": 1}
    assert pretraining_cohort(whole.path) == counts == pretraining_cohort(whole.encoder_file)


def test_patients_seen_in_pretraining_are_recognised_without_their_names(whole, tmp_path):
    assert patients_in_common(whole.path, ["Doe-0", "Doe-5", "Doe-6", "Doe-0"]) == 2
    assert patients_in_common(whole.encoder_file, ["Doe-1"]) == 1
    alone = tmp_path / "encoder.safetensors"
    alone.write_bytes(whole.encoder_file.read_bytes())
    assert patients_in_common(alone, ["Doe-1"]) is None


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    whole, cohort, cache, tmp_path
):
    pretrain(cohort, tmp_path / "again", CONFIG, cache_folder=cache)
    same_numbers(whole, RunFolder(tmp_path / "again"))
    other = PretrainConfig(**{**SMALL, "slices_per_epoch": 4}, epochs=1, seed=1)
    pretrain(cohort, tmp_path / "other", other, cache_folder=cache)
    assert RunFolder(tmp_path / "other").metrics()[0]["loss"] != whole.metrics()[0]["loss"]


def test_the_picture_of_the_views_changes_no_run(whole, cohort, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "write_sample_views", lambda *_: None)
    run = RunFolder(tmp_path / "without")
    pretrain(cohort, run.path, CONFIG, cache_folder=cache)
    assert whole.views_file.exists() and not run.views_file.exists()
    same_numbers(whole, run)


def test_the_heartbeat_tells_from_which_step_a_killed_run_would_go_on(
    whole, cohort, cache, tmp_path
):
    assert whole.heartbeat()["checkpoint_step"] == 6
    run = RunFolder(tmp_path / "run")
    heard = []

    def note():
        heard.append(run.heartbeat()["checkpoint_step"])
        run.request_stop()

    with pytest.raises(Cancelled):
        pretrain(cohort, run.path, CONFIG, cache_folder=cache, events=act_at(3, note))
    # Told of before its checkpoint is written: there was that of the step before.
    assert heard == [2] and run.heartbeat()["checkpoint_step"] == 4


def test_a_run_stopped_by_file_and_resumed_equals_one_never_stopped(whole, cohort, cache, tmp_path):
    run = RunFolder(tmp_path / "run")
    with pytest.raises(Cancelled, match="step 4 of 6"):
        pretrain(cohort, run.path, CONFIG, cache_folder=cache, events=act_at(3, run.request_stop))
    assert run.state() == "stopped" and not run.encoder_file.exists()
    with pytest.raises(InputError) as refused:
        load_encoder(run.path)
    assert refused.value.code == "encoder.unfinished"
    pretrain(cohort, run.path, CONFIG, cache_folder=cache, resume=True)
    same_numbers(whole, run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_a_run_as_the_file_does(cohort, cache, tmp_path, number):
    run = RunFolder(tmp_path / "run")
    before = signal.getsignal(number)
    with pytest.raises(Cancelled):
        pretrain(
            cohort,
            run.path,
            CONFIG,
            cache_folder=cache,
            events=act_at(2, lambda: os.kill(os.getpid(), number)),
        )
    assert run.state() == "stopped" and signal.getsignal(number) is before
    assert torch.load(run.checkpoint_file, weights_only=True)["step"] == 3


def test_a_run_killed_in_the_midst_goes_on_bit_for_bit(whole, cohort, cache, tmp_path):
    run = RunFolder(tmp_path / "run")
    command = [sys.executable, "-m", "WSPCirrhosisLib", "pretrain", "--cohort", str(cohort)]
    command += ["--output", str(run.path), "--cache", str(cache), "--events"]
    child = subprocess.Popen(
        command + CONFIG.to_arguments(),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while len(run.metrics()) < 2:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    assert run.state() == "killed" and 0 < len(run.metrics()) < 6
    pretrain(cohort, run.path, CONFIG, cache_folder=cache, resume=True)
    same_numbers(whole, run)


def test_resuming_a_finished_run_does_nothing_and_tells_its_result(whole, cohort, cache):
    before = whole.encoder_file.stat().st_mtime_ns
    result = pretrain(cohort, whole.path, CONFIG, cache_folder=cache, resume=True)
    assert result["step"] == 6 and result["patients"] == 6
    assert whole.encoder_file.stat().st_mtime_ns == before


def test_resuming_otherwise_says_what_differs(whole, cohort, cache):
    changed = PretrainConfig(**SMALL, epochs=3, sigma=0.2)
    with pytest.raises(InputError) as refused:
        pretrain(cohort, whole.path, changed, cache_folder=cache, resume=True)
    assert refused.value.code == "run.settings_differ"
    assert "epochs was 2 and is now 3" in refused.value.message
    assert "sigma was 0.1 and is now 0.2" in refused.value.message
    assert "seed" not in refused.value.message


def test_resuming_with_changed_images_is_refused(tmp_path):
    table = write_cohort(tmp_path / "cohort", patients=4)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(Cancelled):
        pretrain(table, run.path, CONFIG, events=act_at(1, run.request_stop))
    write_cohort(tmp_path / "other", patients=5)
    (tmp_path / "other" / "ct4.nrrd").rename(table.parent / "ct0.nrrd")
    (tmp_path / "other" / "liver4.nrrd").rename(table.parent / "liver0.nrrd")
    with pytest.raises(InputError) as refused:
        pretrain(table, run.path, CONFIG, resume=True)
    assert refused.value.code == "run.data_changed"
    assert run.checkpoint_file.exists()


def test_a_run_that_is_there_is_not_written_over(whole, cohort, cache):
    with pytest.raises(InputError) as refused:
        pretrain(cohort, whole.path, CONFIG, cache_folder=cache)
    assert refused.value.code == "output.exists" and whole.state() == "finished"


def test_a_stop_while_slices_are_cut_keeps_them(tmp_path):
    table = write_cohort(tmp_path / "cohort", patients=4)
    run = RunFolder(tmp_path / "run")

    def stop(record):
        if record["event"] == "progress" and record["stage"] == "cache" and record["step"] == 2:
            run.request_stop()

    with pytest.raises(Cancelled):
        pretrain(table, run.path, CONFIG, jobs=1, events=Events(stop))
    assert run.state() == "stopped"
    assert len(list(run.slice_cache_folder.glob("*.json"))) in (2, 3)
    result = pretrain(table, run.path, CONFIG, resume=True)
    assert result["step"] == 6


@pytest.mark.parametrize("broken", ["scan", "column", "labels"])
def test_a_cohort_that_is_unfit_leaves_no_run_behind(tmp_path, broken):
    labels = "" if broken == "labels" else "01"
    table = write_cohort(tmp_path / "cohort", patients=4, labels=labels or [""])
    config = PretrainConfig(
        **SMALL, weak_label_column="grade" if broken == "column" else "weak_label"
    )
    if broken == "scan":
        (table.parent / "ct1.nrrd").unlink()
    with pytest.raises(InputError) as refused:
        pretrain(table, tmp_path / "run", config)
    expected = {"scan": "unusable_cases", "column": "column_missing", "labels": "no_labels"}
    assert refused.value.code == f"cohort.{expected[broken]}"
    assert not (tmp_path / "run").exists()


def test_scans_without_a_label_are_left_out_aloud_where_labels_matter(tmp_path):
    table = write_cohort(tmp_path / "cohort", patients=5, labels=["0", "1", "", "1", "0"])
    heard = []
    config = PretrainConfig(**SMALL, epochs=1)
    result = pretrain(
        table, tmp_path / "wsp", config, cache_folder=tmp_path / "c", events=Events(heard.append)
    )
    assert result["scans"] == 4
    codes = [event["code"] for event in heard if event["event"] == "warning"]
    assert "cohort.label_missing" in codes
    config = PretrainConfig(**SMALL, epochs=1, method="depth-aware")
    assert pretrain(table, tmp_path / "d", config, cache_folder=tmp_path / "c")["scans"] == 5


def test_resnet18_trains_too(cohort, cache, tmp_path):
    config = PretrainConfig(**{**SMALL, "slices_per_epoch": 4}, epochs=1, encoder="resnet18")
    result = pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    assert result["step"] == 1 and math.isfinite(result["loss"])


def test_bfloat16_is_near_float32(whole, cohort, cache, tmp_path):
    config = PretrainConfig(**{**SMALL, "slices_per_epoch": 4}, epochs=1, precision="bfloat16")
    result = pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    assert result["precision"] == "bfloat16"
    assert result["loss"] == pytest.approx(whole.metrics()[0]["loss"], abs=0.05)


def test_training_lowers_the_loss(cohort, cache, tmp_path):
    config = PretrainConfig(
        image_size=156, batch_size=6, epochs=1, slices_per_epoch=6 * 40, learning_rate=3e-4
    )
    pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    losses = [row["loss"] for row in RunFolder(tmp_path / "run").metrics()]
    assert sum(losses[-15:]) / 15 < sum(losses[:10]) / 10 - 0.05


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_kept(
    cohort, cache, tmp_path, monkeypatch
):
    def nan_from_step_3(*arguments):
        nan_from_step_3.calls += 1
        loss = real(*arguments)
        return loss * math.nan if nan_from_step_3.calls > 3 else loss

    nan_from_step_3.calls = 0
    real = objectives.kernel_contrastive_loss
    monkeypatch.setattr(objectives, "kernel_contrastive_loss", nan_from_step_3)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(InputError) as refused:
        pretrain(cohort, run.path, CONFIG, cache_folder=cache)
    assert refused.value.code == "pretrain.diverged" and "step 4" in refused.value.message
    assert run.state() == "failed" and run.events()[-1]["code"] == "pretrain.diverged"
    assert torch.load(run.checkpoint_file, weights_only=True)["step"] == 3
    assert "the last checkpoint is that of step 3" in refused.value.message


@pytest.mark.parametrize("setting", [{"learning_rate": 1e10}, {"temperature": 1e-320}])
def test_a_run_that_diverges_before_its_first_checkpoint_leaves_nothing_and_says_so(
    cohort, cache, tmp_path, setting
):
    config = PretrainConfig(**{**SMALL, **setting, "checkpoint_minutes": 60.0}, epochs=2)
    with pytest.raises(InputError) as refused:
        pretrain(cohort, tmp_path / "new" / "run", config, cache_folder=cache)
    assert refused.value.code == "pretrain.diverged"
    assert "no checkpoint had been written, and nothing is kept" in refused.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("method", "learning_rate", "warned"),
    [("wsp", 1e-4, False), ("wsp", 0.3, True), ("supervised", 0.3, False)],
)
def test_a_run_whose_encoder_has_collapsed_warns_at_its_end(
    cohort, cache, tmp_path, method, learning_rate, warned
):
    config = PretrainConfig(**{**SMALL, "method": method, "learning_rate": learning_rate})
    seen = []
    pretrain(cohort, tmp_path / "run", config, cache_folder=cache, events=Events(seen.append))
    codes = [event["code"] for event in seen if event["event"] == "warning"]
    assert ("pretrain.collapsed" in codes) == warned
    kept = [event.get("code") for event in RunFolder(tmp_path / "run").events()]
    assert ("pretrain.collapsed" in kept) == warned


@pytest.mark.parametrize(
    ("first", "last", "warned"),
    [(0.9943, 0.991, False), (0.9953, 0.9998, True), (0.88, 0.97, False), (0.88, 0.9999, True)],
)
def test_what_counts_as_collapsed_depends_on_how_alike_new_weights_find_slices(
    tmp_path, first, last, warned
):
    run, seen = RunFolder(tmp_path), []
    rows = f"step,other_similarity\n1,{first}\n2,0.99999\n3,{last}\n"
    run.metrics_file.write_text(rows, encoding="utf-8")
    warn_of_collapse(run, Events(seen.append))
    assert [event["code"] for event in seen] == ["pretrain.collapsed"] * warned


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that nobody may write to")
@pytest.mark.parametrize("unfit", ["/proc/x", "/proc/x/y/z", "file"])
def test_a_cache_folder_that_cannot_be_made_is_refused_and_nothing_is_left(
    cohort, tmp_path, command, unfit
):
    (tmp_path / "file").touch()
    cache = tmp_path / unfit
    done = command(
        *("pretrain", "--cohort", cohort, "--output", tmp_path / "run", "--cache", cache),
        *("--image-size", 156, "--batch-size", 4, "--events"),
    )
    assert done.returncode == 2, done.stderr
    (error,) = (e for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "error")
    assert error["code"] == "output.not_writable" and error["file"] == str(cache)
    assert "--cache" in error["hint"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_too_little_memory_is_said_with_what_to_do(cohort, cache, tmp_path, monkeypatch):
    def out_of_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(objectives, "kernel_contrastive_loss", out_of_memory)
    with pytest.raises(InputError) as refused:
        pretrain(cohort, tmp_path / "run", CONFIG, cache_folder=cache)
    assert refused.value.code == "device.out_of_memory" and "--batch-size" in refused.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_that_is_not_there_is_refused_before_anything_is_written(cohort, tmp_path):
    with pytest.raises(InputError) as refused:
        pretrain(cohort, tmp_path / "run", PretrainConfig(**SMALL, device="cuda"))
    assert refused.value.code == "device.no_cuda" and not (tmp_path / "run").exists()


def test_a_run_works_outside_the_main_thread(cohort, cache, tmp_path):
    config = PretrainConfig(**{**SMALL, "slices_per_epoch": 4}, epochs=1)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(
            pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
        )
    )
    thread.start()
    thread.join()
    assert results[0]["step"] == 1


def test_without_tensorboard_the_log_says_so_once(cohort, cache, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    config = PretrainConfig(**SMALL, epochs=1)
    pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    run = RunFolder(tmp_path / "run")
    assert run.log_file.read_text().count("TensorBoard is not installed") == 1
    assert not run.tensorboard_folder.exists() and len(run.metrics()) == 3


def test_the_command_line_gives_events_and_exit_status(cohort, cache, tmp_path):
    config = PretrainConfig(**{**SMALL, "slices_per_epoch": 4}, epochs=1)
    command = [sys.executable, "-m", "WSPCirrhosisLib", "pretrain", "--cohort", str(cohort)]
    command += ["--output", str(tmp_path / "run"), "--cache", str(cache), "--events"]
    done = subprocess.run(
        command + config.to_arguments(),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events].count("result") == 1
    assert events[-1]["event"] == "result" and events[-1]["step"] == 1


def test_an_error_is_kept_in_a_file_for_who_does_not_wait(command, tmp_path):
    kept = tmp_path / "error.json"
    absent = ("--cohort", tmp_path / "absent.csv", "--output", tmp_path / "run")
    done = command("pretrain", *absent, "--error-file", kept)
    error = json.loads(kept.read_text(encoding="utf-8"))
    assert done.returncode == 2 and error["code"] == "cohort.missing" and error["hint"]
    assert [file.name for file in tmp_path.iterdir()] == ["error.json"]
