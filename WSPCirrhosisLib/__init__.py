"""Weakly-supervised positional contrastive pretraining and cirrhosis prediction on CT.

The files of this package read in the order the data flows (see README, "Architecture"). Nothing here
imports Slicer or Qt; torch, kornia and scikit-learn are imported only by the files that compute with them.
"""

import os

# From 1.29 on onnxruntime tells its maker of every model that it opens, by file name and hash, and keeps an identifier
# of the computer. It looks here once, when it is imported, in this process and in all that this one starts.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
