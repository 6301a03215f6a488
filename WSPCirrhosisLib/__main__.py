"""The command line: ``python -m WSPCirrhosisLib COMMAND``; each command is one call into the library.

What computes is imported by the command that needs it, so that ``--help`` and ``predict`` never load torch.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path

from . import __version__
from .cores import usable_cores
from .errors import BAD_INPUT, CANCELLED, DEFECT, DONE, SOME_FAILED, Cancelled, InputError
from .events import Events, json_lines, terminal
from .files import write_json
from .launch import launched

RESEARCH_USE = "Research use only: not a medical device, not for decisions about patients."


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status (0 done, 2 bad input, 3 some failed, 4 cancelled, 1 our defect)."""
    arguments = sys.argv[1:] if argv is None else argv
    options = _parser(with_pretrain_settings="pretrain" in arguments).parse_args(arguments)
    launch = launched()
    # What the others have to say besides is why they end.
    events = Events(terminal(sys.stderr))
    if options.events and launch.is_first:
        events = Events(json_lines(sys.stdout), _without_progress(terminal(sys.stderr)))
    if options.error_file and launch.is_first:
        events.add_sink(_error_kept_in(options.error_file))
    # A terminated worker cleans up as an interrupted one does; `pretrain` saves its state on either.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if launch.count > 1 and options.command != "pretrain":
            raise InputError(
                "distributed.command",
                f"{options.command} under torchrun with {launch.count} processes; only pretrain shares its work out.",
                hint="Start it without torchrun.",
            )
        return options.run(options, events)
    except InputError as error:
        events.error(**error.as_event())
        return BAD_INPUT
    except (Cancelled, KeyboardInterrupt) as error:
        events.log(str(error) or "Cancelled.")
        return CANCELLED
    except ModuleNotFoundError as error:
        if (error.name or __package__).partition(".")[0] == __package__:
            return _defect(error, events)
        events.error(**_missing(error.name).as_event())
        return BAD_INPUT
    except Exception as error:
        return _defect(error, events)


def _missing(module: str) -> InputError:
    package = {"sklearn": "scikit-learn", "nrrd": "pynrrd"}.get(module.partition(".")[0], module)
    return InputError(
        "packages.missing",
        f"The Python package {package} is not installed, and this command needs it.",
        hint="Install all that training needs with: pip install 'wspcirrhosis[train]'",
    )


def _defect(error: Exception, events: Events) -> int:
    traceback.print_exc(file=sys.stderr)
    events.error(
        "defect",
        f"A defect of ours: {type(error).__name__}: {error}",
        hint="Please report it with the lines above.",
    )
    return DEFECT


def _phantom(options: argparse.Namespace, events: Events) -> int:
    from .phantom import make_cohort

    table = make_cohort(
        options.output,
        options.patients,
        seed=options.seed,
        size=options.size,
        file_format=options.format,
        population=options.population,
        jobs=options.jobs,
        events=events,
    )
    return _done(options, events, f"{options.patients} phantoms: {table}", cohort=str(table))


def _check(options: argparse.Namespace, events: Events) -> int:
    from .cohort import read_cohort
    from .cohort_check import as_json, as_text, check_cohort
    from .files import refuse_existing, refuse_inside, write_json

    cohort = read_cohort(options.cohort)
    if options.output:
        refuse_existing(options.output, options.overwrite)
        refuse_inside(options.output, cohort.files())
    findings = check_cohort(cohort, events, jobs=options.jobs)
    report = as_json(cohort, findings)
    if options.output:
        write_json(options.output, report)
    _done(options, events, as_text(cohort, findings), **report)
    return BAD_INPUT if any(finding.problem for finding in findings) else DONE


def _pretrain(options: argparse.Namespace, events: Events) -> int:
    from .pretrain_config import PretrainConfig
    from .pretraining import pretrain

    result = pretrain(
        options.cohort,
        options.output,
        PretrainConfig.from_options(options),
        resume=options.resume,
        cache_folder=options.cache,
        weights_path=options.weights,
        jobs=options.jobs,
        events=events,
    )
    if not launched().is_first:
        return DONE
    return _done(options, events, f"Encoder: {options.output / 'encoder.safetensors'}", **result)


