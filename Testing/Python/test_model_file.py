"""One file, standard operators, the same numbers as torch, and a seal that shows any change."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from scipy.special import expit
from small_model import IMAGE_SIZE, write_small_model

from WSPCirrhosisLib import onnx_bytes
from WSPCirrhosisLib.classifier import Slices, bootstrap_classifiers, fit_classifier
from WSPCirrhosisLib.encoders import build_encoder
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.model_card import METADATA_KEY, ModelCard, as_text
from WSPCirrhosisLib.model_export import (
    OUTPUTS,
    FittedHead,
    PredictionGraph,
    export_model,
    graph_bytes,
)
from WSPCirrhosisLib.model_file import ModelFile, verify
from WSPCirrhosisLib.reference_distribution import fit_whitening
from WSPCirrhosisLib.representations import frozen, represent
from WSPCirrhosisLib.slice_maps import WholeSlices


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.onnx")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """(20, S, S) uint8, five patients of four slices; smooth blobs, the odd patients brighter."""
    random = np.random.default_rng(0)
    coarse = random.normal(size=(20, 10, 10)).repeat(16, axis=1).repeat(16, axis=2)
    level = 90 + 25 * (np.arange(20) // 4 % 2)
    noise = random.normal(size=(20, IMAGE_SIZE, IMAGE_SIZE))
    return np.clip(level[:, None, None] + 40 * coarse + 10 * noise, 0, 250).astype(np.uint8)


def fitted_head(encoder, images) -> FittedHead:
    """A classifier really fitted on these images' representations."""
    slices = Slices(
        represent(encoder, images).astype(float), np.arange(20) // 4, np.array([0, 1, 0, 1, 0])
    )
    fitted = fit_classifier(slices)
    bootstrap = bootstrap_classifiers(slices, fitted, resamples=30)
    return FittedHead(fitted, *bootstrap, fit_whitening(slices.values, slices.patient))


def encoder_in_use(name: str, images: np.ndarray):
    """An encoder whose batch statistics, where it has any, come from images as in training."""
    encoder = build_encoder(name, seed=0)
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1
    if norms:
        with torch.inference_mode():
            encoder.train()(torch.from_numpy(images[:, None]).float() / 250)
    return encoder.eval()


@pytest.mark.parametrize("name", ["tinynet", "resnet18"])
def test_onnx_and_torch_agree_and_contributions_add_up(name, images, model_path, tmp_path):
    encoder = encoder_in_use(name, images)
    head = fitted_head(encoder, images)
    card = replace(ModelFile.load(model_path).card, bias=head.classifier.linear.bias)
    export_model(encoder, head, card, tmp_path / "model.onnx")

    outputs = ModelFile.load(tmp_path / "model.onnx").run(images)

    with torch.inference_mode():
        graph = PredictionGraph(encoder, head, IMAGE_SIZE)
        graph.maps = WholeSlices(encoder)
        expected = dict(zip(OUTPUTS, graph(torch.from_numpy(images[:, None])), strict=True))
    assert set(outputs) == set(OUTPUTS)
    for output in ("representation", "contribution"):
        np.testing.assert_allclose(outputs[output], expected[output], atol=1e-5, err_msg=output)
    # A logit has no bound: it is a sum of hundreds of terms in float32, each with its own rounding. What is reported,
    # the probability, has one.
    for output in ("slice_logit", "bootstrap_logit"):
        ours, theirs = (np.asarray(o[output]) for o in (outputs, expected))
        np.testing.assert_allclose(expit(ours), expit(theirs), rtol=0, atol=1e-5, err_msg=output)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=output)
    np.testing.assert_allclose(outputs["distance"], expected["distance"], rtol=1e-3)
    np.testing.assert_allclose(outputs["representation"], represent(encoder, images), atol=1e-5)
    linear = head.classifier.linear
    np.testing.assert_allclose(
        outputs["slice_logit"], linear.logits(represent(encoder, images)), atol=1e-4
    )
    sums = outputs["contribution"].sum(axis=(1, 2), dtype=float)
    np.testing.assert_allclose(sums + linear.bias, outputs["slice_logit"], atol=1e-4)
    distances = head.whitening.distances(represent(encoder, images))
    np.testing.assert_allclose(outputs["distance"], distances, rtol=1e-2)


@pytest.mark.parametrize("name", ["tinynet", "resnet18"])
def test_an_encoder_frozen_for_many_slices_gives_what_torch_gives(name, images):
    encoder = encoder_in_use(name, images)
    encode = frozen(encoder, IMAGE_SIZE)
    np.testing.assert_allclose(encode(images), represent(encoder, images), rtol=0, atol=1e-5)


def test_the_same_fit_gives_the_same_bytes_that_name_no_path(images):
    encoder = build_encoder("tinynet", seed=0).eval()
    head = fitted_head(encoder, images)
    first, second = (graph_bytes(encoder, head, IMAGE_SIZE) for _ in range(2))
    assert first == second
    assert str(Path(__file__).parents[2]).encode() not in first
    assert b"encoders.py" not in first and b"site-packages" not in first


def test_only_standard_operators_and_nothing_outside(model_path):
    model = onnx.load(model_path)
    assert {opset.domain for opset in model.opset_import} == {""}
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    onnx.checker.check_model(model, full_check=True)


