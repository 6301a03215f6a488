"""Figures of steps are told of when they have come from the device, every step once and in order."""

import pytest
import torch

from WSPCirrhosisLib import step_figures
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.run_folder import RunFolder
from WSPCirrhosisLib.step_figures import StepFigures

CONFIG = PretrainConfig(batch_size=4, slices_per_epoch=12, epochs=4)


@pytest.fixture
def arrives_after(monkeypatch):
    """Set how often a GPU would be asked in vain before figures have come; they are sent for at once."""

    def set_times(times: int) -> None:
        asked = iter(range(10**6))
        monkeypatch.setattr(
            step_figures._Coming, "has_arrived", lambda coming: next(asked) % (times + 1) == times
        )

    monkeypatch.setattr(step_figures, "REPORT_SECONDS", 0.0)
    return set_times


def told_steps(tmp_path, steps: int) -> tuple[list[int], list[dict]]:
    """Which step was last told of after each of some steps, all of them at the end; and what `metrics.csv` holds."""
    run = RunFolder(tmp_path / "run")
    last = []
    with run.hold(resume=False) as held:
        figures = StepFigures(held, CONFIG, 0, Events(), draws=False)
        for step in range(1, steps + 1):
            figures.add(step, 0.5, torch.tensor([step, 0.25, 0.125]))
            figures.tell_all() if step == steps else figures.tell_some()
            last.append(figures.last.get("step", 0))
        figures.close()
    return last, run.metrics()


def test_figures_that_are_here_are_told_at_once(tmp_path, arrives_after):
    arrives_after(0)
    last, _ = told_steps(tmp_path, 4)
    assert last == [1, 2, 3, 4]


def test_figures_under_way_are_not_waited_for_until_all_are_asked_for(tmp_path, arrives_after):
    arrives_after(2)
    last, rows = told_steps(tmp_path, 8)
    assert last == [0, 0, 1, 1, 1, 4, 4, 8]
    assert [(row["step"], row["loss"]) for row in rows] == [(n, n) for n in range(1, 9)]
    assert all(0 < row["slices_per_second"] < float("inf") for row in rows)
