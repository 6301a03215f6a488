"""A fit's cross-validation in the scene: tables and charts in one folder of the data tree, and found there again."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from .fit_charts import LABEL, X, addRocChart, addScatterCharts, addTable, scatterColumns

ATTRIBUTE = "WSPCirrhosis"
ROLES = {
    "foldsTable": "WSPCirrhosis.Folds",
    "slicesTable": "WSPCirrhosis.Slices",
    "rocChart": "WSPCirrhosis.RocChart",
    "labelChart": "WSPCirrhosis.LabelChart",
    "depthChart": "WSPCirrhosis.DepthChart",
}


@dataclass(frozen=True)
class FitNodes:
    """A fit in the scene. A node that was removed since is None.

    Attributes:
        evaluation: what `evaluation.json` holds, and `model`: name and id.
        textNode: that as text; refers to the others.
        foldsTable: one row a fold.
        slicesTable: one row a slice: row of the cohort table, slice number, place, label, components.
        rocChart, labelChart, depthChart: plots.
    """

    evaluation: dict[str, Any]
    textNode: Any
    foldsTable: Any
    slicesTable: Any
    rocChart: Any
    labelChart: Any
    depthChart: Any

    def slice(self, number: int) -> dict[str, Any]:
        """Row `number` of the table of slices, by its columns."""
        table = self.slicesTable.GetTable()
        values = {}
        for index in range(table.GetNumberOfColumns()):
            column = table.GetColumn(index)
            values[column.GetName()] = column.GetValue(number)
        return values


def importFit(folder: Path, card: dict[str, Any]) -> FitNodes:
    """Read what `fit --evaluation` wrote into the scene; what was there before stays.

    Args:
        folder: of the evaluation.
        card: of the model.
    """
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    evaluation["model"] = {"name": card["name"], "id": card["model_id"]}
    name = slicer.mrmlScene.GetUniqueNameByString(
        _("{model} cross-validation").format(model=card["name"])
    )
    made: list[Any] = []
    try:
        made += _tables(folder, name, evaluation)
        folds, roc, slices = made
        area = evaluation["figures"]["auc_pooled_delong"]
        title = _("AUC {estimate:.2f} ({low:.2f} to {high:.2f})").format(**area)
        made += addRocChart(f"{name}: {_('ROC')}", roc, title)
        made += addScatterCharts(
            f"{name}: {_('slices')}",
            slices,
            _label_names(evaluation),
            evaluation["components"]["explained_variance"],
        )
        text = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name)
        made.append(text)
        # Without a file of its own the text stands in the scene file; .json keeps it readable in a bundle.
        text.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
        text.SetText(json.dumps(evaluation, indent=2, ensure_ascii=False))
        referred = (folds, slices, made[3], made[6], made[7])
        for role, node in zip(ROLES.values(), referred, strict=True):
            text.SetNodeReferenceID(role, node.GetID())
        _put_into_folder(name, made, _provenance(evaluation))
    except BaseException:
        for node in made:
            slicer.mrmlScene.RemoveNode(node)
        raise
    return findFit(text)


def findFit(textNode: Any) -> FitNodes:
    """The fit that a text node of `importFit` belongs to, also in a scene that was loaded.

    Raises:
        ValueError: the text is not a fit's.
    """
    evaluation = json.loads(textNode.GetText() or "")
    nodes = {key: textNode.GetNodeReference(role) for key, role in ROLES.items()}
    return FitNodes(evaluation=evaluation, textNode=textNode, **nodes)


def _tables(folder: Path, name: str, evaluation: dict[str, Any]) -> list[Any]:
    """The nodes of folds, ROC and slices."""
    folds = _read(folder / "folds.csv")
    roc = _read(folder / "roc.csv")
    slices = _read(folder / "slices.csv")
    rate = _numbers(roc, "false_positive_rate")
    components = np.transpose([_numbers(slices, "pc1"), _numbers(slices, "pc2")])
    labels, depth = _numbers(slices, "label").astype(int), _numbers(slices, "depth")
    return [
        addTable(
            f"{name}: {_('folds')}",
            {
                _("Fold"): [_("{repeat}.{fold}").format(**fold) for fold in folds],
                _("Tested"): _numbers(folds, "test_patients").astype(int),
                _("Positive"): _numbers(folds, "test_positive").astype(int),
                _("AUC"): _numbers(folds, "auc").round(3),
                _("Accuracy"): _numbers(folds, "balanced_accuracy").round(3),
            },
        ),
        addTable(
            f"{name}: {_('ROC')}",
            {
                "1 - specificity": rate,
                "sensitivity": _numbers(roc, "true_positive_rate"),
                "chance": rate,
            },
        ),
        addTable(
            f"{name}: {_('slices')}",
            {
                "row": _numbers(slices, "row").astype(int),
                "patient": [row["patient_id"] for row in slices],
                "slice": _numbers(slices, "slice").astype(int),
                "position_mm": _numbers(slices, "position_mm"),
                "depth": depth,
                "label": labels,
                X: components[:, 0],
                **scatterColumns(components, labels, depth, _label_names(evaluation)),
                LABEL: [_said_of(row) for row in slices],
            },
        ),
    ]


def _said_of(row: dict[str, str]) -> str:
    return _("{patient}, slice {slice}, d {depth:.2f}").format(
        patient=row["patient_id"], slice=row["slice"], depth=float(row["depth"])
    )


def _label_names(evaluation: dict[str, Any]) -> list[str]:
    positive = evaluation["label"]["positive_class"]
    return [_("no {finding}").format(finding=positive), positive]


def _provenance(evaluation: dict[str, Any]) -> dict[str, str]:
    return {
        "ModelId": evaluation["model"]["id"],
        "ModelName": evaluation["model"]["name"],
        "EncoderSha256": evaluation["encoder"]["sha256"],
        "CohortSha256": evaluation["cohort"]["sha256"],
        "Synthetic": str(evaluation["synthetic"]).lower(),
        "Created": evaluation["created"],
        "Versions": json.dumps(evaluation["versions"]),
    }


def _put_into_folder(name: str, nodes: list[Any], provenance: dict[str, str]) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
    for key, value in provenance.items():
        hierarchy.SetItemAttribute(folder, f"{ATTRIBUTE}.{key}", value)
    for node in nodes:
        for key, value in provenance.items():
            node.SetAttribute(f"{ATTRIBUTE}.{key}", value)
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folder)
        else:
            hierarchy.CreateItem(folder, node)


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _numbers(rows: list[dict[str, str]], column: str) -> np.ndarray:
    return np.array([float(row[column]) for row in rows])
