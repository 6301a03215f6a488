"""Write files and folders whole or not at all, and never over something that is there unasked."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .errors import InputError
from .stop_signals import held_back


@contextmanager
def write_whole(path: str | Path, mode: str = "w", option: str = "--output") -> Iterator[IO]:
    """Open a file that appears under its name only when the block ends without an error.

    Args:
        option: of the command line, that says where the file goes.

    Raises:
        InputError: ``output.not_writable`` or ``output.disk_full``; the old file, if any, is as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with output_errors(path, option):
        try:
            text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
            with open(temporary, mode, **text) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with held_back(), suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def write_json(path: str | Path, data: Any) -> None:
    with write_whole(path) as stream:
        json.dump(data, stream, indent=2, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


@contextmanager
def new_folder(
    path: str | Path, overwrite: bool = False, known: Collection[str] = ()
) -> Iterator[Path]:
    """Give a temporary sibling folder that takes the name `path` when the block ends without an error.

    Args:
        path: the folder to make; a link to a folder is followed.
        overwrite: replace what an earlier run left there, at the end.
        known: names of files that such a run writes; a folder that holds any other file is never replaced.

    Raises:
        InputError: ``output.*``; nothing is left behind.
    """
    path = Path(os.path.realpath(path))
    refuse_existing(path, overwrite, known)
    # Parents that this call makes are taken away again on failure; those that were there stay.
    made = [parent for parent in path.parents if not parent.exists()]
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    replaced = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    with output_errors(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            # Again: somebody may have put something there in the meantime.
            refuse_existing(path, overwrite, known)
            if path.exists():
                os.replace(path, replaced)
            os.replace(temporary, path)
        except BaseException:
            with held_back():
                if replaced.exists() and not path.exists():
                    os.replace(replaced, path)
                shutil.rmtree(temporary, ignore_errors=True)
                for parent in made:
                    with suppress(OSError):
                        parent.rmdir()
            raise
    shutil.rmtree(replaced, ignore_errors=True)


def refuse_existing(
    path: str | Path, overwrite: bool = False, known: Collection[str] | None = None
) -> None:
    """Raise ``output.exists`` when something is there that must stay; an empty folder counts as nothing.

    Args:
        path: file or folder that is about to be written.
        overwrite: whether the user asked to replace it.
        known: for a folder, the names of the files that may be in it; None for a file.
    """
    path = Path(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if path.is_dir() != (known is not None):
        kinds = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
        raise InputError(
            "output.exists",
            f"{kinds[0].capitalize()} is there, where {kinds[1]} would be written.",
            file=path,
            hint="Choose another --output.",
        )
    if not overwrite:
        raise InputError(
            "output.exists",
            "The output exists already and would be replaced.",
            file=path,
            hint="Choose another --output, or replace it with --overwrite where the command has that.",
        )
    if path.is_dir():
        others = (
            file
            for file in path.rglob("*")
            if not file.is_dir() and _UNFINISHED.sub(r"\1", file.name) not in known
        )
        if (other := next(others, None)) is not None:
            raise InputError(
                "output.exists",
                f"The folder holds “{other.relative_to(path)}”, which no earlier run wrote; it is not replaced.",
                file=path,
                hint="Choose another --output, or a folder below this one.",
            )


def refuse_inside(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raise ``output.holds_input`` when writing `output` anew would take an input away."""
    output = Path(os.path.realpath(output))
    for source in inputs:
        if Path(os.path.realpath(source)).is_relative_to(output):
            raise InputError(
                "output.holds_input",
                f"“{Path(source).name}”, which is to be read, lies in it.",
                file=output,
                hint="Choose an --output apart from the input.",
            )


@contextmanager
def output_errors(path: str | Path, option: str = "--output") -> Iterator[None]:
    """Turn the system's refusals while writing `path`, which `option` gave, into errors that say what to do."""
    try:
        yield
    except (OSError, RuntimeError) as raised:
        # torch, writing into a file of ours, ends with a complaint of its own about what the system refused.
        error = raised if isinstance(raised, OSError) else raised.__context__
        if not isinstance(error, OSError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(
                "output.disk_full",
                "The disk is full; nothing was kept of this output.",
                file=path,
                hint=f"Free some space, or choose {option} on another disk.",
            ) from error
        if error.errno in _NOT_WRITABLE and _concerns(error, Path(path)):
            raise InputError(
                "output.not_writable",
                f"Cannot write here ({error.strerror}).",
                file=path,
                hint=f"Choose {option} in a folder that exists and that you may write to.",
            ) from error
        raise


def unfinished_in(folder: str | Path) -> set[Path]:
    """What processes that were killed in `write_whole` have left right in `folder`."""
    return {path for path in Path(folder).iterdir() if _UNFINISHED.match(path.name)}


# What `write_whole` leaves when its process is killed.
_UNFINISHED = re.compile(r"^\.(.+)\.[0-9a-f]{8}\.part$")
_NOT_WRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.ENOENT, errno.EEXIST, errno.ENAMETOOLONG),
)


def _concerns(error: OSError, path: Path) -> bool:
    """An unreadable INPUT met while the output is open is not the output's fault."""
    if error.filename is None:
        return True
    named, path = Path(os.path.abspath(error.filename)), Path(os.path.abspath(path))
    # Below it, beside it, or a folder above it that could not be made.
    return named.is_relative_to(path.parent) or path.is_relative_to(named)


def sha256_of(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
