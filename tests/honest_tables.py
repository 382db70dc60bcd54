"""Tables as honest authors print them, made from the truth: what an audit must not find anything in.

A method has a taste (a region of the space, the best of some random cells, the neighbours of a cell), ends in n cells
that differ, and prints the mean of 200 epochs with a deviation, or without. `python tests/honest_tables.py 1000` counts
the findings in the tables 0 to 999, with a second number from that one on.
"""

import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from benchmark.method_facts import published_numbers
from data.metrics import METRICS
from data.truth import open_truth
from reports.audit.audit import audit
from reports.audit.finding import Finding
from reports.audit.numbers import Printed
from reports.audit.quotes import quotes
from reports.audit.space import Space
from reports.audit.table import Row, Table
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

COLUMNS = (
    METRICS,
    METRICS,
    ("cifar10_test", "cifar100_test", "imagenet16-120_test"),
    ("cifar10_valid", "cifar10_test"),
    ("cifar10_test",),
)

KNOWN = quotes(published_numbers())
"""What rows may quote."""

NAMES = (
    *("DARTS (1st)", "DARTS (2nd)", "GDAS", "SETN", "ENAS", "RSPS", "β-DARTS", "RLNAS", "PC-DARTS", "DrNAS", "SNAS"),
    *("iDARTS", "DARTS-", "NASWOT", "TE-NAS", "REINFORCE", "Random search"),
    *(f"Our method {letter}" for letter in "ABCDEFGH"),
)
"""Known methods run anew have other numbers than in their papers, and no less honest ones."""


def honest_table(space: Space, seed: int) -> Table:
    numbers = random.Random(seed)
    metrics = numbers.choice(COLUMNS)
    how = numbers.choice(("n − 1", "n", "none"))
    own_search = numbers.random() < 0.3  # one on each data set
    rows = []
    names = numbers.sample(NAMES, numbers.randint(4, 12))
    for line, name in enumerate(names, 2):
        runs = numbers.choice((3, 3, 4, 5, 5, 8, 10, 100, 500))
        taste = _taste(space, numbers)
        cells = taste(runs)
        printed = {}
        for metric in metrics:
            if own_search and metric.endswith("valid"):
                cells = taste(runs)
            values = space.values[metric][cells]
            std = None if how == "none" else f"{values.std(ddof=how == 'n − 1'):.2f}"
            printed[metric] = Printed(f"{values.mean():.2f}", std)
        stated = runs if numbers.random() < 0.3 else None
        rows.append(Row(name, line, printed, stated, [name, *map(str, printed.values())]))
    return Table("honest.csv", ["Method", *metrics], [None, *metrics], rows)


def _taste(space: Space, numbers: random.Random):
    """A rule by which a method ends in n cells: of few runs all differ."""
    kind = numbers.choice(("any", "good", "good", "best of some", "neighbours"))
    order = np.argsort(-space.values["cifar10_valid"])
    if kind == "any":
        pool = list(range(NUM_CELLS))
    elif kind == "good":
        start = numbers.randrange(0, 4000)
        pool = order[start : start + numbers.randint(30, 2000)].tolist()
    elif kind == "best of some":
        sample = numbers.randint(10, 100)
        pool = [min(numbers.sample(range(NUM_CELLS), sample), key=_rank(order).__getitem__) for _ in range(600)]
    else:
        pool = _around(Cell.at(int(order[numbers.randrange(3000)])))

    def draw(runs: int) -> list[int]:
        few = sorted(set(pool))
        return numbers.sample(few, runs) if runs <= min(20, len(few)) else numbers.choices(pool, k=runs)

    return draw


def _rank(order: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(order), int)
    ranks[order] = np.arange(len(order))
    return ranks


def _around(cell: Cell) -> list[int]:
    """The 24 cells one edge away."""
    return [
        Cell((*cell.operations[:edge], operation, *cell.operations[edge + 1 :])).position
        for edge in range(6)
        for operation in range(5)
        if operation != cell.operations[edge]
    ]


def false_alarms(space: Space, seeds: range) -> list[tuple[int, Table, list[Finding]]]:
    """The tables in which something is found."""
    found = []
    for seed in seeds:
        table = honest_table(space, seed)
        if findings := audit(table, space, KNOWN):
            found.append((seed, table, findings))
    return found


if __name__ == "__main__":
    count, first = (*map(int, sys.argv[1:]), 0)[:2]
    alarms = false_alarms(Space(open_truth(None, Path("no imports"))), range(first, first + count))
    print(f"{len(alarms)} of {count:,} honest tables have a finding")
    print(dict(Counter(finding.kind for _, _, findings in alarms for finding in findings)))
    for seed, table, findings in alarms:
        for finding in findings:
            row = table.rows[finding.row]
            print(seed, row.name, finding.kind, finding.severity, finding.evidence)
            print("   ", {metric: str(number) for metric, number in row.numbers.items()})
