"""The command line. Nothing heavy is imported before it is needed, so that help comes at once."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from benchmark.settings import RunError, SettingsError, cores, preset_label
from benchmark.speed import PEERS, SIZES, STEPS, carry_out, choose
from benchmark.speed_rows import RECORDED
from data import DOWNLOADS, IMAGE_SETS, TRUTH_TABLES
from data.folder import DataError, data_folder, is_there
from methods import registry
from methods.registry import MethodError
from reports import STUDIES, RowsError, run_name
from spaces import Cell, CellError, Precision

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.plan import Run
    from benchmark.runner import Setup
    from benchmark.settings import ProblemSettings, Table

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
  python -m benchmark speed --against xautodl --check"""


class UsageError(Exception):
    """An option that cannot be used; the message says which, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 runs failed, 2 input or a disk that cannot be used,
    130 interrupted, 143 terminated."""
    options = parser().parse_args(arguments)
    options.typed = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        # For names of files that are no text, and terminals without β.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with terminable():
            code: int = options.command(options)
            sys.stdout.flush()
    except (UsageError, SettingsError, MethodError, DataError, RowsError, CellError) as error:
        print(f"benchmark: {' '.join(str(error).splitlines())}", file=sys.stderr)  # names of files can have many lines
        return 2
    except RunError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        goes_on = options.command in (run_command, study_command)
        what_next = "; the same command goes on from the last finished epoch" if goes_on else ""
        print(f"\nbenchmark: stopped{what_next}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    return code


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a cluster sends it before it takes the machine away."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, so that nothing half-written and no worker is left."""

    def terminate(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m benchmark", description=DESCRIPTION)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="search with every method and seed, then write the report",
        description="Search with every method and seed, look the cells up, and write tables and plots.",
        epilog=RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.set_defaults(command=run_command)
    run.add_argument(
        "--methods", required=True, metavar="A,B,…", help=f"methods, by name: {', '.join(registry.names())}"
    )
    run.add_argument(
        "--images", metavar="NAME", help=f"images to search on: {', '.join(IMAGE_SETS)} (default: the preset's)"
    )
    run.add_argument("--epochs", type=int, metavar="N", help="epochs of every supernet, instead of the preset's")
    run.add_argument("--out", type=Path, metavar="DIR", help="results folder (default out/PRESET-IMAGES)")
    add_run_options(run)

    width = max(map(len, STUDIES))
    study = commands.add_parser(
        "study",
        help="answer one of the papers' questions by a grid of runs, with a table and a picture",
        description="Answer one question by a grid of runs:\n\n"
        + "\n".join(f"  {name:<{width}}  {question}" for name, question in STUDIES.items()),
        epilog=STUDY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    study.set_defaults(command=study_command)
    study.add_argument("name", metavar="NAME", help=f"the study: {', '.join(STUDIES)}")
    study.add_argument("--out", type=Path, metavar="DIR", help="its folder (default out/study-NAME-PRESET-IMAGES)")
    add_run_options(study)

    report = commands.add_parser("report", help="write tables and plots again from a results folder's rows")
    report.set_defaults(command=report_command)
    report.add_argument("folder", type=Path, metavar="DIR", help="a folder that `run` or `study` has written")

    compare = commands.add_parser(
        "compare",
        help="compare two results folders seed by seed",
        description="Compare each method of two results folders, paired by seed: B − A. Folders of different truth "
        "tables are refused; different settings are named.",
    )
    compare.set_defaults(command=compare_command)
    for name in ("A", "B"):
        compare.add_argument(name, type=Path, help="a folder that `run` has written")
    compare.add_argument("--out", type=Path, metavar="DIR", help="write compare.md and compare.csv there, too")

    query = commands.add_parser("query", help="print a cell's true accuracies")
    query.set_defaults(command=query_command)
    query.add_argument(
        "cell",
        metavar="CELL",
        help="|op~0|+|op~0|op~1|+|op~0|op~1|op~2| with op one of none, skip_connect, …; quote it",
    )
    query.add_argument("--truth", metavar="NAME", help=f"truth table: {', '.join(TRUTH_TABLES)}")
    add_data_dir(query)

    data = commands.add_parser("data", help="images and truth tables: what is there, download, import")
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="what is in the data folder, what is missing, and how to get it")
    status.set_defaults(command=status_command)
    download = actions.add_parser("download", help="fetch a table or data set from its canonical site")
    download.set_defaults(command=download_command)
    download.add_argument("name", metavar="NAME", help=f"one of {', '.join(DOWNLOADS)}")
    importing = actions.add_parser(
        "import",
        help="import NAS-Bench-201 from the official release, or from a CSV; or the official split of CIFAR-10",
        description="Import NAS-Bench-201 from NAS-Bench-201-v1_0-e61699.pth, NAS-Bench-201-v1_1-096897.pth, the "
        "folder NATS-tss-v1_0-3ffb9-simple, or a CSV with a row a cell. Pickles in it are read, never executed. Or "
        "AutoDL-Projects' cifar-split.txt, the halves of CIFAR-10 that several methods of `paper` search on.",
    )
    importing.set_defaults(command=import_command)
    importing.add_argument("file", type=Path, metavar="FILE", help="the release or the split file, as downloaded")
    for action in (status, download, importing):
        add_data_dir(action)

    speed = commands.add_parser(
        "speed",
        help="time the steps of a search beside a reference program and the machine's limits",
        description="Time one step of each kind of search, on random images: beside the same step of a reference "
        "program, and beside the least time that\nthe machine's own rates of matrix products and copies allow. "
        "The CUDA part has not yet run on a GPU.",
        epilog=SPEED_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    speed.set_defaults(command=speed_command)
    speed.add_argument("--against", metavar="NAME", help=f"reference program, installed beside: {', '.join(PEERS)}")
    speed.add_argument(
        "--sizes", default=",".join(SIZES), metavar="A,B,…", help="sizes, by preset (default %(default)s)"
    )
    speed.add_argument("--steps", default=",".join(STEPS), metavar="A,B,…", help="steps (default %(default)s)")
    speed.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a CUDA GPU where there is one)")
    speed.add_argument("--rounds", type=int, metavar="N", help="rounds of each step (default: enough for a second)")
    speed.add_argument(
        "--out", type=Path, metavar="FILE", help="CSV that the rows are added to, in place of older ones"
    )
    speed.add_argument(
        "--check",
        nargs="?",
        type=Path,
        const=RECORDED,
        metavar="FILE",
        help="compare the ratios with those recorded in FILE (default: the program's own): exit code 1 where one got "
        "worse, 2 where none is recorded for this device",
    )

    methods = commands.add_parser("methods", help="list the methods, or show one with its settings and their sources")
    methods.set_defaults(command=methods_command)
    methods.add_argument("name", nargs="?", metavar="NAME", help="a method")
    return top


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
        help=f"truth table: {', '.join(TRUTH_TABLES)} (default: nasbench201 where imported, else analognas)",
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
        type=Path,
        metavar="DIR",
        help="folder of images and truth tables (default: $BENCHMARK_DATA, else the user's data folder)",
    )


def run_command(options: argparse.Namespace) -> int:
    methods = parse_methods(options.methods)
    seeds = parse_seeds(options.seeds)
    check_count("--epochs", options.epochs)
    chosen = choose_surroundings(options)
    from benchmark.plan import plan
    from benchmark.progress import Fetching, Progress
    from benchmark.provenance import Command
    from benchmark.results_folder import Results, locked, write_space
    from benchmark.runner import check_images
    from benchmark.settings import override
    from benchmark.tensorboard import FOLDER, with_curves
    from benchmark.workers import Batch, run_all
    from data.truth import open_truth
    from reports.write import write_report

    images = [f"problem.images={options.images}"] if options.images else []
    runs = plan(override(chosen.tables, images), methods, seeds, options.epochs, chosen.preset, chosen.folder)
    problem = runs[0].problem
    check_precision(problem.precision, chosen.device)
    out = options.out or Path("out") / f"{Path(chosen.preset).stem}-{problem.images}"
    make_results_folder(out)
    truth = open_truth(options.truth, chosen.folder)
    console = chosen.console
    with Fetching(console) as fetching:
        check_images(runs, chosen.folder, fetching)
    jobs, side_by_side = choose_jobs(options, chosen.device, problem)
    console.print(
        f"{chosen.heading}: {len(methods)} method{'s' * (len(methods) > 1)} × {len(seeds)} "
        f"seed{'s' * (len(seeds) > 1)} {side_by_side}; images {problem.images}, truth {truth.name}, results in {out}"
    )
    announce(console, chosen.device)
    tell_splits(console, runs)
    setup = chosen.setup(options, out)
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
        if not results.runs:
            raise RunError(failure_sentence(failed, len(runs)))
        written = write_report(out, jobs=cores())
    console.print((out / "summary.md").read_text().split("\n![", 1)[0])
    console.print(f"{len(written)} files of tables and plots are in {out}; start with {out / 'report.html'}")
    if failed:
        raise RunError(failure_sentence(failed, len(runs)))
    return 0


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

    def setup(self, options: argparse.Namespace, out: Path) -> Setup:
        """What the runs share."""
        from benchmark.runner import Setup

        return Setup(out, options.data_dir, self.device, options.truth, options.stack_seeds)


def choose_surroundings(options: argparse.Namespace) -> Surroundings:
    check_count("--jobs", options.jobs)
    from benchmark.settings import override, read_preset
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
    from benchmark.study import Given, carry_out, check_name, describe_plan, plan_study

    name = check_name(options.name)
    seeds = parse_seeds(options.seeds)
    chosen = choose_surroundings(options)
    from benchmark.progress import Fetching
    from benchmark.provenance import Command
    from benchmark.results_folder import locked
    from benchmark.runner import check_images
    from data.images import open_images
    from data.truth import open_truth
    from reports.studies import write_study

    given = Given(chosen.tables, chosen.folder, chosen.device, chosen.preset)
    console = chosen.console
    with Fetching(console) as fetching:
        open_images(given.images, given.folder, fetching)
        planned = plan_study(name, given, seeds)
        check_images([run for _, runs in planned for run in runs], given.folder)
    for _, runs in planned:
        check_precision(runs[0].problem.precision, chosen.device)
    problem = planned[0][1][0].problem
    out = options.out or Path("out") / f"study-{name}-{Path(chosen.preset).stem}-{problem.images}"
    make_results_folder(out)
    truth = open_truth(options.truth, given.folder)
    jobs, side_by_side = choose_jobs(options, chosen.device, problem)
    total = sum(len(runs) for _, runs in planned)
    console.print(
        f"{name}: {STUDIES[name]}\n"
        f"{chosen.heading}: {total} runs, {len(seeds)} seed{'s' * (len(seeds) > 1)} of each variant and method, "
        f"{side_by_side}; truth {truth.name}, results in {out}\n{describe_plan(planned)}"
    )
    announce(console, chosen.device)
    tell_splits(console, [run for _, runs in planned for run in runs])
    setup = chosen.setup(options, out)
    command = Command(options.typed, chosen.preset, chosen.device)
    with locked(out):
        failed = carry_out(
            name, planned, setup, truth, jobs, console, command, options.retry_failed, options.tensorboard
        )
        try:
            written = write_study(out)
        except RowsError:
            if not failed:
                raise
            raise RunError(failure_sentence(failed, total)) from None  # a variant may have no run at all
    console.print((out / "study.md").read_text().split("\n![", 1)[0])
    console.print(f"Written: {', '.join(str(path) for path in written)}")
    if failed:
        raise RunError(failure_sentence(failed, total))
    return 0


def report_command(options: argparse.Namespace) -> int:
    from reports.write import write_report

    if is_there(options.folder / "variants.csv"):
        from reports.studies import write_study

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


def query_command(options: argparse.Namespace) -> int:
    cell = Cell.parse(options.cell)
    from benchmark.describe import describe_cell
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
    from data.inventory import import_file

    with Fetching(terminal()) as fetching:
        path = import_file(options.file, data_folder(options.data_dir), fetching)
    print(path)
    return 0


def speed_command(options: argparse.Namespace) -> int:
    sizes, steps = choose("--sizes", options.sizes, SIZES), choose("--steps", options.steps, STEPS)
    if options.against is not None and options.against not in PEERS:
        raise UsageError(f"--against {options.against!r} is unknown; choose from {', '.join(PEERS)}")
    check_count("--rounds", options.rounds)
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
    from benchmark.runner import threads

    by_default = max(1, cores() // threads(problem)) if device == "cpu" else 1
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
    try:
        (out / within).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be made ({error.strerror}); choose another folder") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise UsageError(f"--out {out} cannot be written to; choose another folder")
