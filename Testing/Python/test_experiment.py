"""`experiment` on real files: one TOML file → runs, tables and figures, the same ones however often it was killed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from small_cohort import write_cohort

from WSPCirrhosisLib.__main__ import main
from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.cross_validation import cross_validate
from WSPCirrhosisLib.errors import CANCELLED, SOME_FAILED, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.experiment import _without_chatter, experiment
from WSPCirrhosisLib.experiment_cohorts import weak_table
from WSPCirrhosisLib.experiment_plan import read_plan
from WSPCirrhosisLib.experiment_runs import RunResult, read_slices
from WSPCirrhosisLib.experiment_tables import _mean_sd, _p_value
from WSPCirrhosisLib.files import sha256_of
from WSPCirrhosisLib.statistics import auc, delong_difference, delong_interval
from WSPCirrhosisLib.text_tables import TextTable

SMOKE = REPOSITORY / "configs" / "smoke.toml"
SMALL = """
title = "Small"
[cohorts.weak]
table = "weak/cohort.csv"
[cohorts.D1]
table = "strong/cohort.csv"
[runs]
methods = ["random", "wsp"]
encoders = ["tinynet"]
[pretraining]
image_size = 156
slice_fraction = 0.4
epochs = 1
slices_per_epoch = 20
batch_size = 4
checkpoint_minutes = 0.0
[ablations]
weak_label_noise = [0.5]
[evaluation]
folds = 2
repeats = 2
bootstrap = 100
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """An experiment of three runs on small files."""
    folder = tmp_path_factory.mktemp("small")
    table = write_cohort(folder / "weak", 8)
    table.write_text(table.read_text("utf-8").replace("Doe-", "Weak-"), encoding="utf-8")
    write_cohort(folder / "strong", 8, label=list("01010101"))
    config = folder / "small.toml"
    config.write_text(SMALL, encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def uninterrupted(small: Path) -> Path:
    output = small.parent / "uninterrupted"
    experiment(small, output)
    return output


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> tuple[Path, list]:
    """The shipped smoke experiment, really carried out."""
    output, seen = tmp_path_factory.mktemp("smoke") / "out", []
    experiment(SMOKE, output, jobs=2, events=Events(seen.append))
    return output, seen


def results_of(output: Path) -> dict[str, str]:
    """SHA-256 of every table and figure."""
    return {path.name: sha256_of(path) for path in sorted((output / "results").iterdir())}


def rows_of(table: Path) -> list[dict[str, str]]:
    with open(table, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_smoke_writes_every_table_and_figure_in_every_form(smoke):
    names = set(results_of(smoke[0]))
    tables = ("table-1", "table-2", "sigma", "intervals", "figures", "ablation-noise")
    tables += ("ablation-batch-size", "ablation-strong-patients")
    assert {f"{name}.{ending}" for name in tables for ending in ("md", "csv", "tex")} <= names
    figures = ("figure-2-tinynet", "roc-tinynet", "ablations-tinynet")
    assert {f"{name}.{ending}" for name in figures for ending in ("png", "svg")} <= names


def test_table_1_has_the_papers_rows_and_columns_with_its_figures_beside(smoke):
    with open(smoke[0] / "results" / "table-1.csv", newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header[1:] == ["TinyNet D1", "paper", "TinyNet D2", "paper", "TinyNet D1 ∪ D2", "paper"]  # fmt: skip
    wsp = next(row for row in rows if row[0] == "WSP")
    assert wsp[2::2] == ["0.84", "0.91", "0.79"]
    assert len(rows) == 8 and rows[-1][0] == "Barlow Twins, kernel"


def test_warnings_of_data_come_once_and_those_of_a_run_by_its_name():
    seen, told = [], set()
    for name in ("wsp-seed0", "wsp-seed1"):
        events = _without_chatter(Events(seen.append), name, told)
        events.log("of no interest here")
        events.warning("cohort.small", "Few patients.")
        events.warning("pretrain.collapsed", "All alike.", hint="Start anew.")
    assert [(event["message"], event.get("hint")) for event in seen] == [
        ("Few patients.", None),
        ("wsp-seed0: All alike.", "Start anew."),
        ("wsp-seed1: All alike.", "Start anew."),
    ]


def test_every_row_is_compared_with_wsp_on_the_same_patients(smoke):
    rows = [row for row in rows_of(smoke[0] / "results" / "figures.csv") if row["table"] == "main"]
    assert {row["cohort"] for row in rows} == {"D1", "D2", "union"}
    for row in rows:
        assert row["seeds"] == "2"
        assert bool(row["p"]) == (row["name"] != "wsp")
        assert float(row["delong_low"]) <= float(row["auc_pooled"]) <= float(row["delong_high"])


def test_results_say_that_phantoms_mean_nothing_on_patients(smoke):
    assert "mean NOTHING on patients" in (smoke[0] / "results" / "README.md").read_text("utf-8")


def test_the_record_holds_seeds_versions_and_hashes(smoke):
    record = json.loads((smoke[0] / "experiment.json").read_text("utf-8"))
    assert record["seeds"] == [0, 1] and record["versions"]["torch"] and not record["failed"]
    assert record["config_sha256"] == sha256_of(SMOKE) == sha256_of(smoke[0] / "config.toml")
    assert all(len(run["encoder_sha256"]) == 64 for run in record["runs"].values())
    assert set(record["runs"]) == {p.name for p in (smoke[0] / "runs").iterdir()}


def test_progress_counts_runs_and_tells_the_time_left(smoke):
    told = [one for one in smoke[1] if one["event"] == "progress" and one["stage"] == "experiment"]
    assert told[-1]["step"] == told[-1]["total"] == 22
    assert told[5]["eta_s"] > 0


def test_a_finished_run_keeps_its_encoder_and_not_its_checkpoint(smoke):
    runs = list((smoke[0] / "runs").glob("*/pretraining"))
    assert all((run / "encoder.safetensors").exists() for run in runs)
    assert not any((run / "checkpoint.pt").exists() for run in runs)


def test_all_runs_cut_each_slice_once(smoke):
    scans = sum(len(read_cohort(smoke[0] / "cohorts" / name / "cohort.csv")) for name in ("weak", "D1", "D2"))  # fmt: skip
    assert len(list((smoke[0] / "slice_cache").glob("*.npy"))) == scans == 22
    assert not list((smoke[0] / "runs").glob("*/pretraining/slice_cache"))


def test_the_shifted_cohort_is_scanned_otherwise(smoke):
    spacing = {}
    for name in ("D1", "D2"):
        cohort = read_cohort(smoke[0] / "cohorts" / name / "cohort.csv")
        spacing[name] = np.mean([_slice_mm(case.volume) for case in cohort.cases])
    assert spacing["D2"] > spacing["D1"]


def _slice_mm(volume: Path) -> float:
    from WSPCirrhosisLib.volumes import read_volume

    return read_volume(volume).spacing_mm[0]


# What is there when the process is killed, one moment for each kill.
MOMENTS = (
    "cohorts/weak-noise-0.csv",
    "runs/random-*/evaluations/D1.json",
    "runs/wsp-*/pretraining/checkpoint.pt",
    "runs/wsp-*/representations-*.npz",
    "results/table-1.csv",
)


def test_killed_again_and_again_it_ends_in_the_very_same_tables(small: Path, uninterrupted: Path):
    output = small.parent / "killed"
    command = [sys.executable, "-m", "WSPCirrhosisLib", "experiment", "--config", small, "--output", output]  # fmt: skip
    for moment in MOMENTS:
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 240
            while not list(output.glob(moment)) and process.poll() is None:
                assert time.monotonic() < deadline, moment
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=240, stderr=subprocess.DEVNULL)
    assert results_of(output) == results_of(uninterrupted)


def test_a_terminated_experiment_says_so_and_can_go_on(small: Path):
    output = small.parent / "terminated"
    command = [sys.executable, "-m", "WSPCirrhosisLib", "experiment", "--config", small, "--output", output]  # fmt: skip
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240
        while not list(output.glob("runs/*/.lock")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == CANCELLED
    assert not (output / "results").exists()
    assert (output / "experiment.json").exists(), "so that the folder is taken for what it is"


def test_a_run_that_diverges_leaves_its_cell_empty_and_the_others_in_place(small: Path):
    config = small.with_name("diverging.toml")
    text = SMALL.replace("batch_size = 4", "batch_size = 4\nlearning_rate = 1e30")
    text = text.replace('methods = ["random", "wsp"]', 'methods = ["random", "simclr"]')
    config.write_text(text.replace("weak_label_noise = [0.5]", ""), encoding="utf-8")
    output = small.parent / "diverging"
    arguments = ["experiment", "--config", str(config), "--output", str(output), "--jobs", "1"]
    assert main(arguments) == SOME_FAILED
    with open(output / "results" / "table-1.csv", newline="", encoding="utf-8") as stream:
        _, random, simclr = csv.reader(stream)
    assert "(" in random[1] and simclr[:2] == ["SimCLR", "–"]
    (failed,) = json.loads((output / "experiment.json").read_text("utf-8"))["failed"]
    assert failed["code"] == "pretrain.diverged" and failed["run"].startswith("simclr-")
    assert f"Not finished: {failed['run']}" in (output / "results" / "README.md").read_text("utf-8")


def test_a_cohort_is_not_taken_for_another_that_the_file_asks_for_now(smoke, tmp_path: Path):
    config = tmp_path / "changed.toml"
    config.write_text(SMOKE.read_text("utf-8").replace("seed = 102", "seed = 112"), "utf-8")
    before = results_of(smoke[0])
    with pytest.raises(InputError, match="seed = 102.*now asks for.*seed = 112") as refused:
        experiment(config, smoke[0])
    assert refused.value.code == "experiment.cohort_changed"
    assert results_of(smoke[0]) == before


def test_what_is_done_is_not_done_again(small: Path, uninterrupted: Path):
    runs = [p for p in (uninterrupted / "runs").rglob("*") if p.is_file() and p.name != ".lock"]
    before = {path: path.stat().st_mtime_ns for path in runs}
    assert experiment(small, uninterrupted)["runs"] == 3
    assert {path: path.stat().st_mtime_ns for path in runs} == before


def test_two_processes_share_the_runs_and_none_is_done_twice(small: Path, uninterrupted: Path):
    output = small.parent / "two"
    # Each may itself begin no process: what is cut by several is cut before.
    experiment(small, output, devices=["cpu", "cpu"], jobs=2)
    assert {p.name for p in (output / "runs").iterdir()} == {p.name for p in (uninterrupted / "runs").iterdir()}  # fmt: skip
    assert set(results_of(output)) == set(results_of(uninterrupted))


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device that is refused is there")
def test_a_device_that_is_not_there_is_refused_before_anything_is_made(small: Path):
    output = small.parent / "no-device"
    with pytest.raises(InputError) as refused:
        experiment(small, output, devices=["cpu", "cuda:0"])
    assert refused.value.code == "device.no_cuda"
    assert not output.exists()


def test_noise_gives_that_share_of_the_patients_another_label(uninterrupted: Path):
    clean, noisy = (read_cohort(weak_table(uninterrupted / "cohorts", n)) for n in (0, 0.5))
    pairs = list(zip(clean.labels("weak_label"), noisy.labels("weak_label"), strict=True))
    assert sum(before != after for before, after in pairs) == 4
    assert {after for _, after in pairs} <= set("0123")
    assert [case.volume.resolve() for case in clean.cases] == [case.volume.resolve() for case in noisy.cases]  # fmt: skip


def test_patients_in_pretraining_and_evaluation_are_refused_unless_asked_for(small: Path):
    leaking = small.with_name("leaking.toml")
    leaking.write_text(SMALL.replace("weak/", "strong/", 1), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        experiment(leaking, small.parent / "leaking")
    assert refused.value.code == "cohort.leakage"
    assert not (small.parent / "leaking" / "results").exists()


def test_a_folder_with_other_things_in_it_is_left_alone(small: Path, tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        experiment(small, tmp_path)
    assert refused.value.code == "output.exists"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_given_encoder_is_judged_beside_the_others_but_not_on_patients_it_has_seen(
    small: Path, uninterrupted: Path
):
    (run,) = uninterrupted.glob("runs/random-*/pretraining")
    given = small.with_name("given.toml")
    text = SMALL.replace(
        'title = "Small"', f'given = [{{ name = "Ours", path = "{run.as_posix()}" }}]'
    )
    text = text.replace('methods = ["random", "wsp"]', "").replace("weak_label_noise = [0.5]", "")
    given.write_text(text, encoding="utf-8")
    experiment(given, small.parent / "given")
    (row,) = rows_of(small.parent / "given" / "results" / "figures.csv")
    random = next(
        r for r in rows_of(uninterrupted / "results" / "figures.csv") if r["name"] == "random"
    )
    assert row["name"] == "Ours" and row["auc_mean"] == random["auc_mean"]


def test_fewer_training_patients_are_part_of_more_and_the_tested_ones_stay(small, uninterrupted):
    plan = read_plan(small)
    cohorts = {"weak": read_cohort(small.parent / "weak" / "cohort.csv"),
               "D1": read_cohort(small.parent / "strong" / "cohort.csv")}  # fmt: skip
    result = RunResult(plan, uninterrupted, plan.main()[0].runs[0], cohorts)
    slices, depth = read_slices(result, "D1")
    assert len(depth) == len(slices.values)
    whole = cross_validate(slices, folds=2, repeats=1)
    fewer = cross_validate(slices, folds=2, repeats=1, most_training_patients=2)
    assert [fold.train_patients for fold in whole.folds] == [4, 4]
    # Two of each class are the least.
    assert [fold.train_patients for fold in fewer.folds] == [4, 4]
    assert [fold.test_patients for fold in fewer.folds] == [
        fold.test_patients for fold in whole.folds
    ]


def test_seeds_are_averaged_in_the_interval_as_in_the_figure():
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    scores = random.normal(size=(3, 40)) + labels
    assert delong_interval(labels, scores).estimate == pytest.approx(np.mean([auc(labels, row) for row in scores]))  # fmt: skip
    once = delong_interval(labels, scores[0])
    assert delong_interval(labels, scores[[0, 0]]).as_dict() == pytest.approx(once.as_dict())
    difference, p_value = delong_difference(labels, scores, scores[::-1])
    assert difference.estimate == pytest.approx(0) and p_value == pytest.approx(1)


def test_bold_are_the_highest_as_printed_and_no_p_value_is_nought():
    def cell(mean):
        return SimpleNamespace(auc_mean=mean, auc_sd=0.1)

    # 0.005 apart is not the same when it is printed as another number, and the same when it is not.
    assert [_mean_sd(cell(mean), 0.849)[:2] for mean in (0.849, 0.8451, 0.8449)] == [
        "**",
        "**",
        "0.",
    ]
    assert [_p_value(p) for p in (0.0004, 0.0006, 1.0)] == ["<0.001", "0.001", "1.000"]


def test_latex_cells_are_safe():
    table = TextTable("t", "50 % & more", ["a_b", "σ"], [["**best**", "−0.1"]])
    text = table.as_latex()
    assert (
        r"50 \% \& more" in text
        and r"a\_b & $\sigma$" in text
        and r"\textbf{best} & $-$0.1" in text
    )
