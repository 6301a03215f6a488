"""A cohort judged in parts by several jobs is, put together, what one job leaves; nothing is lost or taken twice."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from small_cohort import write_cohort
from small_model import write_small_model

from WSPCirrhosisLib.__main__ import main
from WSPCirrhosisLib.errors import BAD_INPUT, DONE, SOME_FAILED, InputError
from WSPCirrhosisLib.prediction import predict_files
from WSPCirrhosisLib.prediction_shards import Shard

DATE = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\+00:00)?")
PARTS = [Shard(1, 2), Shard(2, 2)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> tuple[Path, Path]:
    """A model, and a cohort of three scans of which the second has no mask."""
    folder = tmp_path_factory.mktemp("inputs")
    table = write_cohort(folder / "cohort", 3)
    (folder / "cohort" / "liver1.nrrd").unlink()
    return write_small_model(folder / "small.onnx"), table


@pytest.fixture(scope="module")
def judged(inputs, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("parts") / "out"
    statuses = [predict(inputs, output, shard=part) for part in PARTS]
    assert sorted(statuses) == [DONE, SOME_FAILED]
    return output


@pytest.fixture
def parts(judged, tmp_path) -> Path:
    """A copy of the judged parts, for a test to change."""
    return Path(shutil.copytree(judged, tmp_path / "out"))


def predict(inputs: tuple[Path, Path], output: Path, **options) -> int:
    return predict_files(inputs[0], cohort=inputs[1], output=output, **options)


def refused(inputs: tuple[Path, Path], output: Path, **options) -> str:
    with pytest.raises(InputError) as error:
        predict(inputs, output, **options)
    assert not (output / "merged").exists()
    return error.value.code


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file but the lock and the log, without dates."""
    return {
        str(path.relative_to(folder)): DATE.sub(b"DATE", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("events.jsonl", ".lock")
    }


def test_the_parts_together_are_byte_for_byte_what_one_job_leaves(inputs, parts, tmp_path):
    assert predict(inputs, parts, merge=True) == SOME_FAILED
    assert predict(inputs, tmp_path / "whole") == SOME_FAILED
    assert content_of(parts / "merged") == content_of(tmp_path / "whole")
    assert predict(inputs, parts / "merged", resume=True) == SOME_FAILED, "it can be gone on with"


def test_merged_results_are_replaced_only_when_that_is_asked_for(inputs, parts):
    predict(inputs, parts, merge=True)
    with pytest.raises(InputError, match="exists"):
        predict(inputs, parts, merge=True)
    assert predict(inputs, parts, merge=True, overwrite=True) == SOME_FAILED


def test_a_part_is_every_nth_row_so_that_a_grown_table_leaves_it_in_place(judged):
    rows = {part: sorted(p.name for p in part.folder(judged).glob("cases/*")) for part in PARTS}
    assert rows == {PARTS[0]: ["0002", "0004"], PARTS[1]: []}, "row 3 has no mask"


def test_a_missing_part_is_named(inputs, parts):
    shutil.rmtree(PARTS[1].folder(parts))
    with pytest.raises(InputError, match="Part 2/2 has no results") as error:
        predict(inputs, parts, merge=True)
    assert error.value.code == "queue.shard_missing"


def test_parts_of_two_sharings_out_would_overlap(inputs, parts):
    PARTS[0].folder(parts).with_name("shard-1-of-3").mkdir()
    assert refused(inputs, parts, merge=True) == "queue.shard_overlap"


def test_a_part_under_another_parts_name_is_refused(inputs, parts):
    shutil.rmtree(PARTS[1].folder(parts))
    shutil.copytree(PARTS[0].folder(parts), PARTS[1].folder(parts))
    assert refused(inputs, parts, merge=True) == "queue.settings_changed"


def test_a_part_with_scans_that_wait_is_refused_until_it_was_gone_on_with(inputs, parts):
    shutil.rmtree(PARTS[0].folder(parts) / "cases" / "0004")
    assert refused(inputs, parts, merge=True) == "queue.shard_unfinished"
    assert predict(inputs, parts, shard=PARTS[0], resume=True) == DONE
    assert predict(inputs, parts, merge=True) == SOME_FAILED


def test_a_table_that_has_changed_since_is_refused(inputs, parts):
    model, table = inputs
    grown = table.with_name("grown.csv")
    lines = table.read_text("utf-8").splitlines()
    grown.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n", encoding="utf-8")
    assert refused((model, grown), parts, merge=True) == "queue.shard_rows"


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0", "-1/2", "1", "a/b", "1/2/3"])
def test_a_part_that_does_not_exist_is_bad_input(inputs, tmp_path, text, capsys):
    arguments = ["predict", "--model", inputs[0], "--cohort", inputs[1], "--output", tmp_path / "o"]
    assert main([*map(str, arguments), f"--shard={text}", "--events"]) == BAD_INPUT
    assert '"code": "usage"' in capsys.readouterr().out
    assert not (tmp_path / "o").exists()


def test_more_parts_than_scans_are_refused(inputs, tmp_path):
    assert refused(inputs, tmp_path / "o", shard=Shard(1, 4)) == "queue.shard_empty"


def test_parts_are_a_cohorts_and_merging_judges_nothing(inputs, tmp_path):
    assert refused(inputs, tmp_path, merge=True, shard=PARTS[0]) == "usage"
    assert refused(inputs, tmp_path, merge=True, resume=True) == "usage"
    with pytest.raises(InputError, match="parts of a --cohort"):
        predict_files(inputs[0], volume="ct", mask="mask", output=tmp_path / "o", shard=PARTS[0])
