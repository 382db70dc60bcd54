"""`few-cells`: means and deviations that are those of n runs which ended in only two cells.

If m of n runs end in a cell with accuracy b and the others in one with a, the mean is a + (m / n)(b − a) and the
deviation √(m (n − m)) / n · |b − a|, or with n − 1 for the divisor √(m (n − m) / (n (n − 1))) · |b − a|. So each
printed pair of mean and deviation says what a and b are, up to which of them is the larger; cells that have these
values in every column are looked up, and each pair of them is checked by the digits that it would print.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.audit.finding import Finding
from reports.audit.numbers import EPSILON, Printed
from reports.audit.space import FEW_RUNS, WINDOWS, Floats, Space
from reports.audit.table import Row
from reports.audit.words import cells_named, named, odds, said
from spaces import NASBENCH201, Cell

BY_CHANCE = 1e-3
"""How often runs in many cells may look like runs in two by chance, for it to be told."""

MOST_PAIRS = 5_000
"""Of more candidates no pair is singled out."""


class CellCounts(NamedTuple):
    """m of n runs end in the second cell; deviations are divided by n − 1 or n."""

    n: int
    m: int
    divisor: str

    @property
    def share(self) -> float:
        return self.m / self.n

    @property
    def factor(self) -> float:
        """Deviation by the distance of the two cells."""
        return math.sqrt(self.m * (self.n - self.m) / (self.n * (self.n - (self.divisor == "n − 1"))))


class CellPair(NamedTuple):
    first: int
    second: int
    split: CellCounts


def few_cells(place: int, row: Row, space: Space) -> Iterator[Finding]:
    """One finding at most: the pair of cells that takes the fewest runs."""
    numbers = {metric: number for metric, number in row.numbers.items() if number.spread is not None}
    if len(numbers) < 2 or not any(number.spread for number in numbers.values()) or row.runs == 1:
        return
    targets = [_Target(numbers, split) for split in splits(row.runs)]
    pairs: list[CellPair] = []
    for target in targets:
        found = target.pairs(space)
        if found is None:
            return
        pairs += found
    if not pairs:
        return
    chance = sum(target.chance(space) for target in targets)
    if chance > BY_CHANCE:
        return
    classes = {frozenset((Cell.at(pair.first).canonical(), Cell.at(pair.second).canonical())) for pair in pairs}
    best = pairs[0]
    fits = sorted({(pair.split.n, pair.split.m) for pair in pairs})
    shares = ", or ".join(f"{n - m} of {n} runs in the one and {m} in the other" for n, m in fits[:3])
    others = f", the first of {len(classes)} such pairs" if len(classes) > 1 else ""
    cells = cells_named([best.first, best.second], space)
    in_full = cells_named([best.first, best.second], space, in_full=True)
    columns = tuple(numbers)
    evidence = (
        f"the means and deviations are those of {best.split.n - best.split.m} runs in the one and {best.split.m} in "
        f"the other of two cells{others}, divided by {best.split.divisor}: {cells}; by chance {odds(chance)}"
    )
    sentence = (
        f"{named(row)}, {said(row, columns)}, can come from only two cells of NAS-Bench-201, {in_full}: {shares}. How "
        "many runs were there, and in which cells did they end?"
    )
    yield Finding(place, "few-cells", "note", columns, evidence, sentence, (Cell.at(best.first), Cell.at(best.second)))


def splits(runs: int | None) -> Iterator[CellCounts]:
    """All ways that n runs fall on two cells, n being known or 2 to `FEW_RUNS`; two runs in two cells are no finding
    where n is known to be 2."""
    for n in [runs] if runs else range(2, FEW_RUNS + 1):
        if n > FEW_RUNS or runs == 2:
            continue
        for m in range(1, n // 2 + 1):
            yield CellCounts(n, m, "n − 1")
            if math.gcd(n, m) == 1 or runs:  # divided by n, two of four runs are as one of two
                yield CellCounts(n, m, "n")


class _Target:
    """Where two cells must lie to print a row's numbers when runs fall on them so."""

    def __init__(self, numbers: Mapping[str, Printed], split: CellCounts) -> None:
        self.split = split
        self.metrics = list(numbers)
        self.mean = np.array([number.accuracy for number in numbers.values()])
        self.half = np.array([number.half for number in numbers.values()])
        self.spread = np.array([number.spread or 0.0 for number in numbers.values()])
        self.spread_half = np.array([number.spread_half for number in numbers.values()])
        apart, apart_half = self.spread / split.factor, self.spread_half / split.factor
        # The one cell lies a share of the distance to one side of the mean, the other the rest to the other side.
        self.places = [
            (share * apart, self.half + share * apart_half + EPSILON) for share in (split.share, 1 - split.share)
        ]

    def pairs(self, space: Space) -> list[CellPair] | None:
        """The pairs of cells that print the numbers; None where there are too many candidates to single one out."""
        (firsts, sides), (seconds, other_sides) = (self._candidates(space, *place) for place in self.places)
        if len(firsts) * len(seconds) > MOST_PAIRS:
            return None
        found: dict[frozenset[int], CellPair] = {}
        for first, side in zip(firsts.tolist(), sides, strict=True):
            opposite = np.all((side == 3) | (other_sides == 3) | (side != other_sides), axis=1)
            for second in seconds[opposite].tolist():
                if second != first and self._prints(first, second, space):
                    found.setdefault(frozenset((first, second)), CellPair(first, second, self.split))
        return list(found.values())

    def _candidates(self, space: Space, near: Floats, half: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The cells that lie `near` ± `half` below or above the mean in every column; and for each of them and each
        column 1 for below, 2 for above, 3 for both."""
        cells = np.arange(len(NASBENCH201))
        for place, metric in enumerate(self.metrics):
            away = np.abs(np.abs(space.values[metric][cells] - self.mean[place]) - near[place])
            cells = cells[away <= half[place]]
        values = np.stack([space.values[metric][cells] for metric in self.metrics], axis=1)
        below = np.abs(values - (self.mean - near)) <= half
        above = np.abs(values - (self.mean + near)) <= half
        # A value nearer to the mean than `half` can be on either side.
        return cells, np.where(near <= half, 3, below + 2 * above)

    def _prints(self, first: int, second: int, space: Space) -> bool:
        a, b = (np.array([space.values[metric][cell] for metric in self.metrics]) for cell in (first, second))
        means = a + self.split.share * (b - a)
        spreads = self.split.factor * np.abs(b - a)
        return bool(
            np.all(np.abs(means - self.mean) <= self.half) and np.all(np.abs(spreads - self.spread) <= self.spread_half)
        )

    def chance(self, space: Space) -> float:
        """How many pairs would print these numbers if only chance put cells there: for either cell, the cells within a
        window of its place, times the shares of the window that would do."""
        expected = 1.0
        for near, half in self.places:
            most = 0.0
            for window in WINDOWS:
                width = np.maximum(window, 5 * half)
                around = np.ones(len(NASBENCH201), bool)
                for place, metric in enumerate(self.metrics):
                    away = np.abs(np.abs(space.values[metric] - self.mean[place]) - near[place])
                    around &= away <= width[place]
                most = max(most, max(1, int(around.sum())) * float(np.prod(half / width)))
            expected *= most
        return expected
