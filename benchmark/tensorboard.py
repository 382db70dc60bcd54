"""The curves of the runs as event files, which TensorBoard shows while they grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import RunError, SettingsError
from benchmark.results_folder import Failed, Finished
from benchmark.runner import Event, News
from reports import run_name
from reports.rows import HISTORY_COLUMNS

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Take = Callable[[News], None]

FOLDER = "tensorboard"
"""The folder within a results folder: `tensorboard --logdir` takes it."""


def check_installed() -> None:
    """
    Raises:
        SettingsError: where the package that writes event files is missing.
    """
    if find_spec("tensorboard") is None:
        raise SettingsError("--tensorboard needs a package that is not here: pip install 'replica-201[tensorboard]'")


@contextmanager
def with_curves(report: Take, folder: Path | None) -> Iterator[Take]:
    """`report`, which also writes each run's curves into `folder`/METHOD-seedN; None writes none."""
    if folder is None:
        yield report
        return
    with Curves(folder) as curves:

        def both(news: News) -> None:
            curves(news)
            report(news)

        yield both


class Curves:
    """Writes what the runner reports. A context manager; call it with each piece of news.

    Raises:
        RunError: where the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writers: dict[str, SummaryWriter] = {}
        """Of the runs under way, by name."""
        self.epochs: dict[str, int] = {}
        """The last one written of each of them."""

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_: object) -> None:
        for run in list(self.writers):
            with suppress(OSError):  # said already, since nothing was left to write
                self.close(run)

    def __call__(self, news: News) -> None:
        try:
            if isinstance(news, Event):
                if news.epoch <= self.epochs.get(news.run, 0):  # another worker took over from an older checkpoint
                    self.close(news.run)
                self.write(news.run, news.epoch, news.truth, news.measured)
            elif isinstance(news, Finished):
                self.finish(news)
            elif isinstance(news, Failed):
                self.close(news.run.name)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written to ({error.strerror}); the same command goes on from the last "
                "finished epoch, and without --tensorboard it writes no curves"
            ) from None

    def finish(self, news: Finished) -> None:
        """The chosen cell's numbers; before them all epochs, if an earlier command was stopped after the last one, so
        that none was reported."""
        row = news.row
        run, epochs = run_name(row["method"], row["seed"]), len(news.history)
        if run not in self.writers:
            for of_epoch in news.history:
                measured = {k: v for k, v in of_epoch.items() if k not in row and k not in HISTORY_COLUMNS}
                self.write(run, of_epoch["epoch"], of_epoch[row["metric"]], measured)
        self.add(run, epochs, {"chosen/accuracy": row[row["metric"]]})
        self.add(run, epochs, {f"chosen/{name}": row[name] for name in ("regret", "rank")})
        self.close(run)

    def write(self, run: str, epoch: int, truth: float, measured: Mapping[str, Any]) -> None:
        """The scalars of one epoch: the current cell's true accuracy (%), and every number that was measured."""
        numbers = {tag(name): value for name, value in measured.items() if isinstance(value, int | float)}
        self.add(run, epoch, {"accuracy/true": truth, **numbers})
        self.epochs[run] = epoch

    def add(self, run: str, epoch: int, scalars: Mapping[str, float]) -> None:
        """Write values of one epoch, each to the curve of its name."""
        if run not in self.writers:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and seldom asked for

            # What a stopped command wrote from this epoch on is void: its checkpoint was of an earlier one.
            self.writers[run] = SummaryWriter(self.folder / run, purge_step=epoch)
        for name, value in scalars.items():
            self.writers[run].add_scalar(name, value, epoch)
        self.writers[run].flush()

    def close(self, run: str) -> None:
        """End a run's file."""
        if run in self.writers:
            self.epochs.pop(run, None)
            self.writers.pop(run).close()


def tag(measured: str) -> str:
    """The name of a curve: those of one kind stand together in TensorBoard, as `loss/train` and `loss/valid`."""
    part, _, kind = measured.rpartition("_")
    return f"{kind}/{part}" if kind in ("loss", "accuracy") and part else f"search/{measured}"
