"""One run of an experiment: pretrain, represent both strong cohorts, cross-validate; each kept as soon as it is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .classifier import Slices
from .cohort import Cohort, read_cohort
from .cohort_record import patients_in_common
from .cross_validation import CrossValidation, cross_validate
from .encoders import load_encoder
from .errors import Cancelled, InputError
from .events import Events
from .experiment_cohorts import weak_table
from .experiment_plan import FIRST, SECOND, UNION, WEAK, Plan, Run
from .files import sha256_of, write_json, write_whole
from .pretraining import pretrain
from .pretraining_data import trainable
from .representations import frozen
from .run_folder import RunFolder
from .slice_cache import SliceCache
from .slices import SliceSettings
from .stop_signals import StopSignals
from .strong_labels import labelled_cohort, patient_labels

# Raised whenever the same representations would be judged in another way.
EVALUATION_FORMAT = 2


@dataclass(frozen=True)
class Judged:
    """What `evaluations/….json` holds of one encoder on one cohort; R repeats, P patients, F folds.

    Args:
        labels: (P,) 0 or 1.
        probabilities: (R, P), each by a classifier that has not seen the patient.
        called: (R, P) whether it reached its fold's inner Youden threshold.
        fold_auc: (R × F,).
    """

    labels: np.ndarray
    probabilities: np.ndarray
    called: np.ndarray
    fold_auc: np.ndarray

    @property
    def pooled(self) -> np.ndarray:
        """(P,) averaged over the repeats."""
        return self.probabilities.mean(axis=0)


class RunResult:
    """The folder of one run, and what of it is there."""

    def __init__(self, plan: Plan, folder: Path, run: Run, cohorts: Mapping[str, Cohort]) -> None:
        self.run = run
        self.folder = folder / "runs" / run.name
        self.encoder_path = run.given or self.folder / "pretraining"
        self.lock_file = self.folder / ".lock"
        self._plan = plan
        self._columns = {name: plan.cohorts[name].label_column for name in cohorts}
        self._tables = {name: sha256_of(cohort.path) for name, cohort in cohorts.items()}
        judged_on = hashlib.sha256(json.dumps([self._columns, self._tables]).encode()).hexdigest()
        self.representations_file = self.folder / f"representations-{judged_on[:8]}.npz"

    def wanted(self, strong_patients: Iterable[int | None]) -> dict[str, tuple[str, int | None]]:
        """Name of each evaluation → its cohort and most patients to train on; fewer strong labels count on D1 alone."""
        names = {
            cohort: (cohort, None) for cohort in self._plan.evaluated if None in strong_patients
        }
        first = self._plan.evaluated[0]
        return names | {f"{first}-{n}": (first, n) for n in sorted(set(strong_patients) - {None})}

    def judged(self, name: str) -> Judged | None:
        """An evaluation; None when it is not there, or not of this very protocol and these tables."""
        found = _read_json(self._evaluation_file(name))
        if not isinstance(found, dict) or found.get("made_of") != self._made_of(name):
            return None
        return Judged(
            np.array(found["labels"]),
            np.array(found["probabilities"]),
            np.array(found["called"], dtype=bool),
            np.array(found["fold_auc"]),
        )

    def keep(self, name: str, found: CrossValidation) -> None:
        self._evaluation_file(name).parent.mkdir(parents=True, exist_ok=True)
        content = {
            "made_of": self._made_of(name),
            "labels": found.labels.tolist(),
            "fold_auc": [fold.auc for fold in found.folds],
            "probabilities": found.probabilities.tolist(),
            "called": found.called.astype(int).tolist(),
        }
        write_json(self._evaluation_file(name), content)

    def is_done(self, strong_patients: Iterable[int | None]) -> bool:
        return all(self.judged(name) for name in self.wanted(strong_patients))

    def _evaluation_file(self, name: str) -> Path:
        return self.folder / "evaluations" / f"{name}.json"

    def _made_of(self, name: str) -> dict[str, Any]:
        protocol = asdict(self._plan.evaluation)
        del protocol["bootstrap"]  # computed from what is kept
        return {
            "format": EVALUATION_FORMAT,
            "evaluation": name,
            "protocol": protocol,
            "tables": self._tables,
            "label_columns": self._columns,
        }


def carry_out(
    plan: Plan,
    folder: Path,
    result: RunResult,
    strong_patients: set[int | None],
    cohorts: Mapping[str, Cohort],
    *,
    device: str,
    jobs: int,
    allow_leakage: bool,
    events: Events,
) -> None:
    """Do what is missing of a run; safe to be killed anywhere and called again.

    Raises:
        InputError: ``pretrain.diverged`` among others.
        Cancelled: the training was told to stop, and is saved.
    """
    run = result.run
    if run.given is None:
        imagenet = run.config.method == "imagenet"
        with StopSignals() as signals:
            pretrain(
                weak_table(folder / "cohorts", run.noise),
                result.encoder_path,
                replace(run.config, device=device),
                resume=True,
                cache_folder=folder / "slice_cache",
                weights_path=plan.imagenet_weights if imagenet else None,
                jobs=jobs,
                events=events,
            )
        if signals.requested:  # in its last moments, or where there was nothing to train
            raise Cancelled("Stopped; what is done is kept, and the same command goes on.")
    elif not allow_leakage:
        _refuse_leakage(run, cohorts)
    wanted = {
        name: what
        for name, what in result.wanted(strong_patients).items()
        if result.judged(name) is None
    }
    if not wanted:
        return
    slices = _represented(plan, folder, result, cohorts, device, jobs, events)
    for name, (cohort, most) in wanted.items():
        found = cross_validate(
            slices[cohort],
            folds=plan.evaluation.folds,
            repeats=plan.evaluation.repeats,
            seed=plan.evaluation.seed,
            most_training_patients=most,
            events=events,
        )
        result.keep(name, found)
    if run.given is None:
        # Three times the encoder's size, and of use only to a run that is not finished.
        RunFolder(result.encoder_path).checkpoint_file.unlink(missing_ok=True)


def cut_slices(
    results: Mapping[RunResult, Iterable[int | None]],
    folder: Path,
    cohorts: Mapping[str, Cohort],
    *,
    jobs: int,
    events: Events,
) -> None:
    """Cut what the runs that are not done will read, once and with all cores, before processes share the runs out.

    Args:
        results: with each run's numbers of strong patients.

    Raises:
        InputError: ``cohort.*``, ``encoder.*``.
    """
    seen = set()
    for result, strong_patients in results.items():
        if result.is_done(strong_patients):
            continue
        run = result.run
        settings = run.config.slice_settings
        read = [cohorts[name] for name in (FIRST, SECOND) if name in cohorts]
        if run.given is not None:
            settings = _settings_of(load_encoder(run.given)[1])
        elif run.config.objective is not None:
            weak = read_cohort(weak_table(folder / "cohorts", run.noise))
            read.append(trainable(weak, run.config, Events()))
        for cohort in read:
            key = settings, tuple((case.volume, case.mask) for case in cohort.cases)
            if key not in seen:
                seen.add(key)
                SliceCache.open(cohort, settings, folder / "slice_cache", jobs=jobs, events=events)


def read_slices(result: RunResult, name: str) -> tuple[Slices, np.ndarray]:
    """The kept representations of D1 or D2, and each slice's depth."""
    with np.load(result.representations_file) as kept:
        values, patient, labels, depth = (
            kept[f"{name}.{part}"] for part in ("values", "patient", "labels", "depth")
        )
    return Slices(values.astype(np.float64), patient, labels), depth


