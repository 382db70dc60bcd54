"""The truth: what each cell reaches when it is trained in full, as published by others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from data import IMPORTED, TRUTH_TABLES
from data.columns import Column, content_checksum
from data.folder import DataError, is_there
from data.metrics import (
    EPOCHS,
    FLOPS,
    INDEX,
    METRICS,
    PARAMS,
    TRAINING_OF_METRIC,
    accuracy_column,
    seconds_column,
)
from data.shipped import read_shipped
from spaces import NASBENCH201 as WHOLE
from spaces import Cell, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Columns = Mapping[str, Column]


class Measurement(NamedTuple):
    """One cell by one metric after one training."""

    metric: str
    epochs: int | None
    """None where the source has one training and gives no number."""
    accuracy: float
    """Percent, the mean of the runs."""
    runs: dict[int, float]
    """Percent of each run by its seed; empty where the source has the mean alone."""
    rank: int
    """1 for the best of all cells, by the same metric after the same training."""
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


class TruthTable:
    """The accuracies of all cells, by one or more metrics. Two tables of one name and one checksum are equal."""

    def __init__(
        self,
        name: str,
        label: str,
        checksum: str | None,
        accuracies: Columns,
        columns: Columns | Callable[[], Columns] | None = None,
        space: Space = WHOLE,
    ) -> None:
        """
        Args:
            checksum: SHA-256 of the data behind the table; None is that of the accuracies.
            accuracies: for each of `METRICS` that the table has, percent of every cell.
            columns: all that is known, by the names of `data.metrics`, or what gives it when it is asked for; None
                where nothing is but the accuracies.
            space: whose cells the table is of.
        """
        assert set(accuracies) <= set(METRICS)
        self.name = name
        """As it is called in print."""
        self.label = label
        """One line for tables and plots: exactly what the numbers are."""
        self._accuracies = accuracies
        self._checksum = checksum
        self._columns = columns
        self.space = space

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TruthTable) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, str, str]:
        return self.name, self.checksum, self.space.name

    def within(self, space: Space) -> TruthTable:
        """The table of a restricted space: rank, regret, mean and best are those among its cells."""
        if space == self.space:
            return self
        accuracies = _within(space, self._accuracies)
        return TruthTable(self.name, self.label, self.checksum, accuracies, partial(self._columns_within, space), space)

    def _columns_within(self, space: Space) -> Columns:
        return _within(space, self.columns)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the data behind the table; all of NAS-Bench-201 with the same accuracies have the same."""
        return self._checksum or content_checksum(self.accuracies)

    @cached_property
    def accuracies(self) -> dict[str, NDArray[np.float64]]:
        """For each of `METRICS` that the table has, (cells,) percent by `Space.index`."""
        return {metric: column.array() for metric, column in self._accuracies.items()}

    @cached_property
    def columns(self) -> Columns:
        """All that is known of the cells, by the names of `data.metrics`; empty where nothing is but `accuracies`."""
        return self._columns() if callable(self._columns) else self._columns or {}

    def query(self, cell: Cell) -> dict[str, float]:
        """The cell's accuracy in percent by each metric."""
        return {metric: self._known(column, cell) for metric, column in self._accuracies.items()}

    def regret(self, cell: Cell, metric: str) -> float:
        """Percentage points between the best cell and this one; 0 for the best.

        Raises:
            DataError: where the table has no such metric.
        """
        column = self._of(metric)
        return column.best() - self._known(column, cell)

    def rank(self, cell: Cell, metric: str) -> int:
        """1 + the number of cells strictly better, equal for equals.

        Raises:
            DataError: where the table has no such metric.
        """
        return self._of(metric).rank(self.space.index(cell))

    def quantiles(self, metric: str, probabilities: Sequence[float]) -> NDArray[np.float64]:
        """For each probability in 0…1 the accuracy that this share of all cells stays under, in percent.

        Raises:
            DataError: where the table has no such metric.
        """
        import numpy as np

        return np.quantile(self._of(metric).array(), probabilities)

    def mean(self, metric: str) -> float:
        """The expected accuracy of a cell drawn blindly, in percent.

        Raises:
            DataError: where the table has no such metric.
        """
        return float(self._of(metric).array().mean())

    def record(self, cell: Cell) -> CellRecord:
        """All that the table knows of a cell, as `query` shows it."""
        if not self.columns:
            alone = [self._measurement(cell, metric, None, column) for metric, column in self._accuracies.items()]
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

    def _measurement(self, cell: Cell, metric: str, epochs: int | None, column: Column) -> Measurement:
        runs, seconds = {}, None
        if epochs is not None:
            prefix = accuracy_column(metric, epochs) + "_seed"
            for name in self.columns:
                if name.startswith(prefix) and (accuracy := self._number(cell, name)) is not None:
                    runs[int(name.removeprefix(prefix))] = accuracy
            seconds = self._number(cell, seconds_column(TRAINING_OF_METRIC[metric], epochs))
        accuracy = self._known(column, cell)
        ordered = dict(sorted(runs.items()))
        regret = column.best() - accuracy
        return Measurement(metric, epochs, accuracy, ordered, column.rank(self.space.index(cell)), regret, seconds)

    def _number(self, cell: Cell, name: str) -> float | None:
        """One number of the columns; None where it was not measured."""
        return self.columns[name].value(self.space.index(cell)) if name in self.columns else None

    def _of(self, metric: str) -> Column:
        if metric not in self._accuracies:
            raise DataError(f"{self.name} has no {metric!r}; it has {', '.join(self._accuracies)}")
        return self._accuracies[metric]

    def _known(self, column: Column, cell: Cell) -> float:
        value = column.value(self.space.index(cell))
        assert value is not None
        return value


