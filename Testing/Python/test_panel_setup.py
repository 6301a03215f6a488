"""The Set-up section: what is installed, installing by real pip with consent, and a look at the computer."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path

import host
import pytest

SCRIPT = """
import json, shutil
from pathlib import Path

folder, needs = Path(sys.argv[1]), Path(sys.argv[2])
slicer.util.selectModule("WSPCirrhosis")
widget = slicer.modules.wspcirrhosis.widgetRepresentation().self()
ui, found, asked, errors = widget.ui, {}, [], []
ui.setupCollapsibleButton.collapsed = False
from WSPCirrhosisSlicer.setup import installation, packages, setup_panel

# The one thing a test cannot do is press OK in Slicer's own question.
def answering(yes):
    def ask(text, windowTitle=None, **options):
        asked.append(text)
        return yes
    return ask

def cells(table):
    return [[table.item(r, c).text() for c in range(table.columnCount)] for r in range(table.rowCount)]

slicer.util.errorDisplay = lambda text, *more, **options: errors.append(text)
found["packages"] = cells(ui.packagesTable)
found["predictButton"] = [ui.installPredictButton.enabled, ui.installPredictButton.toolTip]
found["commands"] = [ui.downloadCommandEdit.text, ui.installCommandEdit.text]
ui.offlineGroupBox.collapsed = False
ui.copyInstallButton.click()
found["clipboard"] = qt.QApplication.clipboard().text()

found["missing"] = packages.missingPackages(needs)
slicer.util.confirmOkCancelDisplay = answering(False)
found["declined"] = [installation.offer(needs), packages.missingPackages(needs), len(asked)]
slicer.util.confirmOkCancelDisplay = answering(True)
found["accepted"] = [installation.offer(needs), packages.missingPackages(needs), len(asked)]
found["again"] = [installation.offer(needs), len(asked)]
found["restartBefore"] = not ui.restartButton.isHidden()
import wsp_tiny
def removeOlder(text, *more, **options):
    # pip takes an older version away by itself, except where it installs into a folder of the caller's choice.
    shutil.rmtree(folder / "site" / "wsp_tiny-1.2.dist-info")
    return True
slicer.util.confirmOkCancelDisplay = removeOlder
widget.panels[1].install(folder / "newer.txt")
slicer.util.confirmOkCancelDisplay = answering(True)
found["replaced"] = [not ui.restartButton.isHidden(), ui.restartLabel.text, ui.setupMessageLabel.text]
found["impossible"] = installation.offer(folder / "impossible.txt")

# As if training lacked torch, on a Slicer without the PyTorch extension.
isMet = packages.isMet
installation.isMet = packages.isMet = setup_panel.isMet = lambda needed: not needed.startswith("torch") and isMet(needed)
widget.panels[1].refresh()
found["without torch"] = [cells(ui.packagesTable), ui.installTrainButton.enabled, ui.installTrainButton.toolTip]
ui.installTrainButton.click()
found["no extension"] = [errors, ui.setupMessageLabel.text]
installation.isMet = packages.isMet = setup_panel.isMet = isMet

