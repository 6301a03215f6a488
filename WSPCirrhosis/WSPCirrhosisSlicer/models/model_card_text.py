"""A model's card as a page for a text browser: what a user has to know before using it."""

from __future__ import annotations

from html import escape
from typing import Any

from slicer.i18n import tr as _

from WSPCirrhosisLib.model_card import ModelCard
from WSPCirrhosisLib.model_list import ModelEntry
from WSPCirrhosisLib.model_registry import KnownModel

# White on dark red: legible on light and dark palettes.
ALARM_STYLE = "background-color: #a51d1d; color: #ffffff; font-weight: bold;"


def syntheticAlarm() -> str:
    """What is said wherever a model made from phantoms is in use."""
    return _(
        "SYNTHETIC MODEL: made from drawn phantoms. Its predictions mean NOTHING on a patient."
    )


def styleBanner(label: Any) -> None:
    """Make a label a red banner that says so."""
    label.setText(syntheticAlarm())
    label.setStyleSheet(ALARM_STYLE + " padding: 6px;")
    label.setWordWrap(True)


def cardPage(card: ModelCard, sha256: str) -> str:
    """The card of a verified model file.

    Args:
        sha256: of the file.
    """
    counts, figures = card.cohort, card.cross_validation
    fit, area = counts["fit"], figures["auc_pooled_delong"]
    shared = counts["patients_in_pretraining_and_fit"]
    rows = [
        (
            _("Predicts"),
            _("{what} (column “{label}” of the cohort)").format(
                what=card.positive_class, label=card.label
            ),
        ),
        (
            _("Fitted on"),
            _("{patients} patients ({positive} with {what}), {slices} slices").format(
                patients=fit["patients"],
                positive=fit["positive_patients"],
                what=card.positive_class,
                slices=fit["slices"],
            ),
        ),
        (_("Pretrained on"), _pretraining(card)),
        (_("Patients in both"), str(shared)),
        (
            _("Area under the ROC curve"),
            _(
                "{estimate:.3f} (95 % interval {low:.3f} to {high:.3f}); 0.5 is chance, 1 is perfect"
            ).format(**area),
        ),
        (
            _("Cross-validation"),
            _("{mean:.3f} ± {sd:.3f} over {repeats} × {folds} folds, by patient").format(
                mean=figures["auc_mean"],
                sd=figures["auc_sd"],
                repeats=figures["repeats"],
                folds=figures["folds"],
            ),
        ),
        (
            _("Balanced accuracy"),
            _("{value:.3f}; 0.5 is chance, 1 is perfect").format(
                value=figures["balanced_accuracy"]
            ),
        ),
        (
            _("Error of the probabilities"),
            _("Brier score {value:.3f}; 0 is perfect").format(value=figures["brier"]),
        ),
        (
            _("Decision threshold"),
            _("probability {threshold:.3f} and above").format(threshold=card.threshold),
        ),
        (
            _("Images"),
            _("{size} × {size} pixels, {low:g} to {high:g} HU").format(
                size=card.image_size, low=card.hu_window[0], high=card.hu_window[1]
            ),
        ),
        (_("Encoder and method"), f"{card.encoder}, {card.method}"),
        (_("Licence"), card.licence),
        (
            _("Made"),
            _("{date}, WSPCirrhosis {version}").format(
                date=card.created, version=card.library_version
            ),
        ),
        (_("Identity"), card.model_id),
        (_("SHA-256 of the file"), sha256),
    ]
    alarm = _alarm(syntheticAlarm()) if card.synthetic else ""
    return f"{alarm}<h3>{escape(card.name)}</h3>{_table(rows)}<p>{escape(card.intended_use)}</p>"


def waitingPage(model: KnownModel) -> str:
    """What a list says of a model whose file is not here yet."""
    entry: ModelEntry = model.entry
    rows = [
        (_("Licence"), entry.licence),
        (_("Size"), _("{size:.1f} MB").format(size=entry.size_bytes / 1e6)),
        (_("From"), entry.url or _("no address: ask whoever made the list for the file")),
        (_("SHA-256 of the file"), entry.sha256),
    ]
    advice = _(
        "The model is not on this computer. Press Download; or download the file “{file}” on another computer, bring it "
        "here and add it below: it is verified against the same SHA-256."
    )
    alarm = _alarm(syntheticAlarm()) if entry.synthetic else ""
    texts = [entry.description, advice.format(file=entry.file)]
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in texts if text)
    return f"{alarm}<h3>{escape(entry.name)}</h3>{paragraphs}{_table(rows)}"


def problemPage(name: str, problem: str, hint: str = "") -> str:
    """Why a model cannot be shown."""
    return f"<h3>{escape(name)}</h3>{_alarm(problem)}<p>{escape(hint)}</p>"


def _pretraining(card: ModelCard) -> str:
    pretraining = card.cohort["pretraining"]
    return _("{patients} patients, {slices} slices").format(
        patients=pretraining["patients"], slices=pretraining["slices"]
    )


def _alarm(text: str) -> str:
    return f'<p style="{ALARM_STYLE}">&nbsp;{escape(text)}</p>'


def _table(rows: list[tuple[str, str]]) -> str:
    lines = "".join(
        f'<tr><td style="padding-right: 8px;">{escape(name)}</td><td>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table>{lines}</table>"
