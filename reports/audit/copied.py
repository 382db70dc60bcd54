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
    """A finding for each row that has numbers of earlier ones. `cells` are the cells of the rows that are those of one
    cell: two methods that found the same cell have the same numbers by right."""
    rows = [(place, row) for place, row in enumerate(table.rows) if known_method(row.name) not in REFERENCES]
    for later, (place, second) in enumerate(rows):
        equal = {
            before: columns
            for before, first in rows[:later]
            if _method(first) != _method(second)
            and len(columns := tuple(metric for metric in second.numbers if _equal(first, second, metric)))
            >= FEWEST_COLUMNS
        }
        same_cell = [before for before in equal if before in cells and cells[before] == cells.get(place)]
        chances = {before: _chance(columns, equal, second, len(rows), space) for before, columns in equal.items()}
        alike = [before for before in equal if before in same_cell or chances[before] <= BY_CHANCE]
        if alike:
            columns = max((equal[before] for before in alike), key=len)
            alike = [before for before in alike if set(columns) <= set(equal[before])]
            others = listed([f"“{table.rows[before].name}” (line {table.rows[before].line})" for before in alike])
            all_of_one = set(alike) <= set(same_cell)
            yield _finding(place, second, columns, others, None if all_of_one else max(chances[one] for one in alike))


def _chance(columns: tuple[str, ...], equal: Mapping[int, tuple[str, ...]], row: Row, rows: int, space: Space) -> float:
    """How often as many rows of such a table are equal in these columns by chance: one that has them is equal to
    another with the share of the cells around that are printed alike, and with a tenth of it in the deviation."""
    others = sum(set(columns) <= set(found) for found in equal.values())
    alike = math.prod(space.share(metric, row.numbers[metric]) for metric in columns)
    alike *= math.prod(0.1 for metric in columns if row.numbers[metric].spread)
    return math.comb(rows, others + 1) * alike**others


def _finding(place: int, row: Row, columns: tuple[str, ...], others: str, chance: float | None) -> Finding:
    """`chance` is None where all rows are those of one cell."""
    severity: Severity = "note" if chance is None else "warning"
    reason = "all are those of one cell" if chance is None else f"by chance {odds(chance)} in a table of so many rows"
    question = "Did these searches end in the same cell" + ("?" if chance is None else ", or was a row copied?")
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
