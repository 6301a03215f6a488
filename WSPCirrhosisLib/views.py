"""Two random views of every slice of a batch, on the device where the batch is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from kornia import augmentation
from torch import Tensor
from torch.nn import functional

from .slices import LEVELS

LARGEST_ROTATION_DEGREES = 30.0
LARGEST_TRANSLATION = 0.2
SMALLEST_CROP_AREA = 0.7
PROBABILITY = 0.5


@dataclass(frozen=True, eq=False)
class ViewParameters:
    """What Kornia drew for one view of a batch, a dictionary of tensors for each module of the sequence."""

    drawn: tuple[dict[str, Tensor], ...]


class Views:
    """Flips, rotation ±30°, translation ≤ 20 %, crop to ≥ 70 % of the area and back to size: each with p = 0.5.

    The parameters are Kornia's, and each transform is on or off for every image by itself. By default the five are
    composed into one affine warp, so that an image is interpolated once; `strict` applies Kornia's modules one after
    the other instead. Both show the same anatomy at the same place. They differ by the blur of repeated
    interpolation, and in what a strict step pushes over the edge and a later one would bring back: lost there, kept
    here. Outside the image is 0, which is −100 HU.

    Args:
        image_size: width and height of the slice images, in pixels.
        seed: of the run; with the step's number it decides a batch's views, whatever was drawn before.
        strict: Kornia's sequence, pixel for pixel.
    """

    def __init__(self, image_size: int, seed: int, strict: bool = False) -> None:
        self.image_size = image_size
        self.seed = seed
        self.strict = strict
        self.sequence = kornia_sequence(image_size)

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """(N, 1, S, S) uint8 0…250, or float in [0, 1] → (2N, 1, S, S) float32 in [0, 1].

        The first N are the first view of each image, the others the second, in the same order.
        """
        images = as_input(images)
        make = self._one_by_one if self.strict else self._at_once
        return torch.cat([make(images, view) for view in self.draw(len(images), step)])

    def of_rows(self, images: Tensor, step: int, first: int, batch_size: int) -> Tensor:
        """Of what the whole batch's call gives, the views of `images` alone: its rows from `first` on."""
        rows = slice(first, first + len(images))
        images = as_input(images)
        views = self.draw(batch_size, step)
        return torch.cat([_warped(images, self.matrices(view)[rows]) for view in views])

    def draw(self, count: int, step: int) -> tuple[ViewParameters, ViewParameters]:
        """The parameters of both views of `count` images, from nothing but the seed and the step."""
        state = np.random.SeedSequence((self.seed, step)).generate_state(1, np.uint64)
        shape = torch.Size((count, 1, self.image_size, self.image_size))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(state[0] >> np.uint64(1)))
            first, second = (
                ViewParameters(tuple(_drawn(module, shape) for module in self.sequence))
                for _ in range(2)
            )
        return first, second

    def matrices(self, view: ViewParameters) -> Tensor:
        """(N, 3, 3) float64: pixel (x, y, 1) of an image → pixel of its view."""
        count = len(view.drawn[0]["batch_prob"])
        # Kornia wants an image for its shape and type alone; this one takes no memory.
        stand_in = torch.zeros((), dtype=torch.float64)
        stand_in = stand_in.expand(count, 1, self.image_size, self.image_size)
        whole = torch.eye(3, dtype=torch.float64).expand(count, 3, 3)
        for module, drawn in zip(self.sequence, view.drawn, strict=True):
            step = module.generate_transformation_matrix(stand_in, drawn, module.flags)
            whole = step @ whole
        return whole

    def _at_once(self, images: Tensor, view: ViewParameters) -> Tensor:
        return _warped(images, self.matrices(view))

    def _one_by_one(self, images: Tensor, view: ViewParameters) -> Tensor:
        for module, drawn in zip(self.sequence, view.drawn, strict=True):
            images = module(images, params=drawn)
        return images


def as_input(images: Tensor) -> Tensor:
    """uint8 slice images 0…250 → the encoders' float32 in [0, 1]; floats pass as they are."""
    return images.float().div_(LEVELS) if images.dtype == torch.uint8 else images


def kornia_sequence(image_size: int) -> tuple[augmentation.GeometricAugmentationBase2D, ...]:
    """The modules in the order in which they are applied; one convention for pixel centres throughout."""
    shift = (-LARGEST_TRANSLATION, LARGEST_TRANSLATION)
    return (
        augmentation.RandomHorizontalFlip(p=PROBABILITY),
        augmentation.RandomVerticalFlip(p=PROBABILITY),
        augmentation.RandomRotation(LARGEST_ROTATION_DEGREES, p=PROBABILITY, align_corners=True),
        augmentation.RandomTranslate(shift, shift, p=PROBABILITY, align_corners=True),
        augmentation.RandomResizedCrop(
            (image_size, image_size), scale=(SMALLEST_CROP_AREA, 1.0), p=1.0, align_corners=True
        ),
    )


def _warped(images: Tensor, matrices: Tensor) -> Tensor:
    # grid_sample counts from −1 to 1 between the centres of the outermost pixels.
    half = (images.shape[-1] - 1) / 2
    to_pixels = torch.tensor([[half, 0, half], [0, half, half], [0, 0, 1]], dtype=torch.float64)
    backwards = torch.linalg.inv(to_pixels) @ torch.linalg.inv(matrices) @ to_pixels
    theta = backwards[:, :2].float().to(images.device, non_blocking=True)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=True)
    return functional.grid_sample(images, grid, align_corners=True, padding_mode="zeros")


def _drawn(
    module: augmentation.GeometricAugmentationBase2D, shape: torch.Size
) -> dict[str, Tensor]:
    parameters = module.forward_parameters(shape)
    if isinstance(module, augmentation.RandomResizedCrop):
        # Kornia crops a whole batch or none of it; here every image has its own chance, as with the others.
        parameters["batch_prob"] = torch.bernoulli(torch.full((shape[0],), PROBABILITY))
    return parameters
