"""The runner: carries runs out, epoch by epoch, from checkpoint to checkpoint, and makes their rows."""

from __future__ import annotations

import ctypes
import functools
import platform
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmark import checkpoint, generators, validation
from benchmark.errors import RunError, SettingsError
from benchmark.plan import Run
from benchmark.results_folder import Failed, Finished, Row
from benchmark.settings import ProblemSettings, cores
from benchmark.validation import MethodFailed, methods_own
from data.folder import DataError
from data.images import ImageSet, open_images
from data.splits import Split
from data.truth import TruthTable
from methods import registry
from methods.search import Problem, Search, seeded
from reports.rows import HISTORY_COLUMNS, RUN_COLUMNS, SCORE_COLUMNS, SCORED_CELLS
from spaces import native


@dataclass(frozen=True)
class RunContext:
    """What all runs of one command share."""

    out: Path
    folder: Path
    """Of images and truth tables."""
    device: str
    truth: TruthTable
    stacked: bool = False
    """Whether runs go side by side in threads of this process, which share its device, instead of in processes."""


@dataclass(frozen=True)
class Event:
    """News of a run: an epoch is done."""

    run: str
    epoch: int
    epochs: int
    genotype: str
    measured: dict[str, Any]
    truth: float
    """True accuracy of the present cell by the main metric, %."""


@dataclass(frozen=True)
class Notice:
    """Something that the user should know."""

    text: str


News = Event | Finished | Failed | Notice


def main_metric(truth: TruthTable, images: str) -> str:
    """The metric that regret and rank speak of: test accuracy on the images searched on, else CIFAR-10's."""
    wanted = f"{images}_test"
    return wanted if wanted in truth.accuracies else "cifar10_test"


def prepare_images(problem: ProblemSettings, opened: Callable[[str], ImageSet]) -> ImageSet:
    """The problem's images on the CPU, scaled as its settings say, in their publisher's order.

    Args:
        opened: gives an image set by its name.

    Raises:
        DataError: where they cannot be had, or not in that size.
    """
    return opened(problem.images).scaled(
        None if problem.resolution == "full" else problem.resolution,
        None if problem.training_images == "all" else problem.training_images,
    )


def in_halves(images: ImageSet, split: Split) -> ImageSet:
    """The images in the order that searches expect: those to train on, then those to validate on.

    Raises:
        DataError: where the split's file does not halve them, or has changed since it was planned with.
    """
    return images if split.path is None else images.halved_by(split.parts(len(images.labels)))


def check_images(runs: Sequence[Run], opened: Callable[[str], ImageSet]) -> dict[ProblemSettings, ImageSet]:
    """Finds what is missing or wrong of the images of these runs, and of their splits, before any of them begins.

    Args:
        opened: gives an image set by its name.

    Returns:
        The images of each problem, prepared.

    Raises:
        DataError: for the first such thing.
    """
    prepared = {problem: prepare_images(problem, opened) for problem in dict.fromkeys(run.problem for run in runs)}
    for problem, split in dict.fromkeys((run.problem, run.split) for run in runs):
        in_halves(prepared[problem], split)
    return prepared


def set_up_torch(problem: ProblemSettings) -> None:
    """Threads, memory and number formats of all that this process computes from now on."""
    torch.set_num_threads(threads(problem))
    keep_freed_memory()
    # Equal seeds give equal bits: cuDNN may neither try algorithms nor pick one that adds in any order.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Unless asked for otherwise, float32 is float32 on every device.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = problem.precision == "tf32"


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's numbers for `mallopt` (malloc.h)."""


