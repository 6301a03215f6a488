"""What steps measured: brought from the device without making it wait, then written down, drawn and told."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .events import Events
from .held_run import FollowedRun, HeldRun
from .pretrain_config import PretrainConfig
from .run_folder import RunFolder

STAGE = "pretrain"
# What a step measures on the device, in the order in which it comes back.
MEASURED = ("loss", "view_similarity", "other_similarity")
COLUMNS = ("step", "epoch", *MEASURED, "learning_rate", "slices_per_second")
REPORT_SECONDS = 1.0
# Of what 1 minus the mean cosine of different slices' latents was at the first step. Large images begin near 0 already:
# 0.005 with TinyNet at 512 px. A healthy run ends far above it, a collapsed one below a twentieth.
COLLAPSED = 0.1


class StepFigures:
    """The figures of a run's steps on their way to `metrics.csv`, TensorBoard and the events.

    The host is some steps ahead of a GPU, and would lose that by asking for a figure. So about once a second those of
    all steps so far are sent for, and told of when they have come, in a later step.

    Args:
        run: the run folder.
        config: of the run.
        step: after which training goes on.
        events: hears ``metric`` and ``progress``.
        draws: whether this process draws the curves.

    Attributes:
        last: of the last step told of, by column.
    """

    def __init__(
        self,
        run: HeldRun | FollowedRun,
        config: PretrainConfig,
        step: int,
        events: Events,
        draws: bool,
    ) -> None:
        self._run = run
        self._config = config
        self._events = events
        self._waiting: list[_Step] = []
        self._coming: _Coming | None = None
        self.last: dict[str, Any] = {}
        run.begin_metrics(COLUMNS, upto_step=step)
        self._curves = _curves(run, step, events) if draws else None
        events.progress(STAGE, step, config.total_steps)
        self._told = time.monotonic()

    def add(self, step: int, learning_rate: float, measured: Tensor) -> None:
        """Figures of a step, (3,) on the device: see `MEASURED`."""
        self._waiting.append(_Step(step, learning_rate, measured))

    def tell_some(self) -> None:
        """Tell of what has come from the device, and about once a second send for more.

        Raises:
            InputError: ``pretrain.diverged`` when the loss is no number.
        """
        if self._coming is None and time.monotonic() - self._told >= REPORT_SECONDS:
            self._send_for()
        if self._coming is not None and self._coming.has_arrived():
            self._tell()

    def tell_all(self) -> None:
        """Wait for the device, and tell of every step so far; raises as `tell_some`."""
        self._send_for()
        self._tell()

    def close(self) -> None:
        if self._curves is not None:
            self._curves.close()

    def _send_for(self) -> None:
        already = self._coming.steps if self._coming is not None else []
        self._coming = _Coming([*already, *self._waiting])
        self._waiting = []

    def _tell(self) -> None:
        steps, values = self._coming.steps, self._coming.values()
        now = time.monotonic()
        pace = len(steps) * self._config.batch_size / max(now - self._told, 1e-9)
        self._coming, self._told = None, now
        rows = []
        for of, figures in zip(steps, values, strict=True):
            epoch = (of.step - 1) // self._config.steps_per_epoch + 1
            rows.append((of.step, epoch, *figures, of.learning_rate, round(pace, 2)))
        self._run.add_metrics(rows)
        for row in rows:
            self.last = dict(zip(COLUMNS, row, strict=True))
            self._draw()
            if not math.isfinite(self.last["loss"]):
                raise self._diverged()
        step, epoch, loss = (self.last[name] for name in ("step", "epoch", "loss"))
        self._events.metric(STAGE, **self.last)
        self._events.progress(STAGE, step, self._config.total_steps, epoch=epoch, loss=loss)

    def _draw(self) -> None:
        if self._curves is not None:
            for name in COLUMNS[2:]:
                self._curves.add_scalar(f"{STAGE}/{name}", self.last[name], self.last["step"])

    def _diverged(self) -> InputError:
        if self._run.checkpoint_step is not None:
            kept = f"the last checkpoint is that of step {self._run.checkpoint_step}"
        elif self._run.continues:
            kept = "no checkpoint had been written"
        else:
            kept = "no checkpoint had been written, and nothing is kept of the run"
            self._run.leaves_nothing = True
        return InputError(
            "pretrain.diverged",
            f"The loss is {self.last['loss']} at step {self.last['step']}; {kept}.",
            hint="Start anew with a lower --learning-rate, a higher --temperature, or --precision float32.",
        )


def warn_of_collapse(run: RunFolder, events: Events) -> None:
    """Warn when the latents of a run that is done all point one way, more so than with new weights.

    For methods whose loss pushes the cosines of different slices down; the others have no such measure.
    """
    spread = [1 - row["other_similarity"] for row in run.metrics()]
    if spread and spread[-1] < COLLAPSED * spread[0]:
        events.warning(
            "pretrain.collapsed",
            f"All latents point one way (mean cosine {1 - spread[-1]:.4f}, {1 - spread[0]:.4f} at first): training has "
            "taught the encoder nothing that tells slices apart.",
            hint="Start anew with a lower --learning-rate, a larger --batch-size, or another --method or kernel.",
        )


@dataclass(frozen=True, eq=False)
class _Step:
    step: int
    learning_rate: float
    measured: Tensor


class _Coming:
    """Figures of some steps on their way to the host, where they are at once if it computed them itself."""

    def __init__(self, steps: list[_Step]) -> None:
        self.steps = steps
        measured = torch.stack([of.measured for of in steps])
        # Into pinned memory, as torch makes it for a copy from a GPU that does not block.
        self._values = measured.to("cpu", non_blocking=True)
        self._arrival = torch.cuda.current_stream().record_event() if measured.is_cuda else None

    def has_arrived(self) -> bool:
        return self._arrival is None or self._arrival.query()

    def values(self) -> list[list[float]]:
        """Of each step what it measured; waits until they are here."""
        if self._arrival is not None:
            self._arrival.synchronize()
        return self._values.tolist()


def _curves(run: HeldRun, step: int, events: Events) -> Any:
    """A TensorBoard writer, or None where TensorBoard is not installed: metrics.csv holds the same figures."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        events.log("TensorBoard is not installed; the curves are in metrics.csv only.")
        return None
    return SummaryWriter(str(run.folder.tensorboard_folder), purge_step=step + 1 if step else None)
