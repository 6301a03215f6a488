"""onnxruntime on the CPU, set up the same wherever a graph is run."""

from __future__ import annotations

import numpy as np


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
        # Patterns of memory hold for one shape; how much of a slice is air differs.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self._giving_back = onnxruntime.RunOptions()
        self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(
        self, images: np.ndarray, batch_size: int, *, give_back: bool = False
    ) -> dict[str, np.ndarray]:
        """(N, S, S) uint8 → every output of the graph, (N, …) float32; memory grows with `batch_size`.

        Args:
            give_back: the runtime gives its memory back to the process at the end, for what comes next.
        """
        parts = []
        for first in range(0, len(images), batch_size):
            portion = {"images": images[first : first + batch_size, None]}
            is_last = first + batch_size >= len(images)
            options = self._giving_back if give_back and is_last else None
            parts.append(self._session.run(self._names, portion, options))
        return {
            name: np.concatenate([part[index] for part in parts])
            for index, name in enumerate(self._names)
        }
