"""What becomes of a batch, in words for its user."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.held_queue import RUNNING
from WSPCirrhosisLib.prediction_table import FAILED, OK, WAITING, Cells

from ..predict.wording import decisionText
from ..worker import WorkerFailed
from .queue_follow import QueueFollower


def stateText(queue: QueueFollower, isStarting: bool, isStopping: bool) -> str:
    """How the batch is, and what can be done.

    Args:
        queue: polled.
        isStarting: its process was started here and has not told of itself yet.
        isStopping: it was asked to stop.
    """
    if isStarting:
        return _("Starting …")
    if not queue.exists:
        return _("No results are in this folder yet.")
    counts = {"settled": queue.settled, "total": len(queue.rows), "failed": queue.count(FAILED)}
    if queue.isRunning and isStopping:
        return _("Stopping after the scans under way … {settled} of {total} done.").format(**counts)
    if queue.isRunning:
        text = _("Running: {settled} of {total} done, {failed} failed").format(**counts)
        if queue.etaSeconds is not None:
            text += _(", about {time} left").format(time=durationText(queue.etaSeconds))
        return text + _(". It goes on when Slicer is closed.")
    if queue.ended == "failed":
        return _("The work ended with an error: {why}").format(
            why=errorText(
                InputError(
                    queue.error.get("code", "unknown"),
                    queue.error.get("message", ""),
                    hint=queue.error.get("hint"),
                )
            )
        )
    if queue.isComplete:
        text = _("Finished: {total} scans, {failed} failed.").format(**counts)
        if counts["failed"]:
            text += " " + _("Their rows say why; put it right and press “Retry failed”.")
        return text
    if queue.ended:
        text = _("Stopped: {settled} of {total} done, {failed} failed. “Go on” does the rest.")
    else:
        text = _(
            "Ended from outside: {settled} of {total} done, {failed} failed. What is done is kept; “Go on” does "
            "the rest."
        )
    return text.format(**counts)


def rowText(cells: Cells) -> str:
    """A row in one line, with why it failed or what to know of it."""
    parts = [statusText(cells["status"]), *resultTexts(cells), remarkText(cells)]
    text = _("Row {row}, {patient}: {what}.").format(
        row=cells["row"], patient=cells["patient_id"], what="; ".join(filter(None, parts))
    )
    return text.replace("..", ".")


def statusText(status: str) -> str:
    """A row's state in a word."""
    return {
        WAITING: _("Waiting"),
        RUNNING: _("Running"),
        OK: _("Done"),
        FAILED: _("Failed"),
    }[status]


def remarkText(cells: Cells) -> str:
    """Why a row failed, or what to know of its result."""
    if cells["status"] == FAILED:
        what = {"volume": _("CT: "), "mask": _("Liver mask: ")}
        kind = str(cells["error_code"]).partition(".")[0]
        return what.get(kind, "") + inPanelWords(str(cells["error_message"]))
    if cells["status"] != OK:
        return ""
    # What is true of every row comes last.
    codes = sorted(str(cells["warnings"]).split(), key=lambda code: code.startswith("model."))
    return ", ".join(map(_warningText, codes))


def resultTexts(cells: Cells) -> tuple[str, str]:
    """Probability and decision of a row that was judged; empty for others."""
    if cells["status"] != OK:
        return "", ""
    return f"{float(cells['probability']):.2f}", decisionText(str(cells["decision"]))


def errorText(error: Exception) -> str:
    """Any error for someone who sees widgets and no command line."""
    if isinstance(error, InputError):
        parts = [error.message, error.hint or ""]
        return " ".join([*(inPanelWords(part) for part in parts if part), f"[{error.code}]"])
    if isinstance(error, WorkerFailed):
        return error.message
    return f"{type(error).__name__}: {error}"


_PANEL_WORDS = {
    "Add --resume to": _("Press “Go on” to"),
    "go on with --resume": _("press “Go on”"),
    ", or begin anew with --overwrite": "",
    ", or replace it with --overwrite where the command has that": "",
    "an --output": _("a results folder"),
    "--output": _("results folder"),
    "--jobs": _("scans at a time"),
    "--resume": _("“Go on”"),
    "--retry-failed": _("“Retry failed”"),
}


def inPanelWords(text: str) -> str:
    """A command's message with the names that its options have in the panel."""
    for words, panelWords in _PANEL_WORDS.items():
        text = text.replace(words, panelWords)
    return text


def durationText(seconds: float) -> str:
    """A time left, as exact as it can be known."""
    if seconds < 60:
        return _("{seconds} s").format(seconds=round(seconds))
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)


def _warningText(code: str) -> str:
    texts = {
        "model.synthetic": _("phantom model, means nothing on patients"),
        "representation.out_of_distribution": _("unlike the scans the model was fitted on"),
        "slices.few": _("few liver slices"),
        "volume.pixel_spacing_unusual": _("unusual pixel size"),
        "volume.slice_spacing_unusual": _("unusual slice distance"),
        "volume.matrix_small": _("few pixels"),
        "liver.hu_unusual": _("unusual brightness of the liver"),
        "liver.volume_unusual": _("unusual size of the liver"),
    }
    # A code that is new here is still words.
    return texts.get(code) or re.sub(r"[._]", " ", code)
