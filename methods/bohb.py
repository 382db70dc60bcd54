"""BOHB on the table: Falkner, Klein & Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization", ICML 2018.

Hyperband (§3.1) gives many cells small budgets and few cells large ones, in brackets of successive halving: bracket i
of K = ⌊log_η(b_max / b_min)⌋ + 1 kinds starts, with s = K − 1 − (i mod K), n = ⌊K / (s + 1)⌋ · η^s cells at the budget
b_max · η^−s, of which every next rung keeps the best η-th at η times the budget.

New cells come from a model of the good and the bad ones (§3.2), two kernel density estimates l and g, where the best
15 % at the largest budget that has enough of them, at least 7, are the good and the rest the bad. Of a few cells drawn
around good ones, the next to try is the one with the smallest g(x) / l(x), which is the largest expected improvement
(Eq. 2). A cell being six unordered choices, the kernel is that of Aitchison and Aitken, of a bandwidth h for each
edge,

    k(x, y) = 1 − h where x = y,   h / (c − 1) elsewhere;      p(x) = 1/n · Σ_i Π_e k_e(x_e, X_ie),

c the number of operations that the data have on that edge, and h = 1.06 · σ · n^(−1/10), σ the standard deviation of
the operations' numbers: Scott's rule, which `statsmodels` knows for continuous variables and the program has it use on
these. So h may exceed 1, where the kernel is negative, and c may be 1, where it is infinite for what has not been
seen; the program takes the numbers that come out, cut off below at 1e-32, and this one does the same.

In NAS-Bench-201's program the worker ignores the budget that it is given (AutoDL-Projects, issue 71): each rung trains
a cell for 12 epochs and is charged for them, the same cell again on the next. So it is here, by default as in the
program's first version, and what the halving costs is lost. (Its present version asks for 200 epochs: `trained_epochs
= 200`. That of NATS-Bench trains for 1, 4 and 12, of which the table has the last.) Neither ConfigSpace nor hpbandster
is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from methods.on_table import Questions, TableSearch, TimeSettings
from methods.search import uniform_cell
from methods.settings import Count, Rate, setting
from spaces import Cell, Space

LEAST_DENSITY = 1e-32
"""hpbandster, config_generators/bohb.py: below it a density counts as this."""


@dataclass(frozen=True, kw_only=True)
class BOHBSettings(TimeSettings):
    min_budget: Rate = setting(12.0, "AutoDL-Projects, NAS-Bench-201-algos/BOHB.py: min_budget")
    """b_min, in epochs; only its ratio to b_max counts."""
    max_budget: Rate = setting(200.0, "AutoDL-Projects, NAS-Bench-201-algos/BOHB.py: max_budget")
    """b_max, in epochs."""
    eta: Annotated[int, Meta(ge=2, le=1000)] = setting(3, "AutoDL-Projects, BOHB.py: eta")
    """η, of how many cells one goes on to the next rung."""
    brackets: Count = setting(50, "AutoDL-Projects, BOHB.sh: --n_iters 50")
    """Brackets of successive halving at most."""
    top_percent: Annotated[int, Meta(ge=1, le=99)] = setting(15, "hpbandster, config_generators/bohb.py: top_n_percent")
    """Share of the cells that are good, in percent."""
    candidates: Count = setting(4, "AutoDL-Projects, BOHB.sh: --num_samples 4")
    """Cells drawn from the model, of which the one with the largest expected improvement is tried."""
    random_fraction: Annotated[float, Meta(ge=0, le=1)] = setting(
        0.0, "AutoDL-Projects, BOHB.sh: --random_fraction 0.0"
    )
    """Share of the cells that are uniform although there is a model."""
    min_bandwidth: Rate = setting(0.3, "AutoDL-Projects, BOHB.py: --min_bandwidth")
    """The least h."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_budget > self.max_budget:
            raise ValueError("min_budget must not exceed max_budget")


