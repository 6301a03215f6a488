"""Say which system libraries are missing for the Slicer bench, its windows and pictures, and the line that installs them.

Nothing else needs them: everything outside Testing/SlicerBench works without, and its tests are skipped with this line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

# What brings each library on Debian and Ubuntu.
PACKAGES = {
    "libEGL": "libegl1",
    "libGL": "libgl1",
    "libOpenGL": "libopengl0",
    "libxkbcommon": "libxkbcommon0",
    "libfontconfig": "libfontconfig1",
    "libdbus": "libdbus-1-3",
    "libglib-2": "libglib2.0-0",
    "libgthread-2": "libglib2.0-0",
    "libfreetype": "libfreetype6",
    "libGLX": "libglx0",
    "libX11": "libx11-6",
    "libXrender": "libxrender1",
    "libgomp": "libgomp1",
}
DRIVER = "libgl1-mesa-dri"
DRAW = (
    "import vtk; window = vtk.vtkRenderWindow(); window.SetOffScreenRendering(True);"
    "window.AddRenderer(vtk.vtkRenderer()); window.Render()"
)
OPEN_WINDOW = (
    "from PySide6.QtWidgets import QApplication, QLabel; application = QApplication([]);"
    "label = QLabel('text'); label.show(); assert not label.grab().isNull()"
)
# Where each package keeps the libraries that the bench loads.
LIBRARIES = {
    "vtkmodules": ("*Rendering*.so*",),
    "slicer_core": ("*MRMLDisplay*.so*",),
    "PySide6": (
        "Qt/lib/libQt6Gui.so.6",
        "Qt/lib/libQt6Widgets.so.6",
        "Qt/plugins/platforms/libqoffscreen.so",
    ),
}


def main() -> int:
    """Print what is missing; 0 either way, since only a part needs it."""
    packages = {PACKAGES.get(library.split(".")[0], library) for library in missing_libraries()}
    if not packages and not can_run(DRAW):
        packages = {DRIVER, "libegl1"}
    if not packages and not can_run(OPEN_WINDOW):
        packages = {"libegl1", "libxkbcommon0", "libfontconfig1", "libdbus-1-3"}
    if packages:
        print(
            "System libraries are missing for the Slicer bench, its windows and pictures. On Debian or Ubuntu:\n"
            f"  sudo apt-get install -y {' '.join(sorted(packages))}\n"
            "Until then their tests are skipped; everything else works."
        )
    return 0


def missing_libraries() -> set[str]:
    """Names of shared libraries that VTK, Slicer's libraries and Qt are linked with and this machine lacks."""
    missing = set()
    for package, patterns in LIBRARIES.items():
        spec = find_spec(package)
        if spec is None or not sys.platform.startswith("linux"):
            continue
        folder = Path(spec.submodule_search_locations[0])
        libraries = [path for pattern in patterns for path in folder.glob(pattern)]
        listed = subprocess.run(
            ["ldd", *map(str, libraries[:40])], capture_output=True, text=True, check=False
        )
        found = re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE)
        # A package's own libraries find each other through their run path once Python has loaded them.
        own = ("libvtk", "libMRML", "libITK", "libQt6", "libpyside6", "libshiboken6")
        missing |= {name for name in found if not name.startswith(own)}
    return missing


def can_run(code: str) -> bool:
    """Tried in a child process: without any EGL vendor drawing ends the process, without its platform Qt does."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
