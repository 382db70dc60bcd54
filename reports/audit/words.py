"""Words that all findings share."""

from __future__ import annotations

from collections.abc import Sequence

from reports.audit.heads import title
from reports.audit.space import Space
from reports.audit.table import Row
from spaces import NASBENCH201, Cell

_PLURALS = {
    "none": "none",
    "skip_connect": "skip connections",
    "nor_conv_1x1": "1×1 convolutions",
    "nor_conv_3x3": "3×3 convolutions",
    "avg_pool_3x3": "poolings",
}

MOST_NAMED = 6
"""So many cells are named in a sentence; the others are counted."""


def named(row: Row) -> str:
    """`The row “GDAS”`."""
    return f"The row “{row.name}”"


def said(row: Row, columns: Sequence[str]) -> str:
    """`CIFAR-10 test 93.61 ± 0.09`, with `and` before the last of several."""
    return listed([f"{title(metric)} {row.numbers[metric]}" for metric in columns])


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def cells_named(positions: Sequence[int], space: Space, in_full: bool = False) -> str:
    """The cells by their official numbers and, in full, as the benchmark writes them."""
    names = [_cell_name(position, space, in_full) for position in positions[:MOST_NAMED]]
    return listed(names + ([f"{len(positions) - MOST_NAMED} more"] if len(positions) > MOST_NAMED else []))


def _cell_name(position: int, space: Space, in_full: bool) -> str:
    cell = Cell.at(position)
    facts = [f"all {_PLURALS[NASBENCH201.operations[cell.operations[0]]]}"] if len(set(cell.operations)) == 1 else []
    facts += [str(cell)] if in_full else []
    return f"cell {space.index(position)}" + (f" ({', '.join(facts)})" if facts else "")


def odds(chance: float) -> str:
    """A probability as one says it: `1 in 2,300`."""
    if chance >= 0.5:
        return "about every second time"
    if chance < 1e-9:
        return "less than 1 in 1,000,000,000"
    times = 1 / chance
    rounded = round(times, -len(str(int(times))) + 2)
    return f"1 in {rounded:,.0f}"
