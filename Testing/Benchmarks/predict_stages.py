"""`predict` from the prompt to the finished folder, process start included, on a scan of 120 slices."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from timing import Options, Row

from WSPCirrhosisLib.classifier import FittedClassifier
from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.encoders import build_encoder
from WSPCirrhosisLib.logistic_regression import LinearClassifier
from WSPCirrhosisLib.masks import split_spec
from WSPCirrhosisLib.model_export import FittedHead, export_model
from WSPCirrhosisLib.model_file import ModelFile
from WSPCirrhosisLib.reference_distribution import Whitening

HERE = Path(__file__).resolve().parent
DEMO_MODEL = HERE.parents[1] / "Resources" / "Models" / "demo.onnx"
SLICES, LABEL, SCANS, REFITS = 120, 5, 10, 100
PROMISED_SECONDS, PROMISED_IMPORT_SECONDS, PROMISED_MIB = 4.0, 0.5, 1000.0
PROMISED_GAIN = 1.7
# Started by a small process: the system counts what a process was forked from to its own peak.
START = """
import os, sys, time
began = time.perf_counter()
process = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)]
)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - began, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def rows(options: Options) -> Iterator[Row]:
    """None on CUDA: models run on the CPU."""
    if options.device != "cpu":
        return
    scan = _Scan.of(options)
    for name in options.encoders:
        yield from _cold(name, scan, options)
    yield _start(options)
    yield _many(scan, options)


@dataclass(frozen=True)
class _Scan:
    """A phantom CT of `SLICES` slices and its mask, as .nii.gz."""

    ct: Path
    mask: Path

    @classmethod
    def of(cls, options: Options) -> _Scan:
        case = read_cohort(options.cohort).cases[0]
        scan = cls(options.folder / "ct.nii.gz", options.folder / "mask.nii.gz")
        ct = _resliced(sitk.ReadImage(str(case.volume)), sitk.sitkLinear)
        # Noise that interpolation took away, without which the file would unpack faster than a real one.
        noise = np.random.default_rng(0).normal(0, 8, (SLICES, *ct.GetSize()[1::-1]))
        noisy = sitk.GetImageFromArray(sitk.GetArrayFromImage(ct) + noise.astype(np.int16))
        noisy.CopyInformation(ct)
        sitk.WriteImage(noisy, str(scan.ct), True)
        path, choice = split_spec(case.mask)
        liver = sitk.ReadImage(str(path))
        if choice is not None and choice.isdecimal():
            liver = liver == int(choice)
        liver = _resliced(sitk.Cast(liver != 0, sitk.sitkUInt8), sitk.sitkNearestNeighbor)
        sitk.WriteImage(liver * LABEL, str(scan.mask), True)
        return scan


def _resliced(image: sitk.Image, interpolator: int) -> sitk.Image:
    width, height, slices = image.GetSize()
    spacing = (*image.GetSpacing()[:2], image.GetSpacing()[2] * (slices - 1) / (SLICES - 1))
    place = (sitk.Transform(), interpolator, image.GetOrigin(), spacing, image.GetDirection())
    return sitk.Resample(image, (width, height, SLICES), *place, 0, image.GetPixelID())


def _cold(name: str, scan: _Scan, options: Options) -> Iterator[Row]:
    """Wall time and peak memory of a command that has just been started."""
    model, weights = _model(name, options)
    output = options.folder / "one"
    judge = [*_predict(model, output), "--volume", scan.ct, "--mask", f"{scan.mask}#{LABEL}"]
    script = [sys.executable, HERE / "predict_textbook.py", weights, name, options.image_size]
    ways = {"textbook": [*script, scan.ct, scan.mask, LABEL], "ours": judge}
    taken = {way: _run(command, output, options.rounds) for way, command in ways.items()}
    stage = f"predict, cold ({name}, {options.image_size} px, {SLICES} slices)"
    seconds, peak = ({way: found[n] for way, found in taken.items()} for n in (0, 1))
    yield Row(stage, seconds["textbook"], seconds["ours"], PROMISED_SECONDS, "promised")
    peak_of = f"peak memory of predict ({name}, {options.image_size} px)"
    yield Row(peak_of, peak["textbook"], peak["ours"], PROMISED_MIB, "promised", unit="MiB")


