"""What this computer has for the work: processor, memory, disk, graphics cards, and what the packages make of them.

torch and onnxruntime are asked in processes of their own: a broken installation may crash instead of raising.
"""

from __future__ import annotations

import ctypes
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import __version__
from .cores import usable_cores

GIB = 1 << 30
PROBE_TIMEOUT_S = 120
NVIDIA_SMI = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.free,driver_version",
    "--format=csv,noheader,nounits",
)
PROBES = {
    "onnxruntime": (
        "import onnxruntime, json\n"
        "print(json.dumps([onnxruntime.__version__, onnxruntime.get_available_providers()]))"
    ),
    "torch": (
        "import torch, json\n"
        "cuda = torch.cuda.is_available()\n"
        "cards = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if cuda else []\n"
        "print(json.dumps([torch.__version__, cards]))"
    ),
}


@dataclass(frozen=True)
class Fact:
    """One line of the table.

    Args:
        what: what was looked at.
        found: what it is, for a person.
        advice: what to do when it stands in the way; empty when it does not.
    """

    what: str
    found: str
    advice: str = ""


def look(folder: str | Path) -> list[Fact]:
    """Look at this computer.

    Args:
        folder: where runs and results go; it need not be there yet.
    """
    return [
        Fact("WSPCirrhosis", __version__),
        Fact("System", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Fact("Python", platform.python_version()),
        _processor(),
        _memory(),
        _disk(Path(folder)),
        *_graphics_cards(),
        _onnxruntime(),
        _torch(),
    ]


def as_text(facts: list[Fact]) -> str:
    """The table as lines of text, to be sent to somebody."""
    width = max(len(fact.what) for fact in facts)
    lines = [f"{fact.what:<{width}}  {fact.found}  {fact.advice}".rstrip() for fact in facts]
    return "\n".join(lines)


def as_json(facts: list[Fact]) -> list[dict[str, str]]:
    return [asdict(fact) for fact in facts]


def _processor() -> Fact:
    return Fact("Processor", f"{usable_cores()} cores")


def _memory() -> Fact:
    sizes = memory_bytes()
    if sizes is None:
        return Fact("Memory", "cannot be told on this system")
    total, free = sizes
    advice = "" if free > 2 * GIB else "Close other programs before predicting or training."
    return Fact("Memory", f"{free / GIB:.1f} GiB free of {total / GIB:.1f}", advice)


def memory_bytes() -> tuple[int, int] | None:
    """Total and available memory; None where the system does not say."""
    if sys.platform == "linux":
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return sizes["MemTotal"], sizes["MemAvailable"]
    if sys.platform == "win32":
        return _windows_memory()
    if sys.platform == "darwin":
        return _mac_memory()
    return None


def _windows_memory() -> tuple[int, int] | None:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "page", "page_free", "virtual", "virtual_free", "more")
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return status.total, status.free


def _mac_memory() -> tuple[int, int] | None:
    total, pages = _said_by("sysctl", "-n", "hw.memsize"), _said_by("vm_stat")
    if not total or not pages:
        return None
    size = int(pages.partition("page size of ")[2].split()[0])
    counts = {
        name.strip(): int(count.strip(" ."))
        for name, _, count in (line.partition(":") for line in pages.splitlines()[1:])
        if count.strip(" .").isdigit()
    }
    free = sum(counts.get(f"Pages {kind}", 0) for kind in ("free", "inactive", "speculative"))
    return int(total), free * size


def _disk(folder: Path) -> Fact:
    there = next(part for part in (folder.absolute(), *folder.absolute().parents) if part.exists())
    free = shutil.disk_usage(there).free
    advice = "" if free > 5 * GIB else "Free some space: a training cohort's cache takes gigabytes."
    # No path: the table is made to be sent to somebody.
    return Fact("Disk for results", f"{free / GIB:.1f} GiB free", advice)


def _graphics_cards() -> list[Fact]:
    said = _said_by(*NVIDIA_SMI)
    cards = [line.split(", ") for line in said.splitlines() if line.count(", ") == 3]
    if not cards:
        return [
            Fact("Graphics card", "no NVIDIA card found; predicting needs none, training is slow")
        ]
    return [
        Fact("Graphics card", f"{name}, {_gib(free)} GiB free of {_gib(total)}, driver {driver}")
        for name, total, free, driver in cards
    ]


def _gib(text: str) -> str:
    return f"{int(text) / 1024:.1f}" if text.strip().isdigit() else "?"


def _onnxruntime() -> Fact:
    answer = _probe("onnxruntime")
    if isinstance(answer, str):
        return Fact("onnxruntime", answer, "Needed to predict: install it in Set-up.")
    version, providers = answer
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    return Fact("onnxruntime", f"{version}, providers: {names}")


def _torch() -> Fact:
    answer = _probe("torch")
    if isinstance(answer, str):
        return Fact("torch", answer, "Needed to pretrain and fit: install it in Set-up.")
    version, cards = answer
    return Fact("torch", f"{version}, runs on {', '.join(cards) or 'the processor alone'}")


def _probe(package: str) -> Any:
    """What a package says of itself, or a text that says why it does not."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBES[package]],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not answer within {PROBE_TIMEOUT_S} s"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    if f"No module named '{package}'" in last:
        return "not installed"
    return f"cannot be loaded ({last[:160]})"


def _said_by(*command: str) -> str:
    """What a system command prints; an empty text when it is not there or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
