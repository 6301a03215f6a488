"""`slicer.app` with a window system: the host's application object and Qt's in one."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QCoreApplication,
    QSettings,
    QStandardPaths,
    Signal,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication, QMainWindow
from slicer_host.application import Application as HostApplication

from .appearance import apply_palette


class Application(HostApplication, QApplication):
    """Qt's application with what Slicer's adds. Made before any widget.

    Args:
        home, environment, testing: as for the host.
    """

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)

    def __init__(self, home: Path, environment: dict[str, str], testing: bool = False) -> None:
        qInstallMessageHandler(_print_message)
        QApplication.__init__(self, ["Slicer"])
        HostApplication.__init__(self, home, environment, testing)
        self._settings_folder = tempfile.TemporaryDirectory(prefix="slicer-bench-settings-")
        _keep_settings_in(self._settings_folder.name)
        self._main_window: QMainWindow | None = None
        self._layout_manager: Any = None
        self.setQuitOnLastWindowClosed(False)
        apply_palette(self, environment.get("SLICER_BENCH_PALETTE", "light"))

    def attach_windows(self, main_window: QMainWindow, layout_manager: Any) -> None:
        """Give the application its window and views, once they exist."""
        self._main_window, self._layout_manager = main_window, layout_manager

    def mainWindow(self) -> QMainWindow | None:
        return self._main_window

    def layoutManager(self) -> Any:
        return self._layout_manager

    def processEvents(self, *arguments: Any) -> None:
        QCoreApplication.processEvents(*arguments)

    def settings(self) -> QSettings:
        import qt

        return qt.QSettings()

    userSettings = revisionUserSettings = settings

    def exit(self, status: int = 0) -> None:
        """End the event loop; `status` is what the process ends with."""
        self.exit_status = int(status)
        QCoreApplication.exit(int(status))

    def moduleDocumentationUrl(self, moduleName: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{moduleName.lower()}.html"

    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"


def _print_message(kind: Any, context: Any, text: str) -> None:
    """Qt's warnings, but for what the offscreen platform says of every window."""
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def _keep_settings_in(folder: str) -> None:
    """The settings of the person who runs the bench are neither read nor written."""
    QCoreApplication.setOrganizationName("slicer-bench")
    QCoreApplication.setApplicationName("Slicer")
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    for scope in (QSettings.Scope.UserScope, QSettings.Scope.SystemScope):
        QSettings.setPath(QSettings.Format.IniFormat, scope, folder)
    QStandardPaths.setTestModeEnabled(True)