class BOHB(TableSearch):
    """BOHB on the table: successive halving of cells that density models of good and bad ones propose"""

    title = "BOHB"
    year = 2018

    Settings: ClassVar[type] = BOHBSettings
    settings: BOHBSettings
    source = 'Falkner et al., "BOHB", ICML 2018; programs: AutoDL-Projects, BOHB.py, and hpbandster'

    def questions(self, random: np.random.Generator) -> Questions:
        told: dict[int, list[tuple[Cell, float]]] = {}  # by rung, counted from the smallest budget
        model: Model | None = None
        at_rung = -1  # that of the model
        for bracket in range(self.settings.brackets):
            survivors: list[tuple[Cell, float]] = []
            for place, (rung, wanted) in enumerate(rungs(bracket, self.settings)):
                cells = best(survivors, wanted)
                survivors = []
                for number in range(wanted):
                    cell = cells[number] if place else self.propose(model, random)
                    survivors.append((cell, (yield cell)))
                    if rung >= at_rung:
                        told.setdefault(rung, []).append(survivors[-1])
                        if (better := fitted(self.space, told[rung], self.settings)) is not None:
                            model, at_rung = better, rung

    def propose(self, model: Model | None, random: np.random.Generator) -> Cell:
        """The next cell to try."""
        s = self.settings
        if model is None or random.random() < s.random_fraction:
            return uniform_cell(self.space, random)
        chosen, least = None, math.inf
        for _ in range(s.candidates):
            operations = model.good.draw(random)
            good, bad = model.good.density(operations), model.bad.density(operations)
            ratio = max(LEAST_DENSITY, bad) / max(good, LEAST_DENSITY)
            if not math.isfinite(ratio) and math.isfinite(good):
                return self.space.cell(operations)
            if ratio < least:
                chosen, least = self.space.cell(operations), ratio
        return chosen or uniform_cell(self.space, random)


def rungs(bracket: int, settings: BOHBSettings) -> Iterator[tuple[int, int]]:
    """The rungs of a bracket of successive halving: which, 0 being that of the smallest budget, and how many cells."""
    s = settings
    kinds = int(math.log(s.max_budget / s.min_budget) / math.log(s.eta)) + 1
    last = kinds - 1 - bracket % kinds
    first_cells = kinds // (last + 1) * s.eta**last
    for place in range(last + 1):
        yield kinds - 1 - last + place, max(first_cells // s.eta**place, 1)


def best(tried: list[tuple[Cell, float]], count: int) -> list[Cell]:
    """The best so many, of equals the earlier, in the order in which they were tried."""
    ranked = sorted(range(len(tried)), key=lambda place: -tried[place][1])
    return [tried[place][0] for place in sorted(ranked[:count])]


class Density:
    """A kernel density estimate over cells.

    Args:
        data: (n, edges), the operations of n cells.
        operations: how many there are.
        min_bandwidth: the least h.
    """

    def __init__(self, data: NDArray[np.int64], operations: int, min_bandwidth: float) -> None:
        self.data, self.operations = data, operations
        rule = 1.06 * data.std(0) * len(data) ** (-1 / (4 + data.shape[1]))
        self.bandwidths = np.maximum(rule, min_bandwidth)
        """(edges,), h of each edge."""
        self.levels = [len(set(column)) for column in data.T.tolist()]
        """Of each edge c, how many operations the data have there."""

    def density(self, operations: tuple[int, ...]) -> float:
        """p(x) of a cell's operations."""
        products = np.ones(len(self.data))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for edge, (h, c) in enumerate(zip(self.bandwidths, self.levels, strict=True)):
                products = products * np.where(self.data[:, edge] == operations[edge], 1 - h, np.divide(h, c - 1))
            return float(products.cumsum()[-1]) / len(products)  # a sum in a fixed order

    def draw(self, random: np.random.Generator) -> tuple[int, ...]:
        """The operations of one of the cells, each, with the probability h, drawn anew from all."""
        cell = self.data[random.integers(len(self.data))].tolist()
        return tuple(
            int(random.integers(self.operations)) if random.random() >= 1 - h else operation
            for operation, h in zip(cell, self.bandwidths.tolist(), strict=True)
        )


class Model(NamedTuple):
    """What is known at one budget."""

    good: Density
    """l."""
    bad: Density
    """g."""


def fitted(space: Space, told: list[tuple[Cell, float]], settings: BOHBSettings) -> Model | None:
    """The model of cells and their accuracies at one budget; None where there are too few of them."""
    least = len(space.edges) + 1
    good = max(least, settings.top_percent * len(told) // 100)
    bad = max(least, (100 - settings.top_percent) * len(told) // 100)
    ranked = sorted(range(len(told)), key=lambda place: -told[place][1])  # of equals the earlier first
    data = np.array([space.choices_of(told[place][0]) for place in ranked])
    if len(data) < good + least:
        return None
    return Model(
        *(
            Density(part, len(space.operations), settings.min_bandwidth)
            for part in (data[:good], data[good : good + bad])
        )
    )
