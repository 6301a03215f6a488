"""From the rows of a batch to the scene: one case with its results, or all rows as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from WSPCirrhosisLib.cohort import Case, read_cohort
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.prediction_queue import PredictionQueue
from WSPCirrhosisLib.prediction_table import OK, TABLE_COLUMNS, Cells
from WSPCirrhosisLib.queue_plan import entry_of

from ..scene.export import ExportedVolume
from ..scene.loading import LoadedCase, loadCase
from ..scene.results import ATTRIBUTE, PredictionNodes, importResults, readResults

NUMBERS = ("probability", "low", "high")


@dataclass(frozen=True)
class CaseInScene:
    """A row of the cohort in the scene; `prediction` is None when it has no result."""

    loaded: LoadedCase
    prediction: PredictionNodes | None


def loadRow(cohort: str | Path, queue: PredictionQueue, row: int) -> CaseInScene:
    """Load CT, mask and results of a row, beside what is in the scene; the CT becomes the slice views' background.

    Raises:
        InputError: the row is another scan now than the results are of, or its files cannot be loaded; the scene
            is as it was.
    """
    case, folder = _case(cohort, queue, row), queue.case_folder(row)
    # Before the CT, so that results that are damaged leave nothing in the scene.
    results = readResults(folder) if (folder / "prediction.json").is_file() else None
    loaded = _load(case)
    slicer.util.setSliceViewerLayers(background=loaded.volumeNode, fit=True)
    if results is None:
        return CaseInScene(loaded, None)
    # It lies on the CT's own grid, whatever order Slicer has read the CT in.
    matrix = vtk.vtkMatrix4x4()
    results.heatmap.GetIJKToRASMatrix(matrix)
    geometry = slicer.util.arrayFromVTKMatrix(matrix)
    exported = ExportedVolume(folder / "heatmap.nrrd", geometry, geometry, None, ())
    return CaseInScene(loaded, importResults(results, loaded.volumeNode, exported))


def addTable(name: str, rows: list[Cells], identity: dict[str, Any]) -> Any:
    """All rows as a table node of the scene, numbers as numbers; returns it.

    Args:
        identity: what `queue.json` holds, for the node's attributes.
    """
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLTableNode", slicer.mrmlScene.GetUniqueNameByString(name)
    )
    node.SetUseColumnTitleAsColumnHeader(True)
    for key in TABLE_COLUMNS:
        node.AddColumn(_column(key, rows))
    model = identity.get("model", {})
    for attribute, value in {
        "ModelId": model.get("id"),
        "ModelSha256": model.get("sha256"),
    }.items():
        node.SetAttribute(f"{ATTRIBUTE}.{attribute}", str(value or ""))
    node.SetAttribute(f"{ATTRIBUTE}.Synthetic", str(bool(model.get("synthetic"))).lower())
    return node


def _column(key: str, rows: list[Cells]) -> Any:
    if key == "row":
        column = vtk.vtkIntArray()
        values = [int(cells[key]) for cells in rows]
    elif key in NUMBERS:
        column = vtk.vtkDoubleArray()
        values = [float(cells[key]) if cells["status"] == OK else np.nan for cells in rows]
    else:
        column = vtk.vtkStringArray()
        values = [str(cells.get(key, "")) for cells in rows]
    column.SetName(key)
    column.SetNumberOfValues(len(values))
    for index, value in enumerate(values):
        column.SetValue(index, value)
    return column


def _case(cohort: str | Path, queue: PredictionQueue, row: int) -> Case:
    table = read_cohort(cohort)
    known = queue.record()["rows"].get(str(row), {})
    for case in table.cases:
        if case.row == row and entry_of(case, table.path.parent) == known.get("entry"):
            return case
    raise InputError(
        "queue.table_changed",
        _("This row of the table is another scan than the results are of."),
        file=table.path.name,
        hint=_("Choose the table that the results were made from."),
    )


def _load(case: Case) -> LoadedCase:
    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLStorableNode")}
    try:
        return loadCase(case.volume, case.mask)
    except InputError:
        # A CT without its mask was not asked for.
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
            if node.GetID() not in before:
                slicer.mrmlScene.RemoveNode(node)
        raise