def keep_freed_memory() -> None:
    """Have glibc keep memory that is freed, since the next step asks for as much again.

    Else it hands large pieces back, at random from one start of the program to the next, and a step of PT at `mini`
    takes twice as long in the kernel's handing out of fresh pages. Without glibc nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)  # the most that its int holds
        libc.mallopt(M_MMAP_MAX, 0)


class Runner:
    """The images and the device of one process, made ready once for all the runs that it carries out."""

    def __init__(self, context: RunContext, problem: ProblemSettings, images: ImageSet | None = None) -> None:
        """
        Args:
            images: as `prepare_images` gives them; None has them opened.
        """
        set_up_torch(problem)
        self.context = context
        self.device = torch.device(context.device)
        self.space = problem.space
        self.truth = context.truth.within(self.space)
        self.images = images or prepare_images(problem, functools.partial(open_images, folder=context.folder))
        self.metric = main_metric(self.truth, problem.images)
        self.settings = problem
        self.halved: dict[Split, ImageSet] = {}
        self.halving = threading.Lock()

    def problem_of(self, method: type[Search], split: Split) -> Problem:
        """What a search of this method is given: the images in its halves, and the truth only where it declares that it
        searches on the table."""
        with self.halving:  # stacked runs share the images
            if split not in self.halved:
                self.halved[split] = in_halves(self.images, split).to(self.device)
        size = self.settings.channels, self.settings.cells_per_stage
        truth = self.truth if method.needs_truth else None
        return Problem(self.halved[split], *size, truth, self.settings.precision, self.space)

    def attempt(self, run: Run) -> Iterator[News]:
        """The news of `run_stages`; a failure of this run alone is yielded last.

        Raises:
            DataError, SettingsError, RunError: for what is wrong with the folder, the disk or the device.
        """
        try:
            yield from self.run_stages(run)
        except (DataError, SettingsError, RunError):
            raise
        except OSError as error:
            raise RunError(f"{run.name} was stopped ({one_line(error)}); the same command goes on") from error
        except Exception as error:
            yield failure(run, error)

    def run_stages(self, run: Run) -> Iterator[News]:
        """Runs every stage to its end, from its last checkpoint if there is one; yields the news of every epoch, then
        of the end.

        Raises:
            FloatingPointError, MethodFailed: where the method returns or raises what it must not.
        """
        search: Search | None = None
        history: list[Row] = []
        devices: list[str] = []
        seconds = 0.0
        for number, stage in enumerate(run.stages):
            path = self.context.out / "checkpoints" / run.checkpoint_name(number)
            self.seed_generators(run, number)
            method = registry.load(stage.method)
            problem = self.problem_of(method, run.split)
            with methods_own("__init__"):
                search = method(problem, stage.settings, run.seed, search)
            warnings: list[str] = []
            saved = checkpoint.read(path, warnings.append)
            yield from map(Notice, warnings)
            if saved is None:
                saved = checkpoint.Checkpoint({}, [], 0.0)
            else:
                with methods_own("load"):
                    search.load(saved.state)
                if saved.random:
                    generators.restore(saved.random, self.device)
            before = len(history)
            history += [self.history_row(run, stage.method, before + i, row) for i, row in enumerate(saved.rows, 1)]
            epochs = validation.epochs(getattr(search, "epochs", None), before)
            while len(saved.rows) < epochs:
                started = time.perf_counter()
                with methods_own("epoch"):
                    told = search.epoch()
                with methods_own("cell"):
                    chosen = search.cell()
                saved.seconds += time.perf_counter() - started
                saved.devices = list(dict.fromkeys([*saved.devices, device_name(self.device)]))
                measured, cell = validation.measurements(told, len(saved.rows) + 1), validation.cell(chosen, self.space)
                saved.rows.append({"genotype": str(cell), **measured, **self.tau(search)})
                with methods_own("state"):
                    state = search.state()
                saved.state = validation.state(state)
                saved.random = {} if self.context.stacked else generators.states(self.device)
                checkpoint.write(path, saved)
                history.append(self.history_row(run, stage.method, len(history) + 1, saved.rows[-1]))
                true = self.truth.query(cell)[self.metric]
                yield Event(run.name, len(history), before + epochs, str(cell), measured, true)
            seconds += saved.seconds
            devices += saved.devices
        assert search is not None
        row = self.run_row(run, search, seconds, len(history), devices)
        yield Finished(row, history, self.score_rows(run, search))

    def seed_generators(self, run: Run, stage: int) -> None:
        """Seeds the generators of the process, but not those that stacked runs would share."""
        if not self.context.stacked:
            generators.seed_all(seeded(run.seed, GENERATORS, stage))

    def scores(self, search: Search) -> NDArray[np.float64] | None:
        """What the search scores every cell with, shape (15625,), or None."""
        with methods_own("scores"):
            told = search.scores()
        return validation.scores(told, self.space)

    def tau(self, search: Search) -> Row:
        """Kendall's τ-b of the search's scores with the cells' true accuracy, by the truth table's checksum.

        It cannot be looked up again if a search resumes with another table, hence the checksum.
        """
        if (scores := self.scores(search)) is None:
            return {}
        scored = np.isfinite(scores)
        if scored.sum() < 2:  # nothing to rank
            return {}
        tau = kendalltau(scores[scored], self.truth.accuracies[self.metric][scored]).statistic
        return {"tau": {self.truth.checksum: float(tau)}}

    def score_rows(self, run: Run, search: Search) -> list[Row]:
        """A sample of the cells with their scores and true accuracies; the same for searches that score them all."""
        if (scores := self.scores(search)) is None:
            return []
        scored = np.flatnonzero(np.isfinite(scores))
        sample = np.random.default_rng(0).permutation(scored)[:SCORED_CELLS]
        pairs = sorted(zip(scores[sample], self.truth.accuracies[self.metric][sample], strict=True))
        return [
            dict(
                zip(
                    SCORE_COLUMNS, (run.method, run.seed, float(f"{score:.6g}"), round(float(accuracy), 2)), strict=True
                )
            )
            for score, accuracy in pairs
        ]

    def history_row(self, run: Run, phase: str, epoch: int, row: Row) -> Row:
        """A row of history.csv; `row` is what the checkpoint keeps of the epoch."""
        cell = self.space.parse(row["genotype"])
        measured = {key: value for key, value in row.items() if key != "genotype"}
        if "tau" in measured:
            measured["tau"] = measured["tau"].get(self.truth.checksum)
        values = (run.method, run.seed, epoch, phase, row["genotype"], self.space.count(cell, self.space.skip))
        return {**dict(zip(HISTORY_COLUMNS, values, strict=True)), **self.truth.query(cell), **measured}

    def run_row(self, run: Run, search: Search, seconds: float, epochs: int, devices: Sequence[str]) -> Row:
        """The row of runs.csv."""
        with methods_own("cell and alternative_cell"):
            chosen, second = search.cell(), search.alternative_cell()
        cell, other = validation.cell(chosen, self.space), validation.alternative_cell(second, self.space)
        row = {
            "method": run.method,
            "seed": run.seed,
            "genotype": str(cell),
            **self.truth.query(cell),
            "metric": self.metric,
            "regret": self.truth.regret(cell, self.metric),
            "rank": self.truth.rank(cell, self.metric),
            "other_selection": other[0] if other else None,
            "other_genotype": str(other[1]) if other else None,
            **({f"other_{metric}": value for metric, value in self.truth.query(other[1]).items()} if other else {}),
            "asks": validation.asks(search.asks),
            "epochs": epochs,
            "search_seconds": round(seconds, 3),
            "device": " / ".join(dict.fromkeys(devices or [device_name(self.device)])),
            "images": run.problem.images,
            **run.facts(self.truth),
            "settings": run.settings_hash,
            "space": self.space.name,
            "truth": self.truth.name,
            "truth_checksum": self.truth.checksum[:12],
            "version": version("replica-201"),
        }
        assert set(RUN_COLUMNS) <= set(row)
        return row


def threads(problem: ProblemSettings) -> int:
    """CPU threads of one run."""
    return cores() if problem.threads == "all" else problem.threads


def device_name(device: torch.device) -> str:
    """The device, and on a CPU whose layers computed: `spaces.native`'s ("CPU"), or PyTorch's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "CPU" if native.why_unavailable() is None else "CPU with PyTorch's layers"


GENERATORS = 7
"""The random stream of a run, beside those of its searches, that seeds the generators of the process."""


def failure(run: Run, raised: Exception) -> Failed:
    """What an error makes of a run.

    Raises:
        RunError: where it is the device that failed.
    """
    error = raised.__cause__ or raised if isinstance(raised, MethodFailed) else raised
    said = one_line(error)
    if isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError):
        raise RunError(
            f"the device failed in {run.name} ({said}), and nothing more can be computed on it by this process; run "
            "the same command again to go on"
        ) from raised
    of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in said
    return Failed(run, said, "".join(traceback.format_exception(raised)), transient=of_memory)


def one_line(error: BaseException) -> str:
    """An error as one line of printable text."""
    try:
        text = " ".join(str(error).split())[:300]
    except Exception:  # a third party's error may have no text either
        text = ""
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)
