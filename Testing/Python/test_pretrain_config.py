"""Settings are validated in one place and go through the command line unchanged."""

import argparse

import pytest

from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.pretrain_config import PretrainConfig


def through_the_command_line(config: PretrainConfig) -> PretrainConfig:
    parser = argparse.ArgumentParser()
    PretrainConfig.add_arguments(parser)
    return PretrainConfig.from_options(parser.parse_args(config.to_arguments()))


def test_defaults_are_the_papers():
    config = PretrainConfig()
    assert (config.method, config.encoder, config.epochs, config.batch_size) == (
        "wsp",
        "tinynet",
        40,
        64,
    )
    assert (config.sigma, config.temperature) == (0.1, 0.1)
    assert (config.learning_rate, config.weight_decay) == (1e-4, 1e-4)
    assert config.steps_per_epoch == 157 and config.total_steps == 40 * 157
    assert config.to_arguments() == []


@pytest.mark.parametrize(
    "config",
    [
        PretrainConfig(),
        PretrainConfig(method="pcl", encoder="resnet18", sigma=1e-7, image_size=32, seed=2**62),
        PretrainConfig(weak_label_column="my grade", slice_fraction=1.0, checkpoint_minutes=0.0),
        PretrainConfig(method="byol", kernel='same("my grade") * gaussian(age, 5)'),
        PretrainConfig(method="y-aware", y_column="MELD score", y_sigma=2.5),
    ],
)
def test_a_config_survives_the_command_line_and_json(config):
    assert through_the_command_line(config) == config
    assert PretrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("method", "byoll"),
        ("encoder", "vgg"),
        ("device", "tpu"),
        ("precision", "float16"),
        ("depth_range", "body"),
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("batch_size", 1),
        ("slices_per_epoch", 0),
        ("sigma", 0.0),
        ("sigma", float("nan")),
        ("pcl_distance", -1.0),
        ("y_sigma", 0.0),
        ("y_column", ""),
        ("grade_sigma", float("nan")),
        ("temperature", float("inf")),
        ("learning_rate", 0.0),
        ("weight_decay", -1e-4),
        ("image_size", 155),
        ("image_size", 2049),
        ("image_size", 1_000_000),
        ("slice_fraction", 1.01),
        ("seed", -1),
        ("weak_label_column", ""),
        ("checkpoint_minutes", -1.0),
    ],
)
def test_an_unfit_setting_is_refused_by_name_and_value(setting, value):
    with pytest.raises(InputError) as refused:
        PretrainConfig(**{setting: value})
    assert refused.value.code == "pretrain.setting"
    assert setting in refused.value.message and str(value) in refused.value.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epochs", "many"], "argument --epochs: 'many' is not a whole number"),
        (["--batch-size", "6.5"], "argument --batch-size: '6.5' is not a whole number"),
        (["--learning-rate", "1e-4x"], "argument --learning-rate: '1e-4x' is not a number"),
    ],
)
def test_an_option_that_is_no_number_is_refused_in_plain_words(arguments, said, capsys):
    parser = argparse.ArgumentParser()
    PretrainConfig.add_arguments(parser)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(arguments)
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_a_setting_of_another_version_is_refused():
    with pytest.raises(InputError, match="momentum"):
        PretrainConfig.from_dict({"momentum": 0.9})
