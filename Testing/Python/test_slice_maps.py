"""Leaving out the air changes no number, wherever the body lies."""

import numpy as np
import onnx
import pytest
import torch

from WSPCirrhosisLib.encoders import ENCODERS, build_encoder
from WSPCirrhosisLib.onnx_graph import exported
from WSPCirrhosisLib.onnx_session import OnnxSession
from WSPCirrhosisLib.slice_maps import slice_maps

SIZE = 192
BODIES = {
    "everywhere": np.s_[:, :, :],
    "in the middle": np.s_[:, 90:101, 70:125],
    "at the top": np.s_[:, :9, 60:90],
    "at the bottom right": np.s_[:, 180:, 170:],
    "one pixel in a corner": np.s_[:, :1, :1],
    "one pixel that no feature sees": np.s_[:, -1:, -1:],
    "in one slice of three": np.s_[1:2, 40:60, 100:140],
    "nowhere": np.s_[:0],
}


def slices(body):
    images = np.zeros((3, SIZE, SIZE), dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 251, images.shape, dtype=np.uint8)
    images[BODIES[body]] = noise[BODIES[body]]
    return images


@pytest.fixture(scope="module")
def encoder():
    """In which air is nothing like zero."""
    encoder = build_encoder("tinynet", 0).eval()
    generator = torch.Generator().manual_seed(0)
    for conv in encoder.children():
        torch.nn.init.normal_(conv.bias, std=0.3, generator=generator)
    return encoder


@pytest.fixture(scope="module")
def graph(encoder) -> bytes:
    return exported(slice_maps(encoder, SIZE).eval(), SIZE, ["maps"])


@pytest.mark.parametrize("body", BODIES)
@torch.inference_mode()
def test_maps_without_the_air_are_the_encoders(encoder, graph, body):
    images = slices(body)
    expected = encoder.feature_maps(torch.from_numpy(images[:, None]).float() / 250)
    assert expected.abs().max() > 0.1
    maps = OnnxSession(graph).run(images, len(images))["maps"]
    np.testing.assert_allclose(maps, expected, rtol=0, atol=2e-6)


def test_air_is_left_out(graph):
    model = onnx.load_from_string(graph)
    (cut,) = (
        node
        for node in model.graph.node
        if [*node.input][:1] == ["images"] and node.op_type == "Slice"
    )
    model.graph.output.append(onnx.ValueInfoProto(name=cut.output[0]))
    seen = OnnxSession(model.SerializeToString()).run(slices("in the middle"), 3)[cut.output[0]]
    # 11 × 55 pixels and what looks at them.
    assert seen.shape == (3, 1, 76, 116)


def test_the_module_is_only_to_be_exported(encoder):
    with pytest.raises(RuntimeError, match="does not compute"):
        slice_maps(encoder, SIZE)(torch.zeros((1, 1, SIZE, SIZE), dtype=torch.uint8))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_stem_looks_where_it_says(name):
    encoder = build_encoder(name, 0).double().eval()
    stem = encoder.stem
    if stem is None:
        return
    size = stem.reach + 5 * stem.step
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1e-2)
    images = torch.rand(1, 1, size, size, dtype=torch.float64)
    maps = encoder.early_maps(images)
    assert maps.shape[2:] == (6, 6)
    for j in (0, 2, 5):
        around = images.clone()
        inside = np.s_[..., stem.step * j : stem.step * j + stem.reach]
        around[:] = 0
        around[inside] = images[inside]
        changed = encoder.early_maps(around)
        assert torch.equal(changed[..., j], maps[..., j])
        if 0 < j < 5:
            assert not torch.equal(changed[..., j - 1], maps[..., j - 1])
            assert not torch.equal(changed[..., j + 1], maps[..., j + 1])
