"""`copied`: two rows of different methods with the same numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from reports.audit.finding import Finding, Severity
from reports.audit.heads import title
from reports.audit.quotes import REFERENCES, known_method
from reports.audit.space import Space
from reports.audit.table import Row, Table
from reports.audit.words import listed, named, odds, said

BY_CHANCE = 1e-3
"""How often two rows of a table may be equal by chance, in so many columns, for it to be told."""

FEWEST_COLUMNS = 2


def copied(table: Table, space: Space, cells: Mapping[int, str]) -> Iterator[Finding]:
    """A finding for each row that has numbers of an earlier one. `cells` are the cells of the rows that are those of
    one cell: two methods that found the same cell have the same numbers by right."""
    rows = [(place, row) for place, row in enumerate(table.rows) if known_method(row.name) not in REFERENCES]
    couples = len(rows) * (len(rows) - 1) / 2
    for later, (place, second) in enumerate(rows):
        alike: list[tuple[Row, tuple[str, ...], bool]] = []
        chance = 0.0
        for before, first in rows[:later]:
            equal = tuple(metric for metric in second.numbers if _equal(first, second, metric))
            if len(equal) < FEWEST_COLUMNS or _method(first) == _method(second):
                continue
            same_cell = before in cells and cells[before] == cells.get(place)
            by_chance = couples * math.prod(space.share(metric, second.numbers[metric]) for metric in equal)
            by_chance *= math.prod(0.1 for metric in equal if second.numbers[metric].spread)
            if same_cell or by_chance <= BY_CHANCE:
                alike.append((first, equal, same_cell))
                chance = max(chance, by_chance)
        if alike:
            yield _finding(place, second, alike, chance)


def _finding(place: int, row: Row, alike: list[tuple[Row, tuple[str, ...], bool]], chance: float) -> Finding:
    columns = max((equal for _, equal, _ in alike), key=len)
    others = listed([f"“{first.name}” (line {first.line})" for first, _, _ in alike])
    same_cell = all(same for _, _, same in alike)
    severity: Severity = "note" if same_cell else "warning"
    reason = "all are those of one cell" if same_cell else f"by chance {odds(chance)} in a table of so many rows"
    question = "Did these searches end in the same cell?" if same_cell else "Was one row copied from the other?"
    return Finding(
        place,
        "copied",
        severity,
        columns,
        f"{said(row, columns)} are the numbers of {others}, too; {reason}",
        f"{named(row)} has the numbers of {others} in {listed([title(metric) for metric in columns])}. {question}",
    )


def _method(row: Row) -> str:
    return known_method(row.name) or row.name.casefold()


def _equal(first: Row, second: Row, metric: str) -> bool:
    if metric not in first.numbers:
        return False
    one, other = first.numbers[metric], second.numbers[metric]
    return (one.accuracy, one.unit) == (other.accuracy, other.unit) and (
        one.spread is None or other.spread is None or one.spread == other.spread
    )
