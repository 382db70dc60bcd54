"""`one-cell`: rows all of whose columns are those of one cell, as a search that always ends there has them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from reports.audit.finding import Finding, Severity
from reports.audit.heads import title
from reports.audit.numbers import Printed
from reports.audit.space import Space
from reports.audit.table import Row
from reports.audit.words import cells_named, listed, named, odds, said
from spaces import Cell

BY_CHANCE = 1e-3
"""Where no deviation is printed: how often several cells may look like one by chance, for it to be told."""

DESPITE_SPREAD = 1e-5
"""The same, where a deviation is printed that is not zero."""

MOST_CELLS = 4
"""Of more different cells with the same printed numbers nothing is told."""


def one_cell(place: int, row: Row, space: Space) -> Iterator[Finding]:
    """One finding for the whole row, or for all its columns of ± 0.00, or, where a search on each data set chose
    another cell, for those of each data set."""
    if not row.numbers or row.runs == 1:
        return
    if found := _together(place, row, row.numbers, space):
        yield found
        return
    still = {metric: number for metric, number in row.numbers.items() if number.still}
    if still and (found := _together(place, row, still, space)):
        yield found
        return
    for _, group in groupby(row.numbers.items(), key=lambda item: item[0].split("_")[0]):
        numbers = dict(group)
        if all(number.still for number in numbers.values()) and (found := _together(place, row, numbers, space)):
            yield found


def _together(place: int, row: Row, numbers: dict[str, Printed], space: Space) -> Finding | None:
    positions = space.matches(numbers).tolist()
    classes = space.alike(positions)
    if not positions or len(classes) > MOST_CELLS:
        return None
    still = all(number.still for number in numbers.values())
    chance = space.chance(numbers)
    spread = any(number.spread for number in numbers.values())
    if not still and chance > (DESPITE_SPREAD if spread else BY_CHANCE):
        return None
    columns = tuple(numbers)
    all_of = _count(len(columns)) if numbers == row.numbers else listed([title(metric) for metric in columns])
    which = f"{all_of} agree" if len(columns) > 1 else f"{title(columns[0])} agrees"
    if len(classes) == 1:
        equal = f", which {len(positions)} cells compute alike" if len(positions) > 1 else ""
        who = f"one cell{equal}: {cells_named(positions, space)}"
    else:
        who = f"any of {len(positions)} cells: {cells_named(positions, space)}"
    evidence = f"{which} to the printed digits with {who}"
    if len(columns) > 1 and not still:
        evidence += f"; by chance {odds(chance)}"
    severity: Severity = "warning" if spread else "note"
    if still:
        question = "Did every run end in this cell, how many runs were there, and how different were their seeds?"
    elif spread:
        question = "Is the deviation one over trainings of a single chosen cell, and not over searches?"
    else:
        question = "Is this the result of one search, or of several that all ended in this cell?"
    many = "a single cell" if len(classes) == 1 else "single cells"
    sentence = (
        f"{named(row)}, {said(row, columns)}, has the numbers of {many} of NAS-Bench-201: "
        f"{cells_named(positions, space, in_full=True)}. {question}"
    )
    return Finding(place, "one-cell", severity, columns, evidence, sentence, tuple(map(Cell.at, positions)))


def _count(columns: int) -> str:
    return "both columns" if columns == 2 else f"all {columns} columns"
