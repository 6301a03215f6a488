"""A scan judged by a script as people write it: whole volume as float, every slice built first, eager torch, scikit-learn.

    python predict_textbook.py WEIGHTS.npz ENCODER IMAGE_SIZE CT MASK LABEL

Prints the probability. No heat map, report, interval or check of the input, which `predict` also does.
"""

from __future__ import annotations

import sys

import numpy as np
import SimpleITK as sitk
import torch
from sklearn.linear_model import LogisticRegression
from textbook_networks import textbook_network
from torch.nn import functional

BATCH = 16


@torch.inference_mode()
def main(weights: str, encoder: str, image_size: str, ct: str, mask: str, label: str) -> None:
    stored = dict(np.load(weights))
    classifier = LogisticRegression()
    classifier.classes_ = np.array([0, 1])
    classifier.coef_, classifier.intercept_ = stored.pop("coef"), stored.pop("intercept")
    network = textbook_network(encoder, {k: torch.from_numpy(v) for k, v in stored.items()})
    volume = sitk.GetArrayFromImage(sitk.ReadImage(ct)).astype(np.float32)
    liver = sitk.GetArrayFromImage(sitk.ReadImage(mask)) == int(label)
    volume = (np.clip(volume, -100, 400) + 100) / 500
    occupied = np.flatnonzero(liver.any(axis=(1, 2)))
    kept = round(0.7 * len(occupied))
    first = (len(occupied) - kept) // 2
    slices = torch.from_numpy(volume[occupied[first : first + kept]])[:, None]
    slices = functional.interpolate(slices, size=(int(image_size),) * 2, mode="bilinear")
    representations = torch.cat([network.encoder.eval()(batch) for batch in slices.split(BATCH)])
    print(classifier.predict_proba(representations.numpy())[:, 1].mean())


main(*sys.argv[1:])
