"""`evaluate` on real files: patients are what is split and counted, and the folder holds it all or is not there."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from small_cohort import write_cohort
from small_encoder import write_encoder, write_run

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.cross_validation import cross_validate
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.evaluation import EVALUATION_FILES, as_text, evaluate
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.files import sha256_of
from WSPCirrhosisLib.fitting import fit_model
from WSPCirrhosisLib.labelled_representations import represent_labelled
from WSPCirrhosisLib.statistics import auc, roc_curve
from WSPCirrhosisLib.strong_labels import label_columns, patient_labels

LABELS = ["0", "1", "0", "1", "", "1", "0", "1"]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Seven labelled patients and one without a label."""
    folder = tmp_path_factory.mktemp("Hospital")
    return write_cohort(folder, 8, label=LABELS, stage=list("01201201"), age=["40"] * 8)


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "encoder.safetensors")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, table, encoder_file) -> tuple[Path, dict, list]:
    folder, seen = tmp_path_factory.mktemp("out") / "evaluation", []
    events = Events(seen.append)
    return folder, evaluate(table, encoder_file, folder, repeats=2, seed=3, events=events), seen


@pytest.fixture(scope="module")
def data(table, encoder_file):
    return represent_labelled(table, encoder_file, "label")


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_folder_holds_every_table_and_figure_and_nothing_else(evaluated):
    folder, found, _ = evaluated
    assert sorted(file.name for file in folder.iterdir()) == sorted(EVALUATION_FILES)
    assert json.loads((folder / "evaluation.json").read_text(encoding="utf-8")) == found
    for name, digest in found["files"].items():
        assert sha256_of(folder / name) == digest
    for name in ("roc.png", "pca.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_figures_are_those_of_the_nested_cross_validation(evaluated, data):
    _, found, _ = evaluated
    again = cross_validate(data.slices, repeats=2, seed=3)
    assert found["figures"] == again.figures()
    assert found["protocol"]["seed"] == 3
    area = found["figures"]["auc_pooled_delong"]
    assert area["low"] <= area["estimate"] == auc(again.labels, again.pooled) <= area["high"]


def test_folds_split_patients_and_count_both_classes(evaluated):
    folder, found, _ = evaluated
    folds = rows_of(folder / "folds.csv")
    assert [int(row["repeat"]) for row in folds] == [1, 1, 1, 2, 2, 2]
    for row in folds:
        assert int(row["train_patients"]) + int(row["test_patients"]) == 7
        assert int(row["train_positive"]) + int(row["test_positive"]) == 4
        assert 0 < int(row["test_positive"]) < int(row["test_patients"])
        assert float(row["strength"]) in found["protocol"]["strengths"]
    assert found["figures"]["auc_mean"] == pytest.approx(
        np.mean([float(row["auc"]) for row in folds]), abs=1e-5
    )


def test_fewer_folds_than_asked_for_are_said(evaluated):
    _, found, seen = evaluated
    assert found["figures"]["folds"] == 3
    assert "cross_validation.fewer_folds" in [event.get("code") for event in seen]


def test_patients_have_one_row_each_and_the_roc_follows_from_them(evaluated):
    folder, _, _ = evaluated
    patients = rows_of(folder / "patients.csv")
    assert [row["patient_id"] for row in patients] == [f"Doe-{n}" for n in (0, 1, 2, 3, 5, 6, 7)]
    labels = np.array([int(row["label"]) for row in patients])
    scores = np.array([float(row["probability"]) for row in patients])
    curve = [[float(value) for value in row.values()] for row in rows_of(folder / "roc.csv")]
    np.testing.assert_allclose(np.transpose(curve), roc_curve(labels, scores), atol=1e-5)


def test_each_slice_has_its_row_of_the_table_its_place_and_two_components(evaluated, table, data):
    folder, found, _ = evaluated
    slices = rows_of(folder / "slices.csv")
    ids = {str(case.row): case.patient_id for case in read_cohort(table).cases}
    assert len(slices) == found["cohort"]["slices"]
    assert all(ids[row["row"]] == row["patient_id"] for row in slices)
    of_first = [row for row in slices if row["patient_id"] == "Doe-0"]
    assert [float(row["depth"]) for row in of_first][:: len(of_first) - 1] == [0, 1]
    steps = np.diff([[float(row["slice"]), float(row["position_mm"])] for row in of_first], axis=0)
    np.testing.assert_allclose(steps, [[1, 3.2]] * len(steps), atol=1e-3)
    components = np.array([[float(row["pc1"]), float(row["pc2"])] for row in slices])
    total = data.slices.values.var(axis=0).sum()
    shares = components.var(axis=0) / total
    np.testing.assert_allclose(shares, found["components"]["explained_variance"], rtol=1e-3)
    assert shares[0] >= shares[1]


def test_nothing_says_where_the_files_lay_or_whose_table_it_was(evaluated, table, encoder_file):
    folder, found, _ = evaluated
    for file in folder.iterdir():
        content = file.read_bytes()
        for secret in (table.parent, encoder_file.parent, "Hospital", "cohort.csv", ".nrrd"):
            assert str(secret).encode() not in content
    assert "Doe" not in json.dumps(found)


def test_fit_writes_the_same_evaluation_beside_the_model(table, encoder_file, evaluated, tmp_path):
    card = fit_model(
        table, encoder_file, tmp_path / "m.onnx", seed=3, evaluation=tmp_path / "evaluation"
    )
    folder, found, _ = evaluated
    content = json.loads((tmp_path / "evaluation/evaluation.json").read_text(encoding="utf-8"))
    assert content["figures"] == card["cross_validation"]
    assert content["cohort"] == found["cohort"]
    assert rows_of(tmp_path / "evaluation/slices.csv") == rows_of(folder / "slices.csv")


def test_a_fit_whose_evaluation_cannot_be_written_leaves_no_model(table, encoder_file, tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation/notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"output\.exists"):
        fit_model(
            table,
            encoder_file,
            tmp_path / "m.onnx",
            evaluation=tmp_path / "evaluation",
            overwrite=True,
        )
    assert [path.name for path in tmp_path.rglob("*")] == ["evaluation", "notes.txt"]


def test_pretraining_patients_are_refused_and_counted_when_allowed(table, tmp_path):
    run = write_run(tmp_path / "run", table, [0, 1, 4])
    with pytest.raises(InputError, match=r"cohort\.leakage") as refused:
        evaluate(table, run, tmp_path / "out")
    assert "2 of 7" in refused.value.message
    assert not (tmp_path / "out").exists()
    found = evaluate(table, run, tmp_path / "out", repeats=1, allow_leakage=True)
    assert found["cohort"]["patients_in_pretraining"] == 2
    assert "2 of the patients were in pretraining" in as_text(found)


def test_an_evaluation_is_not_replaced_unasked(evaluated, table, encoder_file):
    folder, _, _ = evaluated
    before = (folder / "evaluation.json").read_bytes()
    with pytest.raises(InputError, match=r"output\.exists"):
        evaluate(table, encoder_file, folder)
    assert (folder / "evaluation.json").read_bytes() == before


def test_one_class_ends_the_command_with_2_and_nothing_written(
    command, table, encoder_file, tmp_path
):
    cohort = tmp_path / "one_class.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    kept = [lines[0], *(lines[1 + n] for n in (0, 2, 6))]
    cohort.write_text("\n".join(kept) + "\n", encoding="utf-8")
    arguments = ["--cohort", cohort, "--encoder", encoder_file, "--output", tmp_path / "a/b/out"]
    done = command("evaluate", *arguments)
    assert done.returncode == 2
    assert "3 patients with label 0 and 0 with label 1" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["one_class.csv"]


@pytest.mark.parametrize("text", ["1", "0", "five"])
def test_less_than_two_folds_are_a_usage_error(text, capsys):
    from WSPCirrhosisLib.__main__ import main

    options = ["evaluate", "--cohort", "c.csv", "--encoder", "r", "--output", "o"]
    with pytest.raises(SystemExit) as ended:
        main([*options, "--folds", text])
    assert ended.value.code == 2
    assert "--folds" in capsys.readouterr().err


def test_columns_that_can_be_strong_labels_are_those_of_zeros_and_ones(table):
    assert label_columns(read_cohort(table)) == ["label"]


def test_both_classes_need_two_patients(table):
    cohort = read_cohort(table).select([0, 1, 2])
    with pytest.raises(InputError, match=r"cohort\.too_few_patients"):
        patient_labels(cohort, np.array([0, 1, 0]))
