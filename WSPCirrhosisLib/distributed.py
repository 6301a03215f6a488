"""The processes of one run, on one machine or many: they join, share out a batch, and end together.

Each takes its rows of every batch through the encoder. The representations are then gathered, so that every process
has the loss of the WHOLE batch, exactly as one process would have it (`global_batch`). Nothing that one process meets
may leave the others waiting: errors before training are agreed upon, those in its midst are left in the store that
all can read, and whoever finds the others gone looks there for the reason.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .errors import Cancelled, InputError
from .launch import Launch, launched

# Cutting a cohort's slices may take this long on one machine while the others wait.
PATIENCE = timedelta(days=7)
# Processes meet about this often: to stop at the same step, and to look at the loss.
MEETING_SECONDS = 1.0
# How long to look for the reason why another process is gone.
REASON_SECONDS = 2.0
_REASON = "wsp-reason"


class OtherProcessFailed(Exception):
    """Another process of the run met a defect; it says on its own stderr which. Exit status 1."""


class Ranks:
    """The processes of a run as one of them sees them; without others, every method is free and does nothing.

    Args:
        launch: which of them this one is.
        store: that all of them reach, or None without others.
    """

    def __init__(self, launch: Launch, store: dist.Store | None = None) -> None:
        self.launch = launch
        self.count = launch.count
        self.is_first = launch.is_first
        self._store = store
        # Of the host's memory even where gradients go from device to device: what is agreed upon here is a few bytes.
        self._meetings = dist.new_group(backend="gloo", timeout=PATIENCE) if store else None
        self._ended = False
        self._meeting_step = 0
        self._meeting_time = -math.inf
        self._interval = 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Ranks:
        # A network that knows them may be copied; they are the same processes.
        return self

    def rows(self, batch_size: int) -> slice:
        """Which rows of a batch are this process's."""
        own = batch_size // self.count
        return slice(self.launch.rank * own, (self.launch.rank + 1) * own)

    # Tensors.

    def stacked(self, own: Tensor) -> Tensor:
        """(count, *shape): this tensor of every process, in their order; no gradient flows through."""
        if self.count == 1:
            return own.detach()[None]
        own = own.detach().contiguous()
        every = own.new_empty((self.count, *own.shape))
        with self._reached():
            dist.all_gather(list(every), own)
        return every

    def sum_in_place(self, tensor: Tensor) -> None:
        """Put the sum over all processes into `tensor`, the same bits in each.

        On the CPU two, four, eight … processes add up in pairs, pairs of pairs and so on: the same bits also as one
        process that adds up its halves, quarters and so on (`batch_pieces`).
        """
        if self.count == 1:
            return
        with self._reached():
            if tensor.device.type == "cpu" and self.count.bit_count() == 1:
                self._sum_in_pairs(tensor)
            else:
                dist.all_reduce(tensor)

    def _sum_in_pairs(self, tensor: Tensor) -> None:
        theirs = torch.empty_like(tensor)
        for level in range(self.count.bit_length() - 1):
            partner = self.launch.rank ^ (1 << level)
            sent = dist.isend(tensor, partner)
            dist.recv(theirs, partner)
            sent.wait()
            tensor.add_(theirs)

    # Agreement.

    def largest(self, *numbers: int) -> list[int]:
        """The largest of each of at most two over all processes; they wait for one another here.

        Raises:
            Exception: what another has failed with, which comes here instead of going on.
        """
        if self.count == 1:
            return list(numbers)
        failed, *largest = self._exchanged(0, *numbers)
        if failed:
            self._ended = True
            raise self._why_gone()
        return largest[: len(numbers)]

    def _exchanged(self, *numbers: int) -> list[int]:
        # Always three, so that one process may tell of its failure wherever the others meet.
        told = torch.tensor([*numbers, 0, 0][:3], dtype=torch.int64)
        with self._reached():
            dist.all_reduce(told, dist.ReduceOp.MAX, group=self._meetings)
        return told.tolist()

    def any(self, condition: bool) -> bool:
        return bool(self.largest(int(condition))[0])

    def refuse_difference(self, what: str, number: int) -> None:
        """Raise ``distributed.differs`` in all unless every process has the same number, below 2^63."""
        largest, least = self.largest(number, -number)
        if largest != -least:
            raise InputError(
                "distributed.differs",
                f"The processes of the run do not see the same {what}.",
                hint="Every machine needs the same cohort and run folder: keep both on storage that all share.",
            )

    def meet_after(self, step: int) -> bool:
        """Whether the processes meet when `step` is done: at once, and from then on about once a second.

        All of them give the same answer, without asking one another; alone, one meets itself after every step.
        """
        return self.count == 1 or step >= self._meeting_step

    def meet(self, step: int, every_step: bool, wish: bool) -> bool:
        """Meet after `step`, set the next meeting, and say whether anybody wishes what `wish` stands for."""
        if self.count == 1:
            return wish
        now = time.monotonic()
        # As fast as the first process finds it, twice as far apart as before at most.
        pace = self._interval * MEETING_SECONDS / max(now - self._meeting_time, 1e-3)
        interval = 1 if every_step else max(1, min(2 * self._interval, int(pace)))
        self._meeting_time = now
        wished, self._interval = self.largest(int(wish), interval if self.is_first else 0)
        self._meeting_step = step + self._interval
        return bool(wished)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What the block raises in one process ends it in all, when they come to its end. Blocks may be nested."""
        error: BaseException | None = None
        try:
            yield
        except (Exception, KeyboardInterrupt) as caught:
            error = caught
        if self.count > 1 and not self._ended:
            if error is None:
                self.largest()
            else:
                self._leave_reason(error)
                self._ended = True
                self._exchanged(1)
        if error is not None:
            raise error

    @contextmanager
    def told_to_others(self) -> Iterator[None]:
        """For work in whose midst the processes need one another: who fails leaves the reason for the others."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            if self.count > 1 and not self._ended:
                self._leave_reason(error)
                self._ended = True
            raise

    def _leave_reason(self, error: BaseException) -> None:
        # The first one counts: what others meet is most often a consequence of it.
        self._store.compare_set(_REASON, "", json.dumps(_as_told(error)))

    def _reason(self) -> Exception | None:
        if not self._store.check([_REASON]):
            return None
        return _from_told(json.loads(self._store.get(_REASON)))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what the transport says of a process that is gone into the reason why it went."""
        try:
            yield
        except RuntimeError as error:
            self._ended = True
            raise self._why_gone() from error

    def _why_gone(self) -> Exception:
        until = time.monotonic() + REASON_SECONDS
        while time.monotonic() < until:
            try:
                reason = self._reason()
            except RuntimeError:  # the store is gone, too
                break
            if reason is not None:
                return reason
            time.sleep(0.05)
        return InputError(
            "distributed.process_lost",
            "Another process of the run has died or cannot be reached.",
            hint="Go on from the last checkpoint with --resume; torchrun --max-restarts does it by itself.",
        )


ALONE = Ranks(Launch())


@contextmanager
def joined(batch_size: int, device: torch.device) -> Iterator[Ranks]:
    """The processes that ``torchrun`` began, connected while the block lasts; this one alone without it.

    NCCL connects CUDA devices, one a process; Gloo the others.

    Args:
        batch_size: of all processes together.
        device: that each computes on; for CUDA, which of the machine's it is follows from the launch.

    Raises:
        InputError: ``distributed.batch_size`` unless it can be shared out evenly, ``distributed.devices`` when there
            are fewer CUDA devices than processes, ``distributed.process_lost`` when they do not find one another.
    """
    launch = launched()
    if launch.count == 1:
        yield Ranks(launch)
        return
    _refuse_unfit(launch, batch_size, device)
    if device.type == "cuda":
        torch.cuda.set_device(launch.local_rank)
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store, rank, count = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(_round_name(store, rank, count), store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=count)
        ranks = Ranks(launch, store)
        # Each machine's torchrun counts only the deaths that it saw itself.
        ranks.launch = replace(launch, restarts=ranks.largest(launch.restarts)[0])
    except RuntimeError as error:
        raise InputError(
            "distributed.process_lost",
            f"The processes of the run do not find one another ({type(error).__name__}).",
            hint="See that every machine reaches the one that torchrun names as rendezvous.",
        ) from error
    try:
        yield ranks
    except BaseException:
        # NCCL would wait for the collective that the others never join; the process ends anyway.
        if backend != "nccl":
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _round_name(store: dist.Store, rank: int, count: int) -> str:
    """A name that the processes which were begun together agree upon, and no earlier ones had.

    torchrun may keep its store over a restart, with the addresses of processes that are gone, and says nowhere which
    start this is: its count of restarts differs between machines. So whoever is new shows a token of its own, and the
    first process gives the name to every token that it sees until all have said that they know it.
    """
    own = uuid.uuid4().hex
    if rank > 0:
        store.set(f"wsp-token/{rank}", own)
        name = store.get(f"wsp-name/{own}").decode()
        store.set(f"wsp-joined/{name}/{rank}", "")
        return name
    missing = list(range(1, count))
    until = time.monotonic() + store.timeout.total_seconds()
    while missing and time.monotonic() < until:
        for other in missing:
            if store.check([f"wsp-token/{other}"]):
                store.set(f"wsp-name/{store.get(f'wsp-token/{other}').decode()}", own)
        time.sleep(0.01)
        missing = [other for other in missing if not store.check([f"wsp-joined/{own}/{other}"])]
    if missing:
        raise RuntimeError(f"processes {missing} do not come")
    return own


def _refuse_unfit(launch: Launch, batch_size: int, device: torch.device) -> None:
    if batch_size % launch.count:
        raise InputError(
            "distributed.batch_size",
            f"A batch of {batch_size} cannot be shared out evenly over {launch.count} processes.",
            hint="Choose a --batch-size, which is that of all processes together, that they divide.",
        )
    devices = torch.cuda.device_count() if device.type == "cuda" else launch.local_count
    if launch.local_count > devices:
        raise InputError(
            "distributed.devices",
            f"{launch.local_count} processes on this machine, which has {devices} CUDA devices.",
            hint=f"Start at most {devices} with --nproc-per-node, or choose --device cpu.",
        )


def _as_told(error: BaseException) -> dict[str, Any]:
    if isinstance(error, InputError):
        return {"kind": "input", **error.as_event()}
    kind = "cancelled" if isinstance(error, Cancelled | KeyboardInterrupt) else "defect"
    return {"kind": kind, "message": str(error) or type(error).__name__}


def _from_told(told: dict[str, Any]) -> Exception:
    kind, message = told.pop("kind"), told.pop("message")
    if kind == "input":
        return InputError(told["code"], message, file=told["file"], hint=told["hint"])
    return Cancelled(message) if kind == "cancelled" else OtherProcessFailed(message)
