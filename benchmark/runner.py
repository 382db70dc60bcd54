"""The runner: carries a plan out, run by run, and writes the rows of the results folder."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau

from benchmark import checkpoint
from benchmark.plan import Run, chains
from benchmark.settings import ProblemSettings, RunError, SettingsError, cores
from data.folder import DataError, Progress, data_folder, write_atomically
from data.images import ImageSet, open_images
from data.splits import read_split
from data.truth import TruthTable, open_truth
from methods import registry
from methods.search import ALL_OPERATIONS, Problem, Search
from reports.rows import (
    EFFECT_COLUMNS,
    HISTORY_COLUMNS,
    RUN_COLUMNS,
    SCORE_COLUMNS,
    SCORED_CELLS,
    SPACE_COLUMNS,
    TEXT,
)
from spaces import EDGES, OPERATIONS, SKIP, Cell, native

Row = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """What all runs of one command share."""

    out: Path
    data_dir: Path | None
    device: str
    truth: str | None
    preset: str
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
class Finished:
    """A run's rows."""

    row: Row
    history: list[Row]
    scores: list[Row]


def main_metric(truth: TruthTable, images: str) -> str:
    """The metric that regret and rank speak of: test accuracy on the images searched on, else CIFAR-10's."""
    wanted = f"{images}_test"
    return wanted if wanted in truth.accuracies else "cifar10_test"


def prepare_images(problem: ProblemSettings, folder: Path, progress: Progress | None = None) -> ImageSet:
    """The problem's images on the CPU, scaled and split as its settings say; fetched first where need be.

    Raises:
        DataError: where they cannot be had, or not in that size or split.
    """
    images = open_images(problem.images, folder, progress)
    if problem.split != "halves":
        if problem.training_images != "all":
            raise DataError('a split file is of all images: set problem.training_images to "all", or no problem.split')
        images = images.halved_by(read_split(Path(problem.split), len(images.labels)))
    return images.scaled(
        None if problem.resolution == "full" else problem.resolution,
        None if problem.training_images == "all" else problem.training_images,
    )


def set_up_torch(problem: ProblemSettings) -> None:
    """Threads and number formats of all that this process computes from now on."""
    torch.set_num_threads(threads(problem))
    # Equal seeds give equal bits: cuDNN may neither try algorithms nor pick one that adds in any order.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Unless asked for otherwise, float32 is float32 on every device.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = problem.precision == "tf32"


class Runner:
    """One process's images, truth and device, made ready once for all the runs it carries out."""

    def __init__(self, study: Study, problem: ProblemSettings) -> None:
        set_up_torch(problem)
        self.study = study
        self.device = torch.device(study.device)
        folder = data_folder(study.data_dir)
        self.truth = open_truth(study.truth, folder)
        images = prepare_images(problem, folder)
        self.metric = main_metric(self.truth, problem.images)
        size = problem.channels, problem.cells_per_stage
        self.problem = Problem(images.to(self.device), *size, self.truth, problem.precision)

    def carry_out(self, run: Run, report: Callable[[Event], None]) -> Finished:
        """Run every stage to its end, from its last checkpoint on where there is one."""
        search: Search | None = None
        history: list[Row] = []
        seconds = 0.0
        for number, stage in enumerate(run.stages):
            path = self.study.out / "checkpoints" / run.checkpoint_name(number)
            search = registry.load(stage.method)(self.problem, stage.settings, run.seed, search)
            saved = checkpoint.read(path)
            if saved is None:
                saved = checkpoint.Checkpoint({}, [], 0.0)
            else:
                search.load(saved.state)
            before = len(history)
            history += [self.history_row(run, stage.method, before + i, row) for i, row in enumerate(saved.rows, 1)]
            while len(saved.rows) < search.epochs:
                started = time.perf_counter()
                measured = search.epoch()
                cell = search.cell()
                saved.seconds += time.perf_counter() - started
                saved.rows.append({"genotype": str(cell), **measured, **self.tau(search)})
                saved.state = search.state()
                checkpoint.write(path, saved)
                history.append(self.history_row(run, stage.method, len(history) + 1, saved.rows[-1]))
                report(
                    Event(
                        run.name,
                        len(history),
                        before + search.epochs,
                        str(cell),
                        measured,
                        self.truth.query(cell)[self.metric],
                    )
                )
            seconds += saved.seconds
        assert search is not None
        return Finished(self.run_row(run, search, seconds, len(history)), history, self.score_rows(run, search))

    def tau(self, search: Search) -> Row:
        """Kendall's τ-b of the search's scores with the cells' true accuracy, by the truth table's checksum.

        Unlike all else that the table says, it cannot be looked up again when a search goes on with another table.
        """
        if (scores := search.scores()) is None:
            return {}
        scored = np.isfinite(scores)
        tau = kendalltau(scores[scored], self.truth.accuracies[self.metric][scored]).statistic
        return {"tau": {self.truth.checksum: float(tau)}}

    def score_rows(self, run: Run, search: Search) -> list[Row]:
        """A sample of the cells with their scores and true accuracies, the same cells for every method and seed."""
        if (scores := search.scores()) is None:
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
        cell = Cell.parse(row["genotype"])
        measured = {key: value for key, value in row.items() if key != "genotype"}
        if "tau" in measured:
            measured["tau"] = measured["tau"].get(self.truth.checksum)
        values = (run.method, run.seed, epoch, phase, row["genotype"], cell.count(SKIP))
        return {**dict(zip(HISTORY_COLUMNS, values, strict=True)), **self.truth.query(cell), **measured}

    def run_row(self, run: Run, search: Search, seconds: float, epochs: int) -> Row:
        cell = search.cell()
        other = search.other_selection()
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
            "epochs": epochs,
            "search_seconds": round(seconds, 3),
            "device": device_name(self.device),
            "images": run.problem.images,
            "preset": self.study.preset,
            "settings": run.settings_hash,
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


