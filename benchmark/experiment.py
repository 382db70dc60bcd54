"""The one way of every command that searches: resolved options → plan → runs → rows.

A run is a study of one variant, whose folder is the results folder itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmark import workers
from benchmark.errors import RunError, SettingsError
from benchmark.memory import ImageSize, check_memory
from benchmark.method_facts import write_method_facts
from benchmark.outputs import make_out_folder
from benchmark.plan import Run
from benchmark.progress import LEGEND, Fetching, RunProgress
from benchmark.provenance import RecordedCommand
from benchmark.results_folder import (
    ResultsFolder,
    Row,
    locked,
    read_if_there,
    write_effects,
    write_rows,
    write_space,
)
from benchmark.runner import RunContext, check_images, main_metric
from benchmark.second_opinion import write_second_opinions
from benchmark.settings import ProblemSettings, Table, cores, preset_label
from benchmark.study import PlannedVariant, StudyInputs, plan_variants
from benchmark.tensorboard import FOLDER, with_curves
from data.folder import make_folder, refuse_link
from data.images import ImageSet
from data.truth import TruthTable
from reports import run_name
from reports.study import Variant
from spaces import Precision, native


@dataclass(frozen=True)
class ResolvedOptions:
    """What a command that searches was asked, every default filled in."""

    typed: Sequence[str]
    """Its arguments, after `python -m benchmark`."""
    seeds: Sequence[int]
    preset: str
    why_preset: str
    """Why it was chosen; "" where it was asked for."""
    tables: Table
    """The preset with the command's changes."""
    device: str
    folder: Path
    """Of images and truth tables."""
    truth: TruthTable
    jobs: int
    """Runs side by side."""
    threads: int
    """Of each run."""
    stacked: bool
    retry_failed: bool
    tensorboard: bool

    @property
    def heading(self) -> str:
        """The preset, and why it was chosen."""
        return f"Preset {preset_label(self.preset)}{self.why_preset and f' ({self.why_preset})'}"

    @property
    def seeds_text(self) -> str:
        """How many seeds."""
        return f"{len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}"

    @property
    def side_by_side(self) -> str:
        """Where the runs are computed, and how many at a time."""
        return f"on {self.device}, {self.jobs} at a time with {self.threads} of {cores()} cores each"


@dataclass(frozen=True)
class Experiment:
    """Planned runs, of which nothing is missing any more."""

    options: ResolvedOptions
    study: str
    """Its name; "" for a run."""
    out: Path
    variants: Sequence[PlannedVariant]
    images: dict[ProblemSettings, ImageSet]
    """As prepared for each problem."""

    @property
    def runs(self) -> list[Run]:
        """Those of all variants."""
        return [run for planned in self.variants for run in planned.runs]


def plan_experiment(
    options: ResolvedOptions,
    variants: Callable[[StudyInputs], Sequence[Variant]],
    console: Console,
    *,
    study: str = "",
    epochs: int | None = None,
    out: Path | None = None,
) -> Experiment:
    """The runs of the variants, with their images; fetches what it can and says now what else is wrong.

    Args:
        epochs: of every supernet, instead of the preset's.
        out: the results folder; it is made.

    Raises:
        SettingsError, MethodError, DataError: for what cannot be used or had.
    """
    with Fetching(console) as fetching:
        inputs = StudyInputs(options.tables, options.folder, options.device, options.preset, fetching)
        planned = plan_variants(variants(inputs), inputs, options.seeds, epochs)
        runs = [run for _, of_variant in planned for run in of_variant]
        for run in runs:
            check_precision(run.problem.precision, options.device)
        name = f"{study and f'study-{study}-'}{Path(options.preset).stem}-{runs[0].problem.images}"
        out = out or Path("out") / name
        make_out_folder(out)
        images = check_images(runs, inputs.open_images)
    sizes = {problem: ImageSize(of.images.shape[-1], len(of.labels)) for problem, of in images.items()}
    check_memory(runs, sizes, options.device, options.jobs)
    return Experiment(options, study, out, planned, images)


def check_precision(precision: Precision, device: str) -> None:
    """
    Raises:
        SettingsError: for a number format that the device does not have.
    """
    if precision == "tf32" and device == "cpu":
        raise SettingsError(
            "precision tf32 is a number format of CUDA GPUs, and the device is cpu; choose fp32 or bf16"
        )