def _represented(
    plan: Plan,
    folder: Path,
    result: RunResult,
    cohorts: Mapping[str, Cohort],
    device: str,
    jobs: int,
    events: Events,
) -> dict[str, Slices]:
    names = [name for name in (FIRST, SECOND) if name in cohorts]
    if not result.representations_file.exists():
        encoder, config = load_encoder(result.encoder_path)
        settings = _settings_of(config)
        where = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        encode = frozen(encoder, settings.image_size, where)
        cut = partial(SliceCache.open, settings=settings, folder=folder / "slice_cache", jobs=jobs)
        arrays = {}
        for name in names:
            cache = cut(cohorts[name], events=events)
            column = plan.cohorts[name].label_column
            of_case = patient_labels(*labelled_cohort(cohorts[name], column))
            numbers = {patient: n for n, patient in enumerate(dict.fromkeys(cohorts[name].patient_ids))}  # fmt: skip
            values, patients = [], []
            for case, patient in enumerate(cohorts[name].patient_ids):
                images = cache.images(case)
                values.append(encode(images))
                patients.append(np.full(len(images), numbers[patient]))
                events.progress("represent", case + 1, cache.case_count)
            arrays[f"{name}.values"] = np.concatenate(values)
            arrays[f"{name}.patient"] = np.concatenate(patients)
            arrays[f"{name}.labels"] = of_case
            arrays[f"{name}.depth"] = np.concatenate([cache.depth(n) for n in range(cache.case_count)])  # fmt: skip
        result.folder.mkdir(parents=True, exist_ok=True)
        with write_whole(result.representations_file, "wb") as stream:
            np.savez(stream, **arrays)
    slices = {name: read_slices(result, name)[0] for name in names}
    if UNION in plan.evaluated:
        slices[UNION] = _together(slices[FIRST], slices[SECOND])
    return slices


def _settings_of(config: Mapping[str, Any]) -> SliceSettings:
    """How an encoder's slices were cut, as its file tells."""
    return SliceSettings(
        image_size=config["image_size"],
        hu_window=tuple(config["hu_window"]),
        slice_fraction=config["slice_fraction"],
        depth_range=config["depth_range"],
    )


def _together(first: Slices, second: Slices) -> Slices:
    """Two cohorts as one: no patient is in both (`experiment_cohorts`)."""
    return Slices(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.patient, second.patient + len(first.labels)]),
        np.concatenate([first.labels, second.labels]),
    )


def _refuse_leakage(run: Run, cohorts: Mapping[str, Cohort]) -> None:
    judged = {patient for name, cohort in cohorts.items() if name != WEAK for patient in cohort.patient_ids}  # fmt: skip
    common = patients_in_common(run.given, judged)
    if common is None or common:
        who = "Nobody can tell whether patients" if common is None else f"{common} patients"
        raise InputError(
            "cohort.leakage",
            f"{who} of D1 and D2 were in the pretraining of a given encoder.",
            file=run.given,
            hint="Give a whole run folder that has not seen them, or add --allow-leakage; the tables say so.",
        )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
