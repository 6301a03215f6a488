"""A `Slicer` command: `python Testing/SlicerBench [--no-main-window] --python-script X.py -- …`."""

import sys

from slicer_host.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
