"""`slicer.app`: the part of Slicer's application object that scripts without a main window use."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer


class StartupEnvironment:
    """The environment the application was started in, with the interface of Qt's QProcessEnvironment."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = dict(variables)

    def keys(self) -> list[str]:
        return list(self._variables)

    def value(self, name: str, default: str = "") -> str:
        return self._variables.get(name, default)

    def contains(self, name: str) -> bool:
        return name in self._variables


class Settings:
    """The user's settings, with the interface of QSettings; kept for one session."""

    def __init__(self, file: str) -> None:
        self._file, self._values = file, {}

    def fileName(self) -> str:
        return self._file

    def value(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def setValue(self, key: str, value: Any) -> None:
        self._values[key] = value

    def contains(self, key: str) -> bool:
        return key in self._values


class Announcement:
    """A signal without arguments, sent once."""

    def __init__(self) -> None:
        self._slots: list[Callable[[], None]] = []

    def connect(self, slot: Callable[[], None]) -> bool:
        self._slots.append(slot)
        return True

    def emit(self) -> None:
        for slot in self._slots:
            try:
                slot()
            except Exception:
                traceback.print_exc()


class Application:
    """Stands for `slicer.app`. Names, arguments and return values are those of Slicer's own.

    Args:
        home: folder that stands for Slicer's installation.
        environment: variables as they were before the application changed any.
        testing: whether `--testing` was given.
    """

    startupCompleted: Any = Announcement()
    applicationName = "Slicer"
    organizationName = "slicer-core host"

    def __init__(self, home: Path, environment: dict[str, str], testing: bool = False) -> None:
        self.slicerHome = str(home)
        self.temporaryPath = _temporary_folder()
        self.applicationVersion = _version()
        self.exit_status: int | None = None
        self._environment = environment
        self._testing = testing
        self._options = SimpleNamespace(runPythonAndExit=testing)
        self._logic: Any = None
        self._io_manager: Any = None
        self._module_manager: Any = None
        self._kept: list[Any] = []
        folder = tempfile.TemporaryDirectory(prefix="slicer-host-settings-")
        self.keep(folder)
        self._settings = Settings(str(Path(folder.name, "Slicer.ini")))

    def attach(self, *, logic: Any, io_manager: Any, module_manager: Any) -> None:
        """Give the application its parts, once they exist."""
        self._logic, self._io_manager, self._module_manager = logic, io_manager, module_manager

    def keep(self, part: Any) -> None:
        """Keep a part alive that nobody else holds."""
        self._kept.append(part)

    def connect(self, signal: str, slot: Callable[[], None]) -> bool:
        """Call `slot` on `startupCompleted()`, the one signal there is without Qt."""
        return signal == "startupCompleted()" and self.startupCompleted.connect(slot)

    def settings(self) -> Settings:
        return self._settings

    userSettings = revisionUserSettings = settings

    def applicationLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def coreIOManager(self) -> Any:
        return self._io_manager

    ioManager = coreIOManager

    def moduleManager(self) -> Any:
        return self._module_manager

    def commandOptions(self) -> SimpleNamespace:
        return self._options

    coreCommandOptions = commandOptions

    def testingEnabled(self) -> bool:
        return self._testing

    def startupEnvironment(self) -> StartupEnvironment:
        return StartupEnvironment(self._environment)

    def mainWindow(self) -> None:
        return None

    def layoutManager(self) -> None:
        return None

    def processEvents(self) -> None:
        """There is no event loop to serve; kept because scripts call it."""

    def pauseRender(self) -> None:
        """There is no view that renders by itself; kept because `slicer.util` calls it."""

    resumeRender = pauseRender

    def translate(self, context: str, text: str) -> str:
        return text

    def exit(self, status: int = 0) -> None:
        """Ask the application to end with `status` when the running script has returned."""
        self.exit_status = int(status)

    def quit(self) -> None:
        self.exit(0)

    def restart(self) -> None:
        """End; nothing is started again."""
        print("A restart was asked for: the application ends.", file=sys.stderr)
        self.exit(0)


def _temporary_folder() -> str:
    folder = Path(tempfile.gettempdir()) / "Slicer"
    if not (os.access(folder, os.W_OK) or not folder.exists()):
        folder = Path(tempfile.gettempdir()) / f"Slicer-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _version() -> str:
    from importlib.metadata import version

    return version("slicer-core")