def _within(space: Space, columns: Columns) -> Columns:
    from data.columns import Part

    return {name: Part(column, space.positions) for name, column in columns.items()}


TITLES = dict(zip(TRUTH_TABLES, ("NAS-Bench-201", "AnalogNAS-Bench"), strict=True))
"""What the tables are called in print, by their names."""

NASBENCH201, ANALOGNAS = TITLES.values()

API = "api:"
"""How the name of a truth begins that the package `nas-bench-201` answers from the file behind it."""


def open_truth(name: str | None, folder: Path) -> TruthTable:
    """A table by its name or file.

    Args:
        name: one of `TRUTH_TABLES`; None is the first, NAS-Bench-201 as it comes with the program. Or `api:` and the
            path of an official file, or the path of a Parquet file that was imported.
        folder: of the data. What was imported there adds to NAS-Bench-201, in `TruthTable.record`, what the table that
            comes with the program lacks; no accuracy of that is another because of it.

    Raises:
        DataError: for an unknown name, or where the table's file is absent or damaged.
    """
    if name is None or name == "nasbench201":
        shipped = read_shipped()
        return _nasbench201("", shipped, partial(_with_imported, shipped, folder))
    if name == "analognas":
        return _open_analognas()
    if name.startswith(API):
        return _open_through_api(Path(name.removeprefix(API)))
    path = Path(name)
    if path.suffix == ".parquet" and is_there(path):
        return _open_imported(path)
    if is_there(path):
        raise DataError(
            f"{name} is no table of this program: run python -m benchmark data import {name} or, for an official .pth "
            f"file, choose {API}{name}"
        )
    raise DataError(
        f"there is no truth table {name[:200]!r}; choose {' or '.join(TRUTH_TABLES)}, {API}FILE with an official file, "
        "or an imported .parquet file"
    )


def second_truth(truth: TruthTable) -> TruthTable:
    """The table that a second opinion on results of this one comes from: all cells trained once more by others.

    Raises:
        DataError: where its file is absent or damaged.
    """
    return open_truth("nasbench201" if truth.name == ANALOGNAS else "analognas", Path())


def _nasbench201(release: str, columns: Columns, more: Columns | Callable[[], Columns]) -> TruthTable:
    return TruthTable(
        NASBENCH201,
        f"NAS-Bench-201{release}: 200 epochs, mean of runs; "
        "CIFAR-10 valid by the runs trained on 25k images, test by those trained on all",
        None,
        {metric: columns[accuracy_column(metric)] for metric in METRICS},
        more,
    )


def _with_imported(shipped: Columns, folder: Path) -> Columns:
    """The columns that come with the program and, of a release imported since, those that they lack."""
    if not (folder / IMPORTED).exists():
        return shipped
    from data.nasbench201 import read_table

    imported, provenance = read_table(folder / IMPORTED)
    return {**_floats(imported), **shipped} if provenance.accuracies_agree else shipped


def _open_imported(path: Path) -> TruthTable:
    from data.nasbench201 import read_table

    imported, provenance = read_table(path)
    columns = _floats(imported)
    return _nasbench201(f" ({provenance.release})", columns, columns)


def _open_through_api(path: Path) -> TruthTable:
    from data.official_api import read_api

    measurements = read_api(path).exact()
    measurements.check(path.name)
    columns = _floats(measurements.columns)
    return _nasbench201(f" ({path.name}, through nas-bench-201)", columns, columns)


def _floats(columns: Mapping[str, NDArray[np.float64]]) -> Columns:
    from data.columns import Floats

    return {name: Floats(values) for name, values in columns.items()}


def _open_analognas() -> TruthTable:
    from data.analognas import find_file, read_analognas, read_file
    from data.columns import Floats

    path = find_file()
    content, sha256 = read_file(path)
    return TruthTable(
        ANALOGNAS,
        "CIFAR-10 test accuracy at full precision, AnalogNAS-Bench (the same cells, retrained by its authors)",
        sha256,
        {"cifar10_test": Floats(read_analognas(content, path.name))},
    )
