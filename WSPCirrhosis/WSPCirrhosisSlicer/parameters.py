"""What the panel remembers, in a parameter node of the scene: a saved .mrb restores it."""

# No `from __future__ import annotations`: parameterNodeWrapper needs the fields' types themselves, not their texts.
import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class PanelParameters:
    """The inputs of every section.

    Attributes:
        volume: the CT that is judged.
        segmentation: the node that holds the liver; `segmentId` names its segment.
        labelMap: the liver as a label map; counts when there is no segmentation.
        modelPath: the model file in use.
        heatmapOpacity: of the heat map over the CT, 0…1.
        prediction: the text node of the prediction that is shown.
        cohortPath: cohort table to pretrain on.
        runFolder: the pretraining run that is followed.
        strongCohortPath: cohort table with the strong labels that the classifier is fitted on.
        batchCohortPath: cohort table to predict.
        batchFolder: where its results go.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    segmentId: str = ""
    labelMap: slicer.vtkMRMLLabelMapVolumeNode
    modelPath: str = ""
    heatmapOpacity: float = 0.4
    prediction: slicer.vtkMRMLTextNode
    cohortPath: str = ""
    runFolder: str = ""
    strongCohortPath: str = ""
    batchCohortPath: str = ""
    batchFolder: str = ""
