"""Pretrain in Slicer's Python: `Slicer --no-main-window --python-script Pretrain.py -- --cohort C.csv --output RUN`.

Hands its arguments to `python -m WSPCirrhosisLib pretrain`, shows its output, and ends with its exit status.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import traceback
from pathlib import Path

# Slicer gives the script's own path as the first argument; the module lies one folder up, the library beside
# it when installed, and one folder further up in a source tree.
MODULE_FOLDER = Path(sys.argv[0]).resolve().parent.parent
sys.path[:0] = [str(MODULE_FOLDER), str(MODULE_FOLDER.parent)]


def main(arguments: list[str]) -> int:
    """Returns the exit status of `pretrain`; 4 when it was stopped, its state saved."""
    from WSPCirrhosisSlicer.worker import workerEnvironment

    command = [sys.executable, "-m", "WSPCirrhosisLib", "pretrain", *arguments]
    training = subprocess.Popen(command, env=workerEnvironment())
    for number in (signal.SIGTERM, signal.SIGINT):
        # The training saves a checkpoint and ends by itself; waiting goes on until then.
        signal.signal(number, lambda *_: training.terminate())
    return training.wait()


if __name__ == "__main__":
    # A script that raises leaves Slicer running for ever.
    try:
        STATUS = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        STATUS = 1
    sys.exit(STATUS)
