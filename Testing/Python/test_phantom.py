"""Phantom cohorts: reproducible, readable in three formats, and hard to guess from cheap statistics."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.phantom import COLUMNS, make_cohort, make_phantom
from WSPCirrhosisLib.phantom_files import STORES
from WSPCirrhosisLib.phantom_patient import Patient, draw_patient
from WSPCirrhosisLib.volumes import read_mask, read_volume

SMALL = 64
LIBRARY = Path(__file__).resolve().parents[2]


def drawn(count: int, seed: int = 0, **fixed) -> list[Patient]:
    """Patients without their scans."""
    return [
        draw_patient(n, np.random.default_rng((seed, n)).spawn(2)[0], seed=seed, **fixed)
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def crowd() -> list[Patient]:
    return drawn(2000)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory) -> dict[str, Path]:
    """The same three patients in every format."""
    folder = tmp_path_factory.mktemp("cohorts")
    return {
        name: make_cohort(folder / name, 3, seed=2, size=SMALL, file_format=name, jobs=1)
        for name in STORES
    }


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Reproducible


@pytest.mark.parametrize("file_format", list(STORES))
def test_a_cohort_is_the_beginning_of_a_larger_one_whatever_the_number_of_processes(
    file_format, cohorts, tmp_path
):
    one_process = content(cohorts[file_format].parent)
    two_processes = make_cohort(
        tmp_path / "c", 2, seed=2, size=SMALL, file_format=file_format, jobs=2
    )
    shorter = content(two_processes.parent)
    table = shorter.pop("cohort.csv")
    assert one_process["cohort.csv"].startswith(table)
    assert shorter == {name: one_process[name] for name in shorter}


def test_another_seed_makes_other_people():
    first, second = make_phantom(0, size=SMALL, seed=0), make_phantom(0, size=SMALL, seed=1)
    assert first.patient.patient_id != second.patient.patient_id
    assert first.hu.shape != second.hu.shape or (first.hu != second.hu).any()


def test_another_matrix_size_shows_the_same_person_in_the_same_field_of_view():
    coarse, fine = make_phantom(4, size=64), make_phantom(4, size=128)
    assert coarse.patient == fine.patient
    assert coarse.spacing_mm[1] * 64 == pytest.approx(fine.spacing_mm[1] * 128)
    volumes = [p.liver.sum() * np.prod(p.spacing_mm) for p in (coarse, fine)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.05)


# Readable


@pytest.mark.parametrize("file_format", list(STORES))
def test_the_library_reads_back_what_was_made(file_format, cohorts):
    cohort = read_cohort(cohorts[file_format])
    for number, case in enumerate(cohort.cases):
        phantom = make_phantom(number, seed=2, size=SMALL)
        volume = read_volume(case.volume)
        assert np.array_equal(volume.hu, phantom.hu)
        assert np.array_equal(read_mask(case.mask, volume), phantom.liver)
        assert np.allclose(volume.affine, phantom.affine, atol=1e-3)
        assert case.patient_id == phantom.patient.patient_id
        assert int(case.values["stage"]) == phantom.patient.stage


def test_the_format_does_not_change_the_fingerprint(cohorts):
    prints = [
        [read_volume(case.volume).fingerprint for case in read_cohort(table).cases]
        for table in cohorts.values()
    ]
    assert prints[0] == prints[1] == prints[2]


def test_the_table_has_the_promised_columns(cohorts):
    with cohorts["nrrd"].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    for row in rows:
        assert int(row["label"]) == (int(row["stage"]) >= 3)
        assert int(row["weak_label"]) in range(4)


def test_nrrd_masks_are_segmentations_as_slicer_writes_them(cohorts):
    mask = next((cohorts["nrrd"].parent / "masks").glob("*.seg.nrrd"))
    values, header = nrrd.read(str(mask))
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert (header["Segment0_Name"], header["Segment1_Name"]) == ("Liver", "Spleen")
    for segment in ("Segment0", "Segment1"):
        extent = np.array(header[f"{segment}_Extent"].split(), int).reshape(3, 2)
        inside = np.argwhere(values == int(header[f"{segment}_LabelValue"]))
        assert extent.T.tolist() == [inside.min(0).tolist(), inside.max(0).tolist()]
        assert "~SCT^" in header[f"{segment}_Tags"]


def test_dicom_series_are_ct_images_with_unique_identifiers(cohorts):
    folder = next((cohorts["dicom"].parent / "volumes").iterdir())
    reader = sitk.ImageFileReader()
    instances = set()
    for path in folder.iterdir():
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        assert reader.GetMetaData("0008|0016") == "1.2.840.10008.5.1.4.1.1.2"
        assert float(reader.GetMetaData("0028|1052")) == -1024
        assert reader.GetMetaData("0010|0010").startswith("Phantom^")
        instances.add(reader.GetMetaData("0008|0018"))
    assert len(instances) == len(list(folder.iterdir()))


# Like an abdominal CT


def test_the_scan_runs_from_above_the_dome_to_below_the_liver():
    for number in range(3):
        area = make_phantom(number, size=SMALL).liver.sum(axis=(1, 2))
        assert area[0] == area[-1] == 0
        (used,) = np.nonzero(area)
        assert (area[used[0] : used[-1] + 1] > 0).all()
        third = len(used) // 3
        # The section is largest in the middle and ends in a tip below and a dome above.
        assert area.max() > 3 * area[used[0] + third // 4]
        assert area.max() > 2 * area[used[-1]]


def test_organs_have_the_hu_of_a_portal_venous_scan():
    phantom = make_phantom(3, size=128)
    hu = {n: float(np.median(phantom.hu[phantom.labels == n])) for n in range(1, 10)}
    spleen, kidney, gallbladder, aorta, vertebra = hu[1], hu[2], hu[4], hu[7], hu[9]
    assert 80 < spleen < 160
    assert 100 < kidney < 240
    assert 0 < gallbladder < 70
    assert 110 < aorta < 240
    assert vertebra > 120
    assert phantom.hu.min() == -1024 or phantom.hu.min() < -950
    in_window = np.clip(phantom.hu, -160, 300)
    fat = np.histogram(in_window, bins=np.arange(-150, 1, 5))
    assert -115 <= fat[1][fat[0].argmax()] <= -90


# Disease


def test_signs_follow_the_stage_and_overlap():
    stages = [drawn(300, stage=stage) for stage in range(5)]
    for sign, grows in (
        ("nodularity_mm", True),
        ("texture_hu", True),
        ("caudate", True),
        ("spleen", True),
        ("right_lobe", False),
    ):
        values = [np.array([getattr(p.signs, sign) for p in people]) for people in stages]
        means = np.array([v.mean() for v in values]) * (1 if grows else -1)
        assert (np.diff(means)[1:] > 0).all(), sign
        lower, upper = (values[2], values[3]) if grows else (values[3], values[2])
        above = (upper[:, None] > lower).mean()
        assert 0.52 < above < 0.85, sign


def test_ascites_comes_with_the_last_stage_only_and_not_always():
    wet = [np.mean([p.signs.ascites_mm > 0 for p in drawn(200, stage=s)]) for s in range(5)]
    assert wet[:4] == [0, 0, 0, 0]
    assert 0.2 < wet[4] < 0.7


def test_the_stage_leaves_body_enhancement_and_scanner_alone():
    for healthy, ill in zip(drawn(20, stage=0), drawn(20, stage=4), strict=True):
        assert (healthy.body, healthy.enhancement) == (ill.body, ill.enhancement)
        assert (healthy.scanner, healthy.age, healthy.sex) == (ill.scanner, ill.age, ill.sex)


def test_cirrhosis_shows_in_the_images():
    """Coarser parenchyma and a rougher capsule, seen at the resolution the demo trains at."""
    healthy, ill = (
        np.mean([(_coarseness(p), _roughness(p)) for p in phantoms], axis=0)
        for phantoms in (
            [make_phantom(n, size=176, stage=stage, slice_mm=8.0) for n in range(6)]
            for stage in (0, 4)
        )
    )
    assert ill[0] > 1.15 * healthy[0]
    assert ill[1] > 1.25 * healthy[1]


def _middle_slices(phantom) -> np.ndarray:
    (used,) = np.nonzero(phantom.liver.any(axis=(1, 2)))
    return used[len(used) // 4 : -len(used) // 4]


def _coarseness(phantom) -> float:
    """Interquartile range in HU of the liver after averaging 3 x 3 pixels, deep inside."""
    spread = []
    for k in _middle_slices(phantom):
        hu = _box_mean(phantom.hu[k].astype(np.float32), 1)
        deep = _box_mean(phantom.liver[k].astype(np.float32), 3) > 0.999
        if deep.sum() > 50:
            spread.append(np.subtract(*np.percentile(hu[deep], [75, 25])))
    return float(np.mean(spread))


def _roughness(phantom) -> float:
    """Share of the capsule's pixels that a smoothed outline leaves behind."""
    shares = []
    for k in _middle_slices(phantom):
        liver = phantom.liver[k]
        smooth = _box_mean(liver.astype(np.float32), 3) > 0.5
        border = liver & (_box_mean(liver.astype(np.float32), 1) < 0.999)
        shares.append((liver ^ smooth).sum() / border.sum())
    return float(np.mean(shares))


