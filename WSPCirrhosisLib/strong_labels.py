"""The strong label of each patient, read from a cohort table: which columns can serve, and what is wrong with one.

Light on purpose: the panel asks these questions before a worker is started.
"""

from __future__ import annotations

import numpy as np

from .cohort import Cohort
from .errors import InputError

POSITIVE_CLASS = "cirrhosis"


def label_columns(cohort: Cohort) -> list[str]:
    """The columns that hold nothing but 0, 1 and empty cells, both numbers at least once; in the table's order."""
    found = []
    for column in cohort.columns:
        numbers = {_binary(text) for text in cohort.labels(column) if text is not None}
        if numbers == {0, 1}:
            found.append(column)
    return found


def labelled_cohort(cohort: Cohort, label_column: str) -> tuple[Cohort, np.ndarray]:
    """The scans that have a label, and the labels (C,) 0 or 1.

    Raises:
        InputError: ``cohort.column_missing``, ``cohort.label_not_binary``.
    """
    texts = cohort.labels(label_column)
    numbers = {text: _binary(text) for text in set(texts) if text is not None}
    strange = sorted(text for text, number in numbers.items() if number is None)
    if strange:
        raise InputError(
            "cohort.label_not_binary",
            f"The column “{label_column}” holds {', '.join(strange[:5])}; 0 and 1 are expected.",
            file=cohort.path,
            hint="Write 1 for cirrhosis (advanced fibrosis), 0 for none, and leave unknown ones empty.",
        )
    kept = [index for index, text in enumerate(texts) if text is not None]
    return cohort.select(kept), np.array([numbers[texts[index]] for index in kept], dtype=int)


def patient_labels(cohort: Cohort, labels: np.ndarray) -> np.ndarray:
    """(P,) label of each patient, in order of appearance.

    Raises:
        InputError: ``cohort.label_contradicts`` when scans of one patient differ, ``cohort.too_few_patients``.
    """
    of_patient: dict[str, int] = {}
    contradicting = []
    for case, label in zip(cohort.cases, labels.tolist(), strict=True):
        if of_patient.setdefault(case.patient_id, label) != label:
            contradicting.append(str(case.row))
    if contradicting:
        raise InputError(
            "cohort.label_contradicts",
            f"The label differs from an earlier scan of the same patient in row {', '.join(contradicting[:10])}.",
            file=cohort.path,
            hint="A patient has one label; give scans from before and after separate patient_ids, or leave some out.",
        )
    found = np.array(list(of_patient.values()), dtype=int)
    try:
        check_classes(found)
    except InputError as error:
        raise InputError(error.code, error.message, file=cohort.path, hint=error.hint) from None
    return found


def check_classes(labels: np.ndarray) -> None:
    """Raise ``cohort.too_few_patients`` unless both classes have at least two patients."""
    negatives, positives = int((labels == 0).sum()), int((labels == 1).sum())
    if min(negatives, positives) < 2:
        raise InputError(
            "cohort.too_few_patients",
            f"{negatives} patients with label 0 and {positives} with label 1; at least two of each are needed.",
            hint="Add labelled patients, or choose another --label-column.",
        )


def _binary(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number in (0.0, 1.0) else None