def _fit(options: argparse.Namespace, events: Events) -> int:
    from .fitting import fit_model

    card = fit_model(
        options.cohort,
        options.encoder,
        options.output,
        label_column=options.label_column,
        name=options.name,
        licence=options.licence,
        seed=options.seed,
        evaluation=options.evaluation,
        overwrite=options.overwrite,
        allow_leakage=options.allow_leakage,
        jobs=options.jobs,
        events=events,
    )
    from .model_card import as_text

    return _done(options, events, f"{as_text(card)}\nModel: {options.output}", card=card)


def _evaluate(options: argparse.Namespace, events: Events) -> int:
    from .evaluation import as_text, evaluate

    found = evaluate(
        options.cohort,
        options.encoder,
        options.output,
        label_column=options.label_column,
        folds=options.folds,
        repeats=options.repeats,
        seed=options.seed,
        overwrite=options.overwrite,
        allow_leakage=options.allow_leakage,
        jobs=options.jobs,
        events=events,
    )
    text = f"{as_text(found)}\nTables and figures: {options.output}"
    return _done(options, events, text, figures=found["figures"], synthetic=found["synthetic"])


def _experiment(options: argparse.Namespace, events: Events) -> int:
    from .experiment import experiment

    found = experiment(
        options.config,
        options.output,
        lihc=options.lihc,
        imagenet_weights=options.weights,
        devices=options.devices,
        jobs=options.jobs,
        allow_leakage=options.allow_leakage,
        events=events,
    )
    failed = len(found["failed"])
    text = f"{found['runs']} runs, {failed} of them failed. Tables and figures: {options.output / found['results']}"
    _done(options, events, text, **found)
    return SOME_FAILED if failed else DONE


def _predict(options: argparse.Namespace, events: Events) -> int:
    # Its products are small: threads that wait for the next one take the cores from onnxruntime's, and fifty times
    # as long. numpy looks at this when it is loaded, and so do the processes of --jobs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .prediction import predict_files
    from .prediction_shards import Shard

    return predict_files(
        options.model,
        volume=options.volume,
        mask=options.mask,
        cohort=options.cohort,
        output=options.output,
        jobs=options.jobs,
        overwrite=options.overwrite,
        resume=options.resume,
        retry_failed=options.retry_failed,
        shard=None if options.shard is None else Shard.from_text(options.shard),
        merge=options.merge,
        cautions=options.caution,
        events=events,
    )


def _model(options: argparse.Namespace, events: Events) -> int:
    from .model_card import as_text
    from .model_file import ModelFile, verify

    if options.action == "verify":
        facts = verify(options.file)
        text = f"{options.file}: whole, unchanged since it was made, and it runs here."
        return _done(options, events, text, **facts)
    card = ModelFile.load(options.file).card.as_json()
    return _done(options, events, as_text(card), card=card)


def _download(options: argparse.Namespace, events: Events) -> int:
    from .downloads import download

    download(options.url, options.output, options.sha256, options.size, events)
    return _done(options, events, f"{options.output}: complete and verified.")


def _system(options: argparse.Namespace, events: Events) -> int:
    from .machine import as_json, as_text, look

    facts = look(options.folder)
    return _done(options, events, as_text(facts), facts=as_json(facts))


def _done(options: argparse.Namespace, events: Events, text: str, **result) -> int:
    """Say the result once: as an event to programs, as text to people."""
    events.result(**result)
    if not options.events:
        print(text)
    return DONE


