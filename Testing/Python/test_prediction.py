"""`predict` from files to files: what is written, what is refused, and what never leaks."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import REPOSITORY, image_of, write_dicom, write_image
from small_model import FACTS, IMAGE_SIZE, write_small_model

from WSPCirrhosisLib.case_prediction import predict_case
from WSPCirrhosisLib.cohort import read_scan
from WSPCirrhosisLib.errors import DONE, SOME_FAILED, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.fitness import case_warnings
from WSPCirrhosisLib.model_file import ModelFile
from WSPCirrhosisLib.prediction import predict_files
from WSPCirrhosisLib.volumes import read_volume

FILES = {"prediction.json", "predictions.csv", "heatmap.nrrd", "report.html"}


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.onnx")


@pytest.fixture(scope="module")
def case(tmp_path_factory, ct_array, liver_array) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("case")
    ct = write_image(image_of(ct_array), folder / "Doe_Jane.nrrd")
    mask = write_image(image_of(liver_array), folder / "Doe_Jane_liver.nrrd")
    return ct, f"{mask}#1"


@pytest.fixture(scope="module")
def predicted(tmp_path_factory, model_path, case) -> Path:
    output = tmp_path_factory.mktemp("predicted") / "out"
    volume, mask = case
    assert predict_files(model_path, volume=volume, mask=mask, output=output) == DONE
    return output


def prediction_of(folder: Path) -> dict:
    return json.loads((folder / "prediction.json").read_text(encoding="utf-8"))


def rows_of(folder: Path) -> list[dict]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_table(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    path = folder / "cohort.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("patient_id", "volume", "mask"), *rows])
    return path


def test_writes_four_files_and_nothing_else(predicted):
    assert {path.name for path in predicted.iterdir()} == FILES
    assert [path.name for path in predicted.parent.iterdir()] == ["out"]


def test_json_says_what_was_found_and_how(predicted, model_path):
    found, model = prediction_of(predicted), ModelFile.load(model_path)
    assert found["schema_version"] == 1
    probabilities = [entry["probability"] for entry in found["slices"]]
    assert found["probability"] == pytest.approx(np.mean(probabilities))
    assert found["interval"]["low"] <= found["probability"] <= found["interval"]["high"]
    assert found["decision"] in ("cirrhosis", "no cirrhosis", "indeterminate")
    assert found["threshold"] == model.card.threshold
    assert [entry["depth"] for entry in found["slices"]][:: len(probabilities) - 1] == [0, 1]
    for entry in found["slices"]:
        assert set(entry) == {"index", "position_mm", "depth", "probability", "logit"}
        assert entry["probability"] == pytest.approx(1 / (1 + np.exp(-entry["logit"])))
    assert found["warnings"][0]["code"] == "model.synthetic"
    assert found["warnings"][0]["severity"] == "danger"
    assert found["model"]["id"] == model.card.model_id
    assert found["model"]["sha256"] == model.sha256
    assert found["model"]["synthetic"] is True
    assert set(found["versions"]) == {"wspcirrhosis", "python", "numpy", "SimpleITK", "onnxruntime"}


def test_fingerprint_and_positions_are_the_scans(predicted, case):
    found, volume = prediction_of(predicted), read_volume(case[0])
    assert found["input"]["fingerprint"] == volume.fingerprint
    index = [entry["index"] for entry in found["slices"]]
    positions = [entry["position_mm"] for entry in found["slices"]]
    np.testing.assert_allclose(positions, volume.position_mm(np.array(index)), atol=1e-3)


def test_heat_map_adds_up_to_every_slices_logit_on_the_cts_grid(predicted, case):
    found = prediction_of(predicted)
    ct, heat = sitk.ReadImage(str(case[0])), sitk.ReadImage(str(predicted / "heatmap.nrrd"))
    assert (heat.GetSize(), heat.GetSpacing()) == (ct.GetSize(), ct.GetSpacing())
    assert (heat.GetOrigin(), heat.GetDirection()) == (ct.GetOrigin(), ct.GetDirection())
    sums = sitk.GetArrayFromImage(heat).sum(axis=(1, 2), dtype=float)
    for entry in found["slices"]:
        total = sums[entry["index"]] + found["model"]["bias"]
        assert total == pytest.approx(entry["logit"], abs=1e-4)
    assert np.count_nonzero(sums) == len(found["slices"])


def test_table_has_the_case(predicted):
    (row,) = rows_of(predicted)
    found = prediction_of(predicted)
    assert row["status"] == "ok"
    assert row["patient_id"] == ""
    assert float(row["probability"]) == found["probability"]
    assert "model.synthetic" in row["warnings"]


def test_stored_otherwise_the_number_is_the_same(
    predicted, model_path, tmp_path, ct_array, liver_array
):
    """As DICOM, and flipped and permuted: same anatomy, same prediction, same slices."""
    ct, liver = image_of(ct_array), image_of(liver_array)
    order, flips = (2, 0, 1), (True, False, True)
    turned = [sitk.Flip(sitk.PermuteAxes(image, order), flips) for image in (ct, liver)]
    write_image(turned[0], tmp_path / "turned.nii.gz")
    write_image(turned[1], tmp_path / "turned_liver.nrrd")
    write_dicom(ct, tmp_path / "dicom")
    expected = prediction_of(predicted)
    for volume in ("turned.nii.gz", "dicom"):
        output = tmp_path / f"out_{volume}"
        mask = f"{tmp_path / 'turned_liver.nrrd'}#1"
        predict_files(model_path, volume=tmp_path / volume, mask=mask, output=output)
        found = prediction_of(output)
        assert found["probability"] == pytest.approx(expected["probability"], abs=1e-7)
        assert found["input"]["fingerprint"] == expected["input"]["fingerprint"]
        assert [e["index"] for e in found["slices"]] == [e["index"] for e in expected["slices"]]


def test_no_output_names_the_patient_or_a_path(model_path, tmp_path, ct_array, liver_array):
    write_dicom(image_of(ct_array), tmp_path / "Doe_Jane_1950" / "series")
    mask = write_image(image_of(liver_array), tmp_path / "Doe_Jane_1950" / "liver.nrrd")
    output = tmp_path / "out"
    predict_files(
        model_path, volume=tmp_path / "Doe_Jane_1950" / "series", mask=str(mask), output=output
    )
    for path in output.iterdir():
        content = path.read_bytes()
        for secret in (b"Doe_", b"Doe^", b"Jane", b"SECRET", str(tmp_path).encode(), b"liver.nrrd"):
            assert secret not in content, f"{secret} in {path.name}"


def test_one_bad_scan_does_not_cost_the_others_theirs(model_path, case, tmp_path):
    volume, mask = case
    (tmp_path / "broken.nrrd").write_bytes(volume.read_bytes()[:2000])
    second = tmp_path / "second.nrrd"
    second.write_bytes(volume.read_bytes())
    table = write_table(
        tmp_path,
        [
            ("Doe-1", str(volume), mask),
            ("Doe-2", "broken.nrrd", mask),
            ("Doe-3", "missing.nrrd", mask),
            ("Doe-1", "second.nrrd", mask),
        ],
    )
    seen = []
    status = predict_files(
        model_path, cohort=table, output=tmp_path / "out", jobs=2, events=Events(seen.append)
    )
    assert status == SOME_FAILED
    rows = rows_of(tmp_path / "out")
    assert [row["patient_id"] for row in rows] == ["Doe-1", "Doe-2", "Doe-3", "Doe-1"]
    assert [row["status"] for row in rows] == ["ok", "failed", "failed", "ok"]
    assert rows[0]["probability"] == rows[3]["probability"]
    for row in rows[1:3]:
        assert row["error_code"].startswith("volume.")
        assert row["error_message"]
        assert str(tmp_path) not in row["error_message"]
    folders = sorted(path.name for path in (tmp_path / "out" / "cases").iterdir())
    assert folders == ["0002", "0005"]
    expected = FILES - {"predictions.csv"}
    assert {path.name for path in (tmp_path / "out" / "cases" / "0002").iterdir()} == expected
    assert [event["code"] for event in seen if event["event"] == "error"]
    assert seen[-1]["failed"] == 2


def test_processes_change_no_number(model_path, case, tmp_path):
    volume, mask = case
    second = tmp_path / "second.nrrd"
    second.write_bytes(volume.read_bytes())
    table = write_table(tmp_path, [("a", str(volume), mask), ("b", "second.nrrd", mask)])
    for jobs in (1, 2):
        predict_files(model_path, cohort=table, output=tmp_path / str(jobs), jobs=jobs)
    alone, together = (
        [float(row["probability"]) for row in rows_of(tmp_path / str(jobs))] for jobs in (1, 2)
    )
    assert together == pytest.approx(alone, abs=1e-6)


def test_a_worker_that_the_system_ends_costs_no_scan(model_path, case, tmp_path):
    volume, mask = case
    table = write_table(tmp_path, [("a", str(volume), mask), ("b", "second.nrrd", mask)])
    (tmp_path / "second.nrrd").write_bytes(volume.read_bytes())

    def end_one() -> None:
        while not (workers := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(workers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=end_one)
    killer.start()
    status = predict_files(model_path, cohort=table, output=tmp_path / "out", jobs=2)
    killer.join(timeout=10)
    assert status == DONE
    assert [row["status"] for row in rows_of(tmp_path / "out")] == ["ok", "ok"]
    folders = sorted(path.name for path in (tmp_path / "out" / "cases").iterdir())
    assert folders == ["0002", "0003"]


def test_when_every_scan_fails_the_table_says_why(model_path, case, tmp_path):
    table = write_table(tmp_path, [("a", "missing.nrrd", case[1])])
    assert predict_files(model_path, cohort=table, output=tmp_path / "out") == SOME_FAILED
    assert not (tmp_path / "out" / "cases").exists()
    assert rows_of(tmp_path / "out")[0]["error_code"] == "volume.missing"


@pytest.mark.parametrize("what", ["volume", "mask", "model"])
def test_one_bad_input_leaves_nothing_behind(model_path, case, tmp_path, what):
    volume, mask = case
    paths = {"volume": volume, "mask": mask, "model": model_path}
    paths[what] = tmp_path / "missing"
    with pytest.raises(InputError):
        predict_files(
            paths["model"],
            volume=paths["volume"],
            mask=str(paths["mask"]),
            output=tmp_path / "new" / "out",
        )
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_runs_output_is_kept_unless_asked(model_path, case, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "report.html").write_text("earlier")
    volume, mask = case
    with pytest.raises(InputError, match=r"output\.exists"):
        predict_files(model_path, volume=volume, mask=mask, output=output)
    with pytest.raises(InputError, match=r"volume\.missing"):
        predict_files(model_path, volume=tmp_path / "no", mask=mask, output=output, overwrite=True)
    assert (output / "report.html").read_text() == "earlier"
    predict_files(model_path, volume=volume, mask=mask, output=output, overwrite=True)
    assert {path.name for path in output.iterdir()} == FILES
    (output / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="“mine.txt”, which no earlier run wrote"):
        predict_files(model_path, volume=volume, mask=mask, output=output, overwrite=True)
    assert (output / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments", [{}, {"volume": "a"}, {"mask": "a"}, {"volume": "a", "mask": "b", "cohort": "c"}]
)
def test_usage_is_one_scan_or_a_cohort(model_path, tmp_path, arguments):
    with pytest.raises(InputError, match="usage"):
        predict_files(model_path, output=tmp_path / "out", **arguments)


def test_decision_follows_interval_and_threshold(model_path, case):
    model = ModelFile.load(model_path)
    scan = read_scan(*case, model.card.slice_settings)
    judged = predict_case(model, *scan).prediction
    between = (judged.interval["low"] + judged.interval["high"]) / 2
    expected = {0.0: "cirrhosis", between: "indeterminate", 1.0: "no cirrhosis"}
    for threshold, decision in expected.items():
        other = ModelFile(model_path.read_bytes(), replace(model.card, threshold=threshold))
        found = predict_case(other, *scan).prediction
        assert found.decision == decision
        assert found.probability == judged.probability


def card_of(model_path: Path, **distance):
    card = ModelFile.load(model_path).card
    reference = {**card.reference, "distance": {**card.reference["distance"], **distance}}
    return replace(card, synthetic=False, reference=reference)


def test_a_usual_case_has_no_warning(model_path):
    assert case_warnings(card_of(model_path), FACTS, distance=1.0) == ()


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"in_plane_spacing_mm": 7.0}, "volume.pixel_spacing_unusual", "caution"),
        ({"in_plane_spacing_mm": 11.0}, "volume.pixel_spacing_unusual", "unfit"),
        ({"slice_spacing_mm": 8.0}, "volume.slice_spacing_unusual", "unfit"),
        ({"matrix": [40, 60]}, "volume.matrix_small", "caution"),
        ({"slices_judged": 7}, "slices.few", "caution"),
        ({"slices_judged": 3}, "slices.few", "unfit"),
        ({"liver_median_hu": 46.0}, "liver.hu_unusual", "caution"),
        ({"liver_volume_ml": 5000.0}, "liver.volume_unusual", "caution"),
    ],
)
def test_what_is_unusual_is_said_with_value_and_range(model_path, change, code, severity):
    (warning,) = case_warnings(card_of(model_path), {**FACTS, **change}, distance=1.0)
    assert (warning.code, warning.severity) == (code, severity)
    (value,) = change.values()
    assert f"{value[0] if isinstance(value, list) else value:.0f}" in warning.message
    assert "cohort" in warning.message


def test_a_case_unlike_the_cohort_is_indeterminate(model_path, case):
    model = ModelFile.load(model_path)
    scan = read_scan(*case, model.card.slice_settings)
    distance = predict_case(model, *scan).prediction.distance["value"]
    for share, decision in ((1.5, "cirrhosis"), (0.5, "indeterminate")):
        card = card_of(model_path, unusual_above=distance * 0.9, unfit_above=distance * share)
        judged = predict_case(
            ModelFile(model_path.read_bytes(), replace(card, threshold=0.0)), *scan
        ).prediction
        assert judged.decision == decision
        assert judged.warnings[0].code == "representation.out_of_distribution"


def test_predicts_where_the_training_packages_cannot_be_imported(
    predicted, model_path, case, tmp_path
):
    blocked = ("torch", "sklearn", "scipy", "kornia", "matplotlib", "onnx", "safetensors", "pandas")
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Refuse())
from WSPCirrhosisLib.__main__ import main
status = main(sys.argv[1:])
assert not set(sys.modules) & set({blocked!r})
sys.exit(status)
"""
    arguments = ["predict", "--model", model_path, "--volume", case[0], "--mask", case[1]]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments), "--output", tmp_path / "out"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == DONE, done.stderr
    expected = prediction_of(predicted)["probability"]
    assert prediction_of(tmp_path / "out")["probability"] == pytest.approx(expected, abs=1e-6)


def test_slices_are_cut_as_the_card_says(model_path, case):
    assert ModelFile.load(model_path).card.slice_settings.image_size == IMAGE_SIZE
    _, _, stack = read_scan(*case, ModelFile.load(model_path).card.slice_settings)
    assert stack.images.shape[1:] == (IMAGE_SIZE, IMAGE_SIZE)