def test_how_many_slices_at_once_makes_no_difference(model_path, images):
    model = ModelFile.load(model_path, threads=1)
    together = model.run(images)
    alone = [model.run(image[None]) for image in images]
    for name, values in together.items():
        np.testing.assert_allclose(
            values, np.concatenate([outputs[name] for outputs in alone]), atol=1e-5
        )


def test_images_of_another_size_are_refused(model_path):
    with pytest.raises(ValueError, match="uint8 expected"):
        ModelFile.load(model_path).run(np.zeros((1, 128, 128), np.uint8))


def test_card_survives_the_way_through_json(model_path):
    card = ModelFile.load(model_path).card
    assert ModelCard.from_json(card.to_json()) == card
    assert card.as_json()["model_id"] == card.identity() == card.model_id
    assert "SYNTHETIC" in as_text(card.as_json())
    assert "SYNTHETIC" not in as_text({**card.as_json(), "synthetic": False})


def test_verify_runs_the_model(model_path):
    found = verify(model_path)
    assert found["model_id"] == ModelFile.load(model_path).card.model_id
    assert found["contribution_error"] < 1e-4


def refusal(content: bytes, path: Path) -> InputError:
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        ModelFile.load(path)
    assert refused.value.file == str(path)
    assert refused.value.hint
    return refused.value


def without_metadata(content: bytes) -> bytes:
    parts = [
        content[field.start : field.end]
        for field in onnx_bytes.fields(content)
        if field.number != onnx_bytes.MODEL_METADATA
    ]
    return b"".join(parts)


def with_card(content: bytes, card: str) -> bytes:
    return onnx_bytes.with_metadata(without_metadata(content), {METADATA_KEY: card})


def test_a_changed_weight_is_noticed(model_path, tmp_path):
    content = bytearray(model_path.read_bytes())
    content[len(content) // 2] ^= 1
    assert refusal(bytes(content), tmp_path / "changed.onnx").code == "model.corrupt"


def test_a_changed_card_is_noticed(model_path, tmp_path):
    model = ModelFile.load(model_path)
    lighter = replace(model.card, synthetic=False).to_json()
    error = refusal(with_card(model_path.read_bytes(), lighter), tmp_path / "changed.onnx")
    assert error.code == "model.corrupt"
    assert "card" in error.message


@pytest.mark.parametrize("card", ["[" * 100_000, "[]", "{}"])
def test_what_is_no_card_is_refused(model_path, tmp_path, card):
    error = refusal(with_card(model_path.read_bytes(), card), tmp_path / "no card.onnx")
    assert error.code == "model.corrupt"


def test_a_card_whose_name_is_no_text_is_refused(model_path):
    card = ModelFile.load(model_path).card.as_json() | {"name": {"first": "A"}}
    with pytest.raises(InputError, match="name is not a text"):
        ModelCard.from_json(json.dumps(card))


@pytest.mark.parametrize("share", [0.1, 0.7, 0.999])
def test_a_file_cut_off_is_noticed(model_path, tmp_path, share):
    content = model_path.read_bytes()
    error = refusal(content[: int(len(content) * share)], tmp_path / "cut.onnx")
    assert error.code in ("model.unreadable", "model.not_ours")


@pytest.mark.parametrize("content", [b"", b"patient_id,volume,mask\n", bytes(1000), b"\xff" * 50])
def test_what_is_no_onnx_is_unreadable(tmp_path, content):
    assert refusal(content, tmp_path / "no.onnx").code == "model.unreadable"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"model\.missing"):
        ModelFile.load(tmp_path / "missing.onnx")


def test_somebody_elses_model_is_not_ours(model_path, tmp_path):
    content = without_metadata(model_path.read_bytes())
    assert refusal(content, tmp_path / "other.onnx").code == "model.not_ours"


def test_a_newer_format_asks_for_an_update(model_path, tmp_path):
    card = replace(ModelFile.load(model_path).card, format_version=99).to_json()
    error = refusal(with_card(model_path.read_bytes(), card), tmp_path / "newer.onnx")
    assert error.code == "model.newer_format"
    assert "Update" in error.hint


@pytest.mark.parametrize("what", ["operator", "weights"])
def test_a_sealed_model_that_reaches_outside_is_refused(model_path, tmp_path, what):
    """Even with a card that fits: neither foreign operators nor weights from another file may run."""
    domain = "evil.example" if what == "operator" else ""
    node = helper.make_node("Identity", ["images"], ["out"], domain=domain)
    value = helper.make_tensor_value_info("images", TensorProto.UINT8, [1])
    out = helper.make_tensor_value_info("out", TensorProto.UINT8, [1])
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    weights = [outside] if what == "weights" else []
    content = helper.make_model(
        helper.make_graph([node], "g", [value], [out], weights)
    ).SerializeToString()
    card = ModelFile.load(model_path).card.sealed(onnx_bytes.graph_sha256(content))
    error = refusal(
        onnx_bytes.with_metadata(content, {METADATA_KEY: card.to_json()}), tmp_path / "evil.onnx"
    )
    assert error.code == "model.corrupt"
    assert "ours never do" in error.message