def _box_mean(image: np.ndarray, reach: int) -> np.ndarray:
    for axis in (0, 1):
        image = sum(np.roll(image, n, axis) for n in range(-reach, reach + 1)) / (2 * reach + 1)
    return image


def test_both_sides_of_advanced_fibrosis_are_well_filled(crowd):
    shares = np.bincount([p.stage for p in crowd], minlength=5) / len(crowd)
    assert shares == pytest.approx([0.30, 0.20, 0.15, 0.15, 0.20], abs=0.03)
    assert 0.3 < np.mean([p.label for p in crowd]) < 0.4


def test_the_weak_label_is_an_ordinal_noisy_reading(crowd):
    stage, reading = np.array([(p.stage, p.weak_label) for p in crowd]).T
    errorless = np.array([0, 0, 1, 2, 3])[stage]
    assert 0.2 < np.mean(reading != errorless) < 0.4
    assert np.mean(np.abs(reading - errorless) > 1) < 0.05
    assert np.corrcoef(stage, reading)[0, 1] > 0.8
    assert np.bincount(reading, minlength=4).min() > 0.1 * len(crowd)


# Body and scanner


def test_spacing_varies_as_in_the_paper_and_independently_of_the_stage(crowd):
    pixel = np.array([p.scanner.field_of_view_mm / 512 for p in crowd])
    slices = np.array([p.scanner.slice_mm for p in crowd])
    assert (pixel.mean(), pixel.std()) == pytest.approx((0.79, 0.10), abs=0.012)
    assert (slices.mean(), slices.std()) == pytest.approx((3.23, 1.29), abs=0.08)
    stage = np.array([p.stage for p in crowd])
    for trait in (
        pixel,
        slices,
        np.array([p.scanner.noise_hu for p in crowd]),
        np.array([p.enhancement.liver for p in crowd]),
        np.array([p.body.scale[2] for p in crowd]),
        np.array([p.age for p in crowd]),
    ):
        assert abs(np.corrcoef(stage, trait)[0, 1]) < 0.07


