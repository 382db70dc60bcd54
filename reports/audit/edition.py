"""`edition`: numbers of something else than the benchmark's mean of 200 epochs, or of several editions of a baseline.

Other numbers of the same cells are found where all columns are those of one cell by them and of no cell by the usual
ones. Baselines come in editions: NAS-Bench-201's own table was printed with running and with batch statistics of batch
normalisation, and other papers searched on each data set anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reports.audit.finding import Finding, Severity
from reports.audit.heads import title
from reports.audit.impossible import edition_of_fewer_runs
from reports.audit.misquoted import as_quoted
from reports.audit.quotes import REFERENCES, SAME_ON_CIFAR10, Quote, known_method
from reports.audit.space import OtherNumbers, Space
from reports.audit.table import Row, Table
from reports.audit.words import cells_named, listed, named, odds, said
from spaces import NASBENCH201, Cell

BY_CHANCE = 1e-3
"""How often means of several cells may look like other numbers of one cell by chance, for it to be told."""

NEAR = 1.0
"""Percentage points that a test accuracy may be away from its cell's mean where single runs of it are not known."""


def edition(place: int, row: Row, space: Space, known: Sequence[Quote]) -> Iterator[Finding]:
    """Findings about one row: numbers of fewer runs, other numbers of a cell, columns of several sources."""
    for metric, number in row.numbers.items():
        if edition_of_fewer_runs(metric, number, space):
            evidence = (
                f"{number.accuracy:g} is above {space.best[metric]:.2f}, the best mean over all runs of a cell, but "
                f"not above {space.best_of_some_runs[metric]:.2f}, the best single run"
            )
            sentence = (
                f"{named(row)}, {said(row, (metric,))}: {evidence}, so that it is of a release of the benchmark with "
                "fewer runs, or of single runs. Which release was it?"
            )
            yield Finding(place, "edition", "note", (metric,), evidence, sentence)
    if found := other_numbers(place, row, space):
        yield found
    yield from _mixed(place, row, known)


def other_numbers(place: int, row: Row, space: Space) -> Finding | None:
    """A row that is one cell's by other numbers than the usual ones."""
    if len(row.numbers) < 2 or len(space.matches(row.numbers)) or known_method(row.name) in REFERENCES:
        return None
    if any(number.spread for number in row.numbers.values()):
        return None
    for variant in space.variants:
        columns = tuple(metric for metric in row.numbers if metric in variant.values)
        if len(columns) < 2 and not (columns and len(row.numbers) > 2):
            continue
        cells = _matches(row, variant, space)
        if not len(cells):
            continue
        exact = {metric: number for metric, number in row.numbers.items() if _is_exact(metric, variant)}
        among = np.ones(len(NASBENCH201), bool)
        for metric in row.numbers.keys() - exact.keys():
            among &= np.abs(space.values[metric] - row.numbers[metric].accuracy) <= NEAR
        chance = len(space.variants) * space.chance(exact, among)
        if chance > BY_CHANCE:
            continue
        positions = cells.tolist()
        evidence = (
            f"{listed([title(metric) for metric in columns])}: the numbers of one cell {variant.name}, "
            f"{cells_named(positions, space)}, and of no cell by the mean of 200 epochs; by chance {odds(chance)}"
        )
        sentence = (
            f"{named(row)}, {said(row, columns)}, has the numbers of one cell {variant.name}: "
            f"{cells_named(positions, space, in_full=True)}. Others report the mean over all runs of 200 epochs, on "
            "the halves of the test set that the benchmark calls valid and test; which numbers are meant here?"
        )
        return Finding(place, "edition", "warning", columns, evidence, sentence, tuple(map(Cell.at, positions)))
    return None


def _matches(row: Row, variant: OtherNumbers, space: Space) -> NDArray[np.intp]:
    """The cells whose numbers by the variant are those of the row; the columns that it lacks must be as usual, or near
    to it where a single run of them may be any."""
    fits = np.ones(len(NASBENCH201), bool)
    for metric, number in row.numbers.items():
        values = variant.values.get(metric, space.values[metric])
        fits &= np.abs(values - number.accuracy) <= (number.half if _is_exact(metric, variant) else NEAR)
    return np.flatnonzero(fits)