found["copyBefore"] = [ui.copySystemButton.enabled, ui.copySystemButton.toolTip]
ui.systemCheckButton.click()
found["checking"] = ui.systemCheckButton.enabled
wait(lambda: ui.systemTable.rowCount > 0, 180)
found["system"] = cells(ui.systemTable)
ui.copySystemButton.click()
found["copied"] = qt.QApplication.clipboard().text()
found["loaded"] = [name for name in ("torch", "onnxruntime", "sklearn", "kornia") if name in sys.modules]
(folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
"""


def write_wheel(folder: Path, version: str) -> None:
    """A package of one file, as pip installs it."""
    folder.mkdir(exist_ok=True)
    info = f"wsp_tiny-{version}.dist-info"
    files = {
        "wsp_tiny.py": "VALUE = 7\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: wsp-tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_hash(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(folder / f"wsp_tiny-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(name, text)


def _hash(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return "sha256=" + digest.rstrip(b"=").decode()


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("setup")
    write_wheel(folder / "wheels", "1.2")
    write_wheel(folder / "wheels", "1.3")
    (folder / "site").mkdir()
    (folder / "needs.txt").write_text("# a comment\nwsp-tiny>=1.1,<1.3\n", encoding="utf-8")
    (folder / "newer.txt").write_text("wsp-tiny>=1.3\n", encoding="utf-8")
    (folder / "impossible.txt").write_text("surely-not-there>=1\n", encoding="utf-8")
    # pip installs for real, from a folder into a folder: neither a network nor this environment is touched.
    env = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "PIP_TARGET": str(folder / "site"),
        "PIP_UPGRADE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")])
        ),
    }
    said = host.run_gui(folder, SCRIPT, folder, folder / "needs.txt", env=env)
    assert (folder / "found.json").exists(), said
    return json.loads((folder / "found.json").read_text("utf-8"))


def test_every_package_is_listed_with_its_task_and_what_is_installed(found):
    rows = found["packages"]
    assert rows[0][:2] == ["onnxruntime>=1.18", "Predict"] and rows[0][2]
    assert [row[1] for row in rows[1:]] == ["Pretrain, Fit"] * (len(rows) - 1)
    assert rows[1][0] == "torch>=2.9"


def test_with_everything_there_nothing_is_offered_and_the_button_says_so(found):
    assert found["predictButton"] == [False, "Everything for this is installed"]


def test_the_offline_commands_name_every_package_and_can_be_copied(found):
    download, install = found["commands"]
    assert "pip download -d PACKAGES" in download
    assert "--no-index --find-links PACKAGES" in install and '"onnxruntime>=1.18"' in install
    assert '"torch>=2.9"' in install and found["clipboard"] == install


def test_nothing_is_installed_without_consent(found):
    assert found["missing"] == ["wsp-tiny>=1.1,<1.3"]
    assert found["declined"] == [False, ["wsp-tiny>=1.1,<1.3"], 1]


def test_with_consent_pip_installs_and_it_is_there_at_once(found):
    assert found["accepted"] == [True, [], 2]
    assert found["again"] == [True, 2], "what is there is not asked for"


def test_a_package_that_was_replaced_while_it_was_loaded_asks_for_a_restart(found):
    assert not found["restartBefore"]
    shown, advice, message = found["replaced"]
    assert shown and "wsp-tiny" in advice and message == "Everything is installed."


def test_an_installation_that_fails_is_no_success(found):
    assert found["impossible"] is False


def test_training_without_the_pytorch_extension_says_where_to_get_it(found):
    rows, enabled, tip = found["without torch"]
    assert enabled and "torch>=2.9" in tip and "asks first" in tip
    assert rows[1][2].endswith("too old") or rows[1][2] == "not installed"
    errors, message = found["no extension"]
    assert "Extensions Manager" in errors[0] and "Not everything" in message


def test_the_computer_is_looked_at_in_a_process_of_its_own(found):
    facts = dict(found["system"])
    assert facts["Processor"].endswith("cores") and "GiB free of" in facts["Memory"]
    assert "GiB free" in facts["Disk for results"] and "CPU" in facts["onnxruntime"]
    assert {"Graphics card", "torch", "Python", "System"} <= facts.keys()
    assert found["checking"] is False
    assert found["loaded"] == []


def test_the_table_can_be_copied_and_names_no_folder(found):
    assert found["copyBefore"] == [False, "Check this computer first"]
    assert "GiB free" in found["copied"] and str(Path.home()) not in found["copied"]


def test_the_version_of_torch_asked_for_is_the_projects():
    project = (host.ROOT / "pyproject.toml").read_text("utf-8")
    sys.path.insert(0, str(host.MODULE_FOLDER))
    try:
        from WSPCirrhosisSlicer.setup.packages import TORCH, offlineCommands, packageName
    finally:
        sys.path.remove(str(host.MODULE_FOLDER))
    assert f'"{TORCH}"' in project
    assert packageName("a-b.c>=1; x") == "a-b.c"
    assert all("onnxruntime" in command for command in offlineCommands("python"))