def _parser(with_pretrain_settings: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wspcirrhosis",
        description=f"Predict liver cirrhosis from CT, and pretrain on a cohort of one's own. {RESEARCH_USE}",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument(
        "--events",
        action="store_true",
        help="JSON lines on stdout for programs; logs stay on stderr",
    )
    everywhere.add_argument(
        "--error-file",
        type=Path,
        metavar="E.json",
        help="for programs that do not wait: the error that ends the command, if one does",
    )
    jobs = argparse.ArgumentParser(add_help=False)
    jobs.add_argument(
        "--jobs", type=count, default=usable_cores(), help="processes to use (default: all cores)"
    )
    overwrite = argparse.ArgumentParser(add_help=False)
    overwrite.add_argument("--overwrite", action="store_true", help="replace an output that exists")

    command = commands.add_parser(
        "phantom",
        parents=[everywhere, jobs],
        help="make a synthetic abdominal CT cohort with liver masks and labels",
    )
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--patients", type=count, required=True, metavar="N")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--size", type=count, default=512, help="pixels a side; the field of view stays"
    )
    command.add_argument("--format", choices=("nrrd", "nifti", "dicom"), default="nrrd")
    command.add_argument(
        "--population",
        choices=("usual", "shifted"),
        default="usual",
        help="shifted: other patients on another scanner, to test on what was not trained on",
    )
    command.set_defaults(run=_phantom)

    command = commands.add_parser(
        "check",
        parents=[everywhere, jobs, overwrite],
        help="look at every case of a cohort; changes nothing",
    )
    command.add_argument("--cohort", type=Path, required=True, metavar="C.csv")
    command.add_argument("--output", type=Path, metavar="R.json", help="keep the findings as JSON")
    command.set_defaults(run=_check)

    command = commands.add_parser(
        "pretrain",
        parents=[everywhere, jobs],
        help="train an encoder on weak labels and position",
        description="Train an encoder on weak labels and position. Started by torchrun, several processes train on "
        "one batch together (Docs/Scaling.md).",
    )
    command.add_argument("--cohort", type=Path, required=True, metavar="C.csv")
    command.add_argument("--output", type=Path, required=True, metavar="RUN", help="the run folder")
    command.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    command.add_argument(
        "--cache", type=Path, metavar="DIR", help="slice cache to share between runs"
    )
    command.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="imagenet: the published ResNet-18, .pth or .safetensors",
    )
    if (
        with_pretrain_settings
    ):  # they load SimpleITK and more, for which no other command should wait
        _add_pretrain_settings(command)
    command.set_defaults(run=_pretrain)

    strong = argparse.ArgumentParser(add_help=False)
    strong.add_argument("--cohort", type=Path, required=True, metavar="C.csv")
    strong.add_argument(
        "--encoder", type=Path, required=True, metavar="RUN", help="run folder of `pretrain`"
    )
    strong.add_argument("--label-column", default="label", help="0/1, 1 = cirrhosis")
    strong.add_argument("--seed", type=int, default=0, help="of folds and bootstrap")
    strong.add_argument(
        "--allow-leakage",
        action="store_true",
        help="go on although patients of the pretraining cohort are among these",
    )

    command = commands.add_parser(
        "fit",
        parents=[everywhere, jobs, overwrite, strong],
        help="frozen encoder + logistic regression → model file",
    )
    command.add_argument("--output", type=Path, required=True, metavar="model.onnx")
    command.add_argument("--name", help="of the model, on its card (default: the file's)")
    command.add_argument("--licence", default="not stated", help="of the model, on its card")
    command.add_argument(
        "--evaluation",
        type=Path,
        metavar="DIR",
        help="also write there what `evaluate` writes, of this model's own cross-validation",
    )
    command.set_defaults(run=_fit)

    command = commands.add_parser(
        "evaluate",
        parents=[everywhere, jobs, overwrite, strong],
        help="cross-validate an encoder on strong labels: tables, ROC, principal components",
    )
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--folds", type=_folds, default=5, help="by patient, at least 2")
    command.add_argument("--repeats", type=count, default=5, help="of the folds, drawn anew")
    command.set_defaults(run=_evaluate)

    command = commands.add_parser(
        "experiment",
        parents=[everywhere, jobs],
        help="compare methods as the paper does: one TOML file → runs, tables, figures; goes on where it was killed",
    )
    command.add_argument(
        "--config", type=Path, required=True, metavar="E.toml", help="see configs/"
    )
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument(
        "--devices",
        nargs="+",
        type=_device,
        default=[],
        metavar="DEVICE",
        help="cpu, cuda:0 …, one process each (default: all CUDA devices, or the CPU)",
    )
    command.add_argument(
        "--lihc", type=Path, metavar="DIR", help="the public LIHC cohort as published, unpacked"
    )
    command.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="for the row ImageNet: the published ResNet-18, .pth or .safetensors",
    )
    command.add_argument(
        "--allow-leakage",
        action="store_true",
        help="go on although patients are trained on and judged; the tables say so",
    )
    command.set_defaults(run=_experiment)

    command = commands.add_parser(
        "predict", parents=[everywhere, jobs, overwrite], help="one case or a cohort of cases"
    )
    command.add_argument("--model", type=Path, required=True, metavar="M.onnx")
    command.add_argument("--volume", type=Path, metavar="CT", help="a file or a DICOM folder")
    command.add_argument(
        "--mask", metavar="MASK", help="liver mask, as in seg.nii.gz#5 or case.seg.nrrd#Liver"
    )
    command.add_argument("--cohort", type=Path, metavar="C.csv")
    command.add_argument("--output", type=Path, required=True, metavar="OUT")
    add_queue_options(command)
    command.add_argument(
        "--shard",
        metavar="I/N",
        help="judge every N-th scan of the --cohort from the I-th on, into OUT/shard-I-of-N: for the jobs of a cluster",
    )
    command.add_argument(
        "--merge",
        action="store_true",
        help="judge nothing: put all the shards in OUT together to OUT/merged, as one run would have left it",
    )
    command.add_argument(
        "--caution",
        type=_caution,
        action="append",
        default=[],
        metavar="CODE=MESSAGE",
        help="for programs: a warning about how the one scan came about, for every file of the "
        "result, as in 'volume.resampled=The volume was …'; may be repeated",
    )
    command.set_defaults(run=_predict)

    command = commands.add_parser(
        "model", parents=[everywhere], help="a model file's card, or its integrity"
    )
    command.add_argument("action", choices=("info", "verify"))
    command.add_argument("file", type=Path)
    command.set_defaults(run=_model)

    command = commands.add_parser(
        "download", parents=[everywhere], help="fetch a file, resumed and verified by its SHA-256"
    )
    command.add_argument("url")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")
    command.add_argument("--sha256", required=True, metavar="HEX")
    command.add_argument(
        "--size", type=count, metavar="BYTES", help="of the file, where it is known"
    )
    command.set_defaults(run=_download)

    command = commands.add_parser(
        "system", parents=[everywhere], help="what this computer has for the work"
    )
    command.add_argument(
        "--folder",
        type=Path,
        default=Path.cwd(),
        metavar="DIR",
        help="where runs and results go, for the free disk space (default: this folder)",
    )
    command.set_defaults(run=_system)
    return parser


