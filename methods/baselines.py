"""Searches that train nothing: they ask the benchmark itself, and tell what a method must beat.

- `random`: one cell, uniformly.
- `random-search`: the best of n uniform cells by their true validation accuracy.
- `evolution`: regularised evolution by true validation accuracy (Real et al., "Regularized Evolution for Image
  Classifier Architecture Search", AAAI 2019), as NAS-Bench-201's authors ran it.

By default they ask for 100 cells and for what these reach when trained in full. `seconds = 12000` and
`trained_epochs = 12` are what NAS-Bench-201's authors give them, and `reinforce`, `bohb` and `local-search` have here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from methods.on_table import BudgetSettings, Questions, TableSearch
from methods.search import uniform_cell
from methods.settings import Count, setting
from spaces import Cell


@dataclass(frozen=True, kw_only=True)
class RandomSearchSettings(BudgetSettings):
    budget: Count | Literal["off"] = setting(
        100, "about what NAS-Bench-201 §5 gives its searches, 12,000 s at 12 epochs a cell"
    )


class RandomSearch(TableSearch):
    """Random search: the best of n uniform cells by true validation accuracy"""

    title = "Random search"
    year = 2020

    Settings: ClassVar[type] = RandomSearchSettings
    source = 'Dong & Yang, "NAS-Bench-201", ICLR 2020, §5 (RS)'

    def questions(self, random: np.random.Generator) -> Questions:
        while True:
            yield uniform_cell(self.space, random)


@dataclass(frozen=True, kw_only=True)
class RandomCellSettings(RandomSearchSettings):
    budget: Count | Literal["off"] = setting(1, "one cell, uniformly")


class RandomCell(RandomSearch):
    """Random: one cell, uniformly among all of the space"""

    title = "Random cell"

    Settings: ClassVar[type] = RandomCellSettings


@dataclass(frozen=True, kw_only=True)
class RegularisedEvolutionSettings(RandomSearchSettings):
    population: Count = setting(10, "AutoDL-Projects, R-EA.sh: --ea_population")
    """The youngest so many cells live."""
    sample: Count = setting(3, "AutoDL-Projects, regularized_ea.py: --ea_sample_size 3")
    """Living cells drawn, with replacement, of which the best becomes the parent."""


class RegularisedEvolution(RandomSearch):
    """Regularised evolution on the table: mutate the best of a sample, let the oldest die"""

    title = "Regularised evolution"
    year = 2019

    Settings: ClassVar[type] = RegularisedEvolutionSettings
    settings: RegularisedEvolutionSettings
    source = 'Real et al., "Regularized Evolution", AAAI 2019; program: AutoDL-Projects, R_EA.py'

    def questions(self, random: np.random.Generator) -> Questions:
        """Uniform cells while the population grows; then a parent's child with one edge changed."""
        s = self.settings
        living: list[tuple[Cell, float]] = []
        while True:
            if len(living) < s.population:
                cell = uniform_cell(self.space, random)
            else:
                drawn = [living[i] for i in random.integers(len(living), size=s.sample)]
                parent, _ = max(drawn, key=lambda one: one[1])
                cell = self.child(parent, random)
            living.append((cell, (yield cell)))
            del living[: -s.population]

    def child(self, parent: Cell, random: np.random.Generator) -> Cell:
        """The parent with another operation on one edge."""
        operations = list(self.space.choices_of(parent))
        edge = int(random.integers(len(operations)))
        others = [operation for operation in range(len(self.space.operations)) if operation != operations[edge]]
        operations[edge] = others[random.integers(len(others))]
        return self.space.cell(operations)
