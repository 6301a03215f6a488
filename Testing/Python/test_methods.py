"""Every method a user can choose trains through the same loop, and is what its name says."""

import json
import math
from pathlib import Path

import pytest
import torch
from small_cohort import write_cohort
from test_imagenet_weights import published

from WSPCirrhosisLib.cohort_record import patients_in_common
from WSPCirrhosisLib.encoders import build_encoder, load_encoder
from WSPCirrhosisLib.errors import Cancelled, InputError
from WSPCirrhosisLib.events import Events
from WSPCirrhosisLib.methods import METHODS, METHODS_WITH_KERNEL, SETTING_USED_BY
from WSPCirrhosisLib.pretrain_config import PretrainConfig
from WSPCirrhosisLib.pretraining import pretrain
from WSPCirrhosisLib.run_folder import RunFolder

SMALL = {"image_size": 156, "batch_size": 4, "checkpoint_minutes": 0.0, "slices_per_epoch": 12}
AGES = ["60", "50", "", "55", "71", "64"]
TRAINED = [name for name, method in METHODS.items() if method.objective]
KERNEL = "same(weak_label) * gaussian(depth, 0.1) * gaussian(age, 5)"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    return write_cohort(folder, patients=6, labels="0012", age=AGES, synthetic=["1"] * 6)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("slices")


def settings_of(method: str, **others) -> PretrainConfig:
    kernel = {"kernel": KERNEL} if method == "contrastive" else {}
    return PretrainConfig(**{**SMALL, "epochs": 1, "method": method, **kernel, **others})


@pytest.mark.parametrize(
    ("method", "kernel"),
    [
        ("wsp", "same(weak_label) * gaussian(depth, 0.1)"),
        ("depth-aware", "gaussian(depth, 0.1)"),
        ("y-aware", "gaussian(age, 5)"),
        ("pcl", "within(depth, 0.1)"),
        ("supcon", "same(weak_label)"),
        ("simclr", "identity()"),
        ("ordinal", "gaussian(weak_label, 1) * gaussian(depth, 0.1)"),
        ("contrastive", KERNEL),
        ("byol", "identity()"),
        ("simsiam", "identity()"),
        ("barlow-twins", "identity()"),
    ],
)
def test_a_method_is_its_kernel(method, kernel):
    assert str(settings_of(method).similarity) == kernel


def test_settings_shape_the_kernels_of_the_methods_that_have_them():
    config = {"sigma": 0.3, "pcl_distance": 0.35, "y_column": "my MELD", "y_sigma": 2.0}
    config |= {"grade_sigma": 0.5, "weak_label_column": "grade"}
    expected = {
        "wsp": "same(grade) * gaussian(depth, 0.3)",
        "pcl": "within(depth, 0.35)",
        "y-aware": 'gaussian("my MELD", 2)',
        "ordinal": "gaussian(grade, 0.5) * gaussian(depth, 0.3)",
    }
    for method, kernel in expected.items():
        assert str(settings_of(method, **config).similarity) == kernel


def test_an_encoder_is_described_by_the_settings_that_its_method_uses():
    kernel_settings = {"kernel", "sigma", "pcl_distance", "y_column", "y_sigma", "grade_sigma"}
    changed = {"sigma": 0.3, "pcl_distance": 0.3, "y_column": "MELD", "y_sigma": 3.0}
    changed |= {"grade_sigma": 3.0, "kernel": "same(sex)"}
    assert kernel_settings == changed.keys()
    for method in TRAINED:
        described = settings_of(method).in_use().keys()
        for name in kernel_settings & SETTING_USED_BY.keys():
            if name == "kernel":
                matters = method in METHODS_WITH_KERNEL
            else:
                other = settings_of(method, **{name: changed[name]})
                matters = other.similarity != settings_of(method).similarity
            assert (name in described) == matters, (method, name)
    assert "threshold" not in settings_of("pcl").in_use()
    assert set(settings_of("random").in_use()) >= {"method", "encoder", "seed", "image_size"}
    assert not settings_of("random").in_use().keys() & {"epochs", "temperature", "sigma"}


def test_which_methods_need_labels_and_take_a_kernel():
    assert METHODS_WITH_KERNEL == ("contrastive", "byol", "simsiam", "barlow-twins")
    with_labels = [name for name in TRAINED if settings_of(name).needs_labels]
    assert with_labels == ["wsp", "supcon", "ordinal", "contrastive", "supervised"]
    assert settings_of("byol", kernel="same(weak_label)").needs_labels
    assert not settings_of("byol", kernel="gaussian(age, 5)").needs_labels


