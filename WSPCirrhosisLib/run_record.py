"""What a pretraining run writes down of itself: how it began, whether one may go on with it, what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import __version__
from .cohort import Cohort
from .cohort_record import counts_of
from .encoders import Encoder, save_encoder
from .errors import InputError
from .files import sha256_of
from .imagenet_weights import SOURCE, no_weights
from .methods import SUPERVISED
from .pretrain_config import PretrainConfig
from .run_folder import RunFolder

RUN_FORMAT = 2
# Settings that change nothing of what a run computes.
FREE_TO_CHANGE = {"checkpoint_minutes"}


def run_record(
    config: PretrainConfig,
    cohort: Cohort,
    device: str,
    precision: str,
    weights_path: str | Path | None,
    processes: int = 1,
) -> dict[str, Any]:
    """What `config.json` holds of a new run; no path in it.

    Args:
        config: of the run.
        cohort: the whole table.
        device, precision: that ``auto`` stands for here.
        weights_path: the published weights, for ``imagenet`` alone.
        processes: that begin it together; others may go on with it, for the batch is one whatever their number.

    Raises:
        InputError: ``pretrain.weights`` when they are given to another method or not to that one, ``weights.missing``.
    """
    return {
        "format_version": RUN_FORMAT,
        "library_version": __version__,
        "config": config.to_dict(),
        "device": device,
        "precision": precision,
        "processes": processes,
        "hu_window": list(config.slice_settings.hu_window),
        "cohort": {"file": cohort.path.name, "sha256": sha256_of(cohort.path)},
        "weights": _weights(config, weights_path),
    }


def check_same(folder: RunFolder, record: dict[str, Any]) -> None:
    """Refuse to go on with a run under other settings, on another device, with another cohort or other weights.

    Raises:
        InputError: ``run.format`` or ``run.settings_differ``.
    """
    before = folder.config()
    if before.get("format_version") != RUN_FORMAT:
        raise InputError(
            "run.format",
            f"A run of format {before.get('format_version')}, expected {RUN_FORMAT}.",
            file=folder.path,
            hint="Go on with it in the version that began it, or start anew in another folder.",
        )
    then = {**before["config"], "device": before["device"], "precision": before["precision"]}
    now = {**record["config"], "device": record["device"], "precision": record["precision"]}
    differing = [
        f"{name} was {then.get(name)!r} and is now {now.get(name)!r}"
        for name in sorted({*then, *now} - FREE_TO_CHANGE)
        if then.get(name) != now.get(name)
    ]
    if before["cohort"]["sha256"] != record["cohort"]["sha256"]:
        differing.append("the cohort table has changed")
    then_read, now_read = ((run["weights"] or {}).get("sha256") for run in (before, record))
    if then_read != now_read:
        differing.append("the file of weights is another")
    if differing:
        raise InputError(
            "run.settings_differ",
            "The run began otherwise: " + "; ".join(differing) + ".",
            file=folder.path,
            hint="Resume with the same settings, or start a new run in another folder.",
        )


def keep_encoder(
    folder: RunFolder, record: dict[str, Any], config: PretrainConfig, encoder: Encoder
) -> dict[str, Any]:
    """Write `encoder.safetensors`; gives back what to tell of the run besides its last figures.

    The encoder is described by the settings that its method uses, so that nobody reads a number that meant nothing.
    """
    cohort = counts_of(folder.cohort())
    description = {
        **config.in_use(),
        "device": record["device"],
        "precision": record["precision"],
        "hu_window": record["hu_window"],
        "library_version": record["library_version"],
        "cohort": cohort,
    }
    if config.objective not in (None, SUPERVISED):
        description["similarity"] = str(config.similarity)
    if record["weights"]:
        description["weights_sha256"] = record["weights"]["sha256"]
    save_encoder(encoder, folder.encoder_file, description)
    return {
        "device": record["device"],
        "precision": record["precision"],
        "patients": cohort["patients"],
        "scans": cohort["scans"],
        "slices": cohort["slices"],
        "synthetic": cohort["synthetic"],
        "encoder_sha256": sha256_of(folder.encoder_file),
    }


def last_result(folder: RunFolder) -> dict[str, Any]:
    """What a finished run told at its end."""
    results = [event for event in folder.events() if event.get("event") == "result"]
    return {key: value for key, value in results[-1].items() if key != "event"} if results else {}


def _weights(config: PretrainConfig, path: str | Path | None) -> dict[str, str] | None:
    wanted = config.method == "imagenet"
    if wanted != bool(path):
        expected = "a file of weights" if wanted else "none: only imagenet has one"
        raise InputError(
            "pretrain.weights",
            f"The method is {config.method}, the file of weights {path or 'not given'}; expected {expected}.",
            hint=f"imagenet takes --weights resnet18.pth, which is to be had at {SOURCE}.",
        )
    if not path:
        return None
    if not Path(path).is_file():
        raise no_weights(Path(path))
    return {"file": Path(path).name, "sha256": sha256_of(path)}