def _start(options: Options) -> Row:
    """What is loaded before the work starts."""
    textbook = "import torch, SimpleITK, sklearn.linear_model"
    ours = "import WSPCirrhosisLib.__main__, WSPCirrhosisLib.prediction, onnxruntime"
    taken = [
        _run([sys.executable, "-c", code], options.folder / "none", options.rounds)[0]
        for code in (textbook, ours)
    ]
    return Row("start of predict, all imports", *taken, PROMISED_IMPORT_SECONDS, "promised")


def _many(scan: _Scan, options: Options) -> Row:
    """Scans judged by a command for each, one after another, against one command with --jobs 2."""
    model, _ = _model("tinynet", options)
    output, table = options.folder / "many", options.folder / "many.csv"
    lines = [f"P{n},{scan.ct.name},{scan.mask.name}#{LABEL}\n" for n in range(SCANS)]
    # A table may not name a scan twice.
    for n in range(SCANS):
        copy = options.folder / f"ct{n}.nii.gz"
        shutil.copyfile(scan.ct, copy)
        lines[n] = f"P{n},{copy.name},{scan.mask.name}#{LABEL}\n"
    table.write_text("patient_id,volume,mask\n" + "".join(lines), encoding="utf-8")
    one = [*_predict(model, output), "--volume", scan.ct, "--mask", f"{scan.mask}#{LABEL}"]
    alone = sum(_run(one, output, 1)[0] for _ in range(SCANS))
    together, _ = _run([*_predict(model, output), "--cohort", table, "--jobs", 2], output, 1)
    stage = f"{SCANS} scans: one after another, --jobs 2 (tinynet)"
    return Row(stage, alone, together, alone / PROMISED_GAIN, f"{PROMISED_GAIN}×, promised")


def _predict(model: Path, output: Path) -> list[object]:
    return [sys.executable, "-m", "WSPCirrhosisLib", "predict", "--model", model, "--output", output]  # fmt: skip


def _run(command: list[object], output: Path, rounds: int) -> tuple[float, float]:
    """The shortest wall time in seconds and the largest peak memory in MiB of a process."""
    taken = []
    for _ in range(rounds):
        shutil.rmtree(output, ignore_errors=True)
        starter = [sys.executable, "-S", "-c", START, *map(str, command)]
        said = subprocess.run(
            starter, capture_output=True, text=True, check=True, cwd=HERE.parents[1]
        )
        taken.append([float(figure) for figure in said.stdout.split()])
    seconds, peaks = zip(*taken, strict=True)
    return min(seconds), max(peaks)


def _model(name: str, options: Options) -> tuple[Path, Path]:
    """A model file of an untrained encoder and a made-up classifier, and the same weights for the script."""
    model, weights = options.folder / f"{name}.onnx", options.folder / f"{name}.npz"
    if model.exists():
        return model, weights
    encoder = build_encoder(name, seed=0).eval()
    size = encoder.representation_size
    zeros, ones = np.zeros(size), np.ones(size)
    coefficients = np.random.default_rng(0).normal(0, 0.1 / size, size)
    linear = LinearClassifier(zeros, ones, coefficients, 0.1)
    head = FittedHead(
        FittedClassifier(linear, 0.5, 1.0, 1.0, 0.0, chosen=True),
        np.tile(coefficients[:, None], REFITS),
        np.full(REFITS, 0.1),
        Whitening(zeros, ones, np.eye(size)),
    )
    start, step, count = encoder.feature_grid(options.image_size)
    card = replace(
        ModelFile.load(DEMO_MODEL).card,
        encoder=name,
        image_size=options.image_size,
        bias=0.1,
        feature_grid={"start": start, "step": step, "count": count},
    )
    export_model(encoder, head, card, model)
    stored = {key: value.numpy() for key, value in encoder.state_dict().items()}
    np.savez(weights, coef=coefficients[None], intercept=np.array([0.1]), **stored)
    return model, weights