def test_a_kernel_goes_with_the_methods_that_take_one_and_is_written_one_way():
    config = PretrainConfig.from_dict({"kernel": " same( weak_label )*gaussian(depth,.10)"})
    assert config.method == "contrastive"
    assert config.kernel == "same(weak_label) * gaussian(depth, 0.1)"
    for values in ({"method": "wsp", "kernel": KERNEL}, {"method": "contrastive"}):
        with pytest.raises(InputError) as refused:
            PretrainConfig(**values)
        assert refused.value.code == "pretrain.setting" and "kernel" in refused.value.message
    with pytest.raises(InputError, match="character 6"):
        PretrainConfig(method="byol", kernel="same weak_label")


@pytest.mark.parametrize("method", [*TRAINED, "byol with a kernel"])
def test_every_method_trains(cohort, cache, tmp_path, method):
    method, _, with_kernel = method.partition(" with ")
    config = settings_of(method, **({"kernel": KERNEL} if with_kernel else {}), slices_per_epoch=8)
    result = pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    assert result["step"] == 2 and math.isfinite(result["loss"])
    trained, description = load_encoder(tmp_path / "run")
    assert description["method"] == method
    if method != "supervised":
        assert description["similarity"] == str(config.similarity)
    before = build_encoder("tinynet", 0).state_dict()
    assert any(not torch.equal(before[key], value) for key, value in trained.state_dict().items())


# What is trained beside the encoder has to come back too: the target that follows, predictors, batch statistics.
@pytest.mark.parametrize(
    ("method", "others"),
    [
        ("byol", {"kernel": "gaussian(depth, 0.1)"}),
        ("simsiam", {}),
        ("barlow-twins", {"encoder": "resnet18", "image_size": 64}),
        ("supervised", {}),
    ],
)
def test_a_run_stopped_and_resumed_equals_one_never_stopped(
    cohort, cache, tmp_path, method, others
):
    config = settings_of(method, **others)
    whole, halved = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "halved")
    pretrain(cohort, whole.path, config, cache_folder=cache)

    def stop_soon(record):
        if record["event"] == "metric" and record["step"] == 1:
            halved.request_stop()

    with pytest.raises(Cancelled, match="step 2 of 3"):
        events = Events(stop_soon)
        pretrain(cohort, halved.path, config, cache_folder=cache, events=events)
    assert halved.state() == "stopped"
    pretrain(cohort, halved.path, config, cache_folder=cache, resume=True)
    assert halved.encoder_file.read_bytes() == whole.encoder_file.read_bytes()
    first, second = (torch.load(run.checkpoint_file, weights_only=True) for run in (whole, halved))
    assert first["objective"].keys() == second["objective"].keys()
    assert all(
        torch.equal(first["objective"][key], second["objective"][key]) for key in first["objective"]
    )
    assert [row["loss"] for row in whole.metrics()] == [row["loss"] for row in halved.metrics()]


def test_the_target_of_byol_follows_slowly_and_stands_still_at_the_end(cohort, cache, tmp_path):
    config = settings_of("byol", learning_rate=0.1)
    pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    start = build_encoder("tinynet", 0).state_dict()["conv1.weight"]
    online = kept["encoder"]["conv1.weight"]
    target = kept["objective"]["target_encoder.conv1.weight"]
    moved = (target - start).norm() / (online - start).norm()
    # Two of three steps move it, by 0.003 and 0.001 of the distance; the last by nothing.
    assert 0 < moved < 0.004


def test_supervised_learns_the_labels(cohort, cache, tmp_path):
    config = settings_of("supervised", slices_per_epoch=4 * 40, learning_rate=1e-3)
    pretrain(cohort, tmp_path / "run", config, cache_folder=cache)
    losses = [row["loss"] for row in RunFolder(tmp_path / "run").metrics()]
    assert sum(losses[-5:]) / 5 < 0.7 * losses[0]
    assert losses[0] == pytest.approx(math.log(3), abs=0.4)


@pytest.mark.parametrize("method", ["supervised", "ordinal", "supcon"])
def test_scans_without_a_label_are_of_no_use_to_methods_that_need_it(tmp_path, cache, method):
    table = write_cohort(tmp_path / "cohort", patients=5, labels=["0", "1", "", "1", "0"])
    result = pretrain(table, tmp_path / "run", settings_of(method), cache_folder=cache)
    assert result["scans"] == 4


def test_missing_ages_are_told_of_and_their_scans_stay(cohort, cache, tmp_path):
    heard = []
    result = pretrain(
        cohort,
        tmp_path / "run",
        settings_of("y-aware"),
        cache_folder=cache,
        events=Events(heard.append),
    )
    assert result["scans"] == 6
    said = [event["message"] for event in heard if event.get("code") == "cohort.value_missing"]
    assert len(said) == 1 and said[0].startswith("1 of 6 scans have no age")
    assert "Similarity: gaussian(age, 5)." in (tmp_path / "run" / "log.txt").read_text("utf-8")


