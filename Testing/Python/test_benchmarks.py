"""The benchmarks compare like with like: the textbook computes what the library computes; and how results are told."""

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from small_cohort import write_cohort

from WSPCirrhosisLib.cohort import read_cohort
from WSPCirrhosisLib.encoders import build_encoder
from WSPCirrhosisLib.kernels import gaussian, same
from WSPCirrhosisLib.losses import kernel_contrastive_loss
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.slice_cache import SliceCache
from WSPCirrhosisLib.views import Views

sys.path.insert(0, str(REPOSITORY / "Testing" / "Benchmarks"))

import faster_networks
import own_process
import textbook
import timeline
import timing
import training_stages
from precision_stages import unlikeness
from textbook_networks import textbook_network

# By its place: `__main__` is the name of what runs these tests.
_SPEC = spec_from_file_location("bench", REPOSITORY / "Testing" / "Benchmarks" / "__main__.py")
bench = module_from_spec(_SPEC)
_SPEC.loader.exec_module(bench)

SIZE = 160
OPTIONS = timing.Options(None, None, SIZE, "cpu", 1)
FACTS = {"date": "2026-11-21", "processor": "a processor", "cores": 2}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return read_cohort(write_cohort(tmp_path_factory.mktemp("cohort"), patients=4))


@pytest.fixture(scope="module")
def in_memory(cohort):
    config = PretrainConfig(image_size=SIZE)
    return textbook.SlicesInMemory(cohort, config.slice_settings, config.weak_label_column)


def test_the_textbook_loss_and_its_gradient_are_ours():
    torch.manual_seed(0)
    labels, depths = torch.randint(4, (24,)), torch.rand(24, dtype=torch.float64)
    ours, theirs = ([torch.randn(24, 8, requires_grad=True) for _ in range(2)] for _ in range(2))
    for own, other in zip(ours, theirs, strict=True):
        other.data = own.data.clone()
    loss = kernel_contrastive_loss(*ours, same(labels) * gaussian(depths, textbook.SIGMA), 0.1)
    kernel = textbook.kernel_matrix(labels.numpy(), depths.numpy())
    expected = textbook.pairwise_loss(*theirs, kernel, 0.1)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for own, other in zip(ours, theirs, strict=True):
        assert torch.allclose(own.grad, other.grad, atol=1e-6)


def test_the_textbook_views_are_the_modules_of_our_strict_views():
    strict = Views(64, seed=3, strict=True)
    (view, _) = strict.draw(6, step=0)
    # Kornia's own chance of a crop is a batch's, ours an image's; here all are cropped.
    view.drawn[-1]["batch_prob"].fill_(1)
    images = torch.rand(6, 1, 64, 64)
    modules = textbook.kornia_views(64)
    for ours, theirs, drawn in zip(strict.sequence, modules, view.drawn, strict=True):
        assert torch.equal(ours(images, params=drawn), theirs(images, params=drawn))


@pytest.mark.parametrize("encoder", ["tinynet", "resnet18"])
def test_the_textbook_networks_are_our_encoders(encoder):
    ours = build_encoder(encoder, seed=1).eval()
    theirs = textbook_network(encoder, ours.state_dict()).eval()
    images = torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs.encoder(images), rtol=1e-4, atol=1e-5)


def test_the_textbook_trains_on_the_slices_of_the_cache(cohort, in_memory, tmp_path):
    settings = PretrainConfig(image_size=SIZE).slice_settings
    cache = SliceCache.open(cohort, settings, tmp_path / "cache")
    scans = np.repeat(np.arange(len(cohort)), cache.slice_counts)
    slices = np.concatenate([np.arange(count) for count in cache.slice_counts])
    expected = torch.from_numpy(cache.gather(scans, slices)).float() / 250
    assert torch.equal(torch.stack(in_memory.images)[:, 0], expected)
    assert in_memory.depths == pytest.approx(cache.depths(scans, slices))