def add_queue_options(command: argparse.ArgumentParser) -> None:
    """How to go on with a cohort; Slicer's script has the same."""
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with the --cohort whose results are in OUT, or begin: finished scans are kept, failed ones "
        "only judged again when their files or entries have changed",
    )
    command.add_argument(
        "--retry-failed",
        type=count,
        nargs="*",
        metavar="ROW",
        help="judge the failed scans in OUT again: those in these rows of the table, or all",
    )


def _add_pretrain_settings(command: argparse.ArgumentParser) -> None:
    from .pretrain_config import PretrainConfig

    PretrainConfig.add_arguments(command)


def count(text: str) -> int:
    """An argument that is a whole number from 1 on; Slicer's scripts take it from here too."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; 1 or more is expected")
    return value


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or not number.isdigit())):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no device; expected cpu, cuda or cuda:NUMBER"
        )
    return text


def _folds(text: str) -> int:
    if (value := count(text)) < 2:
        raise argparse.ArgumentTypeError(
            f"{text!r} leaves nobody to train on; 2 or more is expected"
        )
    return value


def _caution(text: str):
    from .fitness import caution_from_text

    try:
        return caution_from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _without_progress(sink):
    return lambda record: None if record["event"] in ("progress", "error") else sink(record)


def _error_kept_in(path: Path):
    def sink(record):
        if record["event"] == "error":
            write_json(path, record)

    return sink


def _interrupt(*_) -> None:
    raise KeyboardInterrupt("Terminated.")


if __name__ == "__main__":
    sys.exit(main())
