"""The methods to choose from: what each is trained for, and what it takes for similar. METHODS.md, section 4.

No torch, so that a panel can offer them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kernel_expression import DEPTH, Factor, KernelExpression, product

if TYPE_CHECKING:
    from .pretrain_config import PretrainConfig

# What the encoder is trained for (objectives.py); None: it is not trained.
CONTRASTIVE = "contrastive"
BYOL = "byol"
SIMSIAM = "simsiam"
BARLOW_TWINS = "barlow-twins"
SUPERVISED = "supervised"


@dataclass(frozen=True)
class Method:
    """Args:
    objective: the family of its loss, or None when nothing is trained.
    help: one line for a user.
    kernel: its kernel under some settings; None when the method takes one from the setting ``kernel``.
    """

    objective: str | None
    help: str
    kernel: Callable[[PretrainConfig], KernelExpression] | None = None


def _identity(config: PretrainConfig) -> KernelExpression:
    return product(Factor("identity"))


def _same_label(config: PretrainConfig) -> Factor:
    return Factor("same", config.weak_label_column)


def _near_depth(config: PretrainConfig) -> Factor:
    return Factor("gaussian", DEPTH, config.sigma)


def _near_grade(config: PretrainConfig) -> Factor:
    return Factor("gaussian", config.weak_label_column, config.grade_sigma)


METHODS: dict[str, Method] = {
    "wsp": Method(
        CONTRASTIVE,
        "similar are slices of the same weak label and of near depth (the paper's method)",
        lambda config: product(_same_label(config), _near_depth(config)),
    ),
    "depth-aware": Method(
        CONTRASTIVE,
        "similar are slices of near depth, whatever the label (y-Aware InfoNCE on depth)",
        lambda config: product(_near_depth(config)),
    ),
    "y-aware": Method(
        CONTRASTIVE,
        "similar are slices of patients near in --y-column, such as the age",
        lambda config: product(Factor("gaussian", config.y_column, config.y_sigma)),
    ),
    "pcl": Method(
        CONTRASTIVE,
        "similar are slices nearer in depth than --pcl-distance, all or nothing",
        lambda config: product(Factor("within", DEPTH, config.pcl_distance)),
    ),
    "supcon": Method(
        CONTRASTIVE,
        "similar are slices of the same weak label, wherever they lie",
        lambda config: product(_same_label(config)),
    ),
    "simclr": Method(
        CONTRASTIVE, "similar are the two views of one slice alone; no label needed", _identity
    ),
    "ordinal": Method(
        CONTRASTIVE,
        "wsp with grades that are nearer or further rather than same or different",
        lambda config: product(_near_grade(config), _near_depth(config)),
    ),
    "contrastive": Method(CONTRASTIVE, "the same loss with whatever kernel --kernel gives"),
    "byol": Method(
        BYOL, "predicts what a slowly following copy makes of the other view; takes --kernel"
    ),
    "simsiam": Method(
        SIMSIAM, "predicts what the network itself makes of the other view; takes --kernel"
    ),
    "barlow-twins": Method(
        BARLOW_TWINS, "views agree in every feature, no feature repeats another; takes --kernel"
    ),
    "supervised": Method(
        SUPERVISED, "baseline: learns to tell the weak label, by cross-entropy", _identity
    ),
    "random": Method(None, "baseline: an encoder with random weights, not trained", _identity),
    "imagenet": Method(
        None, "baseline: ResNet-18 as published by torchvision, from --weights", _identity
    ),
}


# The methods that take a kernel from the setting of that name; the others have one of their own, or none.
METHODS_WITH_KERNEL = tuple(name for name, method in METHODS.items() if method.kernel is None)
_TRAINED = tuple(name for name, method in METHODS.items() if method.objective)
_CONTRASTIVE = tuple(name for name, method in METHODS.items() if method.objective == CONTRASTIVE)
# Settings that count for some methods alone; all others count for every one.
SETTING_USED_BY: dict[str, tuple[str, ...]] = {
    "kernel": METHODS_WITH_KERNEL,
    "sigma": ("wsp", "depth-aware", "ordinal"),
    "pcl_distance": ("pcl",),
    "y_column": ("y-aware",),
    "y_sigma": ("y-aware",),
    "grade_sigma": ("ordinal",),
    "temperature": _CONTRASTIVE,
    **dict.fromkeys(
        (
            "epochs",
            "slices_per_epoch",
            "batch_size",
            "learning_rate",
            "weight_decay",
            "weak_label_column",
            "checkpoint_minutes",
        ),
        _TRAINED,
    ),
}


def method_list() -> str:
    """The methods for ``--help``, one a line."""
    lines = (f"  {name:<14}{method.help}" for name, method in METHODS.items())
    return "methods (--method):\n" + "\n".join(lines)
