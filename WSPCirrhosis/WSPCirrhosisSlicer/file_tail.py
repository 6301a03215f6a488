"""The lines that were added to a growing text file since the last look; noticed too when it was written anew."""

from __future__ import annotations

import os
from pathlib import Path

# A file of hours is read in pieces, so that whoever draws what it says stays alive.
MOST_BYTES = 1 << 18


class FileTail:
    """Reads on in a file where it stopped before.

    Args:
        path: the file, there already or not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0
        self._begun = b""

    def read(self) -> tuple[bool, list[str]]:
        """Whether the file was written anew (or went) since the last call, and the whole lines that are new.

        A last line that is still being written is left for the next call.
        """
        try:
            with open(self._path, "rb") as stream:
                facts = os.fstat(stream.fileno())
                anew = self._offset > 0 and (
                    facts.st_ino != self._inode or facts.st_size < self._offset
                )
                if anew:
                    self._offset, self._begun = 0, b""
                self._inode = facts.st_ino
                stream.seek(self._offset)
                content = stream.read(MOST_BYTES)
        except OSError:
            anew = self._offset > 0
            self._offset, self._begun = 0, b""
            return anew, []
        self._offset += len(content)
        *lines, self._begun = (self._begun + content).split(b"\n")
        return anew, [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
