"""An experiment's TOML file is checked whole before anything is computed, and what is asked for twice is run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.experiment_plan import read_plan

CONFIGS = Path(__file__).parents[2] / "configs"
TEXT = """
[cohorts.weak]
phantoms = 8
seed = 1
[cohorts.D1]
phantoms = 6
seed = 2
[runs]
methods = ["random", "supcon", "wsp"]
seeds = [0, 1]
sigmas = [0.1, 0.5]
[pretraining]
batch_size = 8
[ablations]
methods = ["wsp"]
weak_label_noise = [0.0, 0.4]
batch_size = [8, 16]
strong_patients = [4]
"""


def plan_of(tmp_path: Path, text: str, **options):
    file = tmp_path / "e.toml"
    file.write_text(text, encoding="utf-8")
    return read_plan(file, **options)


def test_a_run_that_several_tables_ask_for_is_done_once(tmp_path: Path):
    work = plan_of(tmp_path, TEXT).work()
    # 3 methods, sigma 0.5, noise 0.4 and batch 16, each with two seeds; the others are the main table's own.
    assert len(work) == 2 * (3 + 1 + 1 + 1)
    assert len({run.name for run in work}) == len(work)
    wsp = next(run for run in work if run.config.method == "wsp")
    assert work[wsp] == {None, 4}


def test_ablations_may_be_done_with_fewer_seeds(tmp_path: Path):
    fewer = plan_of(
        tmp_path, TEXT.replace("strong_patients = [4]", "strong_patients = [4]\nseeds = [1]")
    )
    assert [len(row.runs) for row in fewer.of_noise() + fewer.of_batch_size()] == [1] * 4
    assert {row.runs[0].config.seed for row in fewer.of_strong_patients()} == {1}
    assert all(len(row.runs) == 2 for row in fewer.main() + fewer.of_sigma())


def test_settings_that_a_method_does_not_use_make_no_other_run(tmp_path: Path):
    name = plan_of(tmp_path, TEXT).main()[0].runs[0].name
    other = plan_of(tmp_path, TEXT.replace("batch_size = 8", "batch_size = 9")).main()
    assert other[0].runs[0].name == name, "random is not trained: the batch size is nothing to it"
    assert other[2].runs[0].name != plan_of(tmp_path, TEXT).main()[2].runs[0].name


def test_the_union_is_judged_where_there_are_two_cohorts(tmp_path: Path):
    assert plan_of(tmp_path, TEXT).evaluated == ("D1",)
    both = TEXT + '[cohorts.D2]\nphantoms = 5\nseed = 3\npopulation = "shifted"\n'
    assert plan_of(tmp_path, both).evaluated == ("D1", "D2", "union")


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("methods = [\"random\"", 'methods = ["wps"', "experiment.config", "wps"),
        ("batch_size = 8\n", "batch_sise = 8\n", "pretrain.setting", "batch_sise"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "experiment.config", "all different"),
        ("[cohorts.D1]\nphantoms = 6", "[cohorts.D1]\npatients = 6", "experiment.config", "patients"),
        ("[cohorts.D1]\nphantoms = 6", "[cohorts.D1]\nlihc = true", "experiment.lihc", "LIHC"),
        ("weak_label_noise = [0.0, 0.4]", "weak_label_noise = [40.0]", "experiment.config", "0 to 1"),
        ("[ablations]", "[ablations]\nseeds = [2]", "experiment.config", "ablations.seeds"),
        ("[runs]", "[run]", "experiment.config", "run"),
        ("[runs]", "[runs", "experiment.config", "TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_before_anything_runs(tmp_path: Path, old, new, code, said):
    assert old in TEXT
    with pytest.raises(InputError, match=said) as refused:
        plan_of(tmp_path, TEXT.replace(old, new, 1))
    assert refused.value.code == code and refused.value.file == str(tmp_path / "e.toml")


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_the_shipped_experiments_are_sound(config: Path, tmp_path: Path):
    plan = read_plan(config, lihc=tmp_path)
    assert plan.work() and plan.title


def test_the_shipped_comparison_holds_every_method_of_the_paper_and_its_neighbours():
    rows = {row.name for row in read_plan(CONFIGS / "phantom-small.toml").main()}
    paper = {"supervised", "random", "simclr", "byol", "supcon", "depth-aware", "wsp"}
    assert paper | {"pcl", "y-aware", "ordinal"} <= rows
    assert sum("kernel" in name for name in rows) == 3
