"""Processes that share the work never outlive the command, however it ends, and leave nothing half written."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from conftest import REPOSITORY, image_of, write_image
from small_cohort import write_cohort
from small_model import write_small_model

from WSPCirrhosisLib.cores import usable_cores
from WSPCirrhosisLib.processes import WorkerDied, as_finished, in_processes

LIBRARY = REPOSITORY / "WSPCirrhosisLib"
on_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def state_and_parent(pid: int) -> tuple[str, int]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def workers_of(pid: int) -> list[int]:
    children = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if state_and_parent(int(folder.name))[1] == pid
    ]
    return [n for n in children if b"spawn_main" in Path(f"/proc/{n}/cmdline").read_bytes()]


def lives(pid: int) -> bool:
    return state_and_parent(pid)[0] not in "ZX"


def wait_until(happened: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def begin():
    """Start Python with these arguments in a group of its own, of which nothing outlives the test."""
    begun: list[subprocess.Popen] = []

    def start(*arguments) -> subprocess.Popen:
        begun.append(
            subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=REPOSITORY,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                # A test run in the background of a script passes a deaf ear for Ctrl-C on to its children.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def long_prediction(tmp_path_factory, ct_array, liver_array) -> tuple:
    """Arguments of a `predict` that goes on for a while."""
    folder = tmp_path_factory.mktemp("prediction")
    ct = write_image(image_of(ct_array), folder / "ct.nrrd")
    mask = write_image(image_of(liver_array), folder / "liver.nrrd")
    rows = ["patient_id,volume,mask"]
    for n in range(400):
        os.link(ct, folder / f"ct{n}.nrrd")
        rows.append(f"Doe-{n},ct{n}.nrrd,{mask.name}#1")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return (
        *("-m", "WSPCirrhosisLib", "predict", "--jobs", 2),
        *("--model", write_small_model(folder / "model.onnx")),
        *("--cohort", folder / "cohort.csv"),
    )


def begin_predicting(begin, arguments: tuple, folder: Path) -> tuple[subprocess.Popen, list[int]]:
    """A `predict` in the midst of its work, and its two workers."""
    running = begin(*arguments, "--output", folder / "out")
    wait_until(lambda: len(list(folder.glob("out/cases/*"))) > 3)
    workers = workers_of(running.pid)
    assert len(workers) == 2
    return running, workers


@on_linux
def test_the_workers_of_a_killed_prediction_end(begin, long_prediction, tmp_path):
    running, workers = begin_predicting(begin, long_prediction, tmp_path)
    running.kill()
    running.wait()
    wait_until(lambda: not any(map(lives, workers)), 10.0)


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("pause_s", [0.002, 0.05])
def test_signals_in_quick_succession_leave_no_worker_and_nothing_half_done(
    begin, long_prediction, tmp_path, number, pause_s
):
    running, workers = begin_predicting(begin, long_prediction, tmp_path)
    for _ in range(3):
        # A terminal tells the whole group.
        os.killpg(running.pid, number)
        time.sleep(pause_s)
    running.wait(timeout=30)
    assert not any(map(lives, workers))
    assert not list((tmp_path / "out").rglob("*.part"))


@on_linux
@pytest.mark.parametrize(
    "share_out",
    ["in_processes(abs, range(9), 2)", "read_in_order(read_cohort(sys.argv[1]), SETTINGS, 2)"],
)
def test_workers_that_wait_for_work_end_with_their_killed_parent(begin, share_out, tmp_path):
    cohort, ready = write_cohort(tmp_path / "cohort", patients=3), tmp_path / "ready"
    program = (
        "import sys, time, pathlib\n"
        "from WSPCirrhosisLib.cohort import read_cohort\n"
        "from WSPCirrhosisLib.processes import in_processes\n"
        "from WSPCirrhosisLib.read_ahead import read_in_order\n"
        "from WSPCirrhosisLib.slices import SliceSettings\n"
        "SETTINGS = SliceSettings(image_size=64)\n"
        f"shared_out = {share_out}\n"
        "next(shared_out), next(shared_out)\n"
        "pathlib.Path(sys.argv[2]).touch()\n"
        "time.sleep(60)\n"
    )
    running = begin("-c", program, cohort, ready)
    wait_until(ready.exists)
    workers = workers_of(running.pid)
    assert len(workers) == 2
    # Only the parent decides what Ctrl-C means.
    for worker in workers:
        os.kill(worker, signal.SIGINT)
    time.sleep(0.3)
    assert all(map(lives, workers))
    running.kill()
    running.wait()
    wait_until(lambda: not any(map(lives, workers)), 10.0)


def end(pid: int) -> int:
    """What the system does to a worker when memory runs out, where the item asks for it."""
    if pid:
        os.kill(os.getpid(), signal.SIGKILL)
    return pid


def sleep_or_fail(seconds: float) -> float:
    time.sleep(seconds)
    return 1.0 / seconds


def test_an_error_ends_workers_at_once():
    began = time.monotonic()
    with (
        pytest.raises(ZeroDivisionError) as raised,
        closing(in_processes(sleep_or_fail, [0.0, 60.0, 60.0], 2)) as outcomes,
    ):
        list(outcomes)
    assert "sleep_or_fail" in str(raised.value.__cause__)  # where it was raised in the worker
    with closing(in_processes(sleep_or_fail, [0.1, 60.0, 60.0], 2)) as outcomes:
        assert next(outcomes) == pytest.approx(10.0)
    assert time.monotonic() - began < 20.0
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_costs_its_item_alone():
    outcomes = dict(as_finished(end, [0, 1, 0, 2, 3, 0], 2))
    assert outcomes[0] == 0
    assert [type(outcomes[n]) for n in (1, 2, 3)] == [WorkerDied] * 3
    with pytest.raises(WorkerDied), closing(in_processes(end, [0, 1], 2)) as results:
        list(results)
    assert not multiprocessing.active_children()


class TwoReasons(Exception):
    """Cannot be made again from what it keeps."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def answer_oddly(kind: str) -> object:
    if kind == "error":
        raise TwoReasons("one", "two")
    return (lambda: kind) if kind == "lambda" else kind


@pytest.mark.parametrize("kind", ["error", "lambda"])
def test_what_cannot_travel_between_processes_is_told_in_words(kind):
    with pytest.raises(RuntimeError, match="worker|cannot be sent"):
        list(in_processes(answer_oddly, [kind, "plain"], 2))
    assert list(in_processes(answer_oddly, ["a", "b"], 2)) == ["a", "b"]


def test_a_worker_that_is_killed_while_it_waits_costs_no_item():
    with closing(in_processes(abs, range(0, -30, -1), 2)) as outcomes:
        received = [next(outcomes)]
        wait_until(lambda: len(multiprocessing.active_children()) == 2)
        time.sleep(0.5)  # as far ahead as they may go: both wait
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        received += outcomes
    assert received == list(range(30))


def test_items_are_not_read_far_ahead(tmp_path):
    with closing(in_processes(Path.touch, [tmp_path / f"{n:02d}" for n in range(40)], 2)) as done:
        next(done)
        time.sleep(0.5)
        assert len(list(tmp_path.iterdir())) <= 7


def test_there_is_one_way_of_making_processes():
    for file in LIBRARY.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "ProcessPool" not in text
        assert "SpawnProcess" not in text or file.name == "processes.py"


def test_work_comes_back_in_order_whatever_is_done_first():
    assert list(in_processes(abs, [-3, 2, -1], 2)) == [3, 2, 1]


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system binds no process to cores"
)
def test_a_job_that_was_given_one_core_counts_one_core():
    every = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(every)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, every)
