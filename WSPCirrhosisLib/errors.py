"""What can go wrong, and the exit status that says so."""

from __future__ import annotations

from pathlib import Path

DONE = 0
DEFECT = 1
BAD_INPUT = 2
SOME_FAILED = 3
CANCELLED = 4


class InputError(Exception):
    """The input or the usage is unfit; nothing was written. Ends a command with exit status 2.

    Args:
        code: stable dotted name, such as ``volume.unreadable``, for scripts to act on.
        message: what was found and what was expected.
        file: the file, folder or table at fault, as the user named it.
        hint: what to do about it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        file: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.file = None if file is None else str(file)
        self.hint = hint
        super().__init__(code, message, self.file, hint)

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        what_to_do = f" {self.hint}" if self.hint else ""
        return f"{where}{self.message}{what_to_do} [{self.code}]"

    def __reduce__(self):
        # The default would call InputError(*args) and lose the keywords on the way back from a worker process.
        return _rebuild, (self.code, self.message, self.file, self.hint)

    def as_event(self) -> dict:
        return {"code": self.code, "message": self.message, "file": self.file, "hint": self.hint}


def _rebuild(code: str, message: str, file: str | None, hint: str | None) -> InputError:
    return InputError(code, message, file=file, hint=hint)


class Cancelled(Exception):
    """Somebody asked the work to stop; what had to be kept is saved. Exit status 4."""
