"""Training on a CUDA device: slices in its memory or sent to it are the same bytes, and no step waits for it.

``make test-gpu``; elsewhere these are left out.
"""

from contextlib import closing, contextmanager

import pytest
import torch
from small_cohort import write_cohort
from torch.utils._python_dispatch import TorchDispatchMode

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.errors import Cancelled
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining import pretrain
from WSPCirrhosisLib.pretraining_data import PretrainingData
from WSPCirrhosisLib.run_folder import RunFolder
from WSPCirrhosisLib.slice_sources import room_on
from WSPCirrhosisLib.training_state import TrainingState

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda")
SMALL = {"image_size": 156, "batch_size": 4, "device": "cuda", "precision": "float32"}
CONFIG = PretrainConfig(**SMALL, slices_per_epoch=12, epochs=2, checkpoint_minutes=0.0)
# Bytes that slices may take: all they want, and none.
WAYS = {"resident": 10**9, "cache": 0}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), patients=6)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slices")


def data_of(table, folder, config=CONFIG) -> PretrainingData:
    return PretrainingData(
        read_cohort(table), config, folder, jobs=1, events=Events(), check_stop=lambda: None
    )


class PinnedCopies(TorchDispatchMode):
    """Raises when a tensor is sent to the device from memory that it cannot read by itself."""

    def __torch_dispatch__(self, operator, types, arguments=(), keywords=None):
        result = operator(*arguments, **(keywords or {}))
        source = {"_to_copy": 0, "copy_": 1}.get(operator._opname)
        if source is not None and result.is_cuda and arguments[source].device.type == "cpu":
            assert arguments[source].is_pinned(), tuple(arguments[source].shape)
        return result


@contextmanager
def nothing_waits():
    """While the block runs, whatever waits for the device raises."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with PinnedCopies():
            yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_step_leaves_room_that_is_asked_of_the_device():
    free, total = torch.cuda.mem_get_info()
    assert 0 < room_on(CUDA) < free <= total


@pytest.mark.parametrize("room", WAYS.values(), ids=WAYS)
def test_batches_on_the_device_are_those_of_the_cache(table, cache_folder, room):
    data = data_of(table, cache_folder)
    batches = list(data.batches(0, 6, CUDA, room=room))
    assert data.slices_on_device == (room > 0)
    for step, batch in enumerate(batches):
        expected = data.batch(step)
        assert batch.images.is_cuda and torch.equal(batch.images.cpu(), expected.images)
        assert torch.equal(batch.kernel.dense(), expected.kernel.dense())


@pytest.mark.parametrize("room", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("method", ["wsp", "byol", "simsiam", "barlow-twins", "supervised"])
def test_no_step_waits_for_the_device(table, cache_folder, method, room):
    settings = {**SMALL, "precision": "bfloat16"}
    config = PretrainConfig(**settings, method=method, slices_per_epoch=24, epochs=1)
    data = data_of(table, cache_folder, config)
    state = TrainingState(config, CUDA, config.precision, data.class_count)
    with closing(data.batches(0, 6, CUDA, room=room)) as batches:
        for _ in range(3):
            state.train_on(next(batches))
        for _ in range(3):
            # The reading thread is waited for, the device is not.
            with nothing_waits():
                measured = state.train_on(next(batches))
    assert torch.isfinite(measured).all()


def test_the_same_steps_are_trained_either_way(table, cache_folder):
    losses = {}
    for way, room in WAYS.items():
        data = data_of(table, cache_folder)
        state = TrainingState(CONFIG, CUDA, "float32", data.class_count)
        measured = [state.train_on(batch)[0] for batch in data.batches(0, 6, CUDA, room=room)]
        losses[way] = torch.stack(measured).tolist()
    # cuDNN may choose another algorithm the second time, and adds up in any order.
    assert losses["resident"] == pytest.approx(losses["cache"], rel=1e-3)


def test_a_run_keeps_its_slices_on_the_device_and_says_so(table, cache_folder, tmp_path):
    run = RunFolder(tmp_path / "run")

    def stop_at_3(event):
        if (event["event"], event.get("step")) == ("metric", 3):
            run.request_stop()

    with pytest.raises(Cancelled):
        pretrain(table, run.path, CONFIG, cache_folder=cache_folder, events=Events(stop_at_3))
    result = pretrain(table, run.path, CONFIG, cache_folder=cache_folder, resume=True)
    assert result["slices_on_device"] is True and result["step"] == 6
    assert "device's memory" in run.log_file.read_text("utf-8")
    assert [row["step"] for row in run.metrics()] == [1, 2, 3, 4, 5, 6]
