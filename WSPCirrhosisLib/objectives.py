"""What an encoder is trained for: the networks beside it that training needs, and the loss of a batch.

One class for each family of losses; methods of a family differ by their kernel alone (`methods.py`).
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .encoders import Encoder, projection_head
from .kernels import BatchKernel
from .losses import kernel_contrastive_loss
from .methods import BARLOW_TWINS, BYOL, CONTRASTIVE, SIMSIAM, SUPERVISED
from .non_contrastive import barlow_twins_loss, byol_loss, simsiam_loss
from .pretrain_config import PretrainConfig

# BYOL: how much of itself the target keeps in a step, at the start; 1 at the end.
FIRST_MOMENTUM = 0.996


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch on its way to the loss.

    Args:
        representation: (2N, R) float32 of the encoder: first views, then second views, of all processes' rows.
        views: (2n, 1, S, S), what the rows of this process were made of.
        kernel: (N, N).
        labels: (N,) codes of the weak labels.
        encode: (another encoder, views) → representation, in the run's precision and of all processes' rows.
    """

    representation: Tensor
    views: Tensor
    kernel: Tensor | BatchKernel
    labels: Tensor
    encode: Callable[[Encoder, Tensor], Tensor]


class Objective(nn.Module, ABC):
    """Networks that are trained beside the encoder, and kept in the checkpoint."""

    @abstractmethod
    def forward(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        """The loss, and the (2N, D) latents whose cosines are told of."""

    def after_step(self, encoder: Encoder, done: float) -> None:
        """Called when the optimiser has changed the weights; `done` is the share of the run behind it, 0 to 1."""


class Contrastive(Objective):
    """InfoNCE with kernel weights (Sarfati et al. 2023): WSP, SimCLR, SupCon, y-Aware, PCL and any other kernel."""

    def __init__(self, encoder: Encoder, seed: int, temperature: float) -> None:
        super().__init__()
        self.head = projection_head(encoder, seed)
        self._temperature = temperature

    def forward(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        latents = self.head(batch.representation)
        loss = kernel_contrastive_loss(*latents.chunk(2), batch.kernel, self._temperature)
        return loss, latents


class Byol(Objective):
    """The online network predicts the latents of a target that follows it slowly (Grill et al. 2020)."""

    def __init__(self, encoder: Encoder, seed: int) -> None:
        super().__init__()
        self.head = projection_head(encoder, seed, batch_norm=True)
        self.predictor = _predictor(encoder.latent_size, encoder.hidden_size, seed + 1)
        self.target_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.target_head = copy.deepcopy(self.head).requires_grad_(False)

    def forward(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        latents = self.head(batch.representation)
        with torch.no_grad():
            targets = self.target_head(batch.encode(self.target_encoder, batch.views))
        predictions = self.predictor(latents)
        return byol_loss(*predictions.chunk(2), *targets.chunk(2), batch.kernel), latents

    @torch.no_grad()
    def after_step(self, encoder: Encoder, done: float) -> None:
        """Target ← m·target + (1 − m)·online; m goes from 0.996 to 1 along a cosine."""
        share = (1 - FIRST_MOMENTUM) * 0.5 * (1 + math.cos(math.pi * done))
        for target, online in ((self.target_encoder, encoder), (self.target_head, self.head)):
            for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
                slow.lerp_(fast, share)


class SimSiam(Objective):
    """The network predicts its own latents, which are held fast meanwhile (Chen and He 2021)."""

    def __init__(self, encoder: Encoder, seed: int) -> None:
        super().__init__()
        self.head = projection_head(encoder, seed, batch_norm=True)
        # A quarter of the latents, as published: the bottleneck keeps predictor and encoder from agreeing on nothing.
        self.predictor = _predictor(encoder.latent_size, encoder.latent_size // 4, seed + 1)

    def forward(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        latents = self.head(batch.representation)
        predictions = self.predictor(latents)
        return simsiam_loss(*predictions.chunk(2), *latents.chunk(2), batch.kernel), latents


class BarlowTwins(Objective):
    """Features agree between views and do not repeat one another (Zbontar et al. 2021)."""

    def __init__(self, encoder: Encoder, seed: int) -> None:
        super().__init__()
        self.head = projection_head(encoder, seed, batch_norm=True)

    def forward(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        latents = self.head(batch.representation)
        return barlow_twins_loss(*latents.chunk(2), batch.kernel), latents


class Supervised(Objective):
    """Cross-entropy of the weak label, of both views; the kernel plays no part."""

    def __init__(self, encoder: Encoder, seed: int, class_count: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.classifier = nn.Linear(encoder.representation_size, class_count)

    def forward(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        scores = self.classifier(batch.representation)
        loss = functional.cross_entropy(scores, torch.cat([batch.labels, batch.labels]))
        return loss, batch.representation


def build_objective(config: PretrainConfig, encoder: Encoder, class_count: int) -> Objective:
    """The objective of a method that trains, with random weights that follow from the run's seed.

    Args:
        config: of the run.
        encoder: as it begins; BYOL's target is a copy of it.
        class_count: weak labels that occur.
    """
    seed = config.seed + 1
    make = {
        CONTRASTIVE: lambda: Contrastive(encoder, seed, config.temperature),
        BYOL: lambda: Byol(encoder, seed),
        SIMSIAM: lambda: SimSiam(encoder, seed),
        BARLOW_TWINS: lambda: BarlowTwins(encoder, seed),
        SUPERVISED: lambda: Supervised(encoder, seed, class_count),
    }
    return make[config.objective]()


def _predictor(size: int, hidden: int, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(size, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, size)
        )
