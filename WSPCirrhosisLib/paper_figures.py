"""What the paper printed (Sarfati et al. 2023), to stand beside an experiment's own figures."""

from __future__ import annotations

# AUC in Table 1 by encoder and method: D1, D2 and their union.
TABLE_1 = {
    "tinynet": {
        "supervised": (0.79, 0.65, 0.71),
        "random": (0.64, 0.75, 0.73),
        "simclr": (0.75, 0.88, 0.76),
        "byol": (0.75, 0.95, 0.77),
        "supcon": (0.76, 0.93, 0.72),
        "depth-aware": (0.80, 0.81, 0.77),
        "wsp": (0.84, 0.91, 0.79),
    },
    "resnet18": {
        "supervised": (0.77, 0.56, 0.72),
        "random": (0.69, 0.73, 0.68),
        "imagenet": (0.72, 0.76, 0.66),
        "simclr": (0.79, 0.82, 0.79),
        "byol": (0.78, 0.77, 0.78),
        "supcon": (0.69, 0.69, 0.76),
        "depth-aware": (0.83, 0.82, 0.80),
        "wsp": (0.84, 0.85, 0.84),
    },
}
# Balanced accuracy on D1 of the best encoder, and that of its radiologists.
TABLE_2 = {
    "supervised": 0.78,
    "random": 0.71,
    "imagenet": 0.74,
    "simclr": 0.78,
    "byol": 0.77,
    "supcon": 0.77,
    "depth-aware": 0.84,
    "wsp": 0.85,
}
RADIOLOGISTS = 0.82
# AUC of WSP by the kernel's width: D1, D2 and their union.
SIGMA = {
    0.01: (0.81, 0.85, 0.81),
    0.1: (0.85, 0.91, 0.79),
    0.2: (0.75, 0.85, 0.72),
    0.3: (0.78, 0.82, 0.76),
    0.5: (0.73, 0.89, 0.76),
}
METHOD_NAMES = {
    "supervised": "Supervised",
    "random": "Random",
    "imagenet": "ImageNet",
    "simclr": "SimCLR",
    "byol": "BYOL",
    "supcon": "SupCon",
    "depth-aware": "depth-Aware",
    "wsp": "WSP",
    "pcl": "PCL",
    "y-aware": "y-Aware (age)",
    "ordinal": "ordinal WSP",
    "simsiam": "SimSiam",
    "barlow-twins": "Barlow Twins",
}
ENCODER_NAMES = {"tinynet": "TinyNet", "resnet18": "ResNet-18", "given": "given"}
