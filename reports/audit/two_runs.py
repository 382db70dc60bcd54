"""`few-cells`, where no deviation is printed: means that are those of two runs in two cells.

For each cell the other must be twice the mean less this one; cells sorted by one metric are met in the middle, and the
pairs that are left filtered by the next. How many pairs there are with means ten times as far away says how many are
due to chance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reports.audit.finding import Finding
from reports.audit.numbers import EPSILON
from reports.audit.space import Numbers, Space
from reports.audit.table import Row
from reports.audit.words import cells_named, named, odds, said
from spaces import NASBENCH201, Cell

BY_CHANCE = 1e-3
"""How often the means of more runs may look like those of two by chance, for it to be told."""

WIDER = 10
"""So many times the printed precision lies the ring in which pairs are counted that are there by chance."""

FEWEST_COLUMNS = 4
"""With fewer, of more than a hundred million pairs some always fit."""

MOST_PAIRS = 8_000_000
"""Of more candidates, as numbers with few digits leave, none is looked at."""


def two_runs(place: int, row: Row, space: Space) -> Iterator[Finding]:
    """One finding at most, where the number of runs isn't said."""
    numbers = row.numbers
    if row.runs or len(numbers) < FEWEST_COLUMNS or any(number.std for number in numbers.values()):
        return
    near = pairs(numbers, space)
    if near is None:
        return
    columns = tuple(numbers)
    apart = np.stack(
        [np.abs(space.values[metric][near].mean(axis=0) - numbers[metric].accuracy) for metric in columns], axis=1
    )
    exact = np.all(apart <= [numbers[metric].half for metric in columns], axis=1)
    if not exact.any():
        return
    chance = float(max(1, (~exact).sum()) / WIDER ** len(columns))
    if chance > BY_CHANCE:
        return
    positions = near[:, exact][:, 0].tolist()
    yield Finding(
        place,
        "few-cells",
        "note",
        columns,
        f"the means are those of two runs, in {cells_named(positions, space)}; by chance {odds(chance)}",
        f"{named(row)}, {said(row, columns)}, can come from only two cells of NAS-Bench-201, one run in each: "
        f"{cells_named(positions, space, in_full=True)}. How many runs were there, and in which cells did they end?",
        tuple(map(Cell.at, positions)),
    )


def pairs(numbers: Numbers, space: Space) -> NDArray[np.intp] | None:
    """The pairs of cells, (2, n), whose means are no further from the printed ones than `WIDER` times their precision;
    None where there are too many to look at."""
    first, *others = numbers
    values = space.values[first]
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    sums, width = 2 * numbers[first].accuracy, 2 * WIDER * numbers[first].half + EPSILON
    begin = np.searchsorted(ranked, sums - values - width, "left")
    end = np.searchsorted(ranked, sums - values + width, "right")
    counts = end - begin
    if counts.sum() > MOST_PAIRS:
        return None
    ones = np.repeat(np.arange(len(NASBENCH201)), counts)
    steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    twos = order[np.repeat(begin, counts) + steps]
    keep = ones < twos
    ones, twos = ones[keep], twos[keep]
    for metric in others:
        values, number = space.values[metric], numbers[metric]
        keep = np.abs((values[ones] + values[twos]) / 2 - number.accuracy) <= WIDER * number.half
        ones, twos = ones[keep], twos[keep]
    return np.stack([ones, twos])
