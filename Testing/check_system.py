"""Say which system libraries are missing for the Slicer host and its pictures, and the one line that installs them.

Nothing else needs them: everything outside Testing/SlicerBench works without, and its tests are skipped with this line.
"""

from __future__ import annotations

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
    "libX11": "libx11-6",
    "libXrender": "libxrender1",
    "libgomp": "libgomp1",
}
DRIVER = "libgl1-mesa-dri"
DRAW = (
    "import vtk; window = vtk.vtkRenderWindow(); window.SetOffScreenRendering(True);"
    "window.AddRenderer(vtk.vtkRenderer()); window.Render()"
)


def main() -> int:
    """Print what is missing; 0 either way, since only a part needs it."""
    packages = {PACKAGES.get(library.split(".")[0], library) for library in missing_libraries()}
    if not packages and not can_draw():
        packages = {DRIVER, "libegl1"}
    if packages:
        print(
            "System libraries are missing for the Slicer host and its pictures. On Debian or Ubuntu:\n"
            f"  sudo apt-get install -y {' '.join(sorted(packages))}\n"
            "Until then their tests are skipped; everything else works."
        )
    return 0


def missing_libraries() -> set[str]:
    """Names of shared libraries that VTK and Slicer's libraries are linked with and this machine lacks."""
    missing = set()
    for package in ("vtkmodules", "slicer"):
        spec = find_spec(package)
        if spec is None or not sys.platform.startswith("linux"):
            continue
        folder = Path(spec.submodule_search_locations[0])
        libraries = [
            path for path in folder.glob("*.so*") if re.search(r"Rendering|MRMLDisplay", path.name)
        ]
        listed = subprocess.run(
            ["ldd", *map(str, libraries[:40])], capture_output=True, text=True, check=False
        )
        found = re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE)
        # VTK's own libraries find each other through their run path once Python has loaded them.
        missing |= {name for name in found if not name.startswith(("libvtk", "libMRML", "libITK"))}
    return missing


def can_draw() -> bool:
    """Tried in a child process: without any EGL vendor, drawing ends the process."""
    return (
        subprocess.run([sys.executable, "-c", DRAW], capture_output=True, check=False).returncode
        == 0
    )


if __name__ == "__main__":
    sys.exit(main())
