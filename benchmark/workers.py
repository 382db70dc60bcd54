"""Runs one after the other, side by side in processes, or side by side in threads that share a GPU."""

from __future__ import annotations

import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue

import torch

from benchmark.errors import RunError, SettingsError
from benchmark.plan import Run, chains
from benchmark.results_folder import Failed, Finished, ResultsFolder
from benchmark.runner import Event, News, Notice, RunContext, Runner, threads
from benchmark.settings import ProblemSettings
from data.folder import DataError
from data.images import ImageSet
from methods import registry
from methods.registry import MethodError
from reports.child import follow_parent
from spaces.compiled import ChoiceError, settled, why_unavailable

Take = Callable[[News], None]

START = "start"
"""Stands for the start of a process among the names of runs."""

MOST_DEATHS = 3
"""A run whose process ends so often without finishing another epoch has failed."""


class RunGroup:
    """The runs of one results folder that are to be carried out, and who hears of them."""

    def __init__(
        self,
        context: RunContext,
        runs: Sequence[Run],
        results: ResultsFolder,
        recorded: AbstractContextManager[None],
        hearing: AbstractContextManager[Take],
    ) -> None:
        """`recorded` and `hearing`, which takes the news, are open from before the first run to after the last."""
        self.context = context
        self.runs = runs
        self.results = results
        self.recorded = recorded
        self.hearing = hearing
        self.left = len(runs)
        self.open = ExitStack()
        self.report: Take | None = None

    def take(self, news: News) -> None:
        """Adds the rows of what has finished or failed, and passes the news on."""
        assert self.report is not None
        if isinstance(news, Finished | Failed):
            self.results.add(news)
            self.left -= 1
        self.report(news)
        if self.left == 0:
            self.open.close()

    def begin(self) -> None:
        """Opens what its runs need, before the first of them; closes it at once where there is none."""
        if self.report is None:
            self.open.enter_context(self.recorded)
            self.report = self.open.enter_context(self.hearing)
            if not self.runs:
                self.open.close()


def run_all(groups: Sequence[RunGroup], jobs: int, images: dict[ProblemSettings, ImageSet]) -> None:
    """Carry the groups out, `jobs` runs at a time. In processes, a group begins once no run of the one before is left
    to start; otherwise, once that one has ended.

    Args:
        images: of each problem, as `prepare_images` gives them. Emptied where each process opens its own.

    Raises:
        DataError, SettingsError, RunError: for what concerns more than one run; those under way can be resumed.
    """
    with ExitStack() as all_open:
        for group in groups:
            all_open.push(group.open)
        stacked = any(group.context.stacked for group in groups)
        if not stacked and (jobs > 1 or any(takes_others(run) for group in groups for run in group.runs)):
            if any(group.context.device == "cpu" for group in groups):
                all_open.enter_context(settled())
            images.clear()
            _run_side_by_side(groups, jobs)
            return
        for group in groups:
            group.begin()
            if not group.runs:
                continue
            problem = group.runs[0].problem
            runner = Runner(group.context, problem, images[problem])
            if stacked and jobs > 1:
                _run_stacked(group, runner, jobs)
            else:
                for chain in chains(group.runs):
                    for run in chain:
                        for news in runner.attempt(run):
                            group.take(news)
            del runner  # its images on the device, before the next group has others there


def takes_others(run: Run) -> bool:
    """Whether a third party's method takes part: it may kill the process that it runs in."""
    return any(registry.of_others(stage.method) for stage in run.stages)


