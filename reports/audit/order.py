"""`order`: columns that seem to be swapped, valid with test or one data set with another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from reports.audit.finding import Finding
from reports.audit.heads import title
from reports.audit.impossible import violations
from reports.audit.one_cell import BY_CHANCE
from reports.audit.quotes import REFERENCES, known_method
from reports.audit.space import Space
from reports.audit.table import Row
from reports.audit.words import cells_named, listed, named, odds, said
from spaces import Cell

Swap = dict[str, str]
"""For each metric, the column that its number stands in."""


def order(place: int, row: Row, space: Space) -> Iterator[Finding]:
    """One finding at most: a swap that makes an impossible row possible, or one that makes it a single cell's."""
    if len(row.numbers) < 2 or known_method(row.name) in REFERENCES:
        return
    broken = violations(row.numbers, space)
    alone = len(space.matches(row.numbers)) > 0
    spread = any(number.spread for number in row.numbers.values())
    if not broken and (alone or spread):
        return
    tried = swaps(row.metrics)
    for swap in tried:
        swapped = {metric: row.numbers[column] for metric, column in swap.items()}
        if violations(swapped, space):
            continue
        columns = tuple(metric for metric, column in swap.items() if metric != column)
        moved = _moved(swap)
        cells: list[int] = []
        if not alone and not spread and len(tried) * space.chance(swapped) <= BY_CHANCE:
            cells = space.matches(swapped).tolist()
        if cells:
            chance = len(tried) * space.chance(swapped)
            found = f"all columns are those of one cell: {cells_named(cells, space)}; by chance {odds(chance)}"
            evidence = f"with {moved} swapped, {found}"
        elif broken:
            evidence = f"as given, {broken} of the bounds of the benchmark are passed; with {moved} swapped, none is"
        else:
            continue
        yield Finding(
            place,
            "order",
            "warning",
            columns,
            evidence,
            f"{named(row)}, {said(row, columns)}, fits the benchmark only with {moved} swapped. Are these columns in "
            "the right order?",
            tuple(map(Cell.at, cells)),
        )
        return


def swaps(metrics: tuple[str, ...]) -> list[Swap]:
    """Valid with test on every data set at once, on one, then a data set with another, then any two columns."""
    found: list[Swap] = []

    def add(*couples: tuple[str, str]) -> None:
        swap = {metric: metric for metric in metrics}
        for one, other in couples:
            if one not in swap or other not in swap:
                return
            swap[one], swap[other] = other, one
        if couples and swap not in found:
            found.append(swap)

    data_sets = list(dict.fromkeys(metric.split("_")[0] for metric in metrics))
    of_splits = [(f"{name}_valid", f"{name}_test") for name in data_sets]
    add(*(couple for couple in of_splits if set(couple) <= set(metrics)))
    for couple in of_splits:
        add(couple)
    for one, other in combinations(data_sets, 2):
        splits = [split for split in ("valid", "test") if {f"{one}_{split}", f"{other}_{split}"} <= set(metrics)]
        add(*((f"{one}_{split}", f"{other}_{split}") for split in splits))
    for couple in combinations(metrics, 2):
        add(couple)
    return found


def _moved(swap: Swap) -> str:
    """`CIFAR-10 valid ↔ CIFAR-10 test`, a couple once, in the order of the metrics."""
    couples = {frozenset((metric, column)): (metric, column) for metric, column in reversed(swap.items())}
    moved = [couple for couple in reversed(couples.values()) if couple[0] != couple[1]]
    return listed([f"{title(one)} ↔ {title(other)}" for one, other in moved])
