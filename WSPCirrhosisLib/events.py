"""Tell whoever is watching what is going on: one dictionary an event, to any number of sinks.

An event is ``{"event": "progress"|"metric"|"row"|"warning"|"error"|"result"|"log", ...}``. Sinks are callables that
take it: JSON lines for a panel or a queue, a progress bar for a person at a terminal.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

Sink = Callable[[dict[str, Any]], None]


class Events:
    """Sends events to its sinks; without any it is silent."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)
        self._started: dict[str, tuple[float, int]] = {}

    def add_sink(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def progress(self, stage: str, step: int, total: int, **more: Any) -> None:
        """`step` of `total` of `stage` is done; the time left is estimated from the pace since its first call."""
        now = time.monotonic()
        if stage not in self._started or step < self._started[stage][1]:
            self._started[stage] = (now, step)
        began, first = self._started[stage]
        done = step - first
        eta_s = round((now - began) / done * (total - step), 1) if done > 0 else None
        self._send("progress", stage=stage, step=step, total=total, eta_s=eta_s, **more)

    def metric(self, stage: str, step: int, **values: float) -> None:
        self._send("metric", stage=stage, step=step, **values)

    def row(self, row: int, status: str, **cells: Any) -> None:
        """What has become of one row of a cohort table: ``running``, or its row of `predictions.csv`."""
        self._send("row", row=row, status=status, **cells)

    def warning(self, code: str, message: str, **more: Any) -> None:
        self._send("warning", code=code, message=message, **more)

    def error(
        self, code: str, message: str, file: str | None = None, hint: str | None = None
    ) -> None:
        self._send("error", code=code, message=message, file=file, hint=hint)

    def result(self, **values: Any) -> None:
        self._send("result", **values)

    def log(self, message: str) -> None:
        self._send("log", message=message)

    def _send(self, event: str, **fields: Any) -> None:
        record = {"event": event, **fields}
        for sink in self._sinks:
            sink(record)


def json_lines(stream: TextIO) -> Sink:
    """One JSON object a line; NaN and infinity, which JSON has not, become null."""

    def sink(record: dict[str, Any]) -> None:
        stream.write(json.dumps(_finite(record), ensure_ascii=False) + "\n")
        stream.flush()

    return sink


def terminal(stream: TextIO | None = None) -> Sink:
    """A progress bar where the stream is a terminal, plain lines where it is a file or a pipe."""
    stream = sys.stderr if stream is None else stream
    is_terminal = stream.isatty()
    bar_open = False

    def sink(record: dict[str, Any]) -> None:
        nonlocal bar_open
        kind = record["event"]
        if kind == "progress":
            if is_terminal:
                stream.write("\r\x1b[K" + _bar(record))
                bar_open = record["step"] < record["total"]
                if not bar_open:
                    stream.write("\n")
                stream.flush()
            return
        text = _line(record)
        if text is None:
            return
        if bar_open:
            stream.write("\n")
            bar_open = False
        stream.write(text + "\n")
        stream.flush()

    return sink


def _bar(record: dict[str, Any], width: int = 28) -> str:
    step, total = record["step"], max(record["total"], 1)
    filled = width * step // total
    eta = record["eta_s"]
    left = "" if eta is None or step >= total else f"  {_duration(eta)} left"
    loss = f"  loss {record['loss']:.4f}" if "loss" in record else ""
    bar = "█" * filled + "·" * (width - filled)
    return f"{record['stage']:>9} {bar} {step}/{total}{loss}{left}"


def _line(record: dict[str, Any]) -> str | None:
    kind = record["event"]
    if kind in ("warning", "error"):
        where = f"{record['file']}: " if record.get("file") else ""
        hint = f"\n  {record['hint']}" if record.get("hint") else ""
        return f"{kind}: {where}{record['message']} [{record['code']}]{hint}"
    return record["message"] if kind == "log" else None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value.item() if hasattr(value, "item") else value
