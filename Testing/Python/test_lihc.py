"""The public LIHC cohort comes in exactly as it is published: files and table as they are, no mask, levels 0…250."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import REPOSITORY
from small_cohort import write_cohort

from WSPCirrhosisLib.__main__ import main
from WSPCirrhosisLib.cohort import read_case, read_cohort
from WSPCirrhosisLib.errors import DONE, InputError
from WSPCirrhosisLib.lihc import import_lihc
from WSPCirrhosisLib.slices import SliceSettings

SIDE, SLICES = 64, 20


def levels(patient: int) -> np.ndarray:
    """(K, J, I) uint8 0…250: an ellipse of soft tissue, brighter from slice to slice; the last slice is empty."""
    k, j, i = np.mgrid[:SLICES, :SIDE, :SIDE]
    body = ((j - 31.5) / 24) ** 2 + ((i - 31.5) / 28) ** 2 < 1
    values = np.where(body, 70 + 3 * k + 5 * patient, 0)
    values[0, 31, 31] = 250
    values[-1] = 0
    return values.astype(np.uint8)


def publish(folder: Path, patients: int = 6, scale=lambda values: values) -> Path:
    """A folder in the published form: names, table and columns."""
    folder.mkdir(parents=True)
    lines = ["subject,score,class,label"]
    for n in range(patients):
        name = f"lihc__TCGA-G3-A{n:03}__2003-0{n % 9 + 1}-11__VEN.nii.gz"
        image = sitk.GetImageFromArray(scale(levels(n)))
        image.SetSpacing((5.5, 5.5, 3.0))
        sitk.WriteImage(image, str(folder / name))
        grade = (0, 3, 1, 4, 2, 4)[n % 6]
        lines.append(f"{name},{n} - Ishak text,{grade},{int(grade >= 3)}")
    (folder / "dataframe_lihc.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_the_published_folder_becomes_a_cohort_that_reads(tmp_path: Path):
    cohort = read_cohort(import_lihc(publish(tmp_path / "lihc"), tmp_path / "out"))
    assert cohort.patient_ids[:2] == ("TCGA-G3-A000", "TCGA-G3-A001")
    assert cohort.labels("label") == ["0", "1", "0", "1", "0", "1"]
    assert cohort.labels("class")[1] == "3" and cohort.labels("score")[1] == "1 - Ishak text"


def test_slices_are_the_central_70_percent_of_the_file_with_the_levels_as_published(tmp_path: Path):
    cohort = read_cohort(import_lihc(publish(tmp_path / "lihc"), tmp_path / "out"))
    _, _, stack = read_case(cohort.cases[2], SliceSettings(image_size=SIDE))
    assert len(stack.index) == round(0.7 * SLICES)
    stored = sitk.ReadImage(str(cohort.cases[2].volume))
    canonical_is_flipped = stack.images[0].mean() > stack.images[-1].mean()
    assert not canonical_is_flipped
    expected = levels(2)[stack.index]
    # In-plane the canonical orientation may be turned against the file; the values are the same ones.
    assert np.array_equal(np.sort(stack.images, axis=None), np.sort(expected, axis=None))
    assert stored.GetSpacing() == (5.5, 5.5, 3.0)


def test_what_was_assumed_is_written_down(tmp_path: Path):
    import_lihc(publish(tmp_path / "lihc"), tmp_path / "out")
    said = json.loads((tmp_path / "out" / "import.json").read_text("utf-8"))
    assert said["scans"] == 6 and said["labels"] == {"0": 3, "1": 3}
    assert "0…250" in said["values"] and "none published" in said["mask"]
    assert said["files"][0]["highest"] == 250


@pytest.mark.parametrize(
    "scale",
    [
        lambda values: (values / 250).astype(np.float32),
        lambda values: np.where(values == 0, -1000, values.astype(np.int16) * 2 - 100).astype(
            np.int16
        ),
        lambda values: values.astype(np.int16) * 2 - 100,
        lambda values: values.astype(np.float64),
    ],
    ids=["fractions", "hu", "hu cut to the window", "levels as float64"],
)
def test_other_scales_are_recognised_by_their_range(tmp_path: Path, scale):
    plain = read_cohort(import_lihc(publish(tmp_path / "plain"), tmp_path / "a"))
    other = read_cohort(import_lihc(publish(tmp_path / "other", scale=scale), tmp_path / "b"))
    settings = SliceSettings(image_size=SIDE)
    images = [read_case(cohort.cases[1], settings)[2].images for cohort in (plain, other)]
    assert np.abs(images[0].astype(int) - images[1].astype(int)).max() <= 1


def test_a_scale_that_cannot_be_told_is_refused(tmp_path: Path):
    folder = publish(tmp_path / "lihc", scale=lambda values: values.astype(np.int16) * 8)
    with pytest.raises(InputError) as refused:
        import_lihc(folder, tmp_path / "out")
    assert refused.value.code == "lihc.values" and not (tmp_path / "out").exists()


def test_a_table_that_names_what_is_not_there_is_refused_with_its_rows(tmp_path: Path):
    folder = publish(tmp_path / "lihc")
    sorted(folder.glob("*A003*"))[0].unlink()
    with pytest.raises(InputError, match="row 5: there is no file") as refused:
        import_lihc(folder, tmp_path / "out")
    assert refused.value.code == "lihc.rows" and not (tmp_path / "out").exists()


def test_a_table_in_another_encoding_is_refused(tmp_path: Path):
    folder = publish(tmp_path / "lihc")
    table = folder / "dataframe_lihc.csv"
    table.write_bytes(table.read_bytes().replace(b"Ishak", "Universität".encode("latin-1")))
    with pytest.raises(InputError, match="Cannot be read") as refused:
        import_lihc(folder, tmp_path / "out")
    assert refused.value.code == "lihc.table" and not (tmp_path / "out").exists()


def test_one_command_takes_the_published_folder_to_the_tables(tmp_path: Path):
    """The shipped configs/lihc.toml but for its length, on a folder of twelve."""
    write_cohort(tmp_path / "weak", 4)
    text = (REPOSITORY / "configs" / "lihc.toml").read_text("utf-8")
    runs = text[text.index("[cohorts.D2]") :]
    for old, new in (
        (r"methods = .*", 'methods = ["random"]'),
        (r"seeds = .*", "seeds = [0]"),
        (r"sigmas = .*", ""),
        (r"folds = .*", "folds = 2"),
        (r"repeats = .*", "repeats = 1\nbootstrap = 100"),
    ):
        runs = re.sub(old, new, runs)
    config = tmp_path / "lihc.toml"
    config.write_text(f'[cohorts.weak]\ntable = "weak/cohort.csv"\n{runs}', encoding="utf-8")
    arguments = ["--config", config, "--lihc", publish(tmp_path / "lihc", 12), "--output", tmp_path / "out"]  # fmt: skip
    assert main(["experiment", *map(str, arguments), "--jobs", "1"]) == DONE
    results = tmp_path / "out" / "results"
    with open(results / "table-1.csv", newline="", encoding="utf-8") as stream:
        header, row = csv.reader(stream)
    assert header == ["Pretraining", "TinyNet D2", "paper"]
    assert row[0] == "Random" and row[2] == "0.75"
    said = (results / "README.md").read_text("utf-8")
    assert "D2: 12 patients, 6 positive" in said and "0…250: levels of 2 HU" in said


def test_a_folder_without_the_table_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as refused:
        import_lihc(tmp_path / "empty", tmp_path / "out")
    assert refused.value.code == "lihc.table"