def test_files_are_stored_in_many_orientations(crowd):
    names, counts = np.unique([p.scanner.orientation for p in crowd], return_counts=True)
    assert len(names) >= 8
    assert counts.max() < 0.5 * len(crowd)
    # Flipped in every axis, and with other than axial slices first.
    assert {"LPS", "RAS", "LPI", "PSL"} <= set(names)


def test_liver_volume_and_mean_hu_do_not_give_the_label_away():
    """Logistic regression on the two, cross-validated by patient, at 200 patients: AUC below 0.70."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    selection = pytest.importorskip("sklearn.model_selection")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = np.array(list(pool.map(_cheap_statistics, range(200), chunksize=10)))
    cheap, label = found[:, :2], found[:, 2].astype(int)
    cheap = (cheap - cheap.mean(0)) / cheap.std(0)
    aucs = []
    for seed in range(5):
        folds = selection.StratifiedKFold(5, shuffle=True, random_state=seed)
        score = selection.cross_val_predict(
            linear_model.LogisticRegression(), cheap, label, cv=folds, method="predict_proba"
        )[:, 1]
        aucs.append(metrics.roc_auc_score(label, score))
    assert np.mean(aucs) < 0.70
    # Nor the other way round, which a flipped sign would turn into a give-away.
    assert np.mean(aucs) > 0.30


def _cheap_statistics(number: int) -> tuple[float, float, int]:
    phantom = make_phantom(number, size=SMALL, slice_mm=18.0)
    volume = phantom.liver.sum() * np.prod(phantom.spacing_mm)
    return volume, phantom.hu[phantom.liver].mean(), phantom.patient.label


# Whole or not at all


def test_an_existing_folder_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep")
    with pytest.raises(InputError) as refused:
        make_cohort(tmp_path / "mine", 1, size=SMALL, jobs=1)
    assert refused.value.code == "output.exists"
    assert content(tmp_path) == {"mine/note.txt": b"keep"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cancelled_cohort_leaves_nothing_behind(tmp_path, jobs):
    def cancel_after_the_first(record: dict) -> None:
        if record["step"] == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        make_cohort(tmp_path / "c", 4, size=SMALL, jobs=jobs, events=Events(cancel_after_the_first))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_cohort_is_not_there_under_its_name_and_nobody_goes_on_writing(tmp_path, jobs):
    target = tmp_path / "c"
    program = (
        "from WSPCirrhosisLib.phantom import make_cohort\n"
        f"make_cohort({str(target)!r}, 500, size={SMALL}, jobs={jobs})"
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=LIBRARY)
    wait_until(lambda: list(tmp_path.rglob("*.seg.nrrd")))
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not target.exists()
    wait_until(lambda: not grows(tmp_path))


def grows(folder: Path) -> bool:
    before = content(folder)
    time.sleep(1.0)
    return content(folder) != before


def wait_until(happened: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        {"patients": 0},
        {"seed": -1},
        {"size": 8},
        {"size": 100_000},
        {"file_format": "jpeg"},
        {"jobs": 0},
    ],
)
def test_unfit_settings_are_refused_before_anything_is_written(tmp_path, wrong):
    settings = {"patients": 1, "size": SMALL} | wrong
    with pytest.raises(InputError) as refused:
        make_cohort(tmp_path / "c", **settings)
    assert refused.value.code == "phantom.settings"
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_patient(tmp_path):
    seen = []
    make_cohort(tmp_path / "c", 2, size=SMALL, jobs=1, events=Events(seen.append))
    assert [(e["event"], e["stage"], e["step"], e["total"]) for e in seen] == [
        ("progress", "phantom", n, 2) for n in range(3)
    ]
