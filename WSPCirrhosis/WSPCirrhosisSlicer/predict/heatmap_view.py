"""A heat map over the CT in the slice views, and the views as they were when it is taken away again."""

from __future__ import annotations

from typing import Any

import slicer


class HeatmapView:
    """Touches the foreground layer of the slice views alone."""

    def __init__(self) -> None:
        # View by view: the foreground and its opacity before a heat map came there.
        self._before: dict[str, tuple[str | None, float]] = {}

    def isShown(self, heatmapNode: Any) -> bool:
        """Whether any slice view shows it."""
        return any(self._views_with(heatmapNode))

    def show(self, heatmapNode: Any, opacity: float) -> None:
        """Lay it over all slice views.

        Args:
            opacity: 0 (not seen) … 1 (hides the CT where it has a colour).
        """
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if view.GetForegroundVolumeID() != heatmapNode.GetID():
                self._remember(view)
                view.SetForegroundVolumeID(heatmapNode.GetID())
            view.SetForegroundOpacity(opacity)
        self._update_legend(heatmapNode)

    def setOpacity(self, heatmapNode: Any, opacity: float) -> None:
        """Change the opacity in the views that show it."""
        for view in self._views_with(heatmapNode):
            view.SetForegroundOpacity(opacity)

    def hide(self, heatmapNode: Any) -> None:
        """Take it away; the views get back what they showed before, if that is still there."""
        for view in self._views_with(heatmapNode):
            identifier, opacity = self._before.pop(view.GetID(), (None, 0.0))
            isThere = identifier and slicer.mrmlScene.GetNodeByID(identifier) is not None
            view.SetForegroundVolumeID(identifier if isThere else None)
            view.SetForegroundOpacity(opacity)
        self._update_legend(heatmapNode)

    def forget(self) -> None:
        """The scene is closed: there is nothing to give back."""
        self._before.clear()

    def _remember(self, view: Any) -> None:
        current = slicer.mrmlScene.GetNodeByID(view.GetForegroundVolumeID() or "")
        # One heat map after the other: what the user had is older than both.
        if current is None or not current.GetAttribute("WSPCirrhosis.ModelId"):
            self._before[view.GetID()] = (
                view.GetForegroundVolumeID(),
                view.GetForegroundOpacity(),
            )

    @staticmethod
    def _update_legend(heatmapNode: Any) -> None:
        # Legends look again at what the views show when a person has changed it, not when a script has.
        legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(heatmapNode)
        if legend is not None:
            legend.Modified()

    @staticmethod
    def _views_with(heatmapNode: Any) -> list[Any]:
        if heatmapNode is None or heatmapNode.GetID() is None:
            return []
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        return [view for view in views if view.GetForegroundVolumeID() == heatmapNode.GetID()]