def _is_exact(metric: str, variant: OtherNumbers) -> bool:
    """Whether a number is to be the variant's, or, beside `ori-test`, as usual; not one of an unknown run."""
    return metric in variant.values or "ori-test" in variant.name


def _mixed(place: int, row: Row, known: Sequence[Quote]) -> Iterator[Finding]:
    """Columns of a known method that come from several editions of its numbers."""
    method = known_method(row.name)
    of_method = [quote for quote in known if quote.method == method]
    sources = {
        metric: [quote for quote in of_method if metric in quote.numbers and as_quoted(number, quote.numbers[metric])]
        for metric, number in row.numbers.items()
    }
    quoted = {metric: found for metric, found in sources.items() if found}
    editions = {metric: {quote.edition for quote in found} for metric, found in quoted.items()}
    if len(quoted) < 2 or set.intersection(*editions.values()):
        return
    if _on_each_data_set(editions):
        return
    main = max(
        dict.fromkeys(name for found in editions.values() for name in found),
        key=lambda name: sum(name in found for found in editions.values()),
    )
    others = tuple(metric for metric, found in editions.items() if main not in found)
    decided = any(quote.edition == main and metric in quote.numbers for metric in others for quote in of_method)
    severity: Severity = "warning" if decided else "note"
    where = [f"{title(metric)} {row.numbers[metric]} ({quoted[metric][0].source})" for metric in others]
    first = next(quote for found in quoted.values() for quote in found if quote.edition == main)
    same = [title(metric) for metric, found in editions.items() if main in found]
    evidence = f"{listed(same)} as in {first.source}; {'; '.join(where)}"
    yield Finding(
        place,
        "edition",
        severity,
        others,
        evidence,
        f"{named(row)} takes {listed(same)} from {first.source}, but {listed(where)}. Are these numbers of one "
        "edition?",
    )


def _on_each_data_set(editions: dict[str, set[str]]) -> bool:
    """Whether all is of searches on each data set: on CIFAR-10 they are those of the searches on CIFAR-10 only."""
    return all(
        SAME_ON_CIFAR10 in found for metric, found in editions.items() if not metric.startswith("cifar10_")
    ) and any(not metric.startswith("cifar10_") for metric in editions)


def mixed_table(table: Table, known: Sequence[Quote]) -> Iterator[Finding]:
    """Rows that quote another edition of NAS-Bench-201's table than most of the others do."""
    of_rows: dict[int, tuple[str, Quote]] = {}
    for place, row in enumerate(table.rows):
        fitting = [
            quote
            for quote in known
            if quote.method == known_method(row.name) and _all_quoted(row, quote) and not row.source
        ]
        names = {quote.edition for quote in fitting}
        if len(names) == 1 and "batch normalisation" in (name := names.pop()):
            of_rows[place] = (name, fitting[0])
    names = {name for name, _ in of_rows.values()}
    if len(names) < 2:
        return
    counts = {name: sum(name == other for other, _ in of_rows.values()) for name in sorted(names)}
    main = max(counts, key=lambda name: counts[name])
    for place, (name, quote) in of_rows.items():
        if name != main:
            row = table.rows[place]
            yield Finding(
                place,
                "edition",
                "note",
                row.metrics,
                f"this row is of {name} ({quote.source}); {counts[main]} of {len(of_rows)} such rows are of {main}",
                f"{named(row)} is of {name}, other baselines of the table of {main}. Should they be of one edition?",
            )


def _all_quoted(row: Row, quote: Quote) -> bool:
    common = [metric for metric in row.numbers if metric in quote.numbers]
    return len(common) >= 2 and all(as_quoted(row.numbers[metric], quote.numbers[metric]) for metric in common)
