"""What becomes of a pretraining run, in words for its user."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from ..worker import WorkerFailed
from .run_follow import RunFollower

# A step and its checkpoint take seconds; what takes longer hangs, or is a very large batch on a CPU.
GRACE_SECONDS = 30.0
# Parts of a progress bar, at most.
FINEST = 1_000_000


def stateText(run: RunFollower, isStarting: bool, stoppingSeconds: float = 0.0) -> str:
    """How the run is, and what can be done.

    Args:
        run: polled.
        isStarting: its process was started here and has not told of itself yet.
        stoppingSeconds: how long ago it was asked to stop.
    """
    if isStarting:
        return _("Starting: Python and PyTorch are being loaded …")
    if run.state == "running":
        return _running(run)
    if run.state == "stopping":
        return _stopping(run, stoppingSeconds)
    if run.state == "finished" and run.hasCollapsed:
        return _(
            "Finished: {total} steps, but the encoder has learned nothing that tells slices apart (all latents point one"
            " way). Start a new run with a lower learning rate, a larger batch or another method."
        ).format(total=run.total)
    if run.state == "finished":
        return _(
            "Finished: {total} steps. The encoder is in the run folder; go on with “Fit classifier”."
        ).format(total=run.total)
    if run.state == "stopped" and run.checkpointStep is None:
        return _(
            "Stopped before the first step. Resume begins with it; slices cut so far are kept."
        )
    if run.state == "stopped":
        return _("Stopped after step {step} of {total}, saved. {next}").format(
            step=run.step, total=run.total, next=_next(run)
        )
    if run.state == "killed":
        return _(
            "The run was ended from outside, or its computer ran out of memory or power, after step {step}. {next}"
        ).format(step=run.step, next=_next(run))
    if run.state == "failed":
        return _("The run failed after step {step}. {why}").format(
            step=run.step, why=failureText(run)
        )
    return _("No run is in this folder.")


def failureText(run: RunFollower) -> str:
    """Why a run failed, and what to do about it."""
    error = run.error or {}
    if error.get("code") == "device.out_of_memory":
        advice = _(
            "The run keeps its settings, so start a new one with a smaller batch size or image size{cpu}."
        )
        onGpu = run.record.get("device") == "cuda"
        advice = advice.format(cpu=_(", or on the CPU") if onGpu else "")
        return f"{error['message']} {advice} [{error['code']}]"
    return errorText(
        InputError(
            error.get("code", "unknown"),
            error.get("message", _("Its log tells more.")),
            hint=error.get("hint"),
        )
    )


def errorText(error: Exception) -> str:
    """Any error for someone who sees widgets and no command line."""
    if isinstance(error, InputError):
        hint = error.hint
        if error.code == "packages.missing":
            hint = _("Install what pretraining needs in the section “Set-up”.")
        parts = [
            inPanelWords(error.message),
            inPanelWords(hint) if hint else "",
            f"[{error.code}]",
        ]
        return " ".join(filter(None, parts))
    if isinstance(error, WorkerFailed):
        return error.message
    return f"{type(error).__name__}: {error}"


_LABELS = {"output": "Run folder", "weak-label-column": "Weak label", "resume": "Resume"}


def inPanelWords(text: str) -> str:
    """A command's message with the names that its options have in the panel."""

    def label(option: re.Match[str]) -> str:
        name = option[1]
        return f"“{_LABELS.get(name, name.replace('-', ' ').capitalize())}”"

    text = re.sub(r"--([a-z][a-z-]*)", label, text).replace("`check`", "“Check the cohort”")
    setting = re.match(r"([a-z]+(?:_[a-z]+)*) is ", text)
    return (
        text[: setting.end(1)].replace("_", " ").capitalize() + text[setting.end(1) :]
        if setting
        else text
    )


def progressOf(run: RunFollower) -> tuple[int, int]:
    """What a progress bar shows: of the training, or of what comes before it."""
    step, total = run.step, run.total
    if run.isRunning and run.stage and run.stage != "pretrain":
        step, total = run.stageStep, run.stageTotal
    # Qt counts to 2³¹.
    return (step, total) if total < FINEST else (step * FINEST // total, FINEST)


def lastRunText(name: str) -> str:
    return _("Follow the last run ({name})").format(name=name)


def _running(run: RunFollower) -> str:
    if run.stage == "cache" and run.stageStep < run.stageTotal:
        return _("Preparing: slices of scan {step} of {total} …").format(
            step=run.stageStep + 1, total=run.stageTotal
        )
    if run.stage == "upload" and run.stageStep < run.stageTotal:
        return _("Preparing: scan {step} of {total} goes to the GPU …").format(
            step=run.stageStep + 1, total=run.stageTotal
        )
    if not run.total:
        return _("Preparing …")
    epochs = run.config.get("epochs", 1)
    text = _("Running: epoch {epoch} of {epochs}, step {step} of {total}").format(
        epoch=min(run.epochOf(run.step + 1), epochs), epochs=epochs, step=run.step, total=run.total
    )
    if run.stage == "pretrain" and run.etaSeconds is not None:
        text += _(", about {time} left").format(time=_duration(run.etaSeconds))
    return text + "."


def _stopping(run: RunFollower, seconds: float) -> str:
    text = _("Stopping after this step (step {step} of {total}); then it is saved …").format(
        step=run.step, total=run.total
    )
    if seconds > GRACE_SECONDS:
        text += " " + _("This takes long. “End now” ends it at once, without saving.")
    return text


def _next(run: RunFollower) -> str:
    if run.checkpointStep is None:
        return _("Nothing was saved yet: Resume begins again with the first step.")
    return _("Resume goes on from epoch {epoch}, after step {step}.").format(
        epoch=run.resumesInEpoch, step=run.checkpointStep
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return _("{seconds} s").format(seconds=round(seconds))
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
