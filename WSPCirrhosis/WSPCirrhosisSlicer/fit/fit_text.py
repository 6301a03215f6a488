"""A fit in words: what it found, how far that is chance, and what it is doing."""

from __future__ import annotations

from html import escape
from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import InputError

from ..models.model_card_text import ALARM_STYLE
from ..worker import WorkerFailed

PARAGRAPH = '<p style="margin-top: 0px; margin-bottom: 5px;">{line}</p>'
ALARM = f'<span style="{ALARM_STYLE}">&nbsp;{{text}}&nbsp;</span>'
STAGES = {
    "represent": _("Encoding scan {step} of {total}"),
    "cross-validation": _("Cross-validating, repeat {step} of {total}"),
}


def resultText(evaluation: dict[str, Any]) -> str:
    """The figures for the panel, as rich text."""
    figures, cohort = evaluation["figures"], evaluation["cohort"]
    area = figures["auc_pooled_delong"]
    positive = escape(evaluation["label"]["positive_class"])
    lines = [
        _("<b>AUC {estimate:.2f}, 95 % interval {low:.2f} to {high:.2f}</b>").format(**area),
        _(
            "Of a patient with {finding} and one without, the model gives the former the higher probability in "
            "{estimate:.0f} of 100 pairs (it may be {low:.0f} to {high:.0f})."
        ).format(
            finding=positive,
            **{key: 100 * area[key] for key in ("estimate", "low", "high")},
        ),
        _(
            "{patients} patients, {positive} with {finding}; each judged by classifiers that have not seen it. "
            "AUC {mean:.2f} ± {sd:.2f} over {repeats} × {folds} folds; {accuracy:.0f} % of the ill and the "
            "healthy judged rightly (balanced accuracy)."
        ).format(
            patients=cohort["patients"],
            positive=cohort["positive_patients"],
            finding=positive,
            mean=figures["auc_mean"],
            sd=figures["auc_sd"],
            repeats=figures["repeats"],
            folds=figures["folds"],
            accuracy=100 * figures["balanced_accuracy"],
        ),
    ]
    return "".join(PARAGRAPH.format(line=line) for line in [*lines, *_cautions(evaluation)])


def _cautions(evaluation: dict[str, Any]) -> list[str]:
    area, cohort = evaluation["figures"]["auc_pooled_delong"], evaluation["cohort"]
    cautions = []
    if evaluation["synthetic"]:
        cautions.append(
            ALARM.format(
                text=_("Synthetic: made from phantoms. This means NOTHING about patients.")
            )
        )
    if area["low"] <= 0.5:
        cautions.append(
            _("The interval holds 0.50: what was found may be chance. More patients would tell.")
        )
    if cohort["patients_in_pretraining"]:
        cautions.append(
            _("{count} of the patients were in pretraining: the figures may be too good.").format(
                count=cohort["patients_in_pretraining"]
            )
        )
    elif cohort["patients_in_pretraining"] is None:
        cautions.append(_("Whether pretraining has seen these patients is not known."))
    return cautions


def stageText(event: dict[str, Any], elapsed_s: float) -> str:
    """What the worker is doing, since when, and how long this step will take yet."""
    text = STAGES[event["stage"]].format(**event) if event["stage"] in STAGES else event["stage"]
    text += _(", {elapsed}").format(elapsed=clock(elapsed_s))
    if event.get("eta_s"):
        text += _(", {left} left").format(left=clock(event["eta_s"]))
    return text


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def errorText(error: Exception) -> str:
    """What went wrong and what to do, for the panel, where nobody can type the command line's options."""
    if isinstance(error, InputError):
        if error.code == "cohort.leakage":
            return _(
                "{message} The figures would flatter the encoder: leave these patients out of the table, or tick "
                "“Accept patients seen in pretraining”; the model's card then says so."
            ).format(message=error.message)
        hint = error.hint or ""
        return f"{error.message} {'' if '--' in hint else hint}".strip()
    return error.message if isinstance(error, WorkerFailed) else str(error)
