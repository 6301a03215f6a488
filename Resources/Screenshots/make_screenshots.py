"""Make the pictures of the panel for README and tutorial, from phantoms made here: `make screenshots`.

panel.py works through the panel in the bench, or in the Slicer that SLICER_EXECUTABLE names.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PICTURES = HERE / "panel"
# The phantom that `make demo` judges, and a small cohort: patients to train on, others with histology.
UNSEEN = ("--patients", "1", "--seed", "2030")
COHORT = ("--patients", "36", "--seed", "11", "--size", "160")
STRONG, CASES = 24, 6
COLOURS = 256
LIMIT_S = 600


def main() -> int:
    # Paths are seen in the pictures: they are to name nobody's folders.
    with tempfile.TemporaryDirectory(prefix="wsp-") as work:
        return make_pictures(Path(work) / "study", Path(work) / "pictures")


def make_pictures(phantoms: Path, taken: Path) -> int:
    """Returns the exit status."""
    taken.mkdir()
    make_phantoms(phantoms)
    status = take_pictures(phantoms, taken)
    if status:
        return status
    PICTURES.mkdir(exist_ok=True)
    for path in sorted(taken.glob("*.png")):
        shrink(path, PICTURES / path.name)
    total = sum(path.stat().st_size for path in PICTURES.glob("*.png"))
    print(f"{len(list(taken.iterdir()))} pictures, {total / 1e6:.1f} MB in {PICTURES}")
    return 0


def make_phantoms(folder: Path) -> None:
    """A CT with its liver, a cohort in two halves, a table with a fault, and cases of which one has no mask."""
    phantom(folder, *COHORT)
    phantom(folder / "unseen", *UNSEEN)
    (folder / "unseen/volumes/P2030-0000.nrrd").rename(folder / "ct.nrrd")
    (folder / "unseen/masks/P2030-0000.seg.nrrd").rename(folder / "liver.seg.nrrd")
    with open(folder / "cohort.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    strong, weak = rows[:STRONG], rows[STRONG:]
    missing = "masks/not-exported.seg.nrrd#Liver"
    write(folder / "histology.csv", strong)
    write(folder / "weak.csv", weak)
    write(folder / "with-a-fault.csv", [*weak[:-1], weak[-1] | {"mask": missing}])
    write(
        folder / "cases.csv",
        [row | ({"mask": missing} if n == 3 else {}) for n, row in enumerate(weak[:CASES])],
    )


def phantom(folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "WSPCirrhosisLib", "phantom", "--output", folder, *options]
    subprocess.run(command, check=True, cwd=ROOT)


def write(table: Path, rows: list[dict[str, str]]) -> None:
    with open(table, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def take_pictures(phantoms: Path, folder: Path) -> int:
    """Returns the application's exit status."""
    executable = os.environ.get("SLICER_EXECUTABLE")
    slicer = [executable] if executable else [sys.executable, ROOT / "Testing" / "SlicerBench"]
    # Settings of its own: the pictures show nothing of the user's.
    options = ["--disable-settings", "--no-splash"]
    options += ["--additional-module-paths", ROOT / "WSPCirrhosis"]
    script = ["--python-script", HERE / "panel.py", "--", phantoms, folder]
    return subprocess.run([*slicer, *options, *script], check=False, timeout=LIMIT_S).returncode


def shrink(path: Path, smaller: Path) -> None:
    """Few colours are enough for a panel, and a third of the bytes; the views of the window have more."""
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        if not path.name.startswith("window"):
            picture = picture.quantize(COLOURS, dither=Image.Dither.NONE)
        picture.save(smaller, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
