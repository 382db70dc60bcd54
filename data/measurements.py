"""The columns of NAS-Bench-201 as they are read from a release, cell by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.folder import DataError
from data.metrics import IMAGES, INTEGERS, METRICS, PUBLISHED, accuracy_column
from spaces import NASBENCH201, Cell

MOST_COLUMNS = 200
"""More than any release fills; theirs have some eighty."""

MOST_RUNS = 3
"""Of one training of a cell."""

ROUNDING = 0.01
"""So far from a whole number of images an accuracy may be: releases keep numbers of 32 bits, and CSVs six decimals."""


class Measurements:
    """A table filled cell by cell; what was not measured is NaN."""

    def __init__(self) -> None:
        self.columns: dict[str, NDArray[np.float64]] = {}
        """For each name of `data.metrics` (15,625,) by `Cell.position`."""
        self._seen = np.zeros(len(NASBENCH201), bool)

    def add(self, cell: Cell, values: dict[str, float]) -> None:
        """Fill one cell.

        Raises:
            DataError: where it was filled before.
        """
        if self._seen[cell.position]:
            raise DataError(f"the file holds the cell {cell} twice: get the official file")
        self._seen[cell.position] = True
        for name, value in values.items():
            if name not in self.columns:
                if len(self.columns) == MOST_COLUMNS:
                    raise DataError("the file holds runs of more seeds than any release: get the official file")
                self.columns[name] = np.full(len(NASBENCH201), np.nan)
            self.columns[name][cell.position] = value

    def exact(self) -> Measurements:
        """The same, with each accuracy what its count of images makes it: one number, whatever rounded it on its way.

        An accuracy that is no count of images stays as it is.
        """
        counted = Measurements()
        counted._seen = self._seen
        for name, values in self.columns.items():
            metric = next((metric for metric in METRICS if name.startswith(metric)), None)
            counted.columns[name] = values if metric is None else exact(values, IMAGES[metric])
        return counted

    def check(self, what: str) -> None:
        """That every cell has the six published accuracies, that these are percentages, and what is counted is whole.

        Raises:
            DataError: with the number of cells that lack one, or the column that is wrong.
        """
        complete = np.ones(len(NASBENCH201), bool)
        for metric in METRICS:
            complete &= np.isfinite(self.columns.get(accuracy_column(metric), np.full(len(NASBENCH201), np.nan)))
        if missing := int((~complete).sum()):
            raise DataError(
                f"{what} lacks {missing:,} of the {len(NASBENCH201):,} cells, or some of their accuracies after "
                f"{PUBLISHED} epochs, and was not imported: get the whole official file"
            )
        for name, values in self.columns.items():
            if name.startswith(METRICS) and not np.all((values >= 0) & (values <= 100) | np.isnan(values)):
                raise DataError(
                    f"{what} holds in {name} what is no percentage and was not imported: get the official file"
                )
            known = values[~np.isnan(values)]
            if np.any(known < 0) or np.any(known >= 2**31) or (name in INTEGERS and np.any(known % 1)):
                raise DataError(
                    f"{what} holds in {name} what is no number of its kind and was not imported: get the official file"
                )


def exact(percent: NDArray[np.float64], images: int) -> NDArray[np.float64]:
    """The accuracies of counts: those of `percent` that are, but for rounding, the mean of up to `MOST_RUNS` whole
    numbers of `images` become the very quotient; the others stay as they are."""
    result = percent.copy()
    unknown = np.flatnonzero((percent >= 0) & (percent <= 100))
    for runs in range(1, MOST_RUNS + 1):
        images_right = percent[unknown] * runs * images / 100
        counts = np.rint(images_right)
        found = np.abs(images_right - counts) < ROUNDING
        result[unknown[found]] = 100 * counts[found] / (runs * images)
        unknown = unknown[~found]
    return result
