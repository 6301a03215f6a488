"""onnxruntime tells nobody of what it runs: it makes no uploader, keeps no identifier and no cache."""

import os
import subprocess
import sys
from pathlib import Path

MODEL = Path(__file__).resolve().parents[2] / "Resources" / "Models" / "demo.onnx"
# Whoever sets one of these has switched it off by himself.
SWITCHES = {"ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "GITHUB_ACTIONS", "TF_BUILD"}
RUN = f"""
from WSPCirrhosisLib.model_file import ModelFile
ModelFile.load({str(MODEL)!r}).open()
"""


def test_a_model_that_is_opened_leaves_nothing_outside_its_process(tmp_path):
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    others = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    subprocess.run([sys.executable, "-c", RUN], env={**others, **folders}, check=True)
    assert list(tmp_path.iterdir()) == []
