"""Fetch one file over HTTP into its place: resumed where it broke off, verified, then moved; nothing else ever appears.

What has come is kept beside the target in a ``.part`` file that is named for the expected SHA-256, so that a later call
goes on with it and a changed list never continues another file. Proxies are those of the environment.
"""

from __future__ import annotations

import errno
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from . import __version__
from .errors import InputError
from .events import Events
from .file_lock import take_lock
from .files import output_errors, sha256_of

BLOCK_BYTES = 1 << 18
TIMEOUT_S = 30
# Attempts that bring nothing; those that bring something start the count anew.
FRUITLESS_ATTEMPTS = 3
PAUSE_S = 1.0
PROGRESS_S = 0.2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BY_HAND = (
    "Without a network: download the file on another computer, bring it here and add it by hand; "
    "it is verified against the same SHA-256."
)


def download(
    url: str,
    target: str | Path,
    sha256: str,
    size_bytes: int | None = None,
    events: Events | None = None,
) -> Path:
    """Fetch `url` to `target`, unless the very file is there already.

    Args:
        url: http or https.
        target: where it goes; its folder is made.
        sha256: of the file, 64 hexadecimal digits.
        size_bytes: of the file, where it is known; a longer answer is refused at once.
        events: gets ``progress`` in bytes, stage ``download``.

    Returns:
        `target`.

    Raises:
        InputError: ``download.offline`` (no connection, or it broke off again and again), ``download.refused`` (the
            server said no), ``download.other_hash``, ``download.busy``, ``output.*``. What has come stays for a later
            call, except after a wrong hash.
    """
    target, sha256, events = Path(target), sha256.lower(), events or Events()
    if not url.lower().startswith(("https://", "http://")):
        raise InputError("download.refused", f"Not a web address: “{url}”.", hint=BY_HAND)
    if _is_there(target, sha256):
        return target
    part = target.with_name(f".{target.name}.{sha256[:12]}.part")
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as stream:
            if take_lock(stream, tries=1) is False:
                raise InputError(
                    "download.busy",
                    "The file is being downloaded already.",
                    hint="Wait for the other download, or end it.",
                )
            # Taking the lock moves the position on Windows.
            stream.seek(0, os.SEEK_END)
            _fetch(url, stream, size_bytes, events)
            stream.flush()
            os.fsync(stream.fileno())
        _verify(part, url, sha256)
        if not _is_there(target, sha256):
            os.replace(part, target)
    return target


def _is_there(target: Path, sha256: str) -> bool:
    if not target.exists():
        return False
    if sha256_of(target) == sha256:
        return True
    raise InputError(
        "output.exists",
        "Another file is there under this name; it is not replaced.",
        file=target,
        hint="Move it away, then download again.",
    )


def _fetch(url: str, stream: IO[bytes], size_bytes: int | None, events: Events) -> None:
    """Append to `stream` until it is whole, going on after a connection that broke off."""
    fruitless = 0
    while True:
        before = stream.tell()
        if before and before == size_bytes:
            return
        try:
            if _fetch_once(url, stream, size_bytes, events):
                return
            reason: Any = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                # Nothing behind what we have: it is whole, or it is not ours; the hash tells.
                return
            if error.code < 500:
                raise _refused(url, error) from None
            reason = f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise
            reason = getattr(error, "reason", None) or error
        fruitless = 0 if stream.tell() > before else fruitless + 1
        if fruitless == FRUITLESS_ATTEMPTS:
            raise InputError(
                "download.offline",
                f"{url} cannot be fetched: {reason}. What has come so far is kept; another try goes on from there.",
                hint=BY_HAND + " Behind a proxy: start Slicer with HTTPS_PROXY set to its address.",
            )
        if fruitless:
            time.sleep(PAUSE_S * fruitless)


def _fetch_once(url: str, stream: IO[bytes], size_bytes: int | None, events: Events) -> bool:
    """One request for what is missing; returns whether the file is whole as far as its length tells."""
    have = stream.tell()
    headers = {"User-Agent": f"WSPCirrhosis/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        if have and not _continues(answer, have):
            # The server knows no ranges: from the beginning.
            stream.truncate(0)
            stream.seek(0)
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else size_bytes
        _refuse_longer(url, total, size_bytes)
        said = 0.0
        events.progress("download", have, max(total or 0, have))
        while block := answer.read(BLOCK_BYTES):
            stream.write(block)
            have += len(block)
            _refuse_longer(url, have, size_bytes)
            if time.monotonic() - said > PROGRESS_S:
                said = time.monotonic()
                events.progress("download", have, max(total or 0, have))
    events.progress("download", have, max(total or 0, have))
    return total is None or have >= total


def _continues(answer: Any, have: int) -> bool:
    """Whether the answer begins at byte `have`."""
    start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return answer.status == 206 and start == str(have)


def _refuse_longer(url: str, length: int | None, size_bytes: int | None) -> None:
    if size_bytes is not None and length is not None and length > size_bytes:
        raise InputError(
            "download.refused",
            f"{url} gives {length} bytes where the list says {size_bytes}.",
            hint="Check the list of models, or get it again.",
        )


def _refused(url: str, error: urllib.error.HTTPError) -> InputError:
    hint = "Check the address in the list of models. " + BY_HAND
    if error.code == 407:
        hint = "The proxy wants a name and password: set them in HTTPS_PROXY. " + BY_HAND
    return InputError(
        "download.refused", f"{url}: the server says {error.code} {error.reason}.", hint=hint
    )


def _verify(part: Path, url: str, sha256: str) -> None:
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise InputError(
            "download.other_hash",
            f"{url} gave a file with SHA-256 {found}; {sha256} is expected. It was not kept.",
            hint="The file or the list is wrong. Do not use it; ask whoever made the list.",
        )
