"""The bytes of an ONNX file, field by field: enough to verify one and to read its card without the onnx package.

Source: protobuf's wire format (https://protobuf.dev/programming-guides/encoding) and onnx.proto3; field numbers of
both are fixed for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# onnx.proto3
MODEL_IR_VERSION, MODEL_GRAPH, MODEL_OPSET, MODEL_METADATA = 1, 7, 8, 14
MODEL_TRAINING, MODEL_FUNCTIONS = 20, 25
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION = 13, 14
OPSET_DOMAIN = 1
ENTRY_KEY, ENTRY_VALUE = 1, 2

STANDARD_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Field:
    """One field of a message: `value` is an int for varints, else bytes; start and end span key and value."""

    number: int
    wire_type: int
    value: int | memoryview
    start: int
    end: int


def fields(message: bytes | memoryview) -> Iterator[Field]:
    """The fields of a message in file order.

    Raises:
        ValueError: the bytes are not a protobuf message.
    """
    message = memoryview(message)
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError("field number 0")
        if wire_type == VARINT:
            value, at = _varint(message, at)
        elif wire_type in (BYTES, FIXED32, FIXED64):
            if wire_type == BYTES:
                length, at = _varint(message, at)
            else:
                length = 4 if wire_type == FIXED32 else 8
            if at + length > len(message):
                raise ValueError("ends in the middle of a field")
            value, at = message[at : at + length], at + length
        else:
            raise ValueError(f"wire type {wire_type}")
        yield Field(number, wire_type, value, start, at)


def graph_sha256(model: bytes) -> str:
    """SHA-256 of everything but the metadata (field 14), which holds this very hash."""
    digest = hashlib.sha256()
    for field in fields(model):
        if field.number != MODEL_METADATA:
            digest.update(memoryview(model)[field.start : field.end])
    return digest.hexdigest()


def metadata(model: bytes) -> dict[str, str]:
    """The model's metadata_props."""
    found = {}
    for entry in _messages(model, MODEL_METADATA):
        texts = {field.number: field.value for field in fields(entry)}
        found[_text(texts.get(ENTRY_KEY, b""))] = _text(texts.get(ENTRY_VALUE, b""))
    return found


def with_metadata(model: bytes, entries: dict[str, str]) -> bytes:
    """`model`, which has no metadata yet, with these entries behind its last byte."""
    for key, value in entries.items():
        entry = _bytes_field(ENTRY_KEY, key.encode()) + _bytes_field(ENTRY_VALUE, value.encode())
        model += _bytes_field(MODEL_METADATA, entry)
    return model


def is_model(model: bytes) -> bool:
    """Whether the bytes have an ONNX model's version, operator sets and graph."""
    numbers = {field.number for field in fields(model)}
    return {MODEL_IR_VERSION, MODEL_GRAPH, MODEL_OPSET} <= numbers


def extensions(model: bytes) -> list[str]:
    """What in the model goes beyond the standard operators in one file; nothing of it may be in ours."""
    found = set()
    for opset in _messages(model, MODEL_OPSET):
        found |= {
            f"operators of “{_text(field.value)}”"
            for field in fields(opset)
            if field.number == OPSET_DOMAIN and _text(field.value) not in STANDARD_DOMAINS
        }
    if any(field.number in (MODEL_FUNCTIONS, MODEL_TRAINING) for field in fields(model)):
        found.add("functions of its own")
    for graph in _messages(model, MODEL_GRAPH):
        found |= _graph_extensions(graph)
    return sorted(found)


def _graph_extensions(graph: memoryview) -> set[str]:
    found = set()
    for tensor in _messages(graph, GRAPH_INITIALIZER):
        found |= _tensor_extensions(tensor)
    for node in _messages(graph, GRAPH_NODE):
        for field in fields(node):
            if field.number == NODE_DOMAIN and _text(field.value) not in STANDARD_DOMAINS:
                found.add(f"operators of “{_text(field.value)}”")
            elif field.number == NODE_ATTRIBUTE:
                for inner in fields(field.value):
                    if inner.number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                        found |= _graph_extensions(inner.value)
                    elif inner.number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
                        found |= _tensor_extensions(inner.value)
    return found


def _tensor_extensions(tensor: memoryview) -> set[str]:
    outside = any(
        field.number == TENSOR_EXTERNAL_DATA
        or (field.number == TENSOR_DATA_LOCATION and field.value)
        for field in fields(tensor)
    )
    return {"weights in another file"} if outside else set()


def _messages(message: bytes | memoryview, number: int) -> Iterator[memoryview]:
    for field in fields(message):
        if field.number == number:
            if field.wire_type != BYTES:
                raise ValueError(f"field {number} is not a message")
            yield field.value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("ends in the middle of a number")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint_bytes(number << 3 | BYTES) + _varint_bytes(len(value)) + value


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: int | bytes | memoryview) -> str:
    if isinstance(value, int):
        raise ValueError("a number where a text belongs")
    return bytes(value).decode("utf-8")
