"""Draw the extension's icon, the module's and the sample's thumbnail: `python Resources/make_icons.py`."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from WSPCirrhosisLib.phantom import make_phantom

RESOURCES = Path(__file__).resolve().parent
MODULE_ICONS = RESOURCES.parent / "WSPCirrhosis" / "Resources" / "Icons"
INK, LIVER, NODULE, SLICE = (30, 41, 59), (196, 72, 58), (236, 146, 105), (125, 211, 252)
OVERSAMPLING = 4
WINDOW_HU = (-115, 235)


def main() -> None:
    """Write the pictures."""
    MODULE_ICONS.mkdir(parents=True, exist_ok=True)
    (RESOURCES / "WSPCirrhosis.png").write_bytes(png(icon(128)))
    (MODULE_ICONS / "WSPCirrhosis.png").write_bytes(png(icon(64)))
    (MODULE_ICONS / "WSPCirrhosisPhantom.png").write_bytes(png(thumbnail(192)))


def icon(size: int) -> np.ndarray:
    """(size, size, 4) uint8: a liver with nodules on a dark tile, crossed by the line of one slice."""
    fine = size * OVERSAMPLING
    y, x = np.mgrid[:fine, :fine] / (fine - 1) * 2 - 1
    tile = np.maximum(np.abs(x), np.abs(y)) ** 8 + (np.minimum(np.abs(x), np.abs(y))) ** 8 < 0.96
    canvas = np.zeros((fine, fine, 4))
    canvas[tile] = (*INK, 255)
    angle = np.arctan2(y + 0.02, x + 0.18)
    # A knobbly outline: what cirrhosis does to the surface.
    knobs = 0.035 * np.sin(11 * angle) + 0.02 * np.sin(17 * angle + 1)
    right = np.hypot((x + 0.26) / 0.56, (y + 0.02) / 0.62) + knobs < 1
    left = np.hypot((x - 0.28) / 0.56, (y + 0.24) / 0.30) + knobs < 1
    notch = np.hypot((x - 0.18) / 0.30, (y - 0.44) / 0.40) < 1
    liver = (right | left) & ~notch & tile
    canvas[liver] = (*LIVER, 255)
    for centre_x, centre_y, radius in (
        (-0.46, -0.26, 0.13),
        (-0.18, -0.30, 0.10),
        (-0.50, 0.14, 0.12),
        (-0.22, 0.04, 0.14),
        (-0.34, 0.36, 0.09),
        (0.14, -0.26, 0.11),
        (0.42, -0.26, 0.09),
    ):
        canvas[liver & (np.hypot(x - centre_x, y - centre_y) < radius)] = (*NODULE, 255)
    canvas[tile & (np.abs(y - 0.70) < 0.045) & (np.abs(x) < 0.66)] = (*SLICE, 255)
    blocks = canvas.reshape(size, OVERSAMPLING, size, OVERSAMPLING, 4)
    alpha = blocks[..., 3:].sum(axis=(1, 3))
    color = (blocks[..., :3] * blocks[..., 3:]).sum(axis=(1, 3)) / np.maximum(alpha, 1)
    return np.rint(np.concatenate([color, alpha / OVERSAMPLING**2], axis=2)).astype(np.uint8)


def thumbnail(size: int) -> np.ndarray:
    """(size, size, 4) uint8: the sample's slice with the most liver, its outline drawn."""
    phantom = make_phantom(0, seed=2030, size=size)
    k = int(phantom.liver.sum(axis=(1, 2)).argmax())
    low, high = WINDOW_HU
    grey = np.clip((phantom.hu[k] - low) / (high - low), 0, 1) * 255
    canvas = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    liver = phantom.liver[k]
    inner = liver.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            inner &= np.roll(liver, shift, axis)
    canvas[liver & ~inner, :3] = NODULE
    return np.rint(canvas).astype(np.uint8)


def png(rgba: np.ndarray) -> bytes:
    """(H, W, 4) uint8 → a PNG file with transparency."""
    height, width, _ = rgba.shape
    lines = b"".join(b"\0" + row.tobytes() for row in rgba)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


if __name__ == "__main__":
    main()
