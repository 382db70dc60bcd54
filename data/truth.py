"""The truth: what each of the 15,625 cells reaches when it is trained in full, as published by others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import TRUTH_TABLES
from data.analognas import find_file, read_analognas
from data.folder import DataError
from spaces import NUM_CELLS, Cell

METRICS = (
    "cifar10_valid",
    "cifar10_test",
    "cifar100_valid",
    "cifar100_test",
    "imagenet16-120_valid",
    "imagenet16-120_test",
)
"""The metrics that a table may have, in the order of the published tables."""


@dataclass(frozen=True, eq=False)
class TruthTable:
    """The accuracies of all cells, by one or more metrics."""

    name: str
    """As it is called in print."""
    label: str
    """One line for tables and plots: exactly what the numbers are."""
    checksum: str
    """SHA-256 of the data behind the table."""
    accuracies: dict[str, NDArray[np.float64]]
    """For each metric the table has, (15,625,) percent by `Cell.position`."""

    def __post_init__(self) -> None:
        assert all(name in METRICS and values.shape == (NUM_CELLS,) for name, values in self.accuracies.items())

    def query(self, cell: Cell) -> dict[str, float]:
        """The cell's accuracy in percent by each metric."""
        return {metric: float(values[cell.position]) for metric, values in self.accuracies.items()}

    def regret(self, cell: Cell, metric: str) -> float:
        """Percentage points between the best cell and this one; 0 for the best.

        Raises:
            DataError: where the table has no such metric.
        """
        values = self._of(metric)
        return float(values.max() - values[cell.position])

    def rank(self, cell: Cell, metric: str) -> int:
        """1 + the number of cells strictly better: 1…15,625, equal for equals.

        Raises:
            DataError: where the table has no such metric.
        """
        values = self._of(metric)
        return 1 + int((values > values[cell.position]).sum())

    def quantiles(self, metric: str, probabilities: Sequence[float]) -> NDArray[np.float64]:
        """For each probability in 0…1 the accuracy that this share of all cells stays under, in percent.

        Raises:
            DataError: where the table has no such metric.
        """
        return np.quantile(self._of(metric), probabilities)

    def mean(self, metric: str) -> float:
        """The expected accuracy of a cell drawn blindly, in percent.

        Raises:
            DataError: where the table has no such metric.
        """
        return float(self._of(metric).mean())

    def _of(self, metric: str) -> NDArray[np.float64]:
        if metric not in self.accuracies:
            raise DataError(f"{self.name} has no {metric!r}; it has {', '.join(self.accuracies)}")
        return self.accuracies[metric]


def open_truth(name: str | None, folder: Path) -> TruthTable:
    """A table by its name, or, given none, the best there is: NAS-Bench-201 where imported, else AnalogNAS-Bench.

    Raises:
        DataError: for an unknown name, or where the table's file is absent or damaged.
    """
    if name is None or name == "analognas":
        return _open_analognas()
    raise DataError(f"there is no truth table called {name!r}; choose one of {', '.join(TRUTH_TABLES)}")


def _open_analognas() -> TruthTable:
    path = find_file()
    content = path.read_bytes()
    return TruthTable(
        name="AnalogNAS-Bench",
        label="CIFAR-10 test accuracy at full precision, AnalogNAS-Bench (the same cells, retrained by its authors)",
        checksum=hashlib.sha256(content).hexdigest(),
        accuracies={"cifar10_test": read_analognas(content, path.name)},
    )
