"""What ctk's two collapsible containers share: children hide while the container is collapsed.

A child that was hidden explicitly stays hidden when the container opens again, and one that is shown
explicitly while the container is closed appears when it opens.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QChildEvent, QEvent, QObject, Qt
from PySide6.QtWidgets import QWidget

WANTED = "visibilityToParent"


class HiddenChildren:
    """Mixed into a widget with an `is_closed()`; call `update_children()` whenever that changes."""

    _forcing = False
    _was_created = False

    is_closed: Callable[[], bool]

    def update_children(self) -> None:
        for child in self.children():
            if isinstance(child, QWidget):
                self._update_child(child)

    def childEvent(self, event: QChildEvent) -> None:
        child = event.child()
        if event.type() == QEvent.Type.ChildAdded and isinstance(child, QWidget):
            if child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide) and (
                child.testAttribute(Qt.WidgetAttribute.WA_WState_Hidden)
            ):
                child.setProperty(WANTED, False)
            child.installEventFilter(self)
            self._update_child(child)
        super().childEvent(event)

    def setVisible(self, visible: bool) -> None:
        self._forcing = True
        super().setVisible(visible)
        self._forcing = False
        # Children are left alone until the widget is first shown; then they follow.
        if not self._was_created and self.testAttribute(Qt.WidgetAttribute.WA_WState_Created):
            self._was_created = True
            self.update_children()

    def eventFilter(self, child: QObject, event: QEvent) -> bool:
        if not self._forcing and isinstance(child, QWidget):
            if event.type() == QEvent.Type.ShowToParent:
                child.setProperty(WANTED, True)
                self._update_child(child)
            elif event.type() == QEvent.Type.HideToParent:
                child.setProperty(WANTED, False)
        return False

    def _update_child(self, child: QWidget) -> None:
        if not self.testAttribute(Qt.WidgetAttribute.WA_WState_Created) or child.isWindow():
            return
        self._forcing = True
        wanted = child.property(WANTED) is not False
        visible = wanted and not self.is_closed()
        if child.testAttribute(Qt.WidgetAttribute.WA_WState_Created) or not visible:
            child.setVisible(visible)
        if wanted:
            child.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._forcing = False
