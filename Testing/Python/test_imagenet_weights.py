"""The published ResNet-18 is read from a local file: strictly, as weights only, its colours summed to grey."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from WSPCirrhosisLib.encoders import ResNet18, build_encoder
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.imagenet_weights import load_imagenet_resnet18


def colour_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights with the names and shapes that torchvision publishes, classifier included."""
    weights = build_encoder("resnet18", seed).state_dict()
    random = torch.Generator().manual_seed(seed)
    weights["conv1.weight"] = torch.randn(64, 3, 7, 7, generator=random)
    weights["fc.weight"] = torch.randn(1000, 512, generator=random)
    weights["fc.bias"] = torch.randn(1000, generator=random)
    return weights


def published(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    torch.save(colour_weights(seed), path)
    return path


def test_a_grey_image_is_seen_as_the_colour_network_sees_it(tmp_path):
    encoder = load_imagenet_resnet18(published(tmp_path / "resnet18.pth"))
    weights = colour_weights()
    grey = torch.rand(2, 1, 64, 64)
    in_colour = torch.nn.functional.conv2d(
        grey.expand(2, 3, 64, 64), weights["conv1.weight"], stride=2, padding=3
    )
    torch.testing.assert_close(encoder.conv1(grey), in_colour, rtol=1e-4, atol=1e-4)
    kept = encoder.state_dict()
    others = kept.keys() - {"conv1.weight"}
    assert len(others) == 119 and all(torch.equal(kept[key], weights[key]) for key in others)


def published_network(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) → (N, 512): ResNet-18 up to its classifier, step by step from the published names (He et al. 2016)."""
    functional = torch.nn.functional

    def convolved(x, name, stride, norm):
        weight = weights[f"{name}.weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(weights[f"{norm}.{part}"] for part in parts))

    x = convolved(x, "conv1", 2, "bn1").relu()
    x = functional.max_pool2d(x, 3, stride=2, padding=1)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = convolved(x, f"{name}.conv1", stride, f"{name}.bn1").relu()
            y = convolved(y, f"{name}.conv2", 1, f"{name}.bn2")
            if stride == 2:
                x = convolved(x, f"{name}.downsample.0", 2, f"{name}.downsample.1")
            x = (x + y).relu()
    return x.mean(dim=(2, 3))


@torch.no_grad()
def test_a_grey_images_representation_is_that_of_the_published_network(tmp_path):
    weights = colour_weights(1)
    random = torch.Generator().manual_seed(1)
    for key in weights:
        if key.endswith(("running_var", "bn1.weight", "bn2.weight", "downsample.1.weight")):
            weights[key] = 0.5 + torch.rand(weights[key].shape, generator=random)
        elif key.endswith(("running_mean", "bias")):
            weights[key] = 0.2 * torch.randn(weights[key].shape, generator=random)
    weights["conv1.weight"] *= 0.05
    torch.save(weights, tmp_path / "resnet18.pth")
    encoder = load_imagenet_resnet18(tmp_path / "resnet18.pth").eval()
    grey = torch.rand(2, 1, 97, 64, generator=random)
    expected = published_network(weights, grey.expand(2, 3, 97, 64))
    assert expected.std() > 0.01
    torch.testing.assert_close(encoder(grey), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["safetensors", "without classifier", "from before 2018", "half"])
def test_the_forms_in_which_it_is_passed_on(tmp_path, form):
    weights = colour_weights()
    path = tmp_path / "resnet18.pth"
    if form == "safetensors":
        path = tmp_path / "resnet18.safetensors"
        safetensors.torch.save_file(weights, path)
    else:
        if form == "without classifier":
            weights = {key: value for key, value in weights.items() if key[:3] != "fc."}
        if form == "from before 2018":
            weights = {key: value for key, value in weights.items() if "batches" not in key}
        if form == "half":
            weights = {key: value.half() for key, value in weights.items()}
        torch.save(weights, path, _use_new_zipfile_serialization=form != "from before 2018")
    encoder = load_imagenet_resnet18(path)
    summed = colour_weights()["conv1.weight"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(encoder.conv1.weight.detach(), summed, atol=5e-3, rtol=1e-3)
    assert all(p.dtype == torch.float32 for p in encoder.parameters())


def damage(weights: dict, kind: str) -> object:
    if kind == "missing":
        del weights["layer3.0.downsample.0.weight"]
    elif kind == "renamed":
        return {f"module.{key}": value for key, value in weights.items()}
    elif kind == "extra":
        weights["layer5.weight"] = torch.ones(1)
    elif kind == "grey already":
        weights["conv1.weight"] = weights["conv1.weight"][:, :1]
    elif kind == "not finite":
        weights["bn1.bias"][3] = torch.nan
    elif kind == "no tensor":
        weights["bn1.bias"] = 1.0
    elif kind == "resnet34":
        weights["layer1.2.conv1.weight"] = torch.ones(64, 64, 3, 3)
    else:
        return [1, 2, 3]
    return weights


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("missing", "keys", "missing layer3.0.downsample.0.weight, unknown none"),
        ("renamed", "keys", "and 97 more, unknown module.conv1.weight"),
        ("extra", "keys", "missing none, unknown layer5.weight"),
        ("resnet34", "keys", "unknown layer1.2.conv1.weight"),
        ("grey already", "shape", "conv1.weight is [64, 1, 7, 7]"),
        ("not finite", "shape", "bn1.bias is [64]; expected finite numbers"),
        ("no tensor", "shape", "bn1.bias is float"),
        ("list", "unreadable", "Not a file of weights"),
    ],
)
def test_other_weights_are_refused_by_name(tmp_path, kind, code, said):
    torch.save(damage(colour_weights(), kind), tmp_path / "w.pth")
    with pytest.raises(InputError) as refused:
        load_imagenet_resnet18(tmp_path / "w.pth")
    assert refused.value.code == f"weights.{code}" and said in refused.value.message
    assert (
        refused.value.file == str(tmp_path / "w.pth") and "resnet18-f37072fd" in refused.value.hint
    )


class RunsCode:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": RunsCode()}, tmp_path / "w.pth")
    with pytest.raises(InputError) as refused:
        load_imagenet_resnet18(tmp_path / "w.pth")
    assert refused.value.code == "weights.unreadable" and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors", "empty.pth", "text.pth"])
def test_a_damaged_file_is_refused(tmp_path, name):
    whole = tmp_path / "whole.pth"
    content = published(whole).read_bytes()[:100_000] if "cut" in name else b""
    (tmp_path / name).write_bytes(b"not weights" if "text" in name else content)
    with pytest.raises(InputError) as refused:
        load_imagenet_resnet18(tmp_path / name)
    assert refused.value.code == "weights.unreadable"


def test_it_is_a_resnet18_of_ours(tmp_path):
    encoder = load_imagenet_resnet18(published(tmp_path / "resnet18.pth"))
    assert isinstance(encoder, ResNet18) and encoder(torch.rand(1, 1, 64, 64)).shape == (1, 512)
