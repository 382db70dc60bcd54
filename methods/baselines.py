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

from methods.search import Measurements, Problem, Search, seeded
from methods.settings import Count, setting
from spaces import Cell


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    budget: Count = setting(100, "about what NAS-Bench-201 §5 gives its searches, 12,000 s at 12 epochs a cell")
    """Cells whose true accuracy is asked for."""


class RandomSearch(Search):
    """Random search: the best of n uniform cells by true validation accuracy"""

    Settings: ClassVar[type] = BudgetSettings
    source = 'Dong & Yang, "NAS-Bench-201", ICLR 2020, §5 (RS)'
    needs_truth: ClassVar[bool] = True
    saved = ("asked", "random")

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings, self.space = settings, problem.space
        self.epochs = settings.budget
        self.random = np.random.default_rng(seeded(seed, 0))
        assert problem.truth is not None
        accuracies = problem.truth.accuracies
        wanted = (f"{problem.images.name}_valid", "cifar10_valid", "cifar10_test")
        metric = next(metric for metric in wanted if metric in accuracies)
        self.accuracies = accuracies[metric]
        self.asks = metric if settings.budget > 1 else None  # of a single cell nothing depends on its accuracy
        self.asked: list[int] = []
        """Indices of the cells asked for, in their order."""

    def propose(self) -> Cell:
        """The next cell to ask for."""
        return self.space.at(int(self.random.integers(len(self.space))))

    def epoch(self) -> Measurements:
        """Ask for one cell."""
        self.asked.append(self.space.index(self.propose()))
        return {"asked_accuracy": self.truth_of(self.asked[-1])}

    def truth_of(self, index: int) -> float:
        return float(self.accuracies[index])

    def cell(self) -> Cell:
        """The best cell asked for, of equals the first."""
        return self.space.at(max(self.asked, key=self.truth_of))


@dataclass(frozen=True, kw_only=True)
class RandomCellSettings(BudgetSettings):
    budget: Count = setting(1, "one cell, uniformly")


class RandomCell(RandomSearch):
    """Random: one cell, uniformly among all of the space"""

    Settings: ClassVar[type] = RandomCellSettings


@dataclass(frozen=True, kw_only=True)
class RegularisedEvolutionSettings(BudgetSettings):
    population: Count = setting(10, "AutoDL-Projects, R-EA.sh: --ea_population")
    """The youngest so many cells live."""
    sample: Count = setting(3, "AutoDL-Projects, regularized_ea.py: --ea_sample_size 3")
    """Living cells drawn, with replacement, of which the best becomes the parent."""


class RegularisedEvolution(RandomSearch):
    """Regularised evolution on the table: mutate the best of a sample, let the oldest die"""

    Settings: ClassVar[type] = RegularisedEvolutionSettings
    source = 'Real et al., "Regularized Evolution", AAAI 2019; program: AutoDL-Projects, R_EA.py'

    def propose(self) -> Cell:
        """A uniform cell while the population grows; then a parent's child with one edge changed."""
        if len(self.asked) < self.settings.population:
            return super().propose()
        living = self.asked[-self.settings.population :]
        drawn = [living[i] for i in self.random.integers(len(living), size=self.settings.sample)]
        operations = self.space.choices[max(drawn, key=self.truth_of)].tolist()
        edge = int(self.random.integers(len(operations)))
        others = [operation for operation in range(len(self.space.operations)) if operation != operations[edge]]
        operations[edge] = others[self.random.integers(len(others))]
        return self.space.cell(operations)