class Results:
    """The rows of a results folder: those that were there, and each run's as it finishes."""

    def __init__(self, out: Path, runs: Sequence[Run], truth: TruthTable) -> None:
        self.out = out
        self.runs = read_if_there(out / "runs.csv")
        self.history = read_if_there(out / "history.csv")
        self.scores = read_if_there(out / "scores.csv")
        self.planned = {run.method: run.settings_hash for run in runs}
        for row in self.runs:
            if row["truth_checksum"] != truth.checksum[:12]:
                raise SettingsError(
                    f"{out} holds results looked up in another truth table ({row['truth']}); choose another --out"
                )
            if self.planned.get(row["method"], row["settings"]) != row["settings"]:
                raise SettingsError(
                    f"{out} holds results of {row['method']} with other settings (preset {row['preset']}, images "
                    f"{row['images']}); choose another --out, or the settings they were made with"
                )

    def missing(self, runs: Sequence[Run]) -> list[Run]:
        """Those of the runs that have not finished."""
        finished = {(row["method"], row["seed"]) for row in self.runs}
        return [run for run in runs if (run.method, run.seed) not in finished]

    def add(self, finished: Finished) -> None:
        """Write a run's rows. runs.csv comes last: a run counts as finished once it stands there."""
        key = finished.row["method"], finished.row["seed"]

        def with_new(rows: list[Row], new: list[Row]) -> list[Row]:
            return self._ordered([row for row in rows if (row["method"], row["seed"]) != key] + new)

        self.history = with_new(self.history, finished.history)
        self.scores = with_new(self.scores, finished.scores)
        self.runs = with_new(self.runs, [finished.row])
        write_rows(self.out / "history.csv", self.history)
        if self.scores:
            write_rows(self.out / "scores.csv", self.scores)
        write_rows(self.out / "runs.csv", self.runs)

    def _ordered(self, rows: list[Row]) -> list[Row]:
        """By method in the order asked for, then seed, so that the files do not depend on who finished first."""
        methods = list(dict.fromkeys([*self.planned, *(row["method"] for row in self.runs)]))
        return sorted(rows, key=lambda row: (methods.index(row["method"]), row["seed"], row.get("epoch", 0)))


def read_if_there(path: Path) -> list[Row]:
    if not path.exists():
        return []
    try:
        rows = pd.read_csv(path, dtype=TEXT)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); repair or remove it, or choose another --out") from None
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def write_rows(path: Path, rows: list[Row]) -> None:
    write_atomically(path, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode())


