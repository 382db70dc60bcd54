"""The columns of NAS-Bench-201: what was measured of each cell, by metric, training, and run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.folder import DataError
from spaces import NUM_CELLS, Cell

DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")

METRICS = tuple(f"{data_set}_{split}" for data_set in DATA_SETS for split in ("valid", "test"))
"""`cifar10_valid`, `cifar10_test`, …: validation and test accuracy on each data set, in percent."""

TRAININGS = ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")
"""What networks were trained on; `cifar10-valid` is the half of CIFAR-10's training images."""

TRAINING_OF_METRIC = {metric: metric.split("_")[0] for metric in METRICS} | {"cifar10_valid": "cifar10-valid"}

EPOCHS = (200, 12)
"""The two trainings of every cell; published numbers are of the first."""

_PUBLISHED = 200

PARAMS = "params"
"""Column of the number of parameters of the CIFAR-10 network."""

FLOPS = "flops_m"
"""Column of the 10⁶ operations of the CIFAR-10 network."""

INDEX = "index"
"""Column of the cell's place in the official order."""

INTEGERS = (INDEX, PARAMS)


def accuracy_column(metric: str, epochs: int = _PUBLISHED, seed: int | None = None) -> str:
    """Name of the column of a metric after a training, in percent: of one run or, without a seed, the mean of all."""
    return f"{metric}_{epochs}" if seed is None else f"{metric}_{epochs}_seed{seed}"


def seconds_column(training: str, epochs: int) -> str:
    """Name of the column of a training's duration, the mean of its runs."""
    return f"train_seconds_{training}_{epochs}"


MOST_COLUMNS = 200
"""More than any release fills; theirs have some seventy."""


class Measurements:
    """A table filled cell by cell; what was not measured is NaN."""

    def __init__(self) -> None:
        self.columns: dict[str, NDArray[np.float64]] = {}
        """For each name (15,625,) by `Cell.position`."""
        self._seen = np.zeros(NUM_CELLS, bool)

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
                self.columns[name] = np.full(NUM_CELLS, np.nan)
            self.columns[name][cell.position] = value

    def check(self, what: str) -> None:
        """That every cell has the six published accuracies, that these are percentages, and what is counted is whole.

        Raises:
            DataError: with the number of cells that lack one, or the column that is wrong.
        """
        complete = np.ones(NUM_CELLS, bool)
        for metric in METRICS:
            complete &= np.isfinite(self.columns.get(accuracy_column(metric), np.full(NUM_CELLS, np.nan)))
        if missing := int((~complete).sum()):
            raise DataError(
                f"{what} lacks {missing:,} of the {NUM_CELLS:,} cells, or some of their accuracies after "
                f"{_PUBLISHED} epochs, and was not imported: get the whole official file"
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
