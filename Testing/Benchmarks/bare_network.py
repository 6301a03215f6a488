"""The network of a run alone, on images that lie ready: what a whole step is held against."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.training_state import TrainingState


class BareNetwork:
    """Encoder, head and Adam as a run has them, on images that lie ready in its memory format.

    Args:
        config: of the run, with device and precision named.
        capturable: whether Adam keeps all it counts on the device, as a CUDA graph of its step needs.
    """

    def __init__(self, config: PretrainConfig, capturable: bool = False) -> None:
        device = torch.device(config.device)
        state = TrainingState(config, device, config.precision, class_count=4)
        self.modules = nn.ModuleList([state.encoder, state.objective.head]).train()
        self.optimizer = torch.optim.Adam(
            self.modules.parameters(),
            lr=1e-4,
            weight_decay=1e-4,
            fused=device.type == "cuda",
            capturable=capturable,
        )
        self._images = ready_images(config).contiguous(memory_format=torch.channels_last)
        self._bfloat16 = config.precision == "bfloat16"

    def latents(self) -> Tensor:
        """(2B, D) of the images."""
        encoder, head = self.modules
        with torch.autocast(self._images.device.type, torch.bfloat16, enabled=self._bfloat16):
            representation = encoder(self._images)
        return head(representation.float())

    # As in a run, see TrainingState.
    @torch.backends.cudnn.flags(enabled=True, benchmark=True)
    def step(self) -> None:
        descend(self.latents(), self.optimizer)


def ready_images(config: PretrainConfig) -> Tensor:
    """(2B, 1, S, S) float32 in [0, 1] on the run's device."""
    shape = (2 * config.batch_size, 1, config.image_size, config.image_size)
    return torch.rand(shape, device=config.device)


def descend(latents: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Backward from a loss that costs nothing, and a step of the optimiser."""
    optimizer.zero_grad(set_to_none=True)
    latents.square().mean().backward()
    optimizer.step()
