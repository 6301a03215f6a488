"""Weakly-supervised positional contrastive pretraining and cirrhosis prediction on CT.

The files of this package read in the order the data flows (see README, "Architecture"). Nothing here
imports Slicer or Qt; torch, kornia and scikit-learn are imported only by the files that compute with them.
"""

__version__ = "0.1.0"