@pytest.mark.parametrize("method", ["random", "imagenet"])
def test_an_encoder_that_is_not_trained_has_seen_no_patient(cohort, tmp_path, method):
    weights = published(tmp_path / "resnet18.pth") if method == "imagenet" else None
    config = PretrainConfig(method=method, encoder="resnet18", image_size=64, seed=3)
    run = tmp_path / "run"
    result = pretrain(cohort, run, config, weights_path=weights)
    assert result["step"] == 0 and result["patients"] == 0
    assert RunFolder(run).state() == "finished" and RunFolder(run).metrics() == []
    encoder, description = load_encoder(run)
    assert description["method"] == method and description["cohort"]["synthetic"] is False
    assert patients_in_common(run, [f"Doe-{n}" for n in range(6)]) == 0
    random = build_encoder("resnet18", 3).state_dict()
    same = [torch.equal(random[key], value) for key, value in encoder.state_dict().items()]
    assert all(same) if method == "random" else not all(same)
    # Nothing is left to do, and that is what resuming does.
    assert pretrain(cohort, run, config, weights_path=weights, resume=True)["step"] == 0


def test_imagenet_keeps_the_hash_of_its_weights_and_no_path(cohort, tmp_path):
    weights = published(tmp_path / "somewhere" / "resnet18.pth")
    config = PretrainConfig(method="imagenet", encoder="resnet18")
    pretrain(cohort, tmp_path / "run", config, weights_path=weights)
    kept = json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))["weights"]
    assert kept["file"] == "resnet18.pth" and len(kept["sha256"]) == 64
    for file in (tmp_path / "run").iterdir():
        assert b"somewhere" not in file.read_bytes()
    published(weights, seed=1)
    with pytest.raises(InputError, match="the file of weights is another"):
        pretrain(cohort, tmp_path / "run", config, weights_path=weights, resume=True)


@pytest.mark.parametrize(
    ("config", "weights", "code"),
    [
        ({"method": "imagenet", "encoder": "resnet18"}, None, "pretrain.weights"),
        ({"method": "imagenet", "encoder": "resnet18"}, "absent.pth", "weights.missing"),
        ({"method": "wsp"}, "absent.pth", "pretrain.weights"),
    ],
)
def test_weights_are_for_imagenet_alone_and_have_to_be_there(
    cohort, tmp_path, config, weights, code
):
    path = tmp_path / weights if weights else None
    with pytest.raises(InputError) as refused:
        pretrain(cohort, tmp_path / "run", PretrainConfig(**config), weights_path=path)
    assert refused.value.code == code and "resnet18" in refused.value.hint
    assert not list(tmp_path.iterdir())


def test_tinynet_has_no_imagenet_weights():
    with pytest.raises(InputError, match="encoder is 'tinynet'; expected resnet18"):
        PretrainConfig(method="imagenet")


def test_batches_are_balanced_over_the_label_whatever_the_method_and_it_is_said(
    cohort, cache, tmp_path
):
    for column, said in (
        ("weak_label", "Batches are balanced over weak_label: 0, 1, 2."),
        ("grade", "The table has no column grade: all patients come equally often."),
    ):
        config = settings_of("simclr", weak_label_column=column, slices_per_epoch=4)
        pretrain(cohort, tmp_path / column, config, cache_folder=cache)
        assert said in (tmp_path / column / "log.txt").read_text("utf-8")


def test_the_command_line_takes_a_kernel_and_lists_the_methods(cohort, cache, tmp_path, command):
    shown = command("pretrain", "--help").stdout
    for name, method in METHODS.items():
        assert f"\n  {name:<14}{method.help}" in shown
    small = ["--image-size", 156, "--batch-size", 4, "--slices-per-epoch", 4, "--epochs", 1]
    done = command(
        *("pretrain", "--cohort", cohort, "--output", tmp_path / "run", "--cache", cache, *small),
        *("--kernel", "same(weak_label)*gaussian(depth, 0.1)*gaussian(age, 5)", "--events"),
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))["config"]
    assert (kept["method"], kept["kernel"]) == ("contrastive", KERNEL)
    done = command(
        *("pretrain", "--cohort", cohort, "--output", tmp_path / "other"),
        *("--kernel", "same(weak_label) * gausian(age, 5)"),
    )
    assert done.returncode == 2 and "“gausian” at character 20" in done.stderr
    assert not (tmp_path / "other").exists()