class Worker:
    """A process that carries chains out; it asks for the next by sending None, and ends when it is given None."""

    def __init__(self, context: RunContext, problem: ProblemSettings) -> None:
        spawn = get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        # A daemon ends with this process, unless that is killed; then `follow_parent` sees to it.
        self.process = spawn.Process(target=_work, args=(context, problem, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.group: RunGroup | None = None
        self.chain: deque[Run] = deque()
        """What it has not finished of its present chain, which is of that group; the first run is under way."""

    def give(self, group: RunGroup, chain: Sequence[Run]) -> None:
        """Send it a chain of a group."""
        self.group, self.chain = group, deque(chain)
        self.connection.send((group.context, chain))

    def take(self, news: News) -> None:
        """What it tells of its chain."""
        assert self.group is not None
        if isinstance(news, Finished | Failed):
            self.chain.popleft()
        self.group.take(news)

    @property
    def run(self) -> tuple[Path, str]:
        """The run under way, by its results folder and its name."""
        assert self.group is not None
        return self.group.context.out, self.chain[0].name

    def how_it_ended(self) -> tuple[str, bool]:
        """In words, once it has, and whether from outside."""
        self.process.join()
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"by signal {signal.Signals(-code).name}", True
        return f"with exit code {code}", False


def _run_side_by_side(groups: Sequence[RunGroup], jobs: int) -> None:
    """Carry the chains out in `jobs` processes; a process that dies is replaced, and its run goes on."""
    waiting = deque((group, chain) for group in groups for chain in chains(group.runs))
    deaths: Counter[object] = Counter()

    def new_worker() -> Worker:
        group, chain = waiting[0]
        return Worker(group.context, chain[0].problem)

    for group in groups:
        if not group.runs:
            group.begin()
    if waiting:
        waiting[0][0].begin()  # the start of the processes is part of it
    workers = {worker.connection: worker for worker in (new_worker() for _ in range(min(jobs, len(waiting))))}

    def after_death(worker: Worker) -> None:
        del workers[worker.connection]
        _after_death(worker, deaths)
        if worker.chain:
            assert worker.group is not None
            waiting.appendleft((worker.group, list(worker.chain)))
        if waiting:
            new = new_worker()
            workers[new.connection] = new

    while workers:
        for connection in wait(list(workers)):
            assert isinstance(connection, Connection)
            worker = workers[connection]
            try:
                news = connection.recv()
            except (EOFError, OSError):  # it may have died within a message
                after_death(worker)
                continue
            if isinstance(news, BaseException):
                raise news
            if isinstance(news, Event):
                del deaths[worker.run]
            if news is not None:
                worker.take(news)
                continue
            del deaths[START]
            if waiting:
                waiting[0][0].begin()
            try:
                if waiting:
                    worker.give(*waiting.popleft())
                else:
                    connection.send(None)
                    del workers[connection]
            except OSError:
                after_death(worker)


def _after_death(worker: Worker, deaths: Counter[object]) -> None:
    """Reports what died, and gives its run up if that has happened too often.

    Raises:
        RunError: where processes end before their first run.
    """
    how, from_outside = worker.how_it_ended()
    if not worker.chain:
        deaths[START] += 1
        if deaths[START] == MOST_DEATHS:
            raise RunError(f"the worker processes end before their first run ({how}); try --jobs 1")
        return
    run = worker.chain[0]
    deaths[worker.run] += 1
    if deaths[worker.run] < MOST_DEATHS:
        worker.take(
            Notice(f"the process of {run.name} was ended {how}; another one goes on from its last finished epoch")
        )
        return
    error = f"its process was ended {how}, {MOST_DEATHS} times without finishing an epoch"
    details = f"{error}\n\nThere is no traceback: the process could not write one.\n"
    worker.take(Failed(run, error, details, transient=from_outside))


def _run_stacked(group: RunGroup, runner: Runner, jobs: int) -> None:
    """Carry the chains out in `jobs` threads, on a GPU each on a stream of its own, so that their kernels overlap.

    No two searches share anything that changes: each comes to the result that it comes to alone.
    """
    chains_left: SimpleQueue[list[Run] | None] = SimpleQueue()
    for chain in [*chains(group.runs), *[None] * jobs]:
        chains_left.put(chain)
    news: SimpleQueue[News | BaseException | None] = SimpleQueue()

    def work_on_a_stream() -> None:
        torch.set_num_threads(threads(runner.settings))  # a thread has its own
        stream = torch.cuda.Stream() if runner.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        try:
            with torch.cuda.stream(stream):
                while (chain := chains_left.get()) is not None:
                    for run in chain:
                        for told in runner.attempt(run):
                            news.put(told)
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
                group.take(told)


def take_layers() -> None:
    """Have the layers that the parent settled on.

    Raises:
        RunError: where they cannot be had here, so that no row is made with others than the rest.
    """
    try:
        why_unavailable()
    except ChoiceError as error:
        raise RunError(f"a process of this command cannot take the layers that it began with: {error}") from None


def _work(context: RunContext, problem: ProblemSettings, connection: Connection) -> None:
    """What a worker process does."""
    follow_parent()  # the next command must not find it writing checkpoints still
    try:
        if context.device == "cpu":
            take_layers()
        runner = Runner(context, problem)
        while True:
            connection.send(None)
            if (given := connection.recv()) is None:
                return
            of_chain, chain = given
            if (of_chain, chain[0].problem) != (context, problem):
                context, problem = of_chain, chain[0].problem
                del runner  # its images, before there are others
                runner = Runner(context, problem)
            for run in chain:
                for news in runner.attempt(run):
                    connection.send(news)
    except (ConnectionError, EOFError):
        return  # the parent is gone
    except (DataError, SettingsError, RunError, MethodError) as error:
        connection.send(error)
    except Exception:
        # As text: a third party's error may not survive being sent.
        connection.send(RuntimeError(f"in a process of this command:\n\n{traceback.format_exc()}"))
