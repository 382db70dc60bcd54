"""What the searches share that train nothing and ask a table: how much they may ask for, and what an answer costs.

As NAS-Bench-201's authors compare them (§5), an answer is the validation accuracy after a short training, and costs the
seconds that this training takes; who has spent the budget stops. An epoch is one cell asked for, so the history shows
what a method has found after 1, 2, 3, … of them. What the table cannot say as their programs have it:

- the accuracy of a single run, drawn at random: the table has the mean of the runs, and equal questions equal answers;
- the seconds of validating, a few in a hundred: not charged;
- where there is no accuracy after the training of 12 epochs, that after the published one is asked for; where there is
  no validation accuracy (AnalogNAS-Bench), that on test images, which flatters a search (`asks` says so); where there
  are no seconds, a cell costs 120 of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from data.metrics import PUBLISHED, TRAINING_OF_METRIC, accuracy_column, seconds_column
from data.truth import TruthTable
from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import Count, Rate, setting
from spaces import Cell

Questions = Generator[Cell, float, None]
"""A search on a table as its algorithm reads: `accuracy = yield cell` asks for a cell's accuracy, in percent."""

SECONDS = 120.0
"""What a cell costs where the table has no seconds: a hundred of them cost 12,000."""


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    budget: Count | Literal["off"] = "off"
    """Cells whose accuracy may be asked for."""
    seconds: Rate | Literal["off"] = "off"
    """Seconds of training that the cells asked for may cost together."""
    trained_epochs: Literal[12, 200] = 200
    """Epochs of the training whose accuracy is asked for, and whose seconds are charged."""

    def __post_init__(self) -> None:
        if self.budget == self.seconds == "off":
            raise ValueError("a search on the table needs an end; set budget (cells), seconds, or both")


@dataclass(frozen=True, kw_only=True)
class TimeSettings(BudgetSettings):
    """As NAS-Bench-201's authors ran their searches on the table."""

    seconds: Rate | Literal["off"] = setting(12_000.0, "AutoDL-Projects, NAS-Bench-201-algos: --time_budget 12000")
    trained_epochs: Literal[12, 200] = setting(12, "AutoDL-Projects, R_EA.py: use_012_epoch_training")


class TableSearch(Search):
    """A search on the table: the best of the cells that it asks for.

    Its state is the cells asked for. A search that goes on asks for them again, from the start, and gets the same
    answers; so `questions` keeps what it likes in plain variables.
    """

    family = "table"

    Settings: ClassVar[type] = TimeSettings
    settings: BudgetSettings
    needs_truth: ClassVar[bool] = True
    saved = ("asked",)
    transient = ("asking",)  # made anew in `resume`

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings, self.space = settings, problem.space
        self.seed = seed
        assert problem.truth is not None
        accuracies = problem.truth.accuracies
        wanted = (f"{problem.images.name}_valid", "cifar10_valid", "cifar10_test")
        metric = next(metric for metric in wanted if metric in accuracies)
        self.asks = metric if self.settings.budget != 1 else None  # of a single cell nothing depends on its accuracy
        self.accuracies = accuracies_of(problem.truth, metric, self.settings.trained_epochs)
        self.costs = seconds_of(problem.truth, metric, self.settings.trained_epochs)
        self.epochs = sum(1 for _ in self.within_budget())  # rehearsed, since the cells decide what they cost
        self.asked: list[int] = []
        """Indices of the cells asked for, in their order."""
        self.asking = self.within_budget()

    @abstractmethod
    def questions(self, random: np.random.Generator) -> Questions:
        """The search itself: yields each cell to ask for, and is sent its accuracy."""

    def within_budget(self) -> Iterator[int]:
        """The indices of the cells that the search asks for, the last that the budget can pay for included; the
        first is asked for whatever it costs."""
        s = self.settings
        questions = self.questions(np.random.default_rng(seeded(self.seed, 0)))
        cell, asked, spent = next(questions), 0, 0.0
        while True:
            index = self.space.index(cell)
            spent += self.costs[index]
            if asked and ((s.seconds != "off" and spent > s.seconds) or asked == s.budget):
                return
            asked += 1
            yield index
            try:
                cell = questions.send(self.truth_of(index))
            except StopIteration:
                return

    def epoch(self) -> EpochLog:
        """Ask for one cell."""
        index = next(self.asking)
        self.asked.append(index)
        return {"asked_accuracy": self.truth_of(index)}

    def truth_of(self, index: int) -> float:
        return float(self.accuracies[index])

    def cell(self) -> Cell:
        """The best cell asked for, of equals the first."""
        return self.space.at(max(self.asked, key=self.truth_of))

    def resume(self) -> None:
        self.asking = islice(self.within_budget(), len(self.asked), None)


def accuracies_of(truth: TruthTable, metric: str, epochs: int) -> NDArray[np.float64]:
    """Percent of every cell, by index, after a training of so many epochs, or, where the table has not all of
    these, after the published one."""
    if epochs != PUBLISHED and (column := truth.columns.get(accuracy_column(metric, epochs))) is not None:
        values = column.array()
        if np.isfinite(values).all():
            return values
    return truth.accuracies[metric]


def seconds_of(truth: TruthTable, metric: str, epochs: int) -> NDArray[np.float64]:
    """Seconds that a training of so many epochs takes, of every cell by index: so many of the published training's,
    each of which takes as long."""
    column = truth.columns.get(seconds_column(TRAINING_OF_METRIC[metric], PUBLISHED))
    values = np.full(len(truth.accuracies[metric]), np.nan) if column is None else column.array()
    return np.where(np.isfinite(values), values * epochs / PUBLISHED, SECONDS)
