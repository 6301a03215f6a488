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

# Images warped at a time: on a CPU their sampling grids stay in its cache, on a GPU they take some hundred MiB.
IMAGES_AT_ONCE = {"cpu": 4, "cuda": 64}


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
        if not self.strict:
            return self.apply(images, self.prepare(len(images), step))
        images = as_input(images)
        return torch.cat([self._one_by_one(images, view) for view in self.draw(len(images), step)])

    def of_rows(self, images: Tensor, step: int, first: int, batch_size: int) -> Tensor:
        """Of what the whole batch's call gives, the views of `images` alone: its rows from `first` on."""
        theta = self.prepare(batch_size, step).unflatten(0, (2, -1))
        return self.apply(images, theta[:, first : first + len(images)].flatten(0, 1))

    def prepare(self, count: int, step: int) -> Tensor:
        """(2N, 2, 3) float32, on the CPU: place in a view → place in its image, from −1 to 1 across the image.

        First the views of all `count` images, then their second ones. It needs no image, so that it can be made while
        a step before is computed with, by the thread that draws random numbers.
        """
        return torch.cat([self._theta(view) for view in self.draw(count, step)]).float()

    def apply(self, images: Tensor, theta: Tensor) -> Tensor:
        """Images (N, 1, S, S) and what `prepare` made for them (2N, 2, 3) → views, as by `__call__`."""
        if images.is_cuda:
            # From other memory the copy begins when the device has done all that it was given before.
            theta = theta.pin_memory()
        theta = theta.to(images.device, non_blocking=True).unflatten(0, (2, -1))
        views = images.new_empty(2, *images.shape, dtype=torch.float32)
        at_once = IMAGES_AT_ONCE.get(images.device.type, IMAGES_AT_ONCE["cpu"])
        for first in range(0, len(images), at_once):
            chosen = slice(first, first + at_once)
            some = as_input(images[chosen])
            for view in (0, 1):
                views[view, chosen] = _warped(some, theta[view, chosen])
        return views.flatten(0, 1)

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

    def _theta(self, view: ViewParameters) -> Tensor:
        """(N, 2, 3) float64 of one view: what Kornia's matrices, multiplied and inverted, come to.

        From the middle of the image on, a pixel c becomes s·(R f·c + t − m) by flips f, rotation R, translation t and
        the crop with middle m and scale s; so c = f·Rᵀ(c′/s + m − t).
        """
        flip_x, flip_y, rotation, shift, crop = view.drawn
        angle = torch.deg2rad(rotation["degrees"].double()) * rotation["batch_prob"]
        cos, sin = angle.cos(), angle.sin()
        flips = 1 - 2 * torch.stack([flip_x["batch_prob"], flip_y["batch_prob"]], dim=1).double()
        inverse = flips[:, :, None] * torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
        shifts = torch.stack([shift["translate_x"], shift["translate_y"]], dim=1).double()
        half = (self.image_size - 1) / 2
        first, last = crop["src"][:, 0].double(), crop["src"][:, 2].double()
        shrunk = (last - first) / (2 * half)
        middle = (first + last) / 2 - half - shift["batch_prob"][:, None] * shifts
        return torch.cat([inverse * shrunk[:, None, :], inverse @ middle[:, :, None] / half], dim=2)

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


def _warped(images: Tensor, theta: Tensor) -> Tensor:
    """(n, 1, S, S) → the same, each sampled where its theta (n, 2, 3) says."""
    size = images.shape[-1]
    axis = torch.linspace(-1, 1, size, device=images.device)
    # affine_grid multiplies S² places by a matrix; here a row of places is another one, moved.
    row = (axis[:, None] * theta[:, None, :, 0] + theta[:, None, :, 2]).view(-1, 1, 2 * size)
    down = theta[:, None, :, 1].expand(-1, size, -1).reshape(-1, 1, 2 * size)
    grid = torch.addcmul(row, axis[:, None], down).view(-1, size, size, 2)
    return functional.grid_sample(images, grid, align_corners=True, padding_mode="zeros")


def _drawn(
    module: augmentation.GeometricAugmentationBase2D, shape: torch.Size
) -> dict[str, Tensor]:
    parameters = module.forward_parameters(shape)
    if isinstance(module, augmentation.RandomResizedCrop):
        # Kornia crops a whole batch or none of it; here every image has its own chance, as with the others: of an image
        # that is left as it is, the "crop" is the whole.
        cropped = torch.bernoulli(torch.full((shape[0],), PROBABILITY))
        parameters["batch_prob"] = cropped
        whole = parameters["dst"].to(parameters["src"])
        parameters["src"] = torch.where(cropped[:, None, None] > 0, parameters["src"], whole)
    return parameters
