"""No liver mask yet: TotalSegmentator makes one where it is installed, the Segment Editor helps to draw one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from WSPCirrhosisLib.errors import Cancelled

from ..worker import WorkerFailed
from ..worker_timer import WorkerTimer
from .liver_mask import (
    LiverMaskRun,
    addEmptyLiver,
    isExtensionInstalled,
    isReady,
    openSegmentEditor,
)
from .wording import errorHtml


class MaskMaking:
    """The row below the mask selector.

    Args:
        ui: the widgets of the panel by their names.
        onMask: called with a segmentation node and the ID of its liver segment.
    """

    def __init__(self, ui: Any, onMask: Callable[[Any, str], None]) -> None:
        self.ui, self._onMask = ui, onMask
        self._timer: WorkerTimer | None = None
        self._volumeNode: Any = None
        self._isWanted = False

    @property
    def isRunning(self) -> bool:
        """Whether a mask is being made."""
        return self._timer is not None and self._timer.isRunning

    def connect(self) -> None:
        self.ui.makeMaskButton.connect("clicked()", self.onMake)
        self.ui.segmentEditorButton.connect("clicked()", self.onDraw)

    def update(self, volumeNode: Any, isWanted: bool) -> None:
        """Offer to make a mask of this CT, or not."""
        self._volumeNode, self._isWanted = volumeNode, isWanted
        ui, isRunning = self.ui, self.isRunning
        offers = isWanted and volumeNode is not None
        ui.makeMaskButton.setVisible(isRunning or isExtensionInstalled())
        ui.segmentEditorButton.setVisible(not isRunning)
        ui.maskMissingWidget.setVisible(isRunning or offers)
        if isRunning:
            ui.makeMaskButton.setText(_("Cancel"))
            ui.makeMaskButton.setToolTip(_("Ends TotalSegmentator and leaves nothing of it"))
        elif isReady():
            ui.makeMaskButton.setText(_("Segment liver automatically"))
            ui.makeMaskButton.setToolTip(
                _(
                    "TotalSegmentator outlines the liver at 3 mm, in the background; check its result"
                )
            )
            ui.maskHintLabel.setText(_("No liver mask yet: have it made, or draw it."))
        elif isExtensionInstalled():
            ui.makeMaskButton.setText(_("Open TotalSegmentator…"))
            ui.makeMaskButton.setToolTip(
                _(
                    "It installs its own packages when it is used for the first time; then it works from here"
                )
            )
            ui.maskHintLabel.setText(
                _(
                    "No liver mask yet: use TotalSegmentator once in its own module, or draw the liver."
                )
            )
        else:
            ui.maskHintLabel.setText(
                _(
                    "No liver mask yet: load one, draw the liver, or get the extension TotalSegmentator, "
                    "which makes one by itself."
                )
            )

        if not isRunning and _hasMasks():
            ui.maskHintLabel.setText(
                _("Choose above which segment is the liver; none is named so, or more than one.")
            )

    def onMake(self) -> None:
        """Start TotalSegmentator, or cancel it."""
        if self.isRunning:
            self.cancel()
        elif not isReady():
            slicer.util.selectModule("TotalSegmentator")
            return
        else:
            self.ui.predictErrorLabel.setVisible(False)
            run = LiverMaskRun(self._volumeNode)
            self._timer = WorkerTimer(run, self._onDone, self._onError, self._onTick)
            self._onTick(0.0)
        self.update(self._volumeNode, self._isWanted)

    def onDraw(self) -> None:
        """Open the Segment Editor on a new, empty liver segment."""
        segmentationNode, segmentId = addEmptyLiver(self._volumeNode)
        self._onMask(segmentationNode, segmentId)
        openSegmentEditor(segmentationNode, segmentId, self._volumeNode)

    def cancel(self) -> None:
        """End TotalSegmentator; also when the scene closes or the module goes."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _onTick(self, elapsed_s: float) -> None:
        text = _("TotalSegmentator outlines the liver … {minutes}:{seconds:02d}")
        minutes, seconds = divmod(int(elapsed_s), 60)
        self.ui.maskHintLabel.setText(text.format(minutes=minutes, seconds=seconds))
        worker = self._timer.worker.worker
        self.ui.maskHintLabel.setToolTip(worker.lastLine if worker is not None else "")

    def _onDone(self, segmentationNode: Any) -> None:
        self._end()
        self._onMask(segmentationNode, segmentationNode.GetSegmentation().GetNthSegmentID(0))

    def _onError(self, error: Exception) -> None:
        self._end()
        if not isinstance(error, Cancelled):
            if isinstance(error, WorkerFailed):
                logging.error(str(error))
            self.ui.predictErrorLabel.setText(errorHtml(error))
            self.ui.predictErrorLabel.setVisible(True)
        self.update(self._volumeNode, self._isWanted)

    def _end(self) -> None:
        self._timer = None
        self.ui.maskHintLabel.setToolTip("")


def _hasMasks() -> bool:
    """Whether the scene holds something that may be a liver mask."""
    kinds = ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode")
    return any(slicer.util.getNodesByClass(kind) for kind in kinds)
