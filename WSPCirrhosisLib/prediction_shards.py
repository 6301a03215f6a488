"""A cohort's predictions in parts, each made by a job of its own, and the parts put together to one folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cohort import Cohort
from .errors import InputError
from .files import new_folder, write_json
from .prediction_queue import CASES, OUTPUT_FILES, RECORD, TABLE, PredictionQueue
from .prediction_table import WAITING, Cells, write_table
from .queue_plan import check_model_and_settings, queue_record

MERGED = "merged"
_FOLDER = re.compile(r"shard-([1-9]\d*)-of-([1-9]\d*)")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1 on: every `count`-th scan of the table.

    So a scan stays in its part when rows are added at the end, and neighbours, often alike in size, are spread out.

    Raises:
        InputError: ``usage``.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(
                "usage",
                f"There is no part {self.number} of {self.count}.",
                hint="--shard 1/4 to --shard 4/4 are the four parts of a cohort.",
            )

    @classmethod
    def from_text(cls, text: str) -> Shard:
        """Read ``2/4``.

        Raises:
            InputError: ``usage``.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None:
            raise InputError("usage", f"{text!r} is no part of a cohort; expected as in 2/4.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def settings(self) -> dict[str, str]:
        """What it adds to the settings in its folder's `queue.json`."""
        return {"shard": str(self)}

    def folder(self, output: str | Path) -> Path:
        """Where in `output` its results go."""
        return Path(output) / f"shard-{self.number}-of-{self.count}"

    def of(self, cohort: Cohort) -> Cohort:
        """Its scans.

        Raises:
            InputError: ``queue.shard_empty``.
        """
        if self.count > len(cohort):
            raise InputError(
                "queue.shard_empty",
                f"{len(cohort)} scans cannot be shared out to {self.count} parts.",
                file=cohort.path,
                hint="Use fewer parts.",
            )
        return cohort.select(range(self.number - 1, len(cohort), self.count))


def merge_shards(
    cohort: Cohort,
    model: Mapping[str, Any],
    settings: Mapping[str, Any],
    output: str | Path,
    overwrite: bool = False,
) -> dict[int, Cells]:
    """Put the parts in `output` together to ``output/merged``, as if the cohort had been judged in one go.

    The parts stay. The new folder is an ordinary one: `predict --resume` and `--retry-failed` go on with it.

    Args:
        model, settings: as in `queue_plan.queue_record`, without the shard.

    Returns:
        The rows of the table.

    Raises:
        InputError: ``queue.shard_*`` when a part is missing, unfinished, of other scans, or there are parts of
            another sharing-out too; ``queue.model_changed``, ``queue.settings_changed``, ``output.*``.
    """
    output = Path(output)
    record = queue_record(cohort, model, settings)
    shards = _shards_in(output)
    rows: dict[int, Cells] = {}
    for shard in shards:
        rows |= _finished_rows(shard, cohort, output, record)
    with new_folder(output / MERGED, overwrite, OUTPUT_FILES) as folder:
        (folder / CASES).mkdir()
        for shard in shards:
            part = PredictionQueue(shard.folder(output))
            record["rows"] |= part.record()["rows"]
            for one in sorted(part.cases_folder.glob("[0-9]*")):
                shutil.copytree(one, folder / CASES / one.name)
        write_json(folder / RECORD, record)
        write_table(folder / TABLE, rows.values())
    PredictionQueue(output / MERGED).sweep()
    return rows


def _shards_in(output: Path) -> list[Shard]:
    """All parts of the one sharing-out that `output` holds."""
    found = output.iterdir() if output.is_dir() else ()
    names = sorted(folder.name for folder in found if _FOLDER.fullmatch(folder.name))
    there = {Shard(*map(int, _FOLDER.fullmatch(name).groups())) for name in names}
    counts = sorted({shard.count for shard in there})
    if not counts:
        raise InputError(
            "queue.shard_missing",
            "The folder holds no parts of a cohort (shard-1-of-4 and so on).",
            file=output,
            hint="Give the folder that was the --output of predict --shard.",
        )
    if len(counts) > 1:
        raise InputError(
            "queue.shard_overlap",
            f"Parts of different sharings-out are here: of {' and of '.join(map(str, counts))}. Scans would be twice "
            "in the table.",
            file=output,
            hint="Take away the folders of all but one.",
        )
    all_of_them = [Shard(n, counts[0]) for n in range(1, counts[0] + 1)]
    if missing := [str(shard) for shard in all_of_them if shard not in there]:
        raise InputError(
            "queue.shard_missing",
            f"Part {', '.join(missing)} has no results here.",
            file=output,
            hint=f"Run predict --shard {missing[0]} with the same --cohort, --model and --output.",
        )
    return all_of_them


def _finished_rows(
    shard: Shard, cohort: Cohort, output: Path, record: dict[str, Any]
) -> dict[int, Cells]:
    """The rows of a part, which must be finished, and of the very scans that belong to it."""
    queue = PredictionQueue(shard.folder(output))
    queue.refuse_held()
    earlier = queue.record()
    expected = {**record, "settings": {**record["settings"], **shard.settings}}
    try:
        check_model_and_settings(earlier, expected)
    except InputError as error:
        raise InputError(error.code, error.message, file=queue.path, hint=error.hint) from None
    entries = {str(case.row): record["rows"][str(case.row)]["entry"] for case in shard.of(cohort).cases}  # fmt: skip
    if {row: one["entry"] for row, one in earlier["rows"].items()} != entries:
        raise InputError(
            "queue.shard_rows",
            f"Part {shard} was made of other rows than the table has for it now.",
            file=queue.path,
            hint="Run this part again with --resume.",
        )
    rows = queue.rows()
    if waiting := sum(cells["status"] == WAITING for cells in rows.values()):
        raise InputError(
            "queue.shard_unfinished",
            f"{waiting} of {len(rows)} scans of part {shard} wait to be judged.",
            file=queue.path,
            hint=f"Go on with it: predict --shard {shard} --resume.",
        )
    return rows