def write_effects(out: Path, truth: TruthTable, metric: str) -> None:
    """effects.csv: the mean true accuracy of all cells with an operation on an edge, for every such pair."""
    rows = []
    for edge in range(len(EDGES)):
        for number, operation in enumerate(OPERATIONS):
            mean = truth.accuracies[metric][ALL_OPERATIONS[:, edge] == number].mean()
            rows.append(dict(zip(EFFECT_COLUMNS, (edge, operation, metric, mean), strict=True)))
    write_rows(out / "effects.csv", rows)


def write_space(out: Path, truth: TruthTable) -> None:
    """space.csv: mean and quantiles of each metric over all cells."""
    rows = []
    quantiles = [i / 200 for i in range(201)]
    for metric in truth.accuracies:
        values = [("mean", truth.mean(metric)), *zip(quantiles, truth.quantiles(metric, quantiles), strict=True)]
        rows += [dict(zip(SPACE_COLUMNS, (metric, *value), strict=True)) for value in values]
    write_rows(out / "space.csv", rows)


def run_all(
    study: Study,
    runs: Sequence[Run],
    results: Results,
    jobs: int,
    report: Callable[[Event | Finished], None],
) -> None:
    """Carry out the runs, `jobs` at a time, and add their rows to the results as they finish."""

    def take(news: Event | Finished) -> None:
        if isinstance(news, Finished):
            results.add(news)
        report(news)

    remaining = chains(runs)
    if jobs == 1 and remaining:
        runner = Runner(study, runs[0].problem)
        for chain in remaining:
            for run in chain:
                take(runner.carry_out(run, take))
    elif remaining and study.stacked:
        run_stacked(study, remaining, jobs, take)
    elif remaining:
        run_side_by_side(study, remaining, jobs, take)


def run_side_by_side(
    study: Study, remaining: list[list[Run]], jobs: int, take: Callable[[Event | Finished], None]
) -> None:
    """Carry the chains out in `jobs` processes; each asks for the next chain when it is done with one."""
    context = get_context("spawn")
    queue = iter(remaining)
    connections: list[Connection] = []
    for _ in range(min(jobs, len(remaining))):
        ours, theirs = context.Pipe()
        # A daemon ends with this process, however that ends.
        context.Process(target=work, args=(study, remaining[0][0].problem, theirs), daemon=True).start()
        theirs.close()
        connections.append(ours)
    while connections:
        for connection in wait(connections):
            assert isinstance(connection, Connection)
            try:
                news = connection.recv()
            except EOFError:
                raise RunError("a worker process was ended from outside; run the same command again to go on") from None
            if isinstance(news, BaseException):
                raise news
            if news is not None:
                take(news)
                continue
            chain = next(queue, None)
            connection.send(chain)
            if chain is None:
                connections.remove(connection)


def run_stacked(study: Study, remaining: list[list[Run]], jobs: int, take: Callable[[Event | Finished], None]) -> None:
    """Carry the chains out in `jobs` threads, on a GPU each on a stream of its own, so that their kernels overlap.

    No two searches share anything that changes: each comes to the result that it comes to alone.
    """
    problem = remaining[0][0].problem
    runner = Runner(study, problem)
    chains_left: SimpleQueue[list[Run] | None] = SimpleQueue()
    for chain in [*remaining, *[None] * jobs]:
        chains_left.put(chain)
    news: SimpleQueue[Event | Finished | BaseException | None] = SimpleQueue()

    def work_on_a_stream() -> None:
        torch.set_num_threads(threads(problem))  # a thread has its own
        stream = torch.cuda.Stream() if runner.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        try:
            with torch.cuda.stream(stream):
                while (chain := chains_left.get()) is not None:
                    for run in chain:
                        news.put(runner.carry_out(run, news.put))
            news.put(None)
        except BaseException as error:
            news.put(error)

    for _ in range(jobs):
        threading.Thread(target=work_on_a_stream, daemon=True).start()  # a daemon ends with this process
    working = jobs
    while working:
        match news.get():
            case None:
                working -= 1
            case BaseException() as error:
                raise error
            case told:
                take(told)


def work(study: Study, problem: ProblemSettings, connection: Connection) -> None:
    """A worker process: asks for a chain with None, sends news of it, and ends when it is given None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
    try:
        runner = Runner(study, problem)
        while True:
            connection.send(None)
            if (chain := connection.recv()) is None:
                return
            for run in chain:
                connection.send(runner.carry_out(run, connection.send))
    except (BrokenPipeError, EOFError):
        return  # the parent is gone
    except Exception as error:
        connection.send(error)
