"""What a run is made of between two steps: weights, Adam's moments, the step; and the checkpoint that keeps them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .batch_pieces import pieces_of_a_batch
from .distributed import ALONE, Ranks
from .encoders import Encoder, build_encoder
from .errors import InputError
from .files import write_whole
from .global_batch import complete_gradients, whole_batch, with_global_batch_norm
from .objectives import Encoded, build_objective
from .pretrain_config import PretrainConfig
from .pretraining_data import TrainingBatch
from .views import Views

CHECKPOINT_FORMAT = 2


class TrainingState:
    """Encoder, the networks that train it and Adam after `step` steps.

    What a CUDA device gets otherwise than a CPU: the batch in one piece, Adam in one fused kernel, and convolutions that
    cuDNN may compute in TF32 where the precision is ``float32`` (torch's default; heads and loss are full float32). On
    both, weights and maps are channels-last. A step only gives the device work: copies to it come from pinned memory and
    do not block, and nothing is read back (`step_figures`). So the host is ahead of the device, and reads the next batch.

    Args:
        config: of the run; its method trains.
        device: where it is trained.
        precision: ``float32``, or ``bfloat16`` for the encoder's products; weights and loss stay float32.
        class_count: weak labels that occur in the cohort.
        ranks: the processes that train together; each holds the same state between two steps.
    """

    def __init__(
        self,
        config: PretrainConfig,
        device: torch.device,
        precision: str,
        class_count: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config
        self.device = device
        self.precision = precision
        self.step = 0
        self._ranks = ranks
        self.encoder = with_global_batch_norm(
            build_encoder(config.encoder, config.seed), ranks, device
        )
        self.objective = build_objective(config, self.encoder, class_count)
        self.objective.to(device, memory_format=torch.channels_last)
        self.encoder.to(device, memory_format=torch.channels_last)
        self.views = Views(config.image_size, config.seed)
        self._pieces = pieces_of_a_batch(config.batch_size, config.image_size)
        self._optimizer = torch.optim.Adam(
            self._parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )

    # cuDNN tries its algorithms once for each shape, and a run has but one of each.
    @torch.backends.cudnn.flags(enabled=True, benchmark=True)
    def train_on(self, batch: TrainingBatch) -> Tensor:
        """One step → loss, mean cosine of the two views of a slice, and mean cosine of all others (near 1: collapsed),
        (3,) float32 on the device.
        """
        self.encoder.train()
        self.objective.train()
        learning_rate = self.learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        images = batch.images.to(self.device, non_blocking=True)
        first = self._ranks.rows(self.config.batch_size).start
        views = self.views.of_rows(images, self.step, first, self.config.batch_size)
        views = views.contiguous(memory_format=torch.channels_last)
        encoded = Encoded(
            self._encode(self.encoder, views),
            views,
            batch.kernel.to(self.device, non_blocking=True),
            batch.labels.to(self.device, non_blocking=True),
            self._encode,
        )
        loss, latents = self.objective(encoded)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        complete_gradients(self.encoder.parameters(), self.objective.parameters(), self._ranks)
        self._optimizer.step()
        self.step += 1
        self.objective.after_step(self.encoder, self.step / self.config.total_steps)
        return torch.stack([loss.detach(), *_similarities(*latents.chunk(2))])

    def _encode(self, encoder: Encoder, views: Tensor) -> Tensor:
        """(2n, 1, S, S), of this process's rows → (2N, R) float32, of all processes' rows."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            # Pieces would leave other devices idle, with little to do.
            if self.device.type == "cpu":
                own = self._pieces.encode(encoder, views, self._ranks)
            else:
                own = encoder(views)
        return whole_batch(own.float(), self._ranks)

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
            "objective": self.objective.state_dict(),
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
                self.objective.load_state_dict(checkpoint["objective"])
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
        beside = (p for p in self.objective.parameters() if p.requires_grad)
        return [*self.encoder.parameters(), *beside]


@torch.no_grad()
def _similarities(latents_1: Tensor, latents_2: Tensor) -> tuple[Tensor, Tensor]:
    z_1, z_2 = (nn.functional.normalize(z.float(), dim=1) for z in (latents_1, latents_2))
    n = len(z_1)
    of_views = (z_1 * z_2).sum(dim=1)
    # |Σz|² is the sum of all cosines: 2n of a latent with itself, 2 for each pair of views, and the rest.
    everything = (z_1 + z_2).sum(dim=0).square().sum()
    of_others = (everything - 2 * n - 2 * of_views.sum()) / (4 * n * (n - 1))
    return of_views.mean(), of_others
