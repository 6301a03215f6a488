"""Follow a pretraining run through the files of its folder alone, whoever started it and wherever it runs."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.run_folder import RunFolder

from ..file_tail import FileTail

MetricRow = dict[str, float]


class RunFollower:
    """What is known of a run; `poll` brings it up to date.

    Args:
        path: the run folder, there already or not.

    Attributes:
        state: of `RunFolder.state`, and ``stopping`` for a run that was asked to stop and still runs.
        config: its settings, empty while there are none.
        stage, stageStep, stageTotal, etaSeconds: of the last progress it told of.
        step, total: of the training.
        checkpointStep: what a resumed run goes on from, None before the first checkpoint.
        error: how it failed: code, message, hint.
        hasCollapsed: it warned at its end that all latents point one way.
        rows: of its metrics so far, in the order of the steps.
        anew: rows were taken back by the last `poll` (a resumed run goes on from its checkpoint).
        logLines: what the last `poll` found new in the log.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = RunFolder(path)
        self.state = "new"
        self.config: dict[str, Any] = {}
        self.record: dict[str, Any] = {}
        self.rows: list[MetricRow] = []
        self.anew = False
        self.logLines: list[str] = []
        self.checkpointStep: int | None = None
        self.step = self.total = 0
        self._tails = {
            name: FileTail(file)
            for name, file in (
                ("events", self.folder.events_file),
                ("metrics", self.folder.metrics_file),
                ("log", self.folder.log_file),
            )
        }
        self._columns: list[str] = []
        self._forgetEvents()

    def poll(self) -> None:
        """Read what is new; returns soon, also for a run of days."""
        self.state = self.folder.state()
        if self.state == "running" and self.folder.stop_file.exists():
            self.state = "stopping"
        if self.state == "new":
            # One that could not begin takes itself away again.
            self.record, self.config = {}, {}
        elif not self.config:
            with suppress(InputError):
                self.record = self.folder.config()
                self.config = _fitting(self.record.get("config"))
        beat = self.folder.heartbeat()
        self.checkpointStep = beat.get("checkpoint_step")
        self._readEvents()
        self._readMetrics()
        self.logLines = self._tails["log"].read()[1]
        self.total, self.step = beat.get("total", 0), beat.get("step", 0)

    @property
    def isRunning(self) -> bool:
        return self.state in ("running", "stopping")

    @property
    def canResume(self) -> bool:
        return self.state in ("stopped", "killed", "failed")

    @property
    def stepsPerEpoch(self) -> int:
        """How many steps an epoch has, 1 while nobody knows."""
        batch = self.config.get("batch_size", 0)
        return -(-self.config.get("slices_per_epoch", 0) // batch) or 1 if batch else 1

    def epochOf(self, step: int) -> int:
        """The epoch (from 1) in which `step` (from 1) is made."""
        return max(step - 1, 0) // self.stepsPerEpoch + 1

    @property
    def resumesInEpoch(self) -> int:
        """The epoch in which a resumed run goes on."""
        return self.epochOf((self.checkpointStep or 0) + 1)

    def requestStop(self) -> None:
        """Ask the run to save itself and end after its current step."""
        self.folder.request_stop()

    @property
    def canBeEnded(self) -> bool:
        """Whether its process is one of this machine."""
        beat = self.folder.heartbeat()
        return self.isRunning and "pid" in beat and beat.get("host") == socket.gethostname()

    def endProcess(self) -> None:
        """End the run's process at once; what it did since its last checkpoint is lost."""
        # Asked again: a run that ended meanwhile has left its number to somebody else's process.
        self.poll()
        if self.canBeEnded:
            with suppress(ProcessLookupError):
                os.kill(self.folder.heartbeat()["pid"], getattr(signal, "SIGKILL", signal.SIGTERM))

    def _forgetEvents(self) -> None:
        self.stage, self.stageStep, self.stageTotal = "", 0, 0
        self.etaSeconds: float | None = None
        self.error: dict[str, Any] | None = None
        self.hasCollapsed = False

    def _readEvents(self) -> None:
        anew, lines = self._tails["events"].read()
        if anew:
            self._forgetEvents()
        for event in _objects(lines):
            kind = event.get("event")
            if kind == "progress":
                self.stage = str(event.get("stage", ""))
                self.stageStep, self.stageTotal = _count(event, "step"), _count(event, "total")
                eta = event.get("eta_s")
                self.etaSeconds = eta if isinstance(eta, int | float) else None
                # A resumed run has left its former error behind.
                self.error = None
            elif kind == "warning" and event.get("code") == "pretrain.collapsed":
                self.hasCollapsed = True
            elif kind == "error":
                self.error = {key: value for key, value in event.items() if isinstance(value, str)}

    def _readMetrics(self) -> None:
        self.anew, lines = self._tails["metrics"].read()
        if self.anew:
            self.rows, self._columns = [], []
        if not self._columns and lines:
            self._columns = lines.pop(0).split(",")
        for line in lines:
            with suppress(ValueError):
                values = [float(text) for text in line.split(",")]
                self.rows.append(dict(zip(self._columns, values, strict=True)))


def _fitting(config: Any) -> dict[str, Any]:
    """A run's settings without those whose kind is another than today's: folders come from elsewhere, or before."""
    kinds = {setting.name: type(setting.default) for setting in fields(PretrainConfig)}
    # A number may have been written without its decimals.
    kinds = {name: (int, float) if kind is float else kind for name, kind in kinds.items()}
    found = config if isinstance(config, dict) else {}
    return {
        name: value for name, value in found.items() if isinstance(value, kinds.get(name, object))
    }


def _count(event: dict[str, Any], name: str) -> int:
    value = event.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def _objects(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event
