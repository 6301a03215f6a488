"""For tests: the processes of a distributed run as ``torchrun`` begins them, but forked, so that torch is loaded once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from typing import Any

from torch.distributed import TCPStore

SECONDS = 120


def run_ranks(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call `function(*arguments)` in `count` processes of one run; gives back what each returned or raised.

    A process that is ended from outside gives its exit code's negative signal number.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["WSPCirrhosisLib.pretraining", "ranks"])
    # As torchrun's agent does: it holds the store, at a port that the system chooses.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    pipes, processes = [], []
    for rank in range(count):
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_work, args=(there, rank, count, store.port, function, arguments), daemon=True
        )
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        return [_outcome(here, process) for here, process in zip(pipes, processes, strict=True)]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _outcome(pipe: Any, process: Any) -> Any:
    if not pipe.poll(SECONDS):
        raise TimeoutError("a process of the run hangs")
    try:
        return pipe.recv()
    except EOFError:
        process.join(SECONDS)
        return process.exitcode


def _work(
    pipe: Any, rank: int, count: int, port: int, function: Callable, arguments: tuple
) -> None:
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
    }
    import torch

    torch.set_num_threads(1)
    try:
        outcome = function(*arguments)
    except Exception as error:
        outcome = error
    pipe.send(outcome)
