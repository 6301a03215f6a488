"""Encoders have the paper's sizes and torchvision's names, look where they say, and come back from a file."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from WSPCirrhosisLib.encoders import (
    ENCODERS,
    ResNet18,
    TinyNet,
    build_encoder,
    load_encoder,
    projection_head,
    save_encoder,
)
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.pretrain_config import ENCODER_NAMES, SMALLEST_IMAGE


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_tinynet_has_the_papers_size():
    encoder = TinyNet()
    assert parameters(encoder) == 1_088_896
    assert encoder(torch.rand(2, 1, 156, 170)).shape == (2, 256)
    assert encoder.feature_maps(torch.rand(1, 1, 512, 512)).shape == (1, 256, 12, 12)
    head = projection_head(encoder)
    assert head(torch.rand(3, 256)).shape == (3, 64)
    assert [layer.out_features for layer in head if hasattr(layer, "out_features")] == [128, 64]


def test_resnet18_has_torchvisions_key_names_and_size():
    encoder = ResNet18()
    # torchvision's has 11,176,512 without its classifier; two of three input channels less.
    assert parameters(encoder) == 11_176_512 - 2 * 64 * 49
    keys = encoder.state_dict().keys()
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
        "layer2.0.downsample.1.num_batches_tracked",
        "layer4.1.bn2.bias",
    } <= keys
    assert len(keys) == 120 and encoder(torch.rand(2, 1, 64, 33)).shape == (2, 512)
    assert projection_head(encoder)(torch.rand(3, 512)).shape == (3, 128)


def test_names_and_smallest_images_a_user_is_told_are_the_encoders_own():
    assert tuple(ENCODERS) == ENCODER_NAMES
    assert {name: make.smallest_image for name, make in ENCODERS.items()} == SMALLEST_IMAGE


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_representation_is_the_mean_of_the_feature_maps(name):
    encoder = build_encoder(name, 0).eval()
    images = torch.rand(2, 1, 192, 192)
    maps = encoder.feature_maps(images)
    torch.testing.assert_close(encoder(images), maps.mean(dim=(2, 3)))
    assert maps.shape[2] == encoder.feature_grid(192)[2]


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_feature_grid_is_where_a_feature_looks(name):
    """What an image must change in to change one feature is centred where feature_grid says."""
    encoder = build_encoder(name, 0).double().eval()
    size = 608
    start, step, n = encoder.feature_grid(size)
    j = n // 2
    images = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    # Equal positive weights: every pixel that can matter does, and ReLU lets all of them pass.
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1e-3)
    maps = _averaging(encoder, images)
    seen = torch.autograd.grad(maps[0, :, j, j].sum(), images)[0][0, 0].sum(dim=0)
    centre = float((seen * torch.arange(size)).sum() / seen.sum())
    assert centre == pytest.approx(start + step * j, abs=0.51)


def _averaging(encoder, images):
    """The encoder with average pooling: the same grid, without a maximum's choice among equal pixels."""
    if isinstance(encoder, TinyNet):
        maps = images
        for conv in encoder.children():
            maps = functional.avg_pool2d(conv(maps), 2)
        return maps
    encoder.maxpool = torch.nn.AvgPool2d(3, stride=2, padding=1)
    return encoder.feature_maps(images)


def test_same_seed_same_weights_and_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    one, same, other = (build_encoder("tinynet", seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.conv1.weight, same.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


def test_untrained_tinynet_keeps_different_images_apart():
    images = torch.rand(4, 1, 156, 156) * torch.tensor([0.2, 0.5, 0.8, 1.0])[:, None, None, None]
    representation = build_encoder("tinynet", 0)(images)
    assert representation.std(dim=0).mean() > 0.01 and representation.abs().mean() > 0.05


@pytest.mark.parametrize("shape", [(1, 1, 155, 512), (1, 2, 512, 512), (512, 512)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match="156 pixels"):
        TinyNet()(torch.zeros(shape))


def test_unknown_encoder_is_refused_by_name():
    with pytest.raises(InputError, match="tinynet, resnet18"):
        build_encoder("vgg", 0)


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_encoder_comes_back_from_its_file(tmp_path, name):
    encoder = build_encoder(name, 5).to(memory_format=torch.channels_last)
    description = {"encoder": name, "image_size": 192, "cohort": {"synthetic": True}}
    save_encoder(encoder, tmp_path / "encoder.safetensors", description)
    loaded, told = load_encoder(tmp_path / "encoder.safetensors")
    assert told == description and not loaded.training
    images = torch.rand(1, 1, 192, 192)
    torch.testing.assert_close(loaded(images), encoder.eval()(images), rtol=1e-5, atol=1e-5)


def test_a_file_that_is_no_encoder_is_refused_in_words(tmp_path):
    cases = {
        "missing": "encoder.missing",
        "noise": "encoder.unreadable",
        "cut": "encoder.unreadable",
    }
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(1000))
    save_encoder(TinyNet(), tmp_path / "whole", {"encoder": "tinynet"})
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:50_000])
    for name, code in cases.items():
        with pytest.raises(InputError) as refused:
            load_encoder(tmp_path / name)
        assert refused.value.code == code
    with pytest.raises(InputError) as refused:
        load_encoder(tmp_path)
    assert refused.value.code == "encoder.missing"
