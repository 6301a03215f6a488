"""A run of several processes: one writes, all end together, and any number of them goes on with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from ranks import run_ranks
from safetensors.numpy import load_file
from small_cohort import write_cohort
from torch.distributed import TCPStore

from WSPCirrhosisLib.distributed import OtherProcessFailed, _round_name
from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining import pretrain
from WSPCirrhosisLib.run_folder import RunFolder
from WSPCirrhosisLib.slice_cache import SliceCache

CONFIG = PretrainConfig(
    image_size=156,
    batch_size=4,
    epochs=2,
    slices_per_epoch=12,
    learning_rate=1e-5,
    checkpoint_minutes=0.0,
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), patients=6)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("slices")


@pytest.fixture(scope="module")
def whole(cohort, cache, tmp_path_factory) -> RunFolder:
    """A run of two processes and six steps that nothing interrupted; they cut the slices, too."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "whole")
    outcomes = run_ranks(2, train, cohort, run.path, cache)
    assert outcomes[0]["step"] == 6 and outcomes[1] == {}
    return run


def train(cohort: Path, run: Path, cache: Path, act: str = "", resume: bool = False) -> dict:
    """One process of a run, in which `act` happens at step 3 where it is to happen."""
    rank = int(os.environ["RANK"])
    events = Events(lambda event: at_step_3(event, run, act))
    if rank == 1 and act in ACTS_OF_THE_OTHER:
        SliceCache.gather = fails_at_step_3(ACTS_OF_THE_OTHER[act])
    return pretrain(cohort, run, CONFIG, cache_folder=cache, jobs=1, resume=resume, events=events)


def at_step_3(event: dict, run: Path, act: str) -> None:
    if event.get("stage") == "pretrain" and event["event"] == "progress" and event["step"] == 3:
        if act == "stop file":
            RunFolder(run).request_stop()
        if act == "signal":
            os.kill(os.getpid(), signal.SIGTERM)


def refuse() -> None:
    raise InputError("cache.damaged", "made up", file="slices.npy", hint="cut anew")


def meet_a_defect() -> None:
    raise ZeroDivisionError("made up")


ACTS_OF_THE_OTHER = {
    "refusal": refuse,
    "defect": meet_a_defect,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "signal to the other": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def fails_at_step_3(act):
    gather, calls = SliceCache.gather, []

    def failing(self, scans, slices):
        calls.append(1)
        if len(calls) == 4:
            act()
        return gather(self, scans, slices)

    return failing


def near(one: RunFolder, other: RunFolder) -> None:
    losses = [[row["loss"] for row in run.metrics()] for run in (one, other)]
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-5)
    weights = [load_file(run.encoder_file) for run in (one, other)]
    for name, values in weights[0].items():
        np.testing.assert_allclose(values, weights[1][name], rtol=0, atol=1e-5)


def test_only_the_first_process_writes_and_the_number_of_them_is_told(whole):
    assert [row["step"] for row in whole.metrics()] == [1, 2, 3, 4, 5, 6]
    assert whole.config()["processes"] == 2 and whole.state() == "finished"
    ends = [event for event in whole.events() if event["event"] == "result"]
    assert len(ends) == 1
    assert len(list(whole.tensorboard_folder.iterdir())) == 1


def test_the_processes_cut_each_scan_once(whole, cache):
    steps = [event["step"] for event in whole.events() if event.get("stage") == "cache"]
    # Three of six by this process, and the other's are found where it looks at all.
    assert steps == [0, 1, 2, 3, 6]
    assert len(list(cache.glob("*.json"))) == 6


@pytest.mark.parametrize("act", ["stop file", "signal", "signal to the other"])
def test_all_stop_at_the_same_step_and_another_number_of_processes_goes_on(
    whole, cohort, cache, tmp_path, act
):
    run = RunFolder(tmp_path / "run")
    outcomes = run_ranks(2, train, cohort, run.path, cache, act)
    assert all(isinstance(outcome, Cancelled) for outcome in outcomes), outcomes
    assert str(outcomes[0]) == str(outcomes[1]) and run.state() == "stopped"
    assert run.heartbeat()["checkpoint_step"] in (3, 4, 5)
    pretrain(cohort, run.path, CONFIG, cache_folder=cache, resume=True)
    near(run, whole)


def test_what_one_process_is_refused_ends_all_with_its_reason(whole, cohort, cache, tmp_path):
    run = RunFolder(tmp_path / "run")
    outcomes = run_ranks(2, train, cohort, run.path, cache, "refusal")
    assert [outcome.code for outcome in outcomes] == ["cache.damaged"] * 2
    assert run.state() == "failed" and run.events()[-1]["hint"] == "cut anew"


