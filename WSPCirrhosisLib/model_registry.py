"""Which models there are: those that came with the extension, those of lists, and those the user added.

The user's folder holds copies, verified when they came; nothing in it is ever overwritten. Models of lists that are not
here yet have the place where `downloads` or `ModelRegistry.add` puts them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from . import onnx_bytes
from .errors import InputError
from .files import output_errors, sha256_of, write_whole
from .model_card import METADATA_KEY, ModelCard
from .model_file import ModelFile
from .model_list import ModelEntry, read_model_list

LIST_NAME = "models.json"
# Beside this library, in the source tree as in an installed extension.
SHIPPED_FOLDER = Path(__file__).resolve().parent.parent / "Resources" / "Models"


@dataclass(frozen=True)
class KnownModel:
    """A model that can be used or fetched.

    Args:
        name: shown to the user; no two of a registry have the same.
        path: the file; where it will be when it is not here yet.
        entry: what a list says of it; None for a file the user added.
        shipped: came with the extension.
    """

    name: str
    path: Path
    entry: ModelEntry | None = None
    shipped: bool = False

    @property
    def is_here(self) -> bool:
        return self.path.is_file()


class ModelRegistry:
    """The models of a shipped folder and of the user's own.

    Args:
        own: the user's folder; made when something is added.
        shipped: folder with the extension's ``models.json`` and model files.
    """

    def __init__(self, own: str | Path, shipped: str | Path = SHIPPED_FOLDER) -> None:
        self.own, self.shipped = Path(own), Path(shipped)

    def models(self) -> tuple[list[KnownModel], list[InputError]]:
        """What there is, the shipped ones first, and what is wrong with lists and files that had to be left out."""
        problems: list[InputError] = []
        known: list[KnownModel] = []
        hashes: set[str] = set()
        for file in (self.shipped / LIST_NAME, *sorted(self.own.glob("*.json"))):
            try:
                entries = read_model_list(file)
            except InputError as error:
                problems.append(error)
                continue
            for entry in entries:
                if entry.sha256 not in hashes:
                    hashes.add(entry.sha256)
                    known.append(self._listed(entry, file))
        taken = {model.path for model in known}
        for path in sorted(self.own.glob("*.onnx")):
            if path not in taken:
                try:
                    known.append(KnownModel(card_of(path).name, path))
                except InputError as error:
                    problems.append(error)
        return _named_apart(known), problems

    def place_of(self, entry: ModelEntry) -> Path:
        """Where a listed model's file belongs; the hash keeps versions of one name apart."""
        name = Path(entry.file)
        return self.own / f"{name.stem}-{entry.sha256[:8]}{name.suffix}"

    def add(self, path: str | Path) -> Path:
        """Take a model file, or a list of models, into the user's folder.

        A file that a list waits for takes its place, so that a model can be fetched by hand where there is no network.

        Returns:
            The copy's path; of what was there already when it is the same.

        Raises:
            InputError: ``model.*`` or ``models.*`` (what is given is no good), ``model.other_hash`` (a list names
                this file with another SHA-256), ``output.*``.
        """
        path = Path(path)
        if path.suffix.lower() == ".json":
            read_model_list(path)
            return self._copy(path, path.name)
        model = ModelFile.load(path)
        listed = [(known, known.entry) for known in self.models()[0] if known.entry]
        for known, entry in listed:
            if entry.sha256 == model.sha256:
                return known.path if known.is_here else self._copy(path, known.path.name)
        for known, entry in listed:
            if entry.file == path.name and not known.is_here:
                raise InputError(
                    "model.other_hash",
                    f"A list has “{entry.name}” with SHA-256 {entry.sha256}, this file has {model.sha256}.",
                    file=path,
                    hint="Get the file again. If it is meant to be another model, give it another name first.",
                )
        return self._copy(path, path.name)

    def _listed(self, entry: ModelEntry, file: Path) -> KnownModel:
        beside = self.shipped / entry.file
        if file.parent == self.shipped and beside.is_file():
            return KnownModel(entry.name, beside, entry, shipped=True)
        return KnownModel(entry.name, self.place_of(entry), entry)

    def _copy(self, source: Path, name: str) -> Path:
        digest = sha256_of(source)
        target = self.own / name
        if target.exists() and sha256_of(target) != digest:
            target = self.own / f"{target.stem}-{digest[:8]}{target.suffix}"
        if target.exists():
            return target
        with output_errors(target):
            self.own.mkdir(parents=True, exist_ok=True)
        with open(source, "rb") as stream, write_whole(target, "wb") as copy:
            shutil.copyfileobj(stream, copy)
        return target


def card_of(path: str | Path) -> ModelCard:
    """A model file's card, unverified: enough to name the model. `ModelFile.load` verifies.

    Raises:
        InputError: ``model.missing``, ``model.unreadable``, ``model.not_ours``, ``model.newer_format``.
    """
    path = Path(path)
    try:
        facts = path.stat()
        return _card_of(path, facts.st_mtime_ns, facts.st_size)
    except FileNotFoundError:
        raise InputError("model.missing", "No such file.", file=path) from None
    except (OSError, ValueError) as error:
        raise InputError(
            "model.unreadable",
            f"Not a model file, or damaged ({getattr(error, 'strerror', None) or error}).",
            file=path,
        ) from None
    except InputError as error:
        raise InputError(error.code, error.message, file=path, hint=error.hint) from None


@lru_cache(maxsize=64)
def _card_of(path: Path, changed_ns: int, size: int) -> ModelCard:
    metadata = onnx_bytes.metadata(path.read_bytes())
    if METADATA_KEY not in metadata:
        raise InputError("model.not_ours", "An ONNX model without the card WSPCirrhosis writes.")
    return ModelCard.from_json(metadata[METADATA_KEY])


def _named_apart(models: list[KnownModel]) -> list[KnownModel]:
    names = [model.name for model in models]
    return [
        model
        if names.count(model.name) == 1 or model.shipped
        else KnownModel(f"{model.name} ({model.path.stem})", model.path, model.entry)
        for model in models
    ]
