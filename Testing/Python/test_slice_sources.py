"""Slices in the device's memory are those of the cache, and a run learns the same from either, bit for bit."""

import numpy as np
import pytest
import torch
from small_cohort import write_cohort

from WSPCirrhosisLib import pretraining_data
from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining import pretrain
from WSPCirrhosisLib.pretraining_data import PretrainingData
from WSPCirrhosisLib.run_folder import RunFolder
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.slice_sources import resident, room_on

CPU = torch.device("cpu")
CONFIG = PretrainConfig(
    image_size=156, batch_size=4, checkpoint_minutes=0.0, slices_per_epoch=12, epochs=2
)
ROOM = 10**9


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), patients=6)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slices")


def cache_of(table, folder) -> SliceCache:
    return SliceCache.open(read_cohort(table), CONFIG.slice_settings, folder)


def brought(cache, room=ROOM, stop_requested=lambda: False):
    """What `resident` gives, and what it tells."""
    heard = []
    slices = resident(cache, CPU, room, Events(heard.append), stop_requested)
    return slices, heard


def data_of(table, folder) -> PretrainingData:
    return PretrainingData(
        read_cohort(table), CONFIG, folder, jobs=1, events=Events(), check_stop=lambda: None
    )


def test_resident_slices_are_those_of_the_cache(table, cache_folder):
    cache = cache_of(table, cache_folder)
    slices, _ = brought(cache)
    scans = np.repeat(np.arange(cache.case_count), cache.slice_counts)[::-1]
    numbers = np.concatenate([np.arange(count) for count in cache.slice_counts])[::-1]
    images = slices.place(slices.fetch(scans, numbers))
    assert images.dtype == torch.uint8
    assert torch.equal(images[:, 0], torch.from_numpy(cache.gather(scans, numbers)))


def test_bringing_them_tells_of_every_scan_and_at_last_what_they_take(table, cache_folder):
    _, heard = brought(cache_of(table, cache_folder))
    steps = [(e["stage"], e["step"], e["total"]) for e in heard if e["event"] == "progress"]
    assert steps == [("upload", n, 6) for n in range(7)]
    assert heard[-1]["message"].startswith("All ") and "device's memory" in heard[-1]["message"]


def test_slices_that_do_not_fit_stay_in_the_cache_and_it_is_said(table, cache_folder):
    cache = cache_of(table, cache_folder)
    needed = int(cache.slice_counts.sum()) * CONFIG.image_size**2
    assert brought(cache, room=needed)[0] is not None
    slices, (said,) = brought(cache, room=needed - 1)
    assert slices is None and "read from the slice cache" in said["message"]


def test_a_damaged_slice_is_noticed_when_it_is_brought(table, tmp_path):
    cache = cache_of(table, tmp_path)
    with open(cache.scan(3).file, "r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)
        stream.seek(-1, 2)
        stream.write(bytes([last[0] ^ 1]))
    with pytest.raises(InputError) as refused:
        brought(cache)
    assert refused.value.code == "cache.damaged"


def test_a_stop_ends_bringing_them(table, cache_folder):
    slices, heard = brought(cache_of(table, cache_folder), stop_requested=lambda: True)
    assert slices is None and [e["step"] for e in heard] == [0, 1]


def test_a_processor_keeps_reading_the_cache(table, cache_folder):
    assert room_on(CPU) is None
    data = data_of(table, cache_folder)
    assert len(list(data.batches(0, 3, CPU))) == 3 and not data.slices_on_device


def test_batches_are_the_same_from_either_wherever_a_run_goes_on(table, cache_folder):
    data = data_of(table, cache_folder)
    expected = [data.batch(step) for step in range(6)]
    for first in (0, 3):
        batches = list(data.batches(first, 6, CPU, room=ROOM))
        assert data.slices_on_device and len(batches) == 6 - first
        for batch, other in zip(batches, expected[first:], strict=True):
            assert torch.equal(batch.images, other.images)
            assert torch.equal(batch.kernel.dense(), other.kernel.dense())
            assert torch.equal(batch.labels, other.labels)


def figures(run: RunFolder) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "slices_per_second"} for row in run.metrics()]


def test_a_run_on_resident_slices_stopped_and_resumed_equals_one_on_the_cache(
    table, cache_folder, tmp_path, monkeypatch
):
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    plain = pretrain(table, one.path, CONFIG, cache_folder=cache_folder)
    monkeypatch.setattr(pretraining_data, "room_on", lambda device: ROOM)

    def stop_at_3(event):
        if (event["event"], event.get("step")) == ("metric", 3):
            other.request_stop()

    with pytest.raises(Cancelled):
        pretrain(table, other.path, CONFIG, cache_folder=cache_folder, events=Events(stop_at_3))
    result = pretrain(table, other.path, CONFIG, cache_folder=cache_folder, resume=True)
    assert plain["slices_on_device"] is False and result["slices_on_device"] is True
    assert other.log_file.read_text("utf-8").count("device's memory") == 2
    assert figures(one) == figures(other)
    assert one.encoder_file.read_bytes() == other.encoder_file.read_bytes()


def test_a_stop_while_slices_are_brought_ends_the_run_with_a_checkpoint(
    table, cache_folder, tmp_path, monkeypatch
):
    run = RunFolder(tmp_path / "run")
    monkeypatch.setattr(pretraining_data, "room_on", lambda device: ROOM)

    def stop(event):
        if event.get("stage") == "upload" and event["step"] == 2:
            run.request_stop()

    with pytest.raises(Cancelled, match="step 2 of 6"):
        pretrain(table, run.path, CONFIG, cache_folder=cache_folder, events=Events(stop))
    assert run.state() == "stopped" and run.heartbeat()["checkpoint_step"] == 2
