"""Runs one after the other, side by side in processes, or side by side in threads that share a GPU."""

from __future__ import annotations

import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue

import torch

from benchmark.plan import Run, chains
from benchmark.results_folder import Failed, Finished, Results
from benchmark.runner import Event, News, Notice, Runner, Setup, threads
from benchmark.settings import ProblemSettings, RunError
from reports.child import follow_parent

Take = Callable[[News], None]

START = "start"
"""Stands for the start of a process among the names of runs."""

MOST_DEATHS = 3
"""A run whose process ends so often without finishing another epoch has failed."""


def run_all(setup: Setup, runs: Sequence[Run], results: Results, jobs: int, report: Take) -> None:
    """Carry the runs out, `jobs` at a time, and add their rows to the results as they finish or fail.

    Raises:
        DataError, SettingsError, RunError: for what concerns more than one run; those under way can be gone on with.
    """

    def take(news: News) -> None:
        if isinstance(news, Finished | Failed):
            results.add(news)
        report(news)

    remaining = chains(runs)
    if jobs == 1 and remaining:
        runner = Runner(setup, runs[0].problem)
        for chain in remaining:
            for run in chain:
                for news in runner.attempt(run):
                    take(news)
    elif remaining and setup.stacked:
        _run_stacked(setup, remaining, jobs, take)
    elif remaining:
        _run_side_by_side(setup, remaining, jobs, take)


class Worker:
    """A process that carries chains out; it asks for the next by sending None, and ends when it is given None."""

    def __init__(self, setup: Setup, problem: ProblemSettings) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        # A daemon ends with this process, unless that is killed; then `follow_parent` sees to it.
        self.process = context.Process(target=_work, args=(setup, problem, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.chain: deque[Run] = deque()
        """What it has not finished of its present chain; the first run is under way."""

    def give(self, chain: Sequence[Run] | None) -> None:
        self.chain = deque(chain or ())
        self.connection.send(chain)

    def how_it_ended(self) -> str:
        """In words, once it has."""
        self.process.join()
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"by signal {signal.Signals(-code).name}"
        return f"with exit code {code}"


def _run_side_by_side(setup: Setup, remaining: list[list[Run]], jobs: int, take: Take) -> None:
    """Carry the chains out in `jobs` processes; a process that dies is replaced, and its run goes on."""
    problem = remaining[0][0].problem
    waiting = deque(remaining)
    deaths: Counter[str] = Counter()
    workers = {worker.connection: worker for worker in (Worker(setup, problem) for _ in range(min(jobs, len(waiting))))}
    while workers:
        for connection in wait(list(workers)):
            assert isinstance(connection, Connection)
            worker = workers[connection]
            try:
                news = connection.recv()
                if news is None:
                    del deaths[START]
                    chain = waiting.popleft() if waiting else None
                    worker.give(chain)
                    if chain is None:
                        del workers[connection]
                    continue
            except (EOFError, OSError):  # it may have died within a message
                del workers[connection]
                _after_death(worker, deaths, take)
                if worker.chain:
                    waiting.appendleft(list(worker.chain))
                if waiting:
                    new = Worker(setup, problem)
                    workers[new.connection] = new
                continue
            if isinstance(news, BaseException):
                raise news
            if isinstance(news, Finished | Failed):
                worker.chain.popleft()
            elif isinstance(news, Event):
                del deaths[news.run]
            take(news)


def _after_death(worker: Worker, deaths: Counter[str], take: Take) -> None:
    """Says what died, and gives its run up where that has happened too often.

    Raises:
        RunError: where processes end before they have begun with any run.
    """
    how = worker.how_it_ended()
    if not worker.chain:
        deaths[START] += 1
        if deaths[START] == MOST_DEATHS:
            raise RunError(f"the worker processes end before their first run ({how}); try --jobs 1")
        return
    run = worker.chain[0]
    deaths[run.name] += 1
    if deaths[run.name] < MOST_DEATHS:
        take(Notice(f"the process of {run.name} was ended {how}; another one goes on from its last finished epoch"))
        return
    worker.chain.popleft()
    error = f"its process was ended {how}, {MOST_DEATHS} times without finishing an epoch"
    take(Failed(run, error, f"{error}\n\nThere is no traceback: the process could not write one.\n", transient=True))


def _run_stacked(setup: Setup, remaining: list[list[Run]], jobs: int, take: Take) -> None:
    """Carry the chains out in `jobs` threads, on a GPU each on a stream of its own, so that their kernels overlap.

    No two searches share anything that changes: each comes to the result that it comes to alone.
    """
    problem = remaining[0][0].problem
    runner = Runner(setup, problem)
    chains_left: SimpleQueue[list[Run] | None] = SimpleQueue()
    for chain in [*remaining, *[None] * jobs]:
        chains_left.put(chain)
    news: SimpleQueue[News | BaseException | None] = SimpleQueue()

    def work_on_a_stream() -> None:
        torch.set_num_threads(threads(problem))  # a thread has its own
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
                take(told)


def _work(setup: Setup, problem: ProblemSettings, connection: Connection) -> None:
    """What a worker process does."""
    follow_parent()  # the next command must not find it writing checkpoints still
    try:
        runner = Runner(setup, problem)
        while True:
            connection.send(None)
            if (chain := connection.recv()) is None:
                return
            for run in chain:
                for news in runner.attempt(run):
                    connection.send(news)
    except (BrokenPipeError, EOFError):
        return  # the parent is gone
    except Exception as error:
        connection.send(error)
