"""What an experiment is made of: one TOML file, checked whole before anything is computed.

title = "…"
imagenet_weights = "resnet18.pth"             # for the method imagenet; `--weights` too
given = [{ name = "Ours", path = "runs/x" }]  # encoders that are there already

[cohorts.weak]        # pretraining
phantoms = 240        # made here: seed, size, population; or table = "cohort.csv"; or lihc = "folder"
[cohorts.D1]          # strong labels; its column is label_column = "label"
[cohorts.D2]          # a second cohort; beside D1 it makes the union

[runs]
methods, encoders, seeds, sigmas = …          # sigmas: wsp once more for each
[[variants]]          # further rows: a name and settings of `pretrain`
[pretraining]         # settings of `pretrain` for all
[ablations]           # methods, weak_label_noise, batch_size, strong_patients; seeds, if fewer than those of [runs]
[evaluation]          # folds, repeats, seed, bootstrap
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import InputError
from .methods import METHODS
from .phantom_patient import POPULATIONS
from .pretrain_config import ENCODER_NAMES, PretrainConfig

WEAK, FIRST, SECOND, UNION = "weak", "D1", "D2", "union"
# What decides nothing of what a run learns: where it is computed, and how often it is kept.
_NOT_THE_RUN = ("device", "checkpoint_minutes")
_SECTIONS = ("cohorts", "runs", "variants", "pretraining", "ablations", "evaluation")


@dataclass(frozen=True)
class CohortSource:
    """Where a cohort comes from: one of `table`, `lihc`, or `phantoms` with their settings."""

    table: Path | None = None
    lihc: Path | None = None
    phantoms: int = 0
    seed: int = 0
    size: int = 512
    population: str = "usual"
    label_column: str = "label"


@dataclass(frozen=True)
class Evaluation:
    """How representations are judged: folds by patient, repeats, and resamples of the patient bootstrap."""

    folds: int = 5
    repeats: int = 5
    seed: int = 0
    bootstrap: int = 2000


@dataclass(frozen=True)
class Run:
    """One encoder.

    Args:
        config: how it is pretrained; of a `given` one, what little is known of it.
        noise: share of the patients whose weak label is replaced by another.
        given: its run folder, when it is there already.
    """

    config: PretrainConfig
    noise: float = 0.0
    given: Path | None = None

    @property
    def name(self) -> str:
        """Of its folder: for people, and at its end a hash of all that decides what it learns."""
        if self.given:
            return f"given-{_hash([str(self.given)])}"
        learnt = {k: v for k, v in self.config.in_use().items() if k not in _NOT_THE_RUN}
        method, encoder, seed = learnt["method"], learnt["encoder"], learnt["seed"]
        return f"{method}-{encoder}-seed{seed}-{_hash([learnt, self.noise])}"


@dataclass(frozen=True)
class Row:
    """A row of a table: a method under one setting and with one encoder, trained once for each seed.

    Args:
        name: of the method, as the paper's tables know it, or of the variant.
        encoder: its network.
        value: the setting that an ablation varies; None elsewhere.
        strong_patients: most patients to train the classifier on; None for all.
    """

    name: str
    encoder: str
    runs: tuple[Run, ...]
    value: float | None = None
    strong_patients: int | None = None


@dataclass(frozen=True)
class Plan:
    """A whole experiment, checked."""

    title: str
    cohorts: Mapping[str, CohortSource]
    methods: tuple[str, ...]
    encoders: tuple[str, ...]
    seeds: tuple[int, ...]
    sigmas: tuple[float, ...]
    variants: Mapping[str, Mapping[str, Any]]
    pretraining: Mapping[str, Any]
    ablations: Mapping[str, tuple]
    evaluation: Evaluation
    given: Mapping[str, Path] = field(default_factory=dict)
    imagenet_weights: Path | None = None

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The columns of the tables: D1, D2 and, where both are there, their union."""
        single = tuple(name for name in (FIRST, SECOND) if name in self.cohorts)
        return (*single, UNION) if len(single) == 2 else single

    def main(self) -> list[Row]:
        """The rows of Tables 1 and 2, encoder by encoder."""
        rows = []
        for encoder in self.encoders:
            for method in self.methods:
                if method != "imagenet" or (encoder == "resnet18" and self.imagenet_weights):
                    rows.append(self._row(method, encoder, {"method": method}))
            rows += [self._row(name, encoder, changes) for name, changes in self.variants.items()]
        for name, path in self.given.items():
            rows.append(Row(name, "given", (Run(PretrainConfig(), given=path),)))
        return rows

    def of_sigma(self) -> list[Row]:
        return [
            self._row("wsp", encoder, {"method": "wsp", "sigma": sigma}, value=sigma)
            for encoder in self.encoders
            for sigma in self.sigmas
        ]

    def of_noise(self) -> list[Row]:
        return [
            self._ablation_row(method, encoder, value=noise, noise=noise)
            for encoder, method in self._ablated()
            for noise in self.ablations["weak_label_noise"]
        ]

    def of_batch_size(self) -> list[Row]:
        return [
            self._ablation_row(method, encoder, {"batch_size": size}, value=size)
            for encoder, method in self._ablated()
            for size in self.ablations["batch_size"]
        ]

    def of_strong_patients(self) -> list[Row]:
        return [
            self._ablation_row(method, encoder, value=most, strong_patients=most)
            for encoder, method in self._ablated()
            for most in self.ablations["strong_patients"]
        ]

    def rows(self) -> list[Row]:
        return [
            *self.main(),
            *self.of_sigma(),
            *self.of_noise(),
            *self.of_batch_size(),
            *self.of_strong_patients(),
        ]

    def work(self) -> dict[Run, set[int | None]]:
        """Every run once, the main table's first, and the numbers of strong patients to judge it with."""
        work: dict[Run, set[int | None]] = {}
        for row in self.rows():
            for run in row.runs:
                work.setdefault(run, set()).add(row.strong_patients)
        return work

    def _ablated(self) -> Iterator[tuple[str, str]]:
        return (
            (encoder, method) for encoder in self.encoders for method in self.ablations["methods"]
        )

    def _ablation_row(
        self, method: str, encoder: str, changes: Mapping[str, Any] | None = None, **named: Any
    ) -> Row:
        changes = {"method": method, **(changes or {})}
        return self._row(method, encoder, changes, seeds=self.ablations["seeds"], **named)

    def _row(
        self,
        name: str,
        encoder: str,
        changes: Mapping[str, Any],
        noise: float = 0.0,
        value: float | None = None,
        strong_patients: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> Row:
        runs = tuple(
            Run(
                PretrainConfig.from_dict(
                    {**self.pretraining, "encoder": encoder, "seed": seed, **changes}
                ),
                noise,
            )
            for seed in seeds or self.seeds
        )
        return Row(name, encoder, runs, value, strong_patients)


def read_plan(
    path: str | Path, *, lihc: Path | None = None, imagenet_weights: Path | None = None
) -> Plan:
    """Read and check an experiment's TOML file; paths in it are relative to it.

    Args:
        lihc: the folder for the cohort with ``lihc = true``.
        imagenet_weights: in place of the file's.

    Raises:
        InputError: ``experiment.config``, ``pretrain.setting``, ``kernel.expression``.
    """
    path = Path(path)
    content = _toml(path)
    try:
        plan = _plan(content, path.parent, lihc, imagenet_weights)
        rows = plan.rows()
    except InputError as error:
        raise InputError(error.code, error.message, file=path, hint=error.hint) from None
    names = [row.name for row in plan.main() if row.encoder in (plan.encoders[0], "given")]
    if len(set(names)) < len(names):
        raise InputError(
            "experiment.config", "Two rows of Table 1 have the same name.", file=path,
            hint="Give each variant and each given encoder a name of its own.",
        )  # fmt: skip
    if not rows:
        raise InputError("experiment.config", "There is nothing to run.", file=path)
    return plan


def _toml(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("experiment.config", "No such file.", file=path) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            "experiment.config", f"Cannot be read as TOML: {error}", file=path
        ) from None


def _plan(
    content: dict[str, Any], base: Path, lihc: Path | None, imagenet_weights: Path | None
) -> Plan:
    _refuse_unknown("", content, ("title", "given", "imagenet_weights", *_SECTIONS))
    runs, ablations = _table(content, "runs"), _table(content, "ablations")
    _refuse_unknown("runs", runs, ("methods", "encoders", "seeds", "sigmas"))
    known = ("methods", "weak_label_noise", "batch_size", "strong_patients", "seeds")
    _refuse_unknown("ablations", ablations, known)
    methods = _list("runs.methods", runs.get("methods", []), str)
    encoders = _list("runs.encoders", runs.get("encoders", ["tinynet"]), str)
    seeds = _list("runs.seeds", runs.get("seeds", [0]), int)
    for name, one in (("runs.encoders", encoders), ("runs.seeds", seeds)):
        _require(bool(one) and len(set(one)) == len(one), name, one, "one or more, all different")
    for name, these in (("runs", methods), ("ablations", ablations.get("methods", []))):
        strange = [method for method in these if method not in METHODS]
        _require(not strange, f"{name}.methods", strange, f"methods of {', '.join(METHODS)}")
    strange = [encoder for encoder in encoders if encoder not in ENCODER_NAMES]
    _require(not strange, "runs.encoders", strange, f"encoders of {', '.join(ENCODER_NAMES)}")
    ablated = {
        "methods": _list("ablations.methods", ablations.get("methods", ["wsp"]), str),
        "weak_label_noise": _list("…", ablations.get("weak_label_noise", []), float),
        "batch_size": _list("ablations.batch_size", ablations.get("batch_size", []), int),
        "strong_patients": _list("…", ablations.get("strong_patients", []), int),
        "seeds": _list("ablations.seeds", ablations.get("seeds", list(seeds)), int),
    }
    fits = all(0 <= noise <= 1 for noise in ablated["weak_label_noise"])
    _require(fits, "weak_label_noise", ablated["weak_label_noise"], "shares from 0 to 1")
    fits = all(patients >= 2 for patients in ablated["strong_patients"])
    _require(fits, "strong_patients", ablated["strong_patients"], "2 or more")
    fits = bool(ablated["seeds"]) and set(ablated["seeds"]) <= set(seeds)
    _require(
        fits, "ablations.seeds", ablated["seeds"], f"one or more of {', '.join(map(str, seeds))}"
    )
    variants = {}
    for one in _list("variants", content.get("variants", []), dict):
        _require(isinstance(one.get("name"), str), "variants", one, "a name in each")
        variants[one["name"]] = {key: value for key, value in one.items() if key != "name"}
    given = {}
    for one in _list("given", content.get("given", []), dict):
        _require(set(one) == {"name", "path"}, "given", one, "name and path in each")
        given[str(one["name"])] = base / str(one["path"])
    if imagenet_weights is None and "imagenet_weights" in content:
        imagenet_weights = base / str(content["imagenet_weights"])
    return Plan(
        title=str(content.get("title", "Experiment")),
        cohorts=_cohorts(_table(content, "cohorts"), base, lihc),
        methods=methods,
        encoders=encoders,
        seeds=seeds,
        sigmas=_list("runs.sigmas", runs.get("sigmas", []), float),
        variants=variants,
        pretraining=_table(content, "pretraining"),
        ablations=ablated,
        evaluation=_evaluation(_table(content, "evaluation")),
        given=given,
        imagenet_weights=imagenet_weights,
    )


def _cohorts(tables: dict, base: Path, lihc: Path | None) -> dict[str, CohortSource]:
    _refuse_unknown("cohorts", tables, (WEAK, FIRST, SECOND))
    found = {}
    for name, values in tables.items():
        where = f"cohorts.{name}"
        _refuse_unknown(where, values, [one.name for one in fields(CohortSource)])
        sources = [key for key in ("table", "lihc", "phantoms") if values.get(key)]
        _require(len(sources) == 1, where, sources, "one of table, lihc and phantoms")
        values = dict(values)
        if values.get("lihc"):
            _require(name != WEAK, where, "lihc", "a table or phantoms: it has no weak label")
            if lihc is None and values["lihc"] is True:
                raise InputError(
                    "experiment.lihc",
                    "The experiment needs the folder of the public LIHC cohort.",
                    hint="Add --lihc FOLDER (Zenodo record 8199165).",
                )
            values["lihc"] = lihc or base / str(values["lihc"])
        if "table" in values:
            values["table"] = base / str(values["table"])
        for key, wanted in (("phantoms", int), ("seed", int), ("size", int), ("label_column", str)):
            _require(type(values.get(key, wanted())) is wanted, f"{where}.{key}", values.get(key), wanted.__name__)  # fmt: skip
        population = values.get("population", "usual")
        _require(population in POPULATIONS, where, population, " or ".join(POPULATIONS))
        found[name] = CohortSource(**values)
    _require(WEAK in found, "cohorts", list(found), "cohorts.weak, to pretrain on")
    _require(len(found) > 1, "cohorts", list(found), "cohorts.D1 or cohorts.D2, to judge with")
    return found


def _evaluation(values: dict) -> Evaluation:
    _refuse_unknown("evaluation", values, [one.name for one in fields(Evaluation)])
    for name, value in values.items():
        least = {"folds": 2, "seed": 0, "bootstrap": 100}.get(name, 1)
        fits = type(value) is int and value >= least
        _require(fits, f"evaluation.{name}", value, f"a whole number from {least} on")
    return Evaluation(**values)


def _table(content: Mapping, name: str) -> dict[str, Any]:
    value = content.get(name, {})
    _require(isinstance(value, dict), name, value, f"a table [{name}]")
    return value


def _list(name: str, values: Any, kind: type) -> tuple:
    wanted = (int, float) if kind is float else kind
    fits = isinstance(values, list) and all(
        isinstance(value, wanted) and not isinstance(value, bool) for value in values
    )
    _require(fits, name, values, f"a list of {kind.__name__}")
    return tuple(kind(value) for value in values)


def _refuse_unknown(where: str, values: Any, known: Iterable[str]) -> None:
    _require(isinstance(values, dict), where, values, "a table")
    strange = [key for key in values if key not in known]
    _require(not strange, where or "the file", ", ".join(strange), f"only {', '.join(known)}")


def _require(fits: bool, name: str, value: Any, expected: str) -> None:
    if not fits:
        raise InputError(
            "experiment.config",
            f"{name} holds {value!r}; expected {expected}.",
            hint="Correct the experiment's TOML file; configs/ has examples.",
        )


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(re.sub(r"\s", " ", text).encode()).hexdigest()[:8]
