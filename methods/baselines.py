"""Searches that train nothing: they ask the benchmark itself, and tell what a method must beat.

- `random`: one cell, uniformly.
- `random-search`: the best of n uniform cells by their true validation accuracy.
- `evolution`: regularised evolution by true validation accuracy (Real et al., "Regularized Evolution for Image
  Classifier Architecture Search", AAAI 2019), as NAS-Bench-201's authors ran it.

An epoch is one cell, so the history shows what each method has found after asking for 1, 2, 3, … of them. Where the
table has no validation accuracy (AnalogNAS-Bench), the test accuracy is asked for, which flatters them; `asks` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import Count, setting
from spaces import EDGES, NUM_CELLS, OPERATIONS, Cell


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    budget: Count = setting(100, "about what NAS-Bench-201 §5 gives its searches, 12,000 s at 12 epochs a cell")
    """Cells whose true accuracy is asked for."""


class RandomSearch(Search):
    """Random search: the best of n uniform cells by true validation accuracy"""

    title = "Random search"
    family = "table"
    year = 2020

    Settings: ClassVar[type] = BudgetSettings
    source = 'Dong & Yang, "NAS-Bench-201", ICLR 2020, §5 (RS)'
    needs_truth: ClassVar[bool] = True
    saved = ("asked", "random")

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings = settings
        self.epochs = settings.budget
        self.random = np.random.default_rng(seeded(seed, 0))
        assert problem.truth is not None
        accuracies = problem.truth.accuracies
        wanted = (f"{problem.images.name}_valid", "cifar10_valid", "cifar10_test")
        metric = next(metric for metric in wanted if metric in accuracies)
        self.accuracies = accuracies[metric]
        self.asks = metric if settings.budget > 1 else None  # of a single cell nothing depends on its accuracy
        self.asked: list[int] = []
        """Positions of the cells asked for, in their order."""

    def propose(self) -> Cell:
        """The next cell to ask for."""
        return Cell.at(int(self.random.integers(NUM_CELLS)))

    def epoch(self) -> EpochLog:
        """Ask for one cell."""
        cell = self.propose()
        self.asked.append(cell.position)
        return {"asked_accuracy": self.truth_of(cell.position)}

    def truth_of(self, position: int) -> float:
        return float(self.accuracies[position])

    def cell(self) -> Cell:
        """The best cell asked for, of equals the first."""
        return Cell.at(max(self.asked, key=self.truth_of))


@dataclass(frozen=True, kw_only=True)
class RandomCellSettings(BudgetSettings):
    budget: Count = setting(1, "one cell, uniformly")


class RandomCell(RandomSearch):
    """Random: one cell, uniformly among all 15,625"""

    title = "Random cell"

    Settings: ClassVar[type] = RandomCellSettings


@dataclass(frozen=True, kw_only=True)
class RegularisedEvolutionSettings(BudgetSettings):
    population: Count = setting(10, "AutoDL-Projects, R-EA.sh: --ea_population")
    """The youngest so many cells live."""
    sample: Count = setting(3, "AutoDL-Projects, regularized_ea.py: --ea_sample_size 3")
    """Living cells drawn, with replacement, of which the best becomes the parent."""


class RegularisedEvolution(RandomSearch):
    """Regularised evolution on the table: mutate the best of a sample, let the oldest die"""

    title = "Regularised evolution"
    year = 2019

    Settings: ClassVar[type] = RegularisedEvolutionSettings
    source = 'Real et al., "Regularized Evolution", AAAI 2019; program: AutoDL-Projects, R_EA.py'

    def propose(self) -> Cell:
        """A uniform cell while the population grows; then a parent's child with one edge changed."""
        if len(self.asked) < self.settings.population:
            return super().propose()
        living = self.asked[-self.settings.population :]
        drawn = [living[i] for i in self.random.integers(len(living), size=self.settings.sample)]
        operations = list(Cell.at(max(drawn, key=self.truth_of)).operations)
        edge = int(self.random.integers(len(EDGES)))
        others = [operation for operation in range(len(OPERATIONS)) if operation != operations[edge]]
        operations[edge] = others[self.random.integers(len(others))]
        return Cell(tuple(operations))
