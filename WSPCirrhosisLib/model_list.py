"""Read a list of models: a JSON file that names model files with their SHA-256 and, where there is one, their URL.

Its form is published in Resources/Models/models.schema.json; here it is checked with messages that say which model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError

SCHEMA_VERSION = 1
REQUIRED = {"name", "file", "sha256", "size_bytes", "synthetic", "licence"}
OPTIONAL = {"url", "description"}


@dataclass(frozen=True)
class ModelEntry:
    """One model of a list.

    Args:
        name: shown to the user.
        file: plain name of the model file, ending in .onnx.
        sha256: of the file, 64 lower-case hexadecimal digits.
        size_bytes: of the file.
        synthetic: made from phantoms; the model's card says it again and counts.
        licence: of the model, as an SPDX name where it has one.
        url: http or https; empty when the file comes with the list or by hand.
        description: a sentence or two.
    """

    name: str
    file: str
    sha256: str
    size_bytes: int
    synthetic: bool
    licence: str
    url: str = ""
    description: str = ""


def read_model_list(path: str | Path) -> list[ModelEntry]:
    """The models of a list, in its order.

    Raises:
        InputError: ``models.unreadable`` (no file, no JSON), ``models.newer_format`` or ``models.invalid``, which
            names the model and the field at fault.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refused("models.unreadable", f"Cannot be read ({error.strerror}).", path) from None
    except (ValueError, RecursionError) as error:
        raise _refused("models.unreadable", f"Not a JSON file ({error}).", path) from None
    try:
        return _entries(content)
    except InputError as error:
        raise InputError(error.code, error.message, file=path, hint=error.hint) from None


def _entries(content: Any) -> list[ModelEntry]:
    if not isinstance(content, dict) or not isinstance(content.get("models"), list):
        raise _refused("models.invalid", "No list of models: a “models” array is expected.")
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            "models.newer_format",
            f"The list has format {version}; this version reads up to {SCHEMA_VERSION}.",
            hint="Update WSPCirrhosis.",
        )
    if version is True or version != SCHEMA_VERSION:
        raise _refused(
            "models.invalid", f"schema_version is {version!r}; {SCHEMA_VERSION} is expected."
        )
    if unknown := content.keys() - {"$schema", "schema_version", "models"}:
        raise _refused("models.invalid", f"Unknown: {', '.join(sorted(unknown))}.")
    entries = [_entry(raw, number) for number, raw in enumerate(content["models"], start=1)]
    for field in ("name", "file", "sha256"):
        values = [getattr(entry, field) for entry in entries]
        if double := {value for value in values if values.count(value) > 1}:
            raise _refused("models.invalid", f"Two models have the {field} “{min(double)}”.")
    return entries


def _entry(raw: Any, number: int) -> ModelEntry:
    named = raw.get("name") if isinstance(raw, dict) else None
    which = f"Model {number}" + (f" (“{named}”)" if isinstance(named, str) and named else "")
    if not isinstance(raw, dict):
        raise _refused("models.invalid", f"{which} is not an object with fields.")
    if missing := REQUIRED - raw.keys():
        raise _refused("models.invalid", f"{which} lacks {', '.join(sorted(missing))}.")
    if unknown := raw.keys() - REQUIRED - OPTIONAL:
        raise _refused("models.invalid", f"{which}: unknown {', '.join(sorted(unknown))}.")
    for field, (is_right, expected) in _RULES.items():
        if field in raw and not is_right(raw[field]):
            found = json.dumps(raw[field], ensure_ascii=False)[:80]
            raise _refused("models.invalid", f"{which}: {field} is {found}; expected {expected}.")
    return ModelEntry(**raw)


def _matches(pattern: str):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


_TEXT = (_matches(r"(?s).*\S.*"), "a text")
# The patterns are those of the published schema; a test compares them.
FILE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._ -]*\.onnx"
SHA256_PATTERN = r"[0-9a-f]{64}"
URL_PATTERN = r"https?://[^\s]+"
_RULES = {
    "name": _TEXT,
    "file": (_matches(FILE_PATTERN), "a plain file name that ends in .onnx, without folders"),
    "sha256": (_matches(SHA256_PATTERN), "64 lower-case hexadecimal digits"),
    "size_bytes": (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
        "a whole number of bytes",
    ),
    "synthetic": (lambda value: isinstance(value, bool), "true or false"),
    "licence": _TEXT,
    "url": (_matches(URL_PATTERN), "an address that begins with https:// or http://"),
    "description": (lambda value: isinstance(value, str), "a text"),
}


def _refused(code: str, message: str, file: Path | None = None) -> InputError:
    hint = "Correct the list, or get it again; its form is described in models.schema.json."
    return InputError(code, message, file=file, hint=hint)