def test_textbook_batches_are_whole_and_the_same_for_the_same_seed(in_memory):
    first, again = (next(textbook.endless_batches(in_memory, 64, seed=5)) for _ in range(2))
    images, labels, depths = first
    assert images.shape == (64, 1, SIZE, SIZE) and images.dtype == torch.float32
    assert len(labels) == len(depths) == 64
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


def test_a_textbook_step_changes_the_weights_and_gives_a_finite_loss(in_memory):
    training = textbook.TextbookTraining(textbook_network("tinynet"), SIZE)
    before = training.network.encoder.conv1.weight.detach().clone()
    assert np.isfinite(training.step(*next(textbook.endless_batches(in_memory, 4))))
    assert not torch.equal(before, training.network.encoder.conv1.weight)


def test_the_timeline_says_what_a_step_takes_and_how_much_of_it_is_idle(cohort, tmp_path):
    config = PretrainConfig(image_size=SIZE, batch_size=4, device="cpu", precision="float32")
    profiler = timeline.profiled(config, cohort.path, tmp_path, steps=1)
    told = timeline.report(profiler, config, steps=1)
    assert "ms a step; device idle" in told and "convolution" in told
    assert str(tmp_path) not in told


def test_idle_time_counts_overlapping_work_once_and_only_within_the_steps():
    intervals = [(8.0, 12.0), (0.0, 2.0), (1.0, 4.0), (1.5, 3.0), (-5.0, 0.5)]
    assert timeline.covered(intervals, began=0.0, ended=10.0) == 6.0


def test_a_bare_network_takes_a_step(cohort):
    config = PretrainConfig(image_size=SIZE, batch_size=2, device="cpu", precision="float32")
    bare = training_stages.BareNetwork(config)
    before = [parameter.detach().clone() for parameter in bare.modules.parameters()]
    bare.step()
    assert not any(map(torch.equal, before, bare.modules.parameters()))


def test_a_turn_is_a_step_to_warm_up_and_a_timed_one():
    steps = []
    turns = training_stages._turns(lambda *_: lambda: steps.append(1), OPTIONS, PretrainConfig())
    assert next(turns) >= 0 and next(turns) >= 0
    assert len(steps) == 4


def test_a_way_for_which_a_gpu_has_not_the_memory_is_left_out():
    def step():
        raise torch.cuda.OutOfMemoryError

    assert next(training_stages._turns(lambda *_: step, OPTIONS, PretrainConfig())) == math.inf


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_faster_network_that_does_not_work_here_costs_no_other_figure(monkeypatch, capsys):
    monkeypatch.setattr(faster_networks, "WAYS", {"CUDA graph": faster_networks.graphed_step})
    config = PretrainConfig(image_size=SIZE, batch_size=2, device="cpu", precision="float32")
    assert list(faster_networks.rows(OPTIONS, config, "(here)")) == []
    assert "network alone, CUDA graph (here): RuntimeError" in capsys.readouterr().err


def test_ways_are_run_in_turns_once_more_than_they_are_timed():
    order = []
    row = timing.compare(
        "s",
        lambda: order.append("textbook"),
        lambda: order.append("ours"),
        lambda: order.append("limit"),
        limit_is="nothing",
        rounds=2,
    )
    assert order == ["textbook", "ours", "limit"] * 3
    assert row.textbook > 0 and row.ours > 0 and row.limit > 0 and row.limit_is == "nothing"


def steps_of(texts: list[str]) -> Iterator[tuple[str, int]]:
    for text in texts:
        yield text, os.getpid()
    raise ValueError("nothing is left")


def test_what_is_made_elsewhere_comes_from_one_other_process_which_fails_aloud(capfd):
    steps = own_process.elsewhere(steps_of, ["first", "second"])
    (first, process), second = next(steps), next(steps)
    assert first == "first" and second == ("second", process) and process != os.getpid()
    with pytest.raises(RuntimeError, match="steps_of ended with 1"):
        next(steps)
    assert "ValueError: nothing is left" in capfd.readouterr().err


