"""`fit` end to end on real files: encoder + strong labels → a model file that predicts."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from small_cohort import patients_named_in, write_cohort
from small_encoder import write_encoder, write_run

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.encoders import build_encoder
from WSPCirrhosisLib.errors import DONE, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.fitting import fit_model
from WSPCirrhosisLib.model_file import ModelFile, verify
from WSPCirrhosisLib.prediction import predict_files
from WSPCirrhosisLib.representations import frozen, represent, represent_cohort
from WSPCirrhosisLib.slices import SliceSettings

SETTINGS = SliceSettings(image_size=160)
LABELS = ["0", "1", "0", "1", "", "1", "0", "1"]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    return write_cohort(folder, 8, label=LABELS, synthetic=["1"] * 8, stage=["2"] * 8)


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory) -> Path:
    """Untrained: fit does not care how good it is."""
    return write_encoder(tmp_path_factory.mktemp("encoder") / "encoder.safetensors")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, table, encoder_file) -> tuple[Path, dict]:
    path = tmp_path_factory.mktemp("fit") / "model.onnx"
    return path, fit_model(table, encoder_file, path)


def relabelled(table: Path, folder: Path, **columns: list[str]) -> Path:
    """The table with other values, its files where they were."""
    with open(table, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows):
        row["volume"] = str(table.parent / row["volume"])
        row["mask"] = str(table.parent / row["mask"])
        row |= {name: values[number] for name, values in columns.items()}
    path = folder / "cohort.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_representations_are_of_every_slice_of_every_scan(table):
    encoder = build_encoder("tinynet", seed=0).eval()
    cohort = read_cohort(table)
    seen = []
    found = represent_cohort(cohort, encoder, SETTINGS, events=Events(seen.append))
    assert found.values.shape == (len(found.case), 256)
    assert found.patient_ids == tuple(f"Doe-{n}" for n in range(8))
    counts = [facts["slices_judged"] for facts in found.facts]
    assert np.bincount(found.case).tolist() == counts
    assert seen[-1]["step"] == seen[-1]["total"] == 8
    again = represent_cohort(cohort, encoder, SETTINGS, jobs=2)
    np.testing.assert_allclose(again.values, found.values, atol=1e-6)


def test_an_encoder_still_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="eval"):
        represent(build_encoder("resnet18", 0), np.zeros((1, 160, 160), np.uint8))
    with pytest.raises(ValueError, match="eval"):
        frozen(build_encoder("resnet18", 0), 160)


def test_slices_too_small_for_the_encoder_are_refused():
    with pytest.raises(InputError, match="at least 156 pixels") as error:
        frozen(build_encoder("tinynet", 0).eval(), 128)
    assert error.value.code == "encoder.input"


def test_the_model_file_verifies_and_its_card_is_what_fit_returned(fitted):
    path, card = fitted
    assert verify(path)["model_id"] == card["model_id"]
    assert ModelFile.load(path).card.as_json() == card
    assert json.loads(json.dumps(card)) == card


def test_the_card_counts_patients_with_a_label_only(fitted):
    _, card = fitted
    counts = card["cohort"]["fit"]
    assert (counts["patients"], counts["positive_patients"], counts["scans"]) == (7, 4, 7)
    assert card["cohort"]["pretraining"]["patients"] == 5
    assert card["cohort"]["patients_in_pretraining_and_fit"] is None
    assert card["cross_validation"]["folds"] == 3
    assert card["synthetic"] is True
    assert 0 <= card["threshold"] <= 1


def test_the_card_names_no_patient_file_or_hospital(fitted):
    content = fitted[0].read_bytes()
    assert not patients_named_in(content)
    for secret in (b"Hospital", b"cohort.csv", b".nrrd", str(fitted[0].parent).encode()):
        assert secret not in content


def test_the_same_fit_gives_the_same_file(fitted, table, encoder_file, tmp_path):
    fit_model(table, encoder_file, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == fitted[0].read_bytes()


def test_the_model_predicts_with_the_classifiers_own_numbers(fitted, table, tmp_path):
    path, card = fitted
    assert predict_files(path, cohort=table, output=tmp_path / "out", jobs=1) == DONE
    found = json.loads((tmp_path / "out/cases/0002/prediction.json").read_text(encoding="utf-8"))
    assert found["model"]["bias"] == card["bias"]
    codes = {warning["code"] for warning in found["warnings"]}
    assert codes <= {"model.synthetic", "representation.out_of_distribution"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"label": ["0", "1", "2", "1", "", "1", "0", "1"]}, "cohort.label_not_binary"),
        ({"label": ["0", "0", "0", "1", "", "", "0", "0"]}, "cohort.too_few_patients"),
        ({"patient_id": ["a"] * 8}, "cohort.label_contradicts"),
    ],
)
def test_labels_that_cannot_be_fitted_are_refused_with_rows(
    table, encoder_file, tmp_path, change, code
):
    with pytest.raises(InputError) as refused:
        fit_model(relabelled(table, tmp_path, **change), encoder_file, tmp_path / "model.onnx")
    assert refused.value.code == code
    assert refused.value.file.endswith("cohort.csv")
    assert not (tmp_path / "model.onnx").exists()


def test_another_label_column_may_be_chosen_and_must_exist(table, encoder_file, tmp_path):
    with pytest.raises(InputError, match=r"cohort\.column_missing"):
        fit_model(table, encoder_file, tmp_path / "model.onnx", label_column="fibrosis")


def test_all_unusable_scans_are_named_at_once(table, encoder_file, tmp_path):
    cohort = relabelled(table, tmp_path)
    text = cohort.read_text(encoding="utf-8")
    for number in (1, 3):
        text = text.replace(f"ct{number}.nrrd", f"gone{number}.nrrd")
    cohort.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"cohort\.unusable_cases") as refused:
        fit_model(cohort, encoder_file, tmp_path / "model.onnx")
    assert "row 3 (gone1.nrrd)" in refused.value.message
    assert "row 5 (gone3.nrrd)" in refused.value.message


def test_a_model_that_exists_is_kept(fitted, table, encoder_file):
    before = fitted[0].read_bytes()
    with pytest.raises(InputError, match=r"output\.exists"):
        fit_model(table, encoder_file, fitted[0])
    assert fitted[0].read_bytes() == before


def test_patients_of_the_pretraining_cohort_are_reported(table, tmp_path):
    """Two of the seven were pretrained on: refused, unless allowed, and then the card keeps their number."""
    run = write_run(tmp_path / "run", table, [0, 1, 4])
    with pytest.raises(InputError, match=r"cohort\.leakage") as refused:
        fit_model(table, run, tmp_path / "model.onnx")
    assert "2 of 7" in refused.value.message
    seen = []
    card = fit_model(
        table, run, tmp_path / "model.onnx", allow_leakage=True, events=Events(seen.append)
    )
    assert card["cohort"]["patients_in_pretraining_and_fit"] == 2
    assert "cohort.leakage" in [event.get("code") for event in seen]
