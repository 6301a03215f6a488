"""onnxruntime on the CPU, set up the same wherever a graph is run."""

from __future__ import annotations

import numpy as np

from .freed_memory import is_freed_memory_kept


class OnnxSession:
    """A graph over slices, ready to run.

    Args:
        content: bytes of an ONNX model with one input, ``images`` (N, 1, S, S) uint8.
        threads: 0 takes every core.

    Raises:
        Exception: onnxruntime's own, when it cannot run the graph.
    """

    def __init__(self, content: bytes, threads: int = 0) -> None:
        # Here and not at the top: its import takes a tenth of a second.
        import onnxruntime

        # Windows does not look at the variable that `__init__` sets.
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Where freed memory is kept, whoever comes after takes it over; the runtime would keep its own to the end.
        options.enable_cpu_mem_arena = not is_freed_memory_kept()
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, images: np.ndarray, batch_size: int) -> dict[str, np.ndarray]:
        """(N, S, S) uint8 → every output of the graph, (N, …) float32; memory grows with `batch_size`."""
        parts = [
            self._session.run(self._names, {"images": images[first : first + batch_size, None]})
            for first in range(0, len(images), batch_size)
        ]
        return {
            name: np.concatenate([part[index] for part in parts])
            for index, name in enumerate(self._names)
        }
