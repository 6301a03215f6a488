"""The part of the Pretrain section that shows a run: state, progress, loss curve, sample views, log."""

from __future__ import annotations

import time
from typing import Any

import qt

from ..own_views import ownPlotView
from .run_curve import RunCurve
from .run_follow import RunFollower
from .run_words import progressOf, stateText

PICTURE_WIDTH = 340
VIEW = "WSPCirrhosisPretrain"


class RunView:
    """Shows a follower whenever it was polled.

    Args:
        ui: the widgets of the panel by their names.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self.clear()

    def clear(self) -> None:
        """Show no run, and let go of the nodes of the one before."""
        self._curve: RunCurve | None = None
        self._pictureTime: float | None = None
        self._stoppingSince: float | None = None
        self._ui.pretrainRunGroupBox.setVisible(False)
        self._ui.sampleViewsLabel.setVisible(False)
        self._ui.sampleViewsCaptionLabel.setVisible(False)
        self._ui.lossPlotView.setVisible(False)
        self._ui.runLogTextEdit.setPlainText("")

    def show(self, run: RunFollower, isStarting: bool) -> None:
        """Bring everything up to date.

        Args:
            run: just polled; a poll that is not shown would be missing in curve and log.
            isStarting: its process was started here and has not told of itself yet.
        """
        if run.state == "new" and not isStarting:
            # Also a run whose folder was moved away or removed: nothing of it may stay in sight.
            self.clear()
            return
        self._ui.pretrainRunGroupBox.setVisible(True)
        self._ui.runStateLabel.setText(stateText(run, isStarting, self._stoppingSeconds(run)))
        step, total = progressOf(run)
        # Without a known end the bar only tells that something goes on.
        self._ui.runProgressBar.setRange(0, 0 if isStarting else max(total, 1))
        self._ui.runProgressBar.setValue(0 if isStarting else step)
        self._showCurve(run)
        self._showPicture(run)
        for line in run.logLines:
            self._ui.runLogTextEdit.appendPlainText(line)

    def _showCurve(self, run: RunFollower) -> None:
        if self._curve is not None and self._curve.isOf(run):
            self._curve.update(run.rows, run.anew)
            return
        # A line has two ends.
        if len(run.rows) < 2:
            return
        self._curve = RunCurve(run)
        view = ownPlotView(VIEW)
        view.SetPlotChartNodeID(self._curve.chartNode.GetID())
        self._ui.lossPlotView.setMRMLPlotViewNode(view)
        # Once, not with every look: the user may collapse the group that it is in.
        self._ui.lossPlotView.setVisible(True)

    def _showPicture(self, run: RunFollower) -> None:
        try:
            changed = run.folder.views_file.stat().st_mtime
        except OSError:
            return
        if changed == self._pictureTime:
            return
        picture = qt.QPixmap(str(run.folder.views_file))
        if picture.isNull():
            return
        self._pictureTime = changed
        smooth = qt.Qt.SmoothTransformation
        self._ui.sampleViewsLabel.setPixmap(picture.scaledToWidth(PICTURE_WIDTH, smooth))
        self._ui.sampleViewsLabel.setVisible(True)
        self._ui.sampleViewsCaptionLabel.setVisible(True)

    def _stoppingSeconds(self, run: RunFollower) -> float:
        if run.state != "stopping":
            self._stoppingSince = None
            return 0.0
        if self._stoppingSince is None:
            self._stoppingSince = time.monotonic()
        return time.monotonic() - self._stoppingSince
