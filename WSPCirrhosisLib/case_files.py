"""One scan judged and its three files written: prediction, heat map, report."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .case_prediction import Prediction, predict_case
from .cohort import read_slices
from .events import Events
from .files import write_json, write_whole
from .fitness import CaseWarning
from .heatmap import heatmap, write_heatmap
from .model_file import ModelFile
from .report import report_html
from .volumes import read_volume


def predict_into(
    folder: Path,
    model: ModelFile,
    volume_path: str | Path,
    mask_spec: str,
    events: Events | None = None,
    cautions: Sequence[CaseWarning] = (),
) -> Prediction:
    """Judge one scan and write its three files into `folder`, which exists.

    Raises:
        InputError: whatever is unfit about the scan.
    """
    events = events or Events()
    events.progress("predict", 0, 3)
    # A second core opens the model while the scan is unpacked, takes its fingerprint while the mask is, and writes the
    # heat map while the report is made.
    with ThreadPoolExecutor(max_workers=1) as beside:
        opened = beside.submit(model.open)
        volume = read_volume(volume_path)
        taken = beside.submit(lambda: volume.fingerprint)
        mask, stack = read_slices(volume, mask_spec, model.card.slice_settings)
        opened.result()
        taken.result()
        events.progress("predict", 1, 3)
        judged = predict_case(model, volume, mask, stack, cautions)
        events.progress("predict", 2, 3)
        # Not beside: small steps wait for the interpreter's lock longer than they take.
        voxels = heatmap(judged.contribution, stack, volume, model.card.feature_grid)
        written = beside.submit(write_heatmap, voxels, volume, folder / "heatmap.nrrd")
        with write_whole(folder / "report.html") as stream:
            stream.write(report_html(judged, model.card, volume, mask, stack))
        written.result()
    write_json(folder / "prediction.json", judged.prediction.as_json())
    events.progress("predict", 3, 3)
    return judged.prediction