@dataclass(frozen=True)
class Searched:
    """What an experiment has come to, before its report is written."""

    out: Path
    total: int
    """Runs asked for."""
    failed: list[tuple[Path, Row]]
    """Rows of failures.csv, each with its folder."""

    def raise_failures(self) -> None:
        """
        Raises:
            RunError: where runs failed; the message says which, and what can be done.
        """
        if not self.failed:
            return
        _, first = self.failed[0]
        others = f" and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        tables = list(dict.fromkeys(str(folder / "failures.csv") for folder, _ in self.failed))
        elsewhere = " and those beside it name all" if len(tables) > 1 else " names all"
        again = "the same command" if all(row["transient"] for _, row in self.failed) else "--retry-failed"
        raise RunError(
            f"{len(self.failed)} of {self.total} runs failed: {run_name(first['method'], first['seed'])} "
            f"({first['error']}){others}; {tables[0]}{elsewhere}, with their tracebacks; {again} tries them again"
        )


@contextmanager
def searched(experiment: Experiment, console: Console) -> Iterator[Searched]:
    """Carry out what is missing of an experiment, each variant in its folder; all are locked until what is inside ends.

    Curves for TensorBoard stand below one folder, so that all variants can be seen side by side.

    Raises:
        SettingsError: where a folder holds other results, or another command is writing into it.
        DataError, RunError: for what concerns more than one run.
    """
    options, out, truth = experiment.options, experiment.out, experiment.options.truth
    announce(experiment, console)
    command = RecordedCommand(options.typed, options.preset, options.device)
    with ExitStack() as locks:
        locks.enter_context(locked(out))
        if experiment.study:
            _check_study(out, experiment.study)
        begun = []
        for variant, runs in experiment.variants:
            folder = out / variant.name
            if folder != out:
                refuse_link(folder)
                locks.enter_context(locked(make_folder(folder)))
            make_folder(folder / "checkpoints")
            within = truth.within(runs[0].problem.space)
            results = ResultsFolder(folder, runs, within)
            begun.append((variant, runs, results, results.missing(runs, options.retry_failed)))
            write_space(folder, within)
            write_method_facts(folder, [*variant.methods, *(row["method"] for row in results.runs)])
            if experiment.study and "discretisation" in variant.methods:
                write_effects(folder, within, main_metric(truth, runs[0].problem.images))
        if experiment.study:
            rows = [{"study": experiment.study, "variant": v.name, **v.factors} for v, _ in experiment.variants]
            write_rows(out / "variants.csv", rows)
        total = len(experiment.runs)
        with RunProgress(console, total, total - sum(len(missing) for *_, missing in begun)) as progress:
            groups = [
                workers.RunGroup(
                    RunContext(results.out, options.folder, options.device, truth, options.stacked),
                    missing,
                    results,
                    command.recorded(results, runs, len(missing), truth),
                    with_curves(
                        progress.of(variant.name if len(begun) > 1 else ""),
                        out / FOLDER / variant.name if options.tensorboard else None,
                    ),
                )
                for variant, runs, results, missing in begun
            ]
            workers.run_all(groups, options.jobs, experiment.images)
        if any(results.runs for _, _, results, _ in begun):
            for notice in write_second_opinions([results for _, _, results, _ in begun], truth):
                console.print(notice)
        failed = [(results.out, row) for _, runs, results, _ in begun for row in results.failures_of(runs)]
        yield Searched(out, total, failed)


def _check_study(out: Path, name: str) -> None:
    if other := {row["study"] for row in read_if_there(out / "variants.csv", ("study",))} - {name}:
        raise SettingsError(f"{out} holds the study {other.pop()}; choose another --out")


def announce(experiment: Experiment, console: Console) -> None:
    """Say how to read the progress, and which methods do without their protocol's split. On a CPU the compiled layers
    are made ready here, before any worker wants them."""
    if experiment.options.device == "cpu" and (reason := native.why_unavailable()):
        console.print(f"Several times slower than it could be: {reason}; PyTorch's layers are used")
    console.print(LEGEND, style="dim")
    without: dict[str, dict[str, None]] = {}
    for run in experiment.runs:
        if run.why:
            without.setdefault(run.why, {})[run.method] = None
    for why, methods in without.items():
        console.print(
            f"Not as published: {', '.join(methods)} on the first and the second half of the images, since {why}"
        )
