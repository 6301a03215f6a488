"""A prediction in words: rich text for the panel, plain text for the clipboard."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from ..worker import WorkerFailed

# White on these is legible whatever the palette behind them.
RED, GREEN, AMBER, GREY = "#b3261e", "#1e6f3c", "#8a5a00", "#5b6470"
RESEARCH_ONLY = _("Research use only: not a medical device, not for decisions about patients.")


def resultHtml(prediction: dict[str, Any]) -> str:
    """Decision, probability and interval."""
    interval = prediction["interval"]
    figures = _("{level:.0%} interval {low:.0%} to {high:.0%} · threshold {threshold:.0%}").format(
        **interval, threshold=prediction["threshold"]
    )
    probability = _("Probability of cirrhosis: {probability:.0%}").format(**prediction)
    return (
        f"<p style='font-size:large'>{_decision_badge(prediction['decision'])}</p>"
        f"<p style='font-size:large'><b>{escape(probability)}</b></p><p>{escape(figures)}</p>"
    )


def warningsHtml(prediction: dict[str, Any]) -> str:
    """What to know before believing the number, the gravest first; empty when there is nothing."""
    return "".join(
        f"<p>{_severity_badge(warning['severity'])} {escape(warning['message'])}</p>"
        for warning in prediction["warnings"]
    )


def otherVolumeHtml(name: str) -> str:
    """That the result is not of the CT that is chosen."""
    text = _("This is the result of “{name}”, not of the CT chosen above.").format(name=name)
    return f"<p>{_badge(_('Another CT'), AMBER)} {escape(text)}</p>"


def decisionText(decision: str) -> str:
    """A decision as the user's language has it."""
    return {
        "cirrhosis": _("Cirrhosis"),
        "no cirrhosis": _("No cirrhosis"),
        "indeterminate": _("Undecided"),
    }[decision]


def resultText(prediction: dict[str, Any]) -> str:
    """The prediction as plain text; names nobody."""
    interval, model = prediction["interval"], prediction["model"]
    lines = [
        _("Cirrhosis prediction from CT: {decision}").format(
            decision=decisionText(prediction["decision"])
        ),
        _("Probability {probability:.2f} ({level:.0%} interval {low:.2f} to {high:.2f})").format(
            probability=prediction["probability"], **interval
        ),
        _("Threshold {threshold:.2f}; {count} slices judged").format(
            threshold=prediction["threshold"], count=len(prediction["slices"])
        ),
        *(f"- {severityText(w['severity'])}: {w['message']}" for w in prediction["warnings"]),
        _("Model {name} ({id}), SHA-256 {sha256}").format(
            name=model["name"], id=model["id"], sha256=model["sha256"]
        ),
        _("Scan fingerprint {fingerprint}").format(fingerprint=prediction["input"]["fingerprint"]),
        _("Computed {created}").format(created=prediction["created"]),
        RESEARCH_ONLY,
    ]
    return "\n".join(lines) + "\n"


def errorHtml(error: Exception) -> str:
    """Why there is no result, and what to do."""
    badge = _badge(_("No prediction"), RED)
    if isinstance(error, InputError):
        what_to_do = _hint(error)
        hint = f"<p>{escape(what_to_do)}</p>" if what_to_do else ""
        where = f"{escape(Path(error.file).name)}: " if error.file else ""
        return f"<p>{badge} {where}{escape(error.message)}</p>{hint}"
    if isinstance(error, WorkerFailed):
        hint = (
            _("Close other programs and predict again.")
            if error.wasKilled
            else _("This is a defect of the extension. The log of the application says more.")
        )
        return f"<p>{badge} {escape(error.message)}</p><p>{escape(hint)}</p>"
    return f"<p>{badge} {escape(f'{type(error).__name__}: {error}')}</p>"


def severityText(severity: str) -> str:
    """How grave a warning is, in words."""
    return {
        "danger": _("Meaningless on patients"),
        "unfit": _("Not fit to be judged"),
        "caution": _("Read with care"),
    }[severity]


def _hint(error: InputError) -> str:
    """What to do; where the library speaks of the command line, in the panel's terms."""
    if error.code in ("mask.several_labels", "mask.label_missing"):
        return _("Enter the liver's value beside the label map.")
    if error.code == "model.missing":
        return _("Choose another model; the section Models has more.")
    return error.hint or ""


def _severity_badge(severity: str) -> str:
    color = {"danger": RED, "unfit": RED, "caution": AMBER}[severity]
    return _badge(severityText(severity), color)


def _decision_badge(decision: str) -> str:
    color = {"cirrhosis": RED, "no cirrhosis": GREEN, "indeterminate": AMBER}[decision]
    return _badge(decisionText(decision), color)


def _badge(text: str, color: str) -> str:
    return f"<span style='background-color:{color};color:white'>&nbsp;{escape(text)}&nbsp;</span>"
