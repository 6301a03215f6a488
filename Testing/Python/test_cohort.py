"""The cohort table: read strictly, checked case by case, every problem told at once."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from conftest import image_of, write_image

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.cohort_check import check_cohort, summary
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.events import Events


@pytest.fixture
def folder(tmp_path, ct_array, liver_array):
    for name in "ab":
        write_image(image_of(ct_array), tmp_path / f"{name}.nrrd")
        write_image(image_of(liver_array), tmp_path / f"{name}-liver.nrrd")
    return tmp_path


def write_table(folder, text, name="cohort.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


GOOD = "patient_id,volume,mask,label\np1,a.nrrd,a-liver.nrrd#1,0\np2,b.nrrd,b-liver.nrrd,\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_and_tsv_are_read_with_paths_relative_to_the_table(folder, separator, mark):
    cohort = read_cohort(write_table(folder, mark + GOOD.replace(",", separator)))
    assert cohort.patient_ids == ("p1", "p2")
    assert cohort.cases[0].volume == folder / "a.nrrd"
    assert cohort.cases[0].mask == f"{folder / 'a-liver.nrrd'}#1"
    assert [case.row for case in cohort.cases] == [2, 3]
    assert cohort.labels("label") == ["0", None]


def test_what_spreadsheets_leave_behind_does_not_matter(folder):
    text = "\r\n\r\n" + GOOD.replace("label\n", "label,,\n").replace("\n", "\r\n") + ",,,\r\n\r\n"
    cohort = read_cohort(write_table(folder, text))
    assert cohort.columns == ("label",)
    assert [case.row for case in cohort.cases] == [4, 5]


@pytest.mark.parametrize("text", [GOOD + '"p3,a.nrrd,b', GOOD + "p" * 200_000 + ",c,d,\n"])
def test_a_table_that_is_none_is_refused(folder, text):
    with pytest.raises(InputError, match="cohort.unreadable"):
        read_cohort(write_table(folder, text))


def test_one_volume_under_two_names_is_found(folder):
    (folder / "link.nrrd").symlink_to("a.nrrd")
    text = GOOD + f"p3,../{folder.name}/a.nrrd,m,\np4,link.nrrd,m,\n"
    with pytest.raises(InputError) as error:
        read_cohort(write_table(folder, text))
    assert "row 4: the same volume as row 2; row 5: the same" in error.value.message


def test_a_missing_column_is_named_with_those_that_are_there(folder):
    with pytest.raises(InputError, match="'mask'.*'patient_id', 'volume', 'liver'") as error:
        read_cohort(write_table(folder, "patient_id,volume,liver\np,a,b\n"))
    assert error.value.code == "cohort.column_missing"


def test_all_bad_rows_are_listed_at_once(folder):
    text = GOOD + "p1,a.nrrd,a-liver.nrrd,1\n,c.nrrd,,0\n"
    with pytest.raises(InputError) as error:
        read_cohort(write_table(folder, text))
    for part in (
        "row 4: the same volume as row 2",
        "row 5: patient_id is empty",
        "row 5: mask is empty",
    ):
        assert part in error.value.message


def test_check_finds_every_unusable_case_and_says_why(folder, liver_array):
    write_image(image_of(np.zeros_like(liver_array)), folder / "empty.nrrd")
    (folder / "c.nrrd").write_text("not an image")
    write_image(image_of(np.full(liver_array.shape, 7, np.int16)), folder / "d.nrrd")
    table = write_table(
        folder,
        "patient_id,volume,mask\np1,a.nrrd,a-liver.nrrd\np2,b.nrrd,empty.nrrd\n"
        "p3,c.nrrd,a-liver.nrrd\np4,d.nrrd,a-liver.nrrd\np5,e.nrrd,a-liver.nrrd\n",
    )
    cohort = read_cohort(table)
    findings = check_cohort(cohort, Events(), jobs=1)
    codes = [finding.problem and finding.problem["code"] for finding in findings]
    assert codes == [None, "mask.empty", "volume.not_an_image", "volume.constant", "volume.missing"]
    assert findings[1].problem["file"] == "empty.nrrd"
    assert findings == check_cohort(cohort, Events(), jobs=2)
    facts = summary(cohort, findings)
    assert facts["scans"] == 5 and facts["unusable"] == 4
    assert facts["in_plane_spacing_mm"]["median"] == pytest.approx(5.1)


def test_check_remarks_on_what_is_usable_but_unusual(folder):
    findings = check_cohort(read_cohort(write_table(folder, GOOD)), Events())
    messages = [remark["message"] for remark in findings[0].remarks]
    assert "pixels of 5.1 mm, usual is 0.4 to 1.2" in messages


def test_the_check_command_changes_nothing_and_ends_with_2_when_a_case_is_unusable(folder, command):
    good = write_table(folder, GOOD)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = command("check", "--cohort", good, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "2 scans of 2 patients, 0 unusable" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    bad = write_table(folder, GOOD.replace("b.nrrd", "gone.nrrd"), "bad.csv")
    done = command("check", "--cohort", bad, "--events", "--jobs", 1)
    assert done.returncode == 2
    result = [json.loads(line) for line in done.stdout.splitlines()][-1]
    assert result["event"] == "result" and result["summary"]["unusable"] == 1


def test_an_input_error_survives_the_way_back_from_a_worker_process():
    error = InputError("a.b", "message", file="f", hint="do this")
    assert pickle.loads(pickle.dumps(error)).as_event() == error.as_event()
