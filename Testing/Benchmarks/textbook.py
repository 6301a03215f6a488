"""The pipeline as the method's research code is structured: what ours is measured against.

Every volume is decoded into memory, a DataLoader collates floats, five Kornia modules run one after another for each
view, tensors are contiguous float32, scikit-learn computes the kernel on the CPU at every step, the loss holds all
2N × 2N pairs at once, and slices are judged by eager torch. Written as well as that structure allows: nothing here is
slow on purpose, and what the research code does quadratically (finding slices by scanning lists) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from kornia import augmentation
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from textbook_networks import TextbookNetwork
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from WSPCirrhosisLib.cohort import Cohort, read_case
from WSPCirrhosisLib.slices import LEVELS, SliceSettings

SIGMA, TEMPERATURE = 0.1, 0.1
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-4
HU_LOW, HU_HIGH = -100.0, 400.0
SLICE_FRACTION = 0.7
# As many as a training batch.
SLICES_AT_ONCE = 64


class SlicesInMemory(Dataset):
    """Every slice of a cohort as float32 in [0, 1], (1, S, S), with its weak label and depth."""

    def __init__(self, cohort: Cohort, settings: SliceSettings, label_column: str) -> None:
        self.images: list[Tensor] = []
        self.labels: list[int] = []
        self.depths: list[float] = []
        for case, label in zip(cohort.cases, cohort.labels(label_column), strict=True):
            _, _, stack = read_case(case, settings)
            for image, depth in zip(stack.images, stack.depth, strict=True):
                self.images.append(torch.from_numpy(image[None].astype(np.float32) / LEVELS))
                self.labels.append(int(label))
                self.depths.append(float(depth))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[Tensor, int, float]:
        return self.images[number], self.labels[number], self.depths[number]


def endless_batches(
    dataset: SlicesInMemory, batch_size: int, seed: int = 0
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Collated batches (images, labels, depths), drawn with replacement so that weak labels come equally often.

    The training process reads them itself: the slices lie in its memory, and a worker would only copy them.
    """
    labels = np.array(dataset.labels)
    weights = (1.0 / np.bincount(labels).clip(min=1))[labels]
    generator = torch.Generator().manual_seed(seed)
    while True:
        sampler = WeightedRandomSampler(weights, len(dataset), generator=generator)
        # A cohort below a batch in size still makes whole batches: the slices then come again.
        sampler.num_samples = max(len(dataset), batch_size)
        yield from DataLoader(dataset, batch_size, sampler=sampler, drop_last=True)


def kornia_views(image_size: int) -> nn.ModuleList:
    """Five modules one after another, each with its own interpolation; what `Views` composes into one warp."""
    shift = (-0.2, 0.2)
    return nn.ModuleList(
        [
            augmentation.RandomHorizontalFlip(p=0.5),
            augmentation.RandomVerticalFlip(p=0.5),
            augmentation.RandomRotation(30.0, p=0.5, align_corners=True),
            augmentation.RandomTranslate(shift, shift, p=0.5, align_corners=True),
            augmentation.RandomResizedCrop((image_size, image_size), scale=(0.7, 1.0), p=0.5),
        ]
    )


def two_views(modules: nn.ModuleList, images: Tensor) -> Tensor:
    """(N, 1, S, S) → (2N, 1, S, S): first views, then second views."""
    views = []
    for _ in range(2):
        view = images
        for module in modules:
            view = module(view)
        views.append(view)
    return torch.cat(views)


def kernel_matrix(labels: np.ndarray, depths: np.ndarray, sigma: float = SIGMA) -> Tensor:
    """(N, N) float32 WSP kernel of labels (N,) and depths (N,), made by scikit-learn on the CPU."""
    near = rbf_kernel(depths.reshape(-1, 1), gamma=0.5 / sigma**2)
    return torch.from_numpy((labels[:, None] == labels[None, :]) * near).float()


def pairwise_loss(
    latents_1: Tensor, latents_2: Tensor, kernel: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """The kernel-weighted contrastive loss with every pair in memory; kernel (N, N) on any device."""
    latents = nn.functional.normalize(torch.cat([latents_1, latents_2]), dim=1)
    others = ~torch.eye(len(latents), dtype=torch.bool, device=latents.device)
    weights = kernel.to(latents.device).repeat(2, 2) * others
    weights = weights / weights.sum(dim=1, keepdim=True)
    similarity = latents @ latents.T / temperature
    similarity = similarity - similarity.max(dim=1, keepdim=True).values.detach()
    log_probability = similarity - (similarity.exp() * others).sum(dim=1, keepdim=True).log()
    return -(weights * log_probability).sum(dim=1).mean()


class TextbookTraining:
    """One step after another, nothing overlapped.

    Args:
        network: images (N, 1, S, S) → latents (N, D).
        image_size: S.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, network: nn.Module, image_size: int, device: str = "cpu") -> None:
        self.device = device
        self.network = network.to(device).train()
        self.modules = kornia_views(image_size).to(device)
        self.optimizer = torch.optim.Adam(
            network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )

    def step(self, images: Tensor, labels: Tensor, depths: Tensor) -> float:
        """Images (N, 1, S, S) float32, labels (N,), depths (N,), all on the CPU → the loss."""
        latents = self.network(two_views(self.modules, images.to(self.device)))
        loss = pairwise_loss(*latents.chunk(2), kernel_matrix(labels.numpy(), depths.numpy()))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


@torch.inference_mode()
def predict(
    volume: Path, mask: Path, network: TextbookNetwork, classifier: LogisticRegression
) -> float:
    """A patient's probability: the whole scan as floats, its central slices, eager torch, scikit-learn.

    Args:
        volume: a CT whose third axis is the patient's, at the size the network was trained for.
        mask: a label map on the same grid, liver above 0.
        network: in evaluation mode, on the CPU.
        classifier: fitted on representations.
    """
    hu = sitk.GetArrayFromImage(sitk.ReadImage(str(volume))).astype(np.float32)
    liver = sitk.GetArrayFromImage(sitk.ReadImage(str(mask))) > 0
    occupied = np.flatnonzero(liver.any(axis=(1, 2)))
    left_out = round((1 - SLICE_FRACTION) / 2 * len(occupied))
    scaled = (np.clip(hu, HU_LOW, HU_HIGH) - HU_LOW) / (HU_HIGH - HU_LOW)
    slices = torch.from_numpy(scaled[occupied[left_out : len(occupied) - left_out]])[:, None]
    representation = torch.cat([network.encoder(part) for part in slices.split(SLICES_AT_ONCE)])
    return float(classifier.predict_proba(representation.numpy())[:, 1].mean())
