"""All cells of NAS-Bench-201, asked by what is printed: which of them have these numbers, and how many would by chance.

An accuracy is a count of images over a number of runs, so that a look-up is exact; `EPSILON` is for floating point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.metrics import EPOCHS, METRICS, PUBLISHED, SEEDS, accuracy_column
from data.truth import TruthTable
from reports.audit.numbers import EPSILON, Printed
from spaces import NASBENCH201, Cell

Floats = NDArray[np.float64]
Numbers = Mapping[str, Printed]
"""Printed numbers by metric."""

WINDOWS = (0.1, 0.25, 0.5, 1.0)
"""Percentage points around a number in which the cells are counted, to say how many would share it by chance; the
largest result counts, since cells lie in clusters."""

FEW_RUNS = 10
"""Up to so many searches a statement goes that depends on their number, where a table doesn't say it."""


class OtherNumbers(NamedTuple):
    """Other numbers of the same cells, which are easily taken for the mean of 200 epochs."""

    name: str
    """What they are, as a sentence goes on after “those of one cell”."""
    values: dict[str, Floats]
    """By metric, (15,625,) percent, NaN where not measured; a metric that it lacks is as usual."""


class Space:
    """The exact accuracies of all cells, in arrays that are made when they are first asked for."""

    def __init__(self, truth: TruthTable) -> None:
        """`truth` has all `METRICS` and, in its columns, those of 12 epochs and of the single runs."""
        self._truth = truth
        self.values: dict[str, Floats] = truth.accuracies

    @cached_property
    def best(self) -> dict[str, float]:
        return {metric: float(values.max()) for metric, values in self.values.items()}

    @cached_property
    def worst(self) -> dict[str, float]:
        return {metric: float(values.min()) for metric, values in self.values.items()}

    @cached_property
    def best_of_some_runs(self) -> dict[str, float]:
        """By metric whose single runs are known, the best mean of any of the runs of a cell: what a release with fewer
        runs can have at most."""
        best = {}
        for metric in METRICS:
            runs = [self._column(accuracy_column(metric, PUBLISHED, seed)) for seed in SEEDS]
            known = [values for values in runs if values is not None]
            if known:
                best[metric] = float(np.nanmax(known))
        return best

    @cached_property
    def variants(self) -> list[OtherNumbers]:
        """What is mistaken for the mean of 200 epochs: one run of it, 12 epochs, and `ori-test` for a half of it."""
        variants = []
        few = next(epochs for epochs in EPOCHS if epochs != PUBLISHED)
        twelve = {metric: self._column(accuracy_column(metric, few)) for metric in METRICS}
        variants.append(OtherNumbers(f"after {few} epochs", _known(twelve)))
        for seed in SEEDS:
            runs = {metric: self._column(accuracy_column(metric, PUBLISHED, seed)) for metric in METRICS}
            variants.append(OtherNumbers(f"in the single run of seed {seed}", _known(runs)))
            runs = {metric: self._column(accuracy_column(metric, few, seed)) for metric in METRICS}
            if known := _known(runs):
                variants.append(OtherNumbers(f"after {few} epochs in the single run of seed {seed}", known))
        whole = {f"{name}_valid": self._whole_test(name) for name in ("cifar10", "cifar100", "imagenet16-120")}
        variants.append(OtherNumbers("by “ori-test”, the whole test set, where it says valid", whole))
        both = whole | {f"{name}_test": self._whole_test(name) for name in ("cifar100", "imagenet16-120")}
        variants.append(OtherNumbers("by “ori-test”, the whole test set, in place of its two halves", both))
        return variants

    def matches(self, numbers: Numbers, values: Mapping[str, Floats] | None = None) -> NDArray[np.intp]:
        """The cells all of whose accuracies are printed so; by other values where given."""
        values = self.values if values is None else values
        fits = np.ones(len(NASBENCH201), bool)
        for metric, number in numbers.items():
            fits &= np.abs(values[metric] - number.accuracy) <= number.half
        return np.flatnonzero(fits)

    def chance(self, numbers: Numbers, among: NDArray[np.bool_] | None = None) -> float:
        """How many cells have these numbers to the printed digits, if nothing but chance put them near to each other:
        the cells within a window times the share of it that counts as equal, over all metrics.

        Args:
            among: the cells that come into question, (15,625,); None is all.
        """
        most = 0.0
        for window in WINDOWS:
            expected = 1.0
            near = np.ones(len(NASBENCH201), bool) if among is None else among.copy()
            for metric, number in numbers.items():
                width = max(window, 5 * number.half)
                near &= np.abs(self.values[metric] - number.accuracy) <= width
                expected *= number.half / width
            cells = max(int(near.sum()), window == WINDOWS[-1])  # at least one in the largest
            most = max(most, expected * cells)
        return min(most, 1.0)

    def share(self, metric: str, number: Printed) -> float:
        """The share of the cells within half a point of a number that are printed like it."""
        away = np.abs(self.values[metric] - number.accuracy)
        near = int((away <= max(0.5, 5 * number.half)).sum())
        return max(1, int((away <= number.half).sum())) / max(near, 10)

    def outside_hull(self, first: str, second: str, numbers: Numbers) -> bool:
        """Whether no set of cells has these two means at once: every mean lies in the convex hull of the cells."""
        bounds = [numbers[metric].bounds for metric in (first, second)]
        centre = np.array([(low + high) / 2 for low, high in bounds])
        half = np.array([(high - low) / 2 for low, high in bounds])
        normals = self._hull(first, second)
        return bool(np.any(normals[:, :2] @ centre - np.abs(normals[:, :2]) @ half + normals[:, 2] > EPSILON))

    def _hull(self, first: str, second: str) -> Floats:
        """The half-planes a·x + b·y + c ≤ 0 whose intersection is the hull of the cells by two metrics."""
        if (first, second) not in self._hulls:
            from scipy.spatial import ConvexHull

            points = np.stack([self.values[first], self.values[second]], axis=1)
            self._hulls[first, second] = np.asarray(ConvexHull(points).equations, np.float64)
        return self._hulls[first, second]

    @cached_property
    def _hulls(self) -> dict[tuple[str, str], Floats]:
        return {}

    def alike(self, positions: Sequence[int]) -> list[list[int]]:
        """The cells grouped by what they compute: those of a group are one cell written in several ways."""
        groups: dict[str, list[int]] = {}
        for position in positions:
            groups.setdefault(Cell.at(position).canonical(), []).append(position)
        return list(groups.values())

    def index(self, position: int) -> int:
        """The cell's place in the benchmark's official order."""
        value = self._truth.columns["index"].value(position)
        assert value is not None
        return int(value)

    def _column(self, name: str) -> Floats | None:
        return self._truth.columns[name].array() if name in self._truth.columns else None

    def _whole_test(self, data_set: str) -> Floats:
        """`ori-test`: of CIFAR-10 it is what `test` is, of the others the mean over the two halves."""
        test = self.values[f"{data_set}_test"]
        return test if data_set == "cifar10" else (self.values[f"{data_set}_valid"] + test) / 2


def pairs_of_splits(metrics: Sequence[str]) -> list[tuple[str, str]]:
    """The columns valid and test of one data set, of each that has both."""
    return [
        (a, b) for a, b in combinations(METRICS, 2) if a.split("_")[0] == b.split("_")[0] and {a, b} <= set(metrics)
    ]


def _known(columns: Mapping[str, Floats | None]) -> dict[str, Floats]:
    return {metric: values for metric, values in columns.items() if values is not None}
