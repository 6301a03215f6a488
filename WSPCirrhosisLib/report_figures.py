"""The report's pictures: slices with liver outline and contributions as PNG, curves and scales as SVG."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from .png import png_bytes
from .slices import LEVELS, InPlaneGrid

# HU shown as black and white: narrower than what the encoder sees, for the eye to tell liver from vessel.
SHOWN_HU = (-60.0, 240.0)
FOR, AGAINST = np.array([214.0, 39.0, 40.0]), np.array([31.0, 119.0, 255.0])
OUTLINE = np.array([255, 214, 10], dtype=np.uint8)
STRONGEST_OVERLAY = 0.6


def png_uri(rgb: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(rgb)).decode("ascii")


def overlay(
    image: np.ndarray,
    contribution: np.ndarray,
    liver: np.ndarray,
    strongest: float,
    hu_window: tuple[float, float],
) -> np.ndarray:
    """One slice with red where it speaks for the positive class, blue against, and the liver outlined.

    Args:
        image: (S, S) uint8, 0…250.
        contribution: (S, S) logits a pixel.
        liver: (S, S) bool.
        strongest: logits a pixel that get the full colour.

    Returns:
        (S, S, 3) uint8.
    """
    low, high = hu_window
    hu = image.astype(np.float32) * ((high - low) / LEVELS) + low
    grey = np.clip((hu - SHOWN_HU[0]) * (255 / (SHOWN_HU[1] - SHOWN_HU[0])), 0, 255)
    share = np.clip(contribution / max(strongest, 1e-12), -1, 1)[..., None]
    colour = np.where(share > 0, FOR, AGAINST)
    opacity = STRONGEST_OVERLAY * np.abs(share)
    rgb = (grey[..., None] * (1 - opacity) + colour * opacity).astype(np.uint8)
    rgb[_outline(liver)] = OUTLINE
    return rgb


def on_image(mask: np.ndarray, plane: InPlaneGrid) -> np.ndarray:
    """A mask on the CT's pixels (J, I) → on the slice image's (S, S), by nearest neighbour."""
    image = np.zeros((plane.image_size, plane.image_size), dtype=bool)
    (top, left), (rows, columns) = plane.offset, plane.resized
    from_row = ((np.arange(rows) + 0.5) * plane.native[0] / rows).astype(int)
    from_column = ((np.arange(columns) + 0.5) * plane.native[1] / columns).astype(int)
    image[top : top + rows, left : left + columns] = mask[from_row[:, None], from_column]
    return image


def halved(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 at half its size, each pixel the mean of four."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    return blocks.mean(axis=(1, 3)).astype(np.uint8)


def probability_bar(probability: float, low: float, high: float, threshold: float) -> str:
    """The probability with its interval on a line from 0 to 1, and the threshold across it."""

    def x(value: float) -> float:
        return 20 + 600 * value

    ticks = "".join(
        f'<line x1="{x(t)}" x2="{x(t)}" y1="44" y2="50" class="axis"/>'
        f'<text x="{x(t)}" y="66" text-anchor="middle">{t:g}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        '<svg viewBox="0 0 640 74" role="img" aria-label="probability with interval and threshold">'
        f'<line x1="20" x2="620" y1="44" y2="44" class="axis"/>{ticks}'
        f'<rect x="{x(low):.1f}" y="26" width="{max(x(high) - x(low), 1):.1f}" height="14" rx="3" class="band"/>'
        f'<line x1="{x(threshold):.1f}" x2="{x(threshold):.1f}" y1="14" y2="50" class="threshold"/>'
        f'<text x="{x(threshold):.1f}" y="11" text-anchor="middle">threshold {threshold:.2f}</text>'
        f'<circle cx="{x(probability):.1f}" cy="33" r="8" class="point"/></svg>'
    )


def depth_curve(
    depth: np.ndarray, probability: np.ndarray, mean: float, threshold: float, chosen: int
) -> str:
    """Probability of each slice over its depth d; the chosen slice is ringed."""
    width, height, left, top = 600.0, 200.0, 44.0, 14.0
    xs, ys = left + width * depth, top + height * (1 - probability)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="point"/>'
        for x, y in zip(xs, ys, strict=True)
    )

    def level(value: float, style: str, text: str, above: bool) -> str:
        y = top + height * (1 - value)
        return (
            f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" class="{style}"/>'
            f'<text x="{left + width + 6}" y="{y - 2 if above else y + 10:.1f}">{text}</text>'
        )

    grid = "".join(
        f'<line x1="{left}" x2="{left + width}" y1="{top + height * (1 - t):.1f}" '
        f'y2="{top + height * (1 - t):.1f}" class="grid"/>'
        f'<text x="{left - 7}" y="{top + height * (1 - t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<svg viewBox="0 0 740 264" role="img" aria-label="probability of each slice over its depth">{grid}'
        + level(threshold, "threshold", f"threshold {threshold:.2f}", above=threshold >= mean)
        + level(mean, "mean", f"mean {mean:.2f}", above=threshold < mean)
        + f'<polyline points="{points}" class="curve"/>{dots}'
        f'<circle cx="{xs[chosen]:.1f}" cy="{ys[chosen]:.1f}" r="7" class="ring"/>'
        f'<text x="{left}" y="236">0, inferior</text>'
        f'<text x="{left + width / 2}" y="236" text-anchor="middle">depth d in the judged liver</text>'
        f'<text x="{left + width}" y="236" text-anchor="end">1, superior</text></svg>'
    )


def colour_scale(strongest_per_cm2: float, positive_class: str) -> str:
    """Legend of the overlay, in logits a square centimetre."""
    against, towards = (f"rgb({','.join(f'{v:.0f}' for v in rgb)})" for rgb in (AGAINST, FOR))
    bound = f"{strongest_per_cm2:.2g}"
    return (
        '<svg viewBox="0 0 512 46" role="img" aria-label="colour scale of the contributions"><defs>'
        f'<linearGradient id="scale"><stop offset="0" stop-color="{against}"/>'
        f'<stop offset="0.5" stop-color="{against}" stop-opacity="0"/>'
        f'<stop offset="0.5" stop-color="{towards}" stop-opacity="0"/>'
        f'<stop offset="1" stop-color="{towards}"/></linearGradient></defs>'
        '<rect x="6" y="4" width="500" height="12" fill="url(#scale)" class="frame"/>'
        f'<text x="6" y="34">−{bound} against</text>'
        '<text x="256" y="34" text-anchor="middle">0 · logits per cm²</text>'
        f'<text x="506" y="34" text-anchor="end">for {escape(positive_class)} +{bound}</text></svg>'
    )


def _outline(mask: np.ndarray) -> np.ndarray:
    """The mask's own pixels that touch something else."""
    inner = mask.copy()
    for axis in (0, 1):
        for step in (1, -1):
            inner &= np.roll(mask, step, axis=axis)
    return mask & ~inner
