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
        labelValue: the liver's value in the label map; 0 when it has a single one.
        modelPath: the model file in use.
        modelId: the identity on its card, by which the same model is found on another computer.
        heatmapOpacity: of the heat map over the CT, 0…1.
        prediction: the text node of the prediction that is shown.
        cohortPath: cohort table to pretrain on.
        pretrainSettings: settings of a new run that are not the defaults, as JSON.
        runFolder: the pretraining run that is followed.
        fitRunFolder: the run whose encoder the classifier is fitted on.
        strongCohortPath: cohort table with the strong labels that the classifier is fitted on.
        labelColumn: its column with them.
        fitModelName, fitLicence: for the new model's card.
        fitModelPath: where the new model goes.
        fit: the text node of the fit that is shown.
        fittedModelPath: the model file that it made.
        fitColourByDepth: whether the fit's scatter plot shows depth instead of labels.
        batchCohortPath: cohort table to predict.
        batchFolder: where its results go.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    segmentId: str = ""
    labelMap: slicer.vtkMRMLLabelMapVolumeNode
    labelValue: int = 0
    modelPath: str = ""
    modelId: str = ""
    heatmapOpacity: float = 0.4
    prediction: slicer.vtkMRMLTextNode
    cohortPath: str = ""
    pretrainSettings: str = ""
    runFolder: str = ""
    fitRunFolder: str = ""
    strongCohortPath: str = ""
    labelColumn: str = ""
    fitModelName: str = ""
    fitLicence: str = ""
    fitModelPath: str = ""
    fit: slicer.vtkMRMLTextNode
    fittedModelPath: str = ""
    fitColourByDepth: bool = False
    batchCohortPath: str = ""
    batchFolder: str = ""
