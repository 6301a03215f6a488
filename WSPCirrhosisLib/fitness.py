"""Is this case fit to be judged by this model? Warnings in plain words, against the model's own cohort."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .model_card import ModelCard

# How far beyond the cohort's extremes a figure may lie before it is remarked upon: scanners round differently.
MARGIN = 0.1
# Pixels or slices this many times coarser than the coarsest of the cohort hide what the model looks at.
UNFIT_COARSENESS = 2.0
FEWEST_SLICES_TO_JUDGE = 5
GRAVEST_FIRST = ("danger", "unfit", "caution")


@dataclass(frozen=True)
class CaseWarning:
    """Something a reader must know before believing the number.

    Args:
        code: stable dotted name.
        severity: ``caution`` (read with care), ``unfit`` (the decision becomes indeterminate), ``danger`` (the
            number means nothing on a patient).
        message: one or two sentences, with the value and the range of the model's cohort.
    """

    code: str
    severity: str
    message: str


def caution_from_text(text: str) -> CaseWarning:
    """``volume.resampled=The volume was …`` → a caution; for what happened to a scan before it was read.

    Raises:
        ValueError: no dotted code, or no message behind it.
    """
    code, _, message = text.partition("=")
    if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", code) or not message.strip():
        raise ValueError(f"“{text}” is not CODE=MESSAGE, as in volume.resampled=The volume was …")
    return CaseWarning(code, "caution", message.strip())


def case_warnings(
    card: ModelCard,
    facts: dict[str, Any],
    distance: float,
    cautions: Sequence[CaseWarning] = (),
) -> tuple[CaseWarning, ...]:
    """All that is unusual about a case, the gravest first.

    Args:
        facts: `slices.scan_facts` of the case.
        distance: mean distance of its slices to the fit cohort (``distance`` of the model).
        cautions: what the caller knows of how the scan came about; see `caution_from_text`.
    """
    found = [
        _synthetic(card),
        *cautions,
        *_acquisition(card.reference["acquisition"], facts),
        _distance(card.reference["distance"], distance),
    ]
    return tuple(
        sorted(filter(None, found), key=lambda warning: GRAVEST_FIRST.index(warning.severity))
    )


def is_unfit(warnings: tuple[CaseWarning, ...]) -> bool:
    return any(warning.severity == "unfit" for warning in warnings)


def _synthetic(card: ModelCard) -> CaseWarning | None:
    if not card.synthetic:
        return None
    return CaseWarning(
        "model.synthetic",
        "danger",
        "This model was made from synthetic phantoms, not from people. Its prediction means NOTHING on a patient.",
    )


def _acquisition(reference: dict[str, dict[str, float]], facts: dict[str, Any]):
    spacing, seen = facts["in_plane_spacing_mm"], reference["in_plane_spacing_mm"]
    if _outside(spacing, seen):
        yield CaseWarning(
            "volume.pixel_spacing_unusual",
            _coarseness(spacing, seen),
            f"The pixels measure {spacing:.2f} mm; the model's cohort has {_range(seen, '.2f')} mm. "
            + (
                "Fine texture is lost."
                if spacing > seen["highest"]
                else "The field of view is small."
            ),
        )
    side, seen = min(facts["matrix"]), reference["matrix_smallest_side"]
    if side < seen["lowest"] * (1 - MARGIN):
        yield CaseWarning(
            "volume.matrix_small",
            "caution",
            f"The slices have {facts['matrix'][0]} × {facts['matrix'][1]} pixels and are blown up; the model's "
            f"cohort has {_range(seen, '.0f')} on the shorter side.",
        )
    spacing, seen = facts["slice_spacing_mm"], reference["slice_spacing_mm"]
    if _outside(spacing, seen):
        yield CaseWarning(
            "volume.slice_spacing_unusual",
            _coarseness(spacing, seen),
            f"The slices lie {spacing:.2f} mm apart; the model's cohort has {_range(seen, '.2f')} mm.",
        )
    count, seen = facts["slices_judged"], reference["slices_judged"]
    if count < FEWEST_SLICES_TO_JUDGE or count < seen["lowest"] * (1 - MARGIN):
        yield CaseWarning(
            "slices.few",
            "unfit" if count < FEWEST_SLICES_TO_JUDGE else "caution",
            f"Only {count} slices were judged; the model's cohort has {_range(seen, '.0f')} a scan.",
        )
    density, seen = facts["liver_median_hu"], reference["liver_median_hu"]
    if _outside(density, seen):
        yield CaseWarning(
            "liver.hu_unusual",
            "caution",
            f"The liver's median is {density:.0f} HU; the model's cohort has {_range(seen, '.0f')} HU. "
            "Another contrast phase, or a mask that is off?",
        )
    volume, seen = facts["liver_volume_ml"], reference["liver_volume_ml"]
    if _outside(volume, seen):
        yield CaseWarning(
            "liver.volume_unusual",
            "caution",
            f"The liver mask holds {volume:.0f} ml; the model's cohort has {_range(seen, '.0f')} ml. "
            "Is the mask complete, and the liver's alone?",
        )


def _distance(reference: dict[str, float], distance: float) -> CaseWarning | None:
    if distance <= reference["unusual_above"]:
        return None
    unfit = distance > reference["unfit_above"]
    return CaseWarning(
        "representation.out_of_distribution",
        "unfit" if unfit else "caution",
        f"To the encoder this case looks unlike the model's cohort: distance {distance:.2f}, where unseen patients "
        f"of the cohort have {reference['median']:.2f} and at most {reference['largest']:.2f}. "
        + ("Too far to be judged." if unfit else "Read the number with care."),
    )


def _outside(value: float, seen: dict[str, float]) -> bool:
    width = seen["highest"] - seen["lowest"]
    low = seen["lowest"] - max(MARGIN * abs(seen["lowest"]), MARGIN * width)
    high = seen["highest"] + max(MARGIN * abs(seen["highest"]), MARGIN * width)
    return not low <= value <= high


def _coarseness(spacing_mm: float, seen: dict[str, float]) -> str:
    return "unfit" if spacing_mm > UNFIT_COARSENESS * seen["highest"] else "caution"


def _range(seen: dict[str, float], digits: str) -> str:
    lowest, highest = f"{seen['lowest']:{digits}}", f"{seen['highest']:{digits}}"
    return lowest if lowest == highest else f"{lowest} to {highest}"
