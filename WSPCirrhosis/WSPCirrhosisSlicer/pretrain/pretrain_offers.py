"""What the Pretrain section's buttons offer at the moment, and why not."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from .cohort_part import CohortPart
from .pretrain_settings import PretrainSettings
from .run_follow import RunFollower
from .run_words import errorText, inPanelWords


def whyNotStart(
    run: RunFollower | None, isStarting: bool, cohort: CohortPart, settings: PretrainSettings
) -> tuple[str, str]:
    """Why no run can be started, for the tooltip, and what of it the panel should say aloud.

    Args:
        run: of the folder that is chosen, if one is.
        isStarting: a process was started there and has not told of itself yet.
    """
    if not cohort.path:
        return _("Choose a cohort table first"), ""
    if not cohort.isReadable:
        return _("The cohort table cannot be used"), ""
    if run is None:
        return _("Choose a run folder first"), ""
    if isStarting:
        return _("The run is being started"), ""
    if run.state != "new":
        return _("A run is in this folder already. “New” takes another folder."), ""
    try:
        settings.config()
        run.folder.refuse_unfit(resume=False)
    except InputError as error:
        # What to change is in sight; codes are for what is not.
        return inPanelWords(error.message), inPanelWords(error.message)
    except OSError as error:
        return errorText(error), errorText(error)
    return "", ""


def whyNotResume(run: RunFollower | None, isStarting: bool, cohort: CohortPart) -> str:
    """Why the run that is followed cannot go on; nothing when it can. Arguments as for `whyNotStart`."""
    if run is None or run.state == "new":
        return _("No run is in this folder that could go on")
    if isStarting:
        return _("The run is being started")
    if run.isRunning:
        return _("The run is going on")
    if not run.canResume:
        return _("The run is finished")
    if not cohort.isReadable:
        return _("Choose the cohort table that the run was started with")
    return ""


def offerStop(button: Any, run: RunFollower | None, isStarting: bool) -> None:
    """Stop, or when that was asked already: end at once."""
    isStopping = run is not None and run.state == "stopping"
    button.setText(_("End now …") if isStopping else _("Stop"))
    if not isStarting and (run is None or not run.isRunning):
        offer(button, _("No run is going on"), "")
    elif isStopping and not run.canBeEnded:
        offer(button, _("The run is on another computer; it ends after its step"), "")
    elif isStopping:
        offer(button, "", _("End the run at once, without saving; asks first"))
    elif isStarting:
        offer(button, "", _("Do not begin"))
    else:
        offer(button, "", _("Save the run after this step and end it; it can go on later"))


def offer(button: Any, whyNot: str, does: str) -> None:
    """Enable a button, or say in its tooltip why it is not."""
    button.setEnabled(not whyNot)
    button.setToolTip(whyNot or does)
