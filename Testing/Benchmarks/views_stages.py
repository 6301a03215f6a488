"""Two views of a batch: ten interpolations by Kornia's modules, against one warp for each view."""

from __future__ import annotations

from collections.abc import Iterator

import textbook
import torch
from timing import Options, Row, compare, waited

from WSPCirrhosisLib.slices import LEVELS
from WSPCirrhosisLib.views import Views

BATCH_SIZE = 64
ONE_CROP = 0


def rows(options: Options) -> Iterator[Row]:
    size, device = options.image_size, options.device
    images = torch.randint(0, 251, (BATCH_SIZE, 1, size, size), dtype=torch.uint8, device=device)
    floats = images.float() / LEVELS
    modules = textbook.kornia_views(size).to(device)
    ours = Views(size, seed=0)

    def one_after_another() -> None:
        # Kornia crops a whole batch or none of it. With this seed it is one of the two views, the average of its chance.
        torch.manual_seed(ONE_CROP)
        textbook.two_views(modules, floats)

    yield compare(
        f"two views ({BATCH_SIZE} × {size}²)",
        waited(one_after_another, device),
        waited(lambda: ours(images, step=1), device),
        waited(lambda: torch.cat([images, images]).float(), device),
        limit_is="write the floats of both views",
        rounds=options.rounds,
    )
