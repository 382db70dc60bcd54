"""The truth: what each of the 15,625 cells reaches when it is trained in full, as published by others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import TRUTH_TABLES, nasbench201
from data.analognas import find_file, read_analognas, read_file
from data.folder import DataError, is_there
from data.measurements import (
    EPOCHS,
    FLOPS,
    INDEX,
    METRICS,
    PARAMS,
    TRAINING_OF_METRIC,
    accuracy_column,
    seconds_column,
)
from spaces import NUM_CELLS, Cell


@dataclass(frozen=True)
class Measurement:
    """One cell by one metric after one training."""

    metric: str
    epochs: int | None
    """None where the source has one training and gives no number."""
    accuracy: float
    """Percent, the mean of the runs."""
    runs: dict[int, float]
    """Percent of each run by its seed; empty where the source has the mean alone."""
    rank: int
    """1…15,625 among all cells, by the same metric after the same training."""
    regret: float
    """Percentage points below the best cell, by the same."""
    train_seconds: float | None
    """Mean over runs, where the source has it."""


@dataclass(frozen=True)
class CellRecord:
    """All that a table knows of one cell."""

    cell: Cell
    measurements: tuple[Measurement, ...]
    """By training, the published one first, and metric."""
    index: int | None
    """Place in NAS-Bench-201's official order."""
    params: int | None
    """Parameters of the CIFAR-10 network."""
    flops_m: float | None
    """10⁶ operations of the CIFAR-10 network."""


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
    """For each of `METRICS` that the table has, (15,625,) percent by `Cell.position`."""
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """What else is known, by the names of `data.measurements`; (15,625,) each, NaN where not measured."""

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
        return _regret(self._of(metric), cell)

    def rank(self, cell: Cell, metric: str) -> int:
        """1 + the number of cells strictly better: 1…15,625, equal for equals.

        Raises:
            DataError: where the table has no such metric.
        """
        return _rank(self._of(metric), cell)

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

    def record(self, cell: Cell) -> CellRecord:
        """All that the table knows of a cell, as `query` shows it."""
        if not self.columns:
            alone = [self._measurement(cell, metric, None, values) for metric, values in self.accuracies.items()]
            return CellRecord(cell, tuple(alone), None, None, None)
        measurements = [
            self._measurement(cell, metric, epochs, self.columns[column])
            for epochs in EPOCHS
            for metric in METRICS
            if self._number(cell, column := accuracy_column(metric, epochs)) is not None
        ]
        index, params = (self._number(cell, column) for column in (INDEX, PARAMS))
        return CellRecord(
            cell,
            tuple(measurements),
            None if index is None else int(index),
            None if params is None else int(params),
            self._number(cell, FLOPS),
        )

    def _measurement(self, cell: Cell, metric: str, epochs: int | None, values: NDArray[np.float64]) -> Measurement:
        runs, seconds = {}, None
        if epochs is not None:
            for name in self.columns:
                run = re.fullmatch(accuracy_column(metric, epochs) + r"_seed(\d+)", name)
                if run and (accuracy := self._number(cell, name)) is not None:
                    runs[int(run[1])] = accuracy
            seconds = self._number(cell, seconds_column(TRAINING_OF_METRIC[metric], epochs))
        accuracy = float(values[cell.position])
        ordered = dict(sorted(runs.items()))
        return Measurement(metric, epochs, accuracy, ordered, _rank(values, cell), _regret(values, cell), seconds)

    def _number(self, cell: Cell, column: str) -> float | None:
        """One number of the columns; None where it was not measured."""
        if column not in self.columns or np.isnan(self.columns[column][cell.position]):
            return None
        return float(self.columns[column][cell.position])

    def _of(self, metric: str) -> NDArray[np.float64]:
        if metric not in self.accuracies:
            raise DataError(f"{self.name} has no {metric!r}; it has {', '.join(self.accuracies)}")
        return self.accuracies[metric]


def _rank(values: NDArray[np.float64], cell: Cell) -> int:
    return 1 + int((values > values[cell.position]).sum())


def _regret(values: NDArray[np.float64], cell: Cell) -> float:
    return float(np.nanmax(values) - values[cell.position])


def open_truth(name: str | None, folder: Path) -> TruthTable:
    """A table by its name or file, or, given none, the best there is.

    Args:
        name: one of `TRUTH_TABLES`, or the path of a Parquet file that was imported; None is NAS-Bench-201 where it
            was imported into `folder`, else AnalogNAS-Bench.

    Raises:
        DataError: for an unknown name, or where the table's file is absent or damaged.
    """
    imported = folder / nasbench201.FILE
    if name is None:
        name = "nasbench201" if imported.exists() else "analognas"
    if name == "analognas":
        return _open_analognas()
    if name == "nasbench201":
        if not imported.exists():
            raise DataError(
                "NAS-Bench-201 was not imported: run python -m benchmark data download nb201, or data import FILE"
            )
        return _open_nasbench201(imported)
    path = Path(name)
    if path.suffix == ".parquet" and is_there(path):
        return _open_nasbench201(path)
    if is_there(path):
        raise DataError(f"{name} must be imported before it is the truth: run python -m benchmark data import {name}")
    raise DataError(
        f"there is no truth table {name[:200]!r}; choose {' or '.join(TRUTH_TABLES)}, or an imported .parquet file"
    )


def _open_nasbench201(path: Path) -> TruthTable:
    columns, provenance = nasbench201.read_table(path)
    return TruthTable(
        name="NAS-Bench-201",
        label=(
            f"NAS-Bench-201 ({provenance.release}): 200 epochs, mean of runs; "
            "CIFAR-10 valid by the runs trained on 25k images, test by those trained on all"
        ),
        checksum=provenance.checksum,
        accuracies={metric: columns[accuracy_column(metric)] for metric in METRICS},
        columns=columns,
    )


def _open_analognas() -> TruthTable:
    path = find_file()
    content, sha256 = read_file(path)
    return TruthTable(
        name="AnalogNAS-Bench",
        label="CIFAR-10 test accuracy at full precision, AnalogNAS-Bench (the same cells, retrained by its authors)",
        checksum=sha256,
        accuracies={"cifar10_test": read_analognas(content, path.name)},
    )
