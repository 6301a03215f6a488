"""Where a step's slices come from: the cache on disk or, where the whole cohort fits, the memory of the training device.

Both give the same bytes. A source is asked twice for each batch: `fetch` by the thread that reads ahead, `place` by the
one that trains. Neither makes the host wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .events import Events
from .slice_cache import SliceCache

STAGE = "upload"
# Of what is free when a step has taken all the memory that it needs; the rest is for whoever else uses the device.
SHARE_OF_FREE = 0.8
# Reading and comparing checksums leave Python free to do both for several scans.
READERS = 4
GB = 1e9


class SliceSource(Protocol):
    def fetch(self, scans: np.ndarray, slices: np.ndarray) -> Tensor:
        """What `place` needs of the given slices (n,) of the given scans (n,), on the CPU; it may be pinned then."""

    def place(self, fetched: Tensor) -> Tensor:
        """(n, 1, S, S) uint8 on the training device, for its current stream."""


class CachedSlices:
    """Slices read from the cache; a GPU gets them beside what it computes.

    Args:
        cache: of the cohort.
        device: that trains.
    """

    def __init__(self, cache: SliceCache, device: torch.device) -> None:
        self._cache = cache
        self._device = device
        self._beside = torch.cuda.Stream() if device.type == "cuda" else None

    def fetch(self, scans: np.ndarray, slices: np.ndarray) -> Tensor:
        """(n, 1, S, S) uint8.

        Raises:
            InputError: ``cache.damaged``.
        """
        return torch.from_numpy(self._cache.gather(scans, slices))[:, None]

    def place(self, fetched: Tensor) -> Tensor:
        if self._beside is None:
            return fetched.to(self._device)
        computing = torch.cuda.current_stream()
        with torch.cuda.stream(self._beside):
            images = fetched.to(self._device, non_blocking=True)
        computing.wait_stream(self._beside)
        # Else the next batch would be given this memory while a step still reads it.
        images.record_stream(computing)
        return images


class ResidentSlices:
    """All slices of a cohort in the memory of a device; a batch is sent as one number a slice.

    Args:
        slices: (total, S, S) uint8, scan after scan.
        first: (scans,) where each scan begins.
    """

    def __init__(self, slices: Tensor, first: np.ndarray) -> None:
        self._slices = slices
        self._first = first

    def fetch(self, scans: np.ndarray, slices: np.ndarray) -> Tensor:
        """(n,) int64: their places among all."""
        return torch.from_numpy(self._first[scans] + slices)

    def place(self, fetched: Tensor) -> Tensor:
        places = fetched.to(self._slices.device, non_blocking=True)
        return self._slices.index_select(0, places)[:, None]


def room_on(device: torch.device) -> int | None:
    """Bytes that slices may take beside a step that has been made; None where the device has no memory of its own."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info()
    return int(SHARE_OF_FREE * free)


def resident(
    cache: SliceCache,
    device: torch.device,
    room: int,
    events: Events,
    stop_requested: Callable[[], bool],
) -> ResidentSlices | None:
    """All slices brought to the device, each compared with its checksum; None unless they fit, or when asked to stop.

    Args:
        cache: of the cohort.
        device: that trains.
        room: bytes that they may take there, see `room_on`.
        events: hears which way it is, and the progress of the stage ``upload``.
        stop_requested: asked after every scan.

    Raises:
        InputError: ``cache.damaged``.
    """
    counts, size = cache.slice_counts, cache.scan(0).shape[1]
    total = int(counts.sum())
    needed = total * size**2
    if needed > room:
        events.log(
            f"All {total} slices take {needed / GB:.1f} GB, and {room / GB:.1f} GB of the device may be used: "
            "every batch is read from the slice cache."
        )
        return None
    first = np.cumsum(counts) - counts
    slices = torch.empty((total, size, size), dtype=torch.uint8, device=device)

    def bring(scan: int) -> None:
        count = counts[scan]
        images = cache.gather(np.full(count, scan), np.arange(count))
        slices[first[scan] : first[scan] + count].copy_(torch.from_numpy(images))

    events.progress(STAGE, 0, cache.case_count)
    readers = ThreadPoolExecutor(READERS)
    try:
        for done, _ in enumerate(readers.map(bring, range(cache.case_count)), 1):
            events.progress(STAGE, done, cache.case_count)
            if stop_requested():
                return None
    finally:
        readers.shutdown(cancel_futures=True)
    events.log(f"All {total} slices are in the device's memory ({needed / GB:.1f} GB).")
    return ResidentSlices(slices, first)
