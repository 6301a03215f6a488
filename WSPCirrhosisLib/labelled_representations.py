"""What `fit` and `evaluate` start from: the frozen encoder's representations of every scan with a strong label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .classifier import Slices
from .cohort import Cohort, read_cohort
from .cohort_record import patients_in_common, pretraining_cohort
from .encoders import Encoder, load_encoder
from .errors import InputError
from .events import Events
from .files import sha256_of
from .representations import Representations, represent_cohort
from .run_folder import RunFolder
from .slices import SliceSettings
from .strong_labels import labelled_cohort, patient_labels


@dataclass(frozen=True, eq=False)
class LabelledRepresentations:
    """A cohort's labelled scans through one frozen encoder.

    Args:
        cohort: the scans with a label.
        label_column: where it stands.
        labels: (P,) 0 or 1, patients in order of appearance.
        representations: of every judged slice.
        encoder: in evaluation mode.
        encoder_sha256: of its file.
        config: how it was pretrained, as `encoders.load_encoder` gives it.
        settings: how the slices were cut, here as in pretraining.
        pretrained_on: counts of the pretraining cohort.
        patients_in_common: patients that pretraining has seen; None when nobody can tell.
    """

    cohort: Cohort
    label_column: str
    labels: np.ndarray
    representations: Representations
    encoder: Encoder
    encoder_sha256: str
    config: dict[str, Any]
    settings: SliceSettings
    pretrained_on: dict[str, Any]
    patients_in_common: int | None

    @cached_property
    def slices(self) -> Slices:
        """The slices as the classifier takes them."""
        return Slices(
            self.representations.values.astype(np.float64),
            self.patient_of_case[self.representations.case],
            self.labels,
        )

    @cached_property
    def patient_of_case(self) -> np.ndarray:
        """(C,) patient number of each scan."""
        return self.representations.patients()[0]

    @property
    def pretraining_counts(self) -> dict[str, Any]:
        """Without the table's name: people name tables after hospitals; the hash is enough to recognise one."""
        return {key: value for key, value in self.pretrained_on.items() if key != "file"}

    @property
    def synthetic(self) -> bool:
        """Whether phantoms were in it, in pretraining or now."""
        return self.cohort.synthetic or bool(self.pretrained_on.get("synthetic"))

    @property
    def counts(self) -> dict[str, int]:
        """Patients, scans and slices, and those of the positive class."""
        of_case, of_slice = self.patient_of_case, self.slices.patient
        return {
            "patients": len(self.labels),
            "positive_patients": int(self.labels.sum()),
            "scans": len(of_case),
            "positive_scans": int(self.labels[of_case].sum()),
            "slices": len(of_slice),
            "positive_slices": int(self.labels[of_slice].sum()),
        }


def represent_labelled(
    cohort_path: str | Path,
    encoder_path: str | Path,
    label_column: str,
    *,
    allow_leakage: bool = False,
    jobs: int = 1,
    events: Events | None = None,
) -> LabelledRepresentations:
    """Read the table, check labels and leakage, and only then encode, which takes long.

    Raises:
        InputError: ``cohort.*``, ``encoder.*``, ``run.*``.
    """
    events = events or Events()
    cohort, labels = labelled_cohort(read_cohort(cohort_path), label_column)
    by_patient = patient_labels(cohort, labels)
    encoder, config = load_encoder(encoder_path)
    pretrained_on = pretraining_cohort(encoder_path)
    common = _leakage(cohort, encoder_path, allow_leakage, events)
    settings = SliceSettings(
        image_size=config["image_size"],
        hu_window=tuple(config["hu_window"]),
        slice_fraction=config["slice_fraction"],
        depth_range=config["depth_range"],
    )
    representations = represent_cohort(cohort, encoder, settings, jobs=jobs, events=events)
    return LabelledRepresentations(
        cohort=cohort,
        label_column=label_column,
        labels=by_patient,
        representations=representations,
        encoder=encoder,
        encoder_sha256=sha256_of(_encoder_file(Path(encoder_path))),
        config=config,
        settings=settings,
        pretrained_on=pretrained_on,
        patients_in_common=common,
    )


def _encoder_file(path: Path) -> Path:
    return RunFolder(path).encoder_file if path.is_dir() else path


def _leakage(cohort: Cohort, encoder_path: str | Path, allowed: bool, events: Events) -> int | None:
    """How many patients pretraining has seen; None when the encoder came without its run folder."""
    ids = sorted(set(cohort.patient_ids))
    common = patients_in_common(encoder_path, ids)
    if not common:
        return common
    message = f"{common} of {len(ids)} labelled patients were in the pretraining cohort."
    if not allowed:
        raise InputError(
            "cohort.leakage",
            message,
            file=cohort.path,
            hint="The figures would flatter the encoder. Leave them out, or add --allow-leakage; the results say so.",
        )
    events.warning("cohort.leakage", message + " The cross-validated figures may be too good.")
    return common
