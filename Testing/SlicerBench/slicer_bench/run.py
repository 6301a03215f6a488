"""The bench from command line to exit status: the script runs inside Qt's event loop, which goes on after it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from slicer_host.command_line import CommandLine

if TYPE_CHECKING:
    from .application import Application


def run(line: CommandLine) -> int:
    """Run the application; returns when it is asked to exit."""
    if find_spec("PySide6") is None:
        print(
            "The main window needs Qt: pip install PySide6-Essentials, or give --no-main-window.",
            file=sys.stderr,
        )
        return 2
    prepare_qt()
    from . import binding

    # Classes made in Python before PySide6's are changed would keep the old manners.
    binding.install()
    from .start_up import start

    app = start(line)
    from PySide6.QtCore import QTimer
    from slicer_host.run import execute_all, status_of

    def begin() -> None:
        app.mainWindow().setHomeModuleCurrent()
        app.mainWindow().show()
        app.startupCompleted.emit()
        if "exit-after-startup" in line.flags:
            app.exit(0)
            return
        try:
            raised = execute_all(line)
        except SystemExit as request:
            app.exit(status_of(request))
            return
        if app.exit_status is None and app.commandOptions().runPythonAndExit:
            app.exit(1 if raised else 0)

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    QTimer.singleShot(0, begin)
    status = app.exec()
    clean_up(app)
    return status


def prepare_qt() -> None:
    """Choose what PySide6 reads once, when it is imported."""
    _keep_none()
    # PythonQt's enumerations are numbers.
    os.environ["PYSIDE6_OPTION_PYTHON_ENUM"] = "0x3"
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _keep_none() -> None:
    """Before Python 3.12, where None is immortal, PySide6 6.12 drops a reference to it in every call that returns
    nothing; some ten thousand calls later Python would end with "deallocating None".
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def clean_up(app: Application) -> None:
    """Let the modules go before their scene, as the desktop application does when it ends."""
    for name in app.moduleManager().loadedModuleNames():
        app.moduleManager().moduleAboutToBeUnloaded(name)
    app.mainWindow().hide()
    sys.stdout.flush()
    sys.stderr.flush()
