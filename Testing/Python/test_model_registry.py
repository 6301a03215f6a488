"""Which models there are: the shipped one, lists with hashes, files the user adds; nothing bad comes in."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import DEMO_MODEL

from WSPCirrhosisLib import model_list
from WSPCirrhosisLib.errors import InputError
from WSPCirrhosisLib.files import sha256_of
from WSPCirrhosisLib.model_file import ModelFile
from WSPCirrhosisLib.model_list import read_model_list
from WSPCirrhosisLib.model_registry import SHIPPED_FOLDER, ModelRegistry, card_of

ENTRY = {
    "name": "liver A",
    "file": "liver-a.onnx",
    "sha256": "ab" * 32,
    "size_bytes": 5_000_000,
    "synthetic": False,
    "licence": "CC-BY-4.0",
    "url": "https://example.org/liver-a.onnx",
}


def write_list(path: Path, *entries: dict, **more) -> Path:
    path.write_text(json.dumps({"schema_version": 1, "models": entries, **more}), encoding="utf-8")
    return path


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "own")


def test_the_shipped_list_names_the_shipped_model_with_its_hash_and_card(registry):
    (demo,), problems = registry.models()
    assert problems == [] and demo.shipped and demo.is_here and demo.path == DEMO_MODEL
    assert demo.entry.sha256 == sha256_of(demo.path)
    assert demo.entry.size_bytes == demo.path.stat().st_size
    card = ModelFile.load(demo.path).card
    assert (card.name, card.synthetic, card.licence) == (
        demo.entry.name,
        demo.entry.synthetic,
        demo.entry.licence,
    )
    assert card_of(demo.path) == card


def test_the_published_schema_and_the_check_say_the_same():
    schema = json.loads((SHIPPED_FOLDER / "models.schema.json").read_text("utf-8"))
    model = schema["properties"]["models"]["items"]
    assert set(model["required"]) == model_list.REQUIRED
    assert model["properties"].keys() == model_list.REQUIRED | model_list.OPTIONAL
    patterns = {name: rule.get("pattern") for name, rule in model["properties"].items()}
    assert patterns["file"] == f"^{model_list.FILE_PATTERN}$"
    assert patterns["sha256"] == f"^{model_list.SHA256_PATTERN}$"
    assert patterns["url"] == f"^{model_list.URL_PATTERN}$"
    assert schema["properties"]["schema_version"] == {"const": model_list.SCHEMA_VERSION}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "AB" * 32}, "sha256 is .* 64 lower-case hexadecimal"),
        ({"file": "../evil.onnx"}, "file is .* without folders"),
        ({"file": "model.pkl"}, "ends in .onnx"),
        ({"url": "ftp://x/y"}, "begins with https"),
        ({"size_bytes": True}, "whole number"),
        ({"synthetic": "no"}, "true or false"),
        ({"name": " "}, "name is"),
        ({"colour": "red"}, "unknown colour"),
        ({"licence": None}, "licence is null"),
    ],
)
def test_a_bad_field_of_a_list_is_named(tmp_path, change, said):
    good = {**ENTRY, "name": "B", "file": "b.onnx", "sha256": "cd" * 32}
    path = write_list(tmp_path / "list.json", good, {**ENTRY, **change})
    with pytest.raises(InputError, match="Model 2") as caught:
        read_model_list(path)
    assert caught.value.code == "models.invalid" and re.search(said, caught.value.message)
    assert caught.value.file == str(path)


def test_what_is_no_list_is_refused(tmp_path):
    for text, code in (
        ("{", "models.unreadable"),
        ("[" * 100_000, "models.unreadable"),
        ("[]", "models.invalid"),
        ('{"schema_version": 2, "models": []}', "models.newer_format"),
        ('{"schema_version": 1, "models": [3]}', "models.invalid"),
        ('{"schema_version": 1, "models": [], "x": 1}', "models.invalid"),
    ):
        (tmp_path / "list.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_model_list(tmp_path / "list.json")
        assert caught.value.code == code, text
    with pytest.raises(InputError, match="Two models have the sha256"):
        read_model_list(
            write_list(tmp_path / "l.json", ENTRY, {**ENTRY, "name": "x", "file": "x.onnx"})
        )


def test_a_users_list_adds_models_to_fetch(registry, tmp_path):
    registry.add(write_list(tmp_path / "ours.json", ENTRY))
    demo, listed = registry.models()[0]
    assert demo.shipped and not listed.is_here
    assert (listed.name, listed.entry.url) == ("liver A", ENTRY["url"])
    assert listed.path == tmp_path / "own" / "liver-a-abababab.onnx"


def test_a_bad_list_in_the_users_folder_is_told_and_hides_nothing_else(registry, tmp_path):
    registry.own.mkdir()
    (registry.own / "broken.json").write_text("{", encoding="utf-8")
    (registry.own / "junk.onnx").write_bytes(b"\x0a\xff\xff")
    models, problems = registry.models()
    assert [model.name for model in models] == ["phantom demo"]
    assert {problem.code for problem in problems} == {"models.unreadable", "model.unreadable"}


def test_a_model_fetched_by_hand_takes_the_place_its_list_has_for_it(tmp_path):
    empty = tmp_path / "shipped"
    empty.mkdir()
    entry = {**ENTRY, "file": "demo.onnx", "sha256": sha256_of(DEMO_MODEL)}
    write_list(empty / "models.json", entry)
    registry = ModelRegistry(tmp_path / "own", empty)
    (waiting,) = registry.models()[0]
    assert not waiting.is_here
    assert registry.add(DEMO_MODEL) == waiting.path
    assert registry.models()[0][0].is_here and sha256_of(waiting.path) == entry["sha256"]


def test_a_file_with_a_listed_name_and_another_hash_is_refused(registry, tmp_path):
    registry.add(write_list(tmp_path / "ours.json", {**ENTRY, "file": "other.onnx"}))
    shutil.copy(small_model(tmp_path), tmp_path / "other.onnx")
    with pytest.raises(InputError) as caught:
        registry.add(tmp_path / "other.onnx")
    assert caught.value.code == "model.other_hash" and ENTRY["sha256"] in caught.value.message


def test_added_models_are_verified_copies_that_replace_nothing(registry, tmp_path):
    first = small_model(tmp_path)
    copy = registry.add(first)
    assert copy.parent == registry.own and copy.read_bytes() == first.read_bytes()
    assert registry.add(first) == copy, "the same again is the same"
    registry.own.joinpath("model.onnx").write_bytes(b"somebody's")
    again = registry.add(first)
    assert again != copy and (registry.own / "model.onnx").read_bytes() == b"somebody's"
    assert registry.add(DEMO_MODEL) == DEMO_MODEL, "the shipped one is here already"


def test_a_damaged_model_does_not_come_in(registry, tmp_path):
    content = bytearray(DEMO_MODEL.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(InputError) as caught:
        registry.add(tmp_path / "bad.onnx")
    assert caught.value.code == "model.corrupt"
    assert not registry.own.exists()


def test_two_models_of_one_name_are_told_apart(registry, tmp_path):
    model = small_model(tmp_path)
    registry.add(model)
    shutil.copy(model, registry.own / "copy.onnx")
    names = [known.name for known in registry.models()[0]]
    assert len(set(names)) == len(names) == 3


def small_model(folder: Path) -> Path:
    """A model of our own with another name than the shipped one: the demo's graph under a new card."""
    from dataclasses import replace

    from WSPCirrhosisLib import onnx_bytes
    from WSPCirrhosisLib.model_card import METADATA_KEY

    content = DEMO_MODEL.read_bytes()
    card = ModelFile.load(DEMO_MODEL).card
    bare = b"".join(
        content[field.start : field.end]
        for field in onnx_bytes.fields(content)
        if field.number != onnx_bytes.MODEL_METADATA
    )
    card = replace(card, name="mine").sealed(onnx_bytes.graph_sha256(bare))
    path = folder / "model.onnx"
    path.write_bytes(onnx_bytes.with_metadata(bare, {METADATA_KEY: card.to_json()}))
    return path
