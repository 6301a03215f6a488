"""Slicer's command line: which arguments the application keeps and which the script sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

FLAGS = frozenset(
    [
        "help",
        "testing",
        "disable-python",
        "ignore-slicerrc",
        "disable-modules",
        "disable-builtin-modules",
        "disable-cli-modules",
        "disable-builtin-cli-modules",
        "disable-loadable-modules",
        "disable-builtin-loadable-modules",
        "disable-scripted-loadable-modules",
        "disable-builtin-scripted-loadable-modules",
        "version",
        "program-path",
        "home",
        "settings-path",
        "temporary-path",
        "application-information",
        "verbose-module-discovery",
        "disable-settings",
        "keep-temporary-settings",
        "disable-message-handlers",
        "disable-terminal-outputs",
        "disable-tooltips",
        "no-splash",
        "no-main-window",
        "show-python-console",
        "show-python-interactor",
        "qt-testing",
        "exit-after-startup",
        "report-startup-timing",
    ]
)
VALUES = frozenset({"python-script", "python-code", "additional-module-path", "modules-to-ignore"})
LISTS = frozenset({"additional-module-paths"})


class UsageError(ValueError):
    """An option of Slicer stands without its value."""


@dataclass
class CommandLine:
    """What Slicer was asked for.

    Attributes:
        flags: names of the switches given, without their dashes.
        script: file of `--python-script`, or the script named first (as in `Slicer X.py`), or None.
        code: text of `--python-code` or `-c`, or None.
        module_paths: folders of `--additional-module-path(s)`, in order.
        arguments: what the script finds in `sys.argv[1:]`.
        run_and_exit: whether Slicer ends by itself after the script (`X.py`, `-c`, `--testing`).
    """

    flags: set[str] = field(default_factory=set)
    script: str | None = None
    code: str | None = None
    module_paths: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    run_and_exit: bool = False


def parse(arguments: Sequence[str]) -> CommandLine:
    """Split `arguments` as Slicer does: known options are taken out wherever they stand before `--`.

    Raises:
        UsageError: an option that needs a value is the last argument.
    """
    line = CommandLine()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument in ("--", "--ignore-rest"):
            line.arguments.extend(rest)
            break
        name = _option(argument)
        if name in FLAGS:
            line.flags.add(name)
        elif name in LISTS:
            while rest and rest[0] not in ("--", "--ignore-rest") and _option(rest[0]) is None:
                line.module_paths.append(rest.pop(0))
        elif name is not None:
            if not rest:
                raise UsageError(
                    f"Argument {argument} has 0 value(s) associated when 1 is expected"
                )
            _take_value(line, name, rest.pop(0))
        else:
            line.arguments.append(argument)
    _take_leading_script(line)
    line.run_and_exit = line.run_and_exit or "testing" in line.flags
    return line


def _option(argument: str) -> str | None:
    if argument in ("-c", "-h"):
        return {"-c": "c", "-h": "help"}[argument]
    name = argument[2:] if argument.startswith("--") else None
    return name if name in FLAGS | VALUES | LISTS else None


def _take_value(line: CommandLine, name: str, value: str) -> None:
    if name == "python-script":
        line.script = value
    elif name in ("python-code", "c"):
        line.code = value
        line.run_and_exit = line.run_and_exit or name == "c"
    elif name == "additional-module-path":
        line.module_paths.append(value)


def _take_leading_script(line: CommandLine) -> None:
    """`Slicer X.py a b` and `Slicer -I X.py a b` run the script and end, as a Python would."""
    leading = line.arguments[1:] if line.arguments[:1] == ["-I"] else line.arguments
    if leading and leading[0].endswith(".py") and line.script is None:
        line.script, line.arguments, line.run_and_exit = leading[0], leading[1:], True
