"""Live progress of the runs: a table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmark.results_folder import Failed, Finished
from benchmark.runner import Event, News, Notice
from reports import run_name
from spaces import NASBENCH201, named

LEGEND = f"cells by node, edge by edge: {NASBENCH201.legend}"


def compact(genotype: str) -> str:
    """A cell in a letter an edge, as `s 3- 3ps`."""
    return NASBENCH201.compact(NASBENCH201.parse(genotype))


def duration(seconds: float) -> str:
    """Seconds as `45 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class RunProgress:
    """Shows what the runner reports. A context manager; call it with each piece of news, or what `of` returns."""

    def __init__(self, console: Console, total: int, already: int) -> None:
        self.console = console
        self.total = total
        self.finished = self.already = already
        self.active: dict[str, tuple[Event, float, int]] = {}
        """Of each run under way its last news, when it was first heard of, and at which epoch."""
        self.started = self.last_line = time.monotonic()
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> RunProgress:
        if self.live:
            self.live.start()
            self.live.update(self.table(), refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def of(self, variant: str) -> Callable[[News], None]:
        """What takes the news of one variant of a study, whose runs are called as those of the others."""
        return lambda news: self(news, variant and f"{variant} ")

    def __call__(self, news: News, variant: str = "") -> None:
        if isinstance(news, Notice):
            self.console.print(f"{variant.strip()}: {news.text}" if variant else news.text, style="yellow")
        elif isinstance(news, Failed):
            self.finished += 1
            name = variant + news.run.name
            self.active.pop(name, None)
            self.console.print(f"{self.finished:>3}/{self.total}  {name:<16} failed: {news.error}", style="red")
        elif isinstance(news, Finished):
            self.finished += 1
            name = variant + run_name(news.row["method"], news.row["seed"])
            self.active.pop(name, None)
            self.console.print(self.result_line(name, news))
        else:
            name = variant + news.run
            known = self.active.get(name)
            _, since, first = known or (None, time.monotonic(), news.epoch)
            self.active[name] = (news, since, first)
            if not self.live and self.worth_a_line(news, resumed=known is None and news.epoch > 1):
                self.console.print(self.epoch_line(name, news))
                self.last_line = time.monotonic()
        if self.live:
            self.live.update(self.table(), refresh=True)

    def worth_a_line(self, event: Event, resumed: bool) -> bool:
        """Where lines cannot be overwritten: four a run, one when it resumes, and one after a silent minute."""
        quarter = max(1, event.epochs // 4)
        silent = time.monotonic() - self.last_line > 60
        return (event.epoch % quarter == 0 or resumed or silent) and event.epoch < event.epochs

    def result_line(self, name: str, finished: Finished) -> str:
        """What a run that has finished has found."""
        row = finished.row
        return (
            f"{self.finished:>3}/{self.total}  {name:<16} {compact(row['genotype'])}  "
            f"true accuracy {row[row['metric']]:6.2f} %, rank {row['rank']:>6,} of {len(named(row['space'])):,}, "
            f"{duration(row['search_seconds'])}"
        )

    def epoch_line(self, name: str, event: Event) -> str:
        """Where a run stands."""
        return (
            f"{'':>7}  {name:<16} {compact(event.genotype)}  true accuracy {event.truth:6.2f} %, "
            f"epoch {event.epoch}/{event.epochs}{measured(event)}; {self.left()}"
        )

    def left(self) -> str:
        """Time left of the whole command, from the share of its epochs done so far."""
        share = sum((event.epoch - first) / event.epochs for event, _, first in self.active.values())
        done = self.finished - self.already + share
        if done == 0:
            return "time left not known yet"
        elapsed = time.monotonic() - self.started
        return f"about {duration(elapsed * (self.total - self.finished - share) / done)} left"

    def table(self) -> Group:
        """All runs under way, for a terminal."""
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for heading in ("run", "", "epoch", "measured", "cell", "true accuracy", "left"):
            table.add_column(heading, no_wrap=True)
        now = time.monotonic()
        for name, (event, since, first) in sorted(self.active.items()):
            rate = (now - since) / (event.epoch - first) if event.epoch > first else 0.0
            table.add_row(
                name,
                ProgressBar(total=event.epochs, completed=event.epoch, width=20),
                f"{event.epoch}/{event.epochs}",
                measured(event).lstrip(", "),
                compact(event.genotype),
                f"{event.truth:.2f} %",
                duration(rate * (event.epochs - event.epoch)) if rate else "",
            )
        return Group(table, Text(f"{self.finished} of {self.total} runs finished; {self.left()}", style="bold"))


def measured(event: Event) -> str:
    """What the supernet classifies rightly, in so far as the search measured it."""
    parts = [
        f"{part} {event.measured[f'{part}_accuracy']:.1f} %"
        for part in ("train", "valid")
        if f"{part}_accuracy" in event.measured
    ]
    return ", supernet " + ", ".join(parts) if parts else ""


class Fetching:
    """Shows what the data room fetches. A context manager; call it with a task, and how much of it is done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self.bars = Bars(*columns, console=console, disable=not console.is_terminal)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Fetching:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self.tasks:
            if not self.console.is_terminal:
                self.console.print(what)
            self.tasks[what] = self.bars.add_task(what, total=None)
        self.bars.update(self.tasks[what], completed=done, total=total or None)