def ends_too_early() -> Iterator[int]:
    yield 1
    raise EOFError("Compressed file ended")


def test_what_is_made_elsewhere_may_not_end_too_early_unnoticed():
    with pytest.raises(RuntimeError, match="ends_too_early ended with 1"):
        list(own_process.elsewhere(ends_too_early))


def pids_of_nested() -> Iterator[tuple[int, int]]:
    with closing(own_process.elsewhere(steps_of, ["first"])) as inner:
        yield os.getpid(), next(inner)[1]


def test_processes_begun_elsewhere_end_with_theirs():
    outer = own_process.elsewhere(pids_of_nested)
    pids = next(outer)
    outer.close()
    for process in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_what_is_made_elsewhere_ends_with_who_waited_for_it():
    steps = own_process.elsewhere(steps_of, ["first", "second"])
    _, process = next(steps)
    steps.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_table_has_stage_figures_ratio_share_and_machine():
    rows = [
        timing.Row("step", 8.0, 2.0, 1.5, "the network"),
        timing.Row("memory", None, 120.0, 300.0, "promised", unit="MiB"),
        timing.Row("draw", 4e-4, 1e-4),
    ]
    assert timing.as_table(rows, FACTS).splitlines() == [
        "| stage | textbook | ours | ratio | limit | share of the limit | limit is |",
        "|---|---:|---:|---:|---:|---:|---|",
        "| step | 8.00 s | 2.00 s | 4.0× | 1.50 s | 75 % | the network |",
        "| memory |  | 120 MiB |  | 300 MiB | 250 % | promised |",
        "| draw | 400 µs | 100 µs | 4.0× |  |  |  |",
        "",
        "Machine: date 2026-11-21, processor a processor, cores 2.",
    ]


def test_the_json_has_the_rows_with_their_ratios_and_the_machine(tmp_path):
    row = timing.Row("step", 8.0, 2.0, 1.5, "the network")
    timing.write_rows(tmp_path / "b.json", [row], FACTS)
    kept = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    expected = {**dataclasses.asdict(row), "ratio": 4.0, "share": 0.75}
    assert kept == {"machine": FACTS, "rows": [expected]}


def test_an_area_that_fails_costs_no_other_figure(tmp_path, monkeypatch, capfd):
    areas = {
        "broken": "yield Row('first', 8.0, 2.0); raise RuntimeError(f'at {options.image_size} px')",
        "whole": f"assert os.getpid() != {os.getpid()}; yield Row('second', 8.0, 1.0)",
    }
    for area, body in areas.items():
        text = f"import os\nfrom timing import Row\ndef rows(options): {body}\n"
        (tmp_path / f"{area}_stages.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bench, "AREAS", list(areas))
    monkeypatch.setattr(bench, "PATIENTS", 1)
    kept = tmp_path / "b.json"
    assert bench.main(["--image-size", "48", "--json", str(kept)]) == 3
    told = capfd.readouterr()
    assert "RuntimeError: at 48 px" in told.err and "Failed, see above: broken" in told.err
    stages = [row["stage"] for row in json.loads(kept.read_text("utf-8"))["rows"]]
    assert stages == ["first", "second"]
    assert "| first | 8.00 s | 2.00 s | 4.0× |" in told.out
    assert bench.main(["--image-size", "48", "--json", str(kept)]) == 2, "it would be replaced"


def test_what_is_told_of_the_machine_names_no_host(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: pytest.fail("the host was asked for"))
    facts = timing.machine("cpu")
    assert facts["cores"] >= 1 and facts["torch"] == torch.__version__


def test_representations_turned_and_scaled_are_alike_and_others_are_not():
    random = np.random.default_rng(0)
    values = random.normal(size=(200, 8))
    turned = values @ np.linalg.qr(random.normal(size=(8, 8)))[0]
    assert unlikeness(values, 3 * turned + 5) == pytest.approx(0, abs=1e-9)
    assert unlikeness(values, random.normal(size=(200, 8))) > 0.8
