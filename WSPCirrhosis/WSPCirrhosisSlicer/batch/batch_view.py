"""The Batch section as it looks: how a batch is, what can be pressed, and why the rest cannot."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.model_registry import card_of
from WSPCirrhosisLib.prediction_table import FAILED

from ..models.available import isSynthetic, modelProblem
from .queue_follow import QueueFollower
from .queue_words import rowText, stateText


def showState(
    ui: Any, queue: QueueFollower | None, isStarting: bool, isStopping: bool, chosen: list[int]
) -> None:
    """Words and progress.

    Args:
        queue: polled; None when no folder is chosen.
        isStarting: its process was started here and has not told of itself yet.
        isStopping: it was asked to stop.
        chosen: the rows that are selected.
    """
    exists = queue is not None and queue.exists
    ui.batchStateLabel.setText(
        _("Choose a cohort table; every row becomes a prediction.")
        if queue is None
        else stateText(queue, isStarting, isStopping)
    )
    ui.batchProgressBar.setVisible(isStarting or (exists and queue.isRunning))
    # Without a known end the bar only tells that something goes on.
    ui.batchProgressBar.setRange(0, 0 if isStarting else max(len(queue.rows) if exists else 0, 1))
    ui.batchProgressBar.setValue(queue.settled if exists and not isStarting else 0)
    for widget in (ui.batchRowsTable, ui.batchOnlyFailedCheckBox):
        widget.setVisible(exists)
    ui.batchRowLabel.setVisible(exists and len(chosen) == 1)
    if exists and len(chosen) == 1:
        ui.batchRowLabel.setText(rowText(queue.rows[chosen[0]]))


def showButtons(
    ui: Any, queue: QueueFollower | None, whyNotStart: str, whyNotStop: str, retried: list[int]
) -> None:
    """What can be pressed.

    Args:
        retried: the failed rows that are selected.
    """
    exists = queue is not None and queue.exists
    if exists:
        text, start = (
            _("Go on"),
            _("Judge what waits, or was added or changed; what is done is kept"),
        )
    else:
        text, start = _("Start"), _("Judge every scan of the table with the model in use")
    ui.batchStartButton.setText(text)
    offerButton(ui.batchStartButton, whyNotStart, start)
    offerButton(
        ui.batchStopButton,
        whyNotStop,
        _("End after the scans under way; “Go on” does the rest later"),
    )
    selected = _("Retry {count} selected").format(count=len(retried))
    ui.batchRetryButton.setText(selected if retried else _("Retry failed"))
    offerButton(
        ui.batchRetryButton,
        whyNotStart or ("" if exists and queue.count(FAILED) else _("No row has failed")),
        _("Judge the failed rows again, and only those: all of them, or those selected below"),
    )
    nothing = "" if exists else _("There are no results yet")
    offerButton(ui.batchOpenTableButton, nothing, _("Open predictions.csv, for a spreadsheet"))
    offerButton(ui.batchOpenFolderButton, nothing, _("Open the folder with a report of every scan"))
    offerButton(ui.batchAddTableButton, nothing, _("Put the rows into the scene as a table"))


def showModel(ui: Any, path: str, queue: QueueFollower | None) -> None:
    """The model in use, by the name on its card; a banner when it, or the one that judged the rows, is synthetic."""
    problem = modelProblem(path)
    ui.batchModelLabel.setText(problem or card_of(path).name)
    isJudged = queue is not None and queue.exists and queue.isSynthetic
    ui.batchSyntheticBanner.setVisible(isJudged or isSynthetic(path))


def offerButton(button: Any, whyNot: str, toolTip: str) -> None:
    """Enable a button, or say why it is not."""
    button.setEnabled(not whyNot)
    button.setToolTip(whyNot or toolTip)
