"""Matrix products in the precision of their numbers, whatever the process allows its networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """No autocast, and no TF32 (or bfloat16 on a CPU) inside float32 products on this device."""
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    allowed = backend.matmul.fp32_precision
    # Changing either costs as much as several products of a small batch, and mostly there is nothing to change.
    if allowed in ("none", "ieee") and not torch.is_autocast_enabled(device.type):
        yield
        return
    with torch.autocast(device.type, enabled=False):
        backend.matmul.fp32_precision = "ieee"
        try:
            yield
        finally:
            backend.matmul.fp32_precision = allowed
