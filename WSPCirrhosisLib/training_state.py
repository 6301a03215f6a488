"""What a run is made of between two steps: weights, Adam's moments, the step; and the checkpoint that keeps them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .encoders import build_encoder, projection_head
from .errors import InputError
from .files import write_whole
from .losses import kernel_contrastive_loss
from .pretrain_config import PretrainConfig
from .views import Views

CHECKPOINT_FORMAT = 1


class TrainingState:
    """Encoder, head and Adam after `step` steps.

    Args:
        config: of the run.
        device: where it is trained.
        precision: ``float32``, or ``bfloat16`` for the encoder's products; weights and loss stay float32.
    """

    def __init__(self, config: PretrainConfig, device: torch.device, precision: str) -> None:
        self.config = config
        self.device = device
        self.precision = precision
        self.step = 0
        self.encoder = build_encoder(config.encoder, config.seed)
        self.head = projection_head(self.encoder, config.seed + 1).to(device)
        self.encoder.to(device, memory_format=torch.channels_last)
        self.views = Views(config.image_size, config.seed)
        self._optimizer = torch.optim.Adam(
            self._parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )

    def train_on(self, images: Tensor, kernel: Tensor) -> Tensor:
        """One step. images (B, 1, S, S) uint8, kernel (B, B) → loss, mean cosine of the two views of a slice, and mean
        cosine of all others (near 1: collapsed), (3,) float32 on the device.
        """
        self.encoder.train()
        learning_rate = self.learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        views = self.views(images.to(self.device, non_blocking=True), self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            representation = self.encoder(views.contiguous(memory_format=torch.channels_last))
        latents_1, latents_2 = self.head(representation.float()).chunk(2)
        loss = kernel_contrastive_loss(
            latents_1,
            latents_2,
            kernel.to(self.device, non_blocking=True),
            self.config.temperature,
        )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self.step += 1
        return torch.stack([loss.detach(), *_similarities(latents_1, latents_2)])

    def learning_rate(self) -> float:
        """Of the coming step: a cosine from the configured one to 0 at the run's end."""
        done = self.step / self.config.total_steps
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def save(self, path: Path, slices_sha256: str) -> None:
        """Write the checkpoint as a whole; ``torch.load(weights_only=True)`` reads it."""
        checkpoint = {
            "format": CHECKPOINT_FORMAT,
            "step": self.step,
            "slices_sha256": slices_sha256,
            "encoder": self.encoder.state_dict(),
            "head": self.head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        with write_whole(path, "wb") as stream:
            torch.save(checkpoint, stream)

    def load(self, path: Path, slices_sha256: str) -> None:
        """Go on from a checkpoint.

        Raises:
            InputError: ``run.damaged``, or ``run.data_changed`` when it was trained on other slices.
        """
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if checkpoint["format"] != CHECKPOINT_FORMAT:
                raise ValueError(f"checkpoint format {checkpoint['format']}")
            trained_on = checkpoint["slices_sha256"]
            if trained_on == slices_sha256:
                self.encoder.load_state_dict(checkpoint["encoder"])
                self.head.load_state_dict(checkpoint["head"])
                self._optimizer.load_state_dict(checkpoint["optimizer"])
                self.step = checkpoint["step"]
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(
                "run.damaged",
                f"checkpoint.pt cannot be read ({type(error).__name__}).",
                file=path.parent,
                hint="Start the run anew in another folder.",
            ) from error
        if trained_on != slices_sha256:
            raise InputError(
                "run.data_changed",
                "The cohort's images or masks have changed since the run began.",
                file=path.parent,
                hint="Bring the old files back, or start the run anew in another folder.",
            )

    def _parameters(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.head.parameters()]


@torch.no_grad()
def _similarities(latents_1: Tensor, latents_2: Tensor) -> tuple[Tensor, Tensor]:
    z_1, z_2 = (nn.functional.normalize(z.float(), dim=1) for z in (latents_1, latents_2))
    n = len(z_1)
    of_views = (z_1 * z_2).sum(dim=1)
    # |Σz|² is the sum of all cosines: 2n of a latent with itself, 2 for each pair of views, and the rest.
    everything = (z_1 + z_2).sum(dim=0).square().sum()
    of_others = (everything - 2 * n - 2 * of_views.sum()) / (4 * n * (n - 1))
    return of_views.mean(), of_others