def test_a_defect_of_one_process_ends_all(whole, cohort, cache, tmp_path):
    outcomes = run_ranks(2, train, cohort, tmp_path / "run", cache, "defect")
    assert [type(outcome) for outcome in outcomes] == [OtherProcessFailed, ZeroDivisionError]


def test_a_process_that_dies_is_missed_and_the_run_can_go_on(whole, cohort, cache, tmp_path):
    run = RunFolder(tmp_path / "run")
    first, second = run_ranks(2, train, cohort, run.path, cache, "kill")
    assert first.code == "distributed.process_lost" and second == -signal.SIGKILL
    assert run.state() == "failed" and run.heartbeat()["checkpoint_step"] >= 2
    run_ranks(2, train, cohort, run.path, cache, "", True)
    assert run.encoder_file.read_bytes() == whole.encoder_file.read_bytes()


def test_an_unfit_cohort_is_refused_by_all_and_every_bad_row_is_named(tmp_path):
    table = write_cohort(tmp_path / "cohort", patients=6)
    for name in ("ct1.nrrd", "ct2.nrrd"):
        (table.parent / name).write_bytes(b"no image")
    outcomes = run_ranks(2, train, table, tmp_path / "run", tmp_path / "cache")
    for refused in outcomes:
        assert refused.code == "cohort.unusable_cases"
        assert "ct1.nrrd" in refused.message and "ct2.nrrd" in refused.message
    assert not (tmp_path / "run").exists()


def test_a_batch_that_cannot_be_shared_out_evenly_is_refused(cohort, cache, tmp_path):
    for refused in run_ranks(3, train, cohort, tmp_path / "run", cache):
        assert refused.code == "distributed.batch_size"
    assert not (tmp_path / "run").exists()


# The command, whose first process is killed the first time that it has come to step 3.
KILLED_ONCE = """
import os, signal, sys
from WSPCirrhosisLib.__main__ import main
from WSPCirrhosisLib.pretraining import _Training

def keep_and_tell(training, usual=_Training._keep_and_tell):
    usual(training)
    if training._state.step == 3 and os.environ["TORCHELASTIC_RESTART_COUNT"] == os.environ["RANK"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)

_Training._keep_and_tell = keep_and_tell
sys.exit(main())
"""


def test_torchrun_goes_on_after_a_kill_bit_for_bit(whole, cohort, cache, tmp_path):
    run, script = RunFolder(tmp_path / "run"), tmp_path / "killed_once.py"
    script.write_text(KILLED_ONCE, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", "2", "--max-restarts", "2", str(script)]
    pretrain = ["pretrain", "--cohort", cohort, "--output", run.path, "--cache", cache, "--resume"]
    done = subprocess.run(
        [*torchrun, *map(str, pretrain), *CONFIG.to_arguments()],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Going on after step 3 of 6." in [event.get("message") for event in run.events()]
    assert run.encoder_file.read_bytes() == whole.encoder_file.read_bytes()
    assert done.stdout.count("Encoder: ") == 1


def test_what_is_stopped_by_the_file_is_not_begun_anew_by_torchrun(whole, cohort, cache, tmp_path):
    run = RunFolder(tmp_path / "run")
    run_ranks(2, train, cohort, run.path, cache, "stop file")
    stopped_at = run.heartbeat()["step"]
    outcomes = run_ranks(2, train_restarted, cohort, run.path, cache)
    assert all(isinstance(outcome, Cancelled) for outcome in outcomes), outcomes
    assert run.heartbeat()["step"] == stopped_at


def train_restarted(cohort: Path, run: Path, cache: Path) -> dict:
    # As on two machines: the torchrun of the second saw a process die, that of the first began its own anew for it.
    os.environ["TORCHELASTIC_RESTART_COUNT"] = os.environ["RANK"]
    return train(cohort, run, cache, resume=True)


def test_processes_that_are_begun_anew_find_one_another_in_a_store_that_earlier_ones_used():
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def name(rank: int) -> str:
        return _round_name(TCPStore("127.0.0.1", server.port), rank, count=3)

    with ThreadPoolExecutor(3) as at_once:
        rounds = [set(at_once.map(name, order)) for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2])]
    assert [len(names) for names in rounds] == [1, 1, 1]
    assert len(set.union(*rounds)) == 3


def test_commands_that_share_no_work_out_are_refused_under_torchrun(command, tmp_path):
    env = {"MASTER_ADDR": "127.0.0.1", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    done = command("phantom", "--output", tmp_path / "p", "--patients", 2, env=env)
    assert done.returncode == 2 and "distributed.command" in done.stderr
    assert not (tmp_path / "p").exists()
