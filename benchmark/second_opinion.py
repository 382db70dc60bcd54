"""What another training of the same cells says of those that the runs chose; the report asks whether its conclusions
hold there as well."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from benchmark.results_folder import ResultsFolder, Row, write_rows
from data.folder import DataError
from data.truth import TruthTable, second_truth
from reports.rows import SECOND_COLUMNS, SECOND_FILE, SECOND_METRIC
from spaces import Cell, CellError


def write_second_opinions(folders: Sequence[ResultsFolder], truth: TruthTable) -> list[str]:
    """second-opinion.csv of each folder: a row a run, what its cell reaches in the table that is not their truth.

    Returns:
        Why there is none, where there is none.
    """
    try:
        second = second_truth(truth)
    except DataError as error:
        for results in folders:
            (results.out / SECOND_FILE).unlink(missing_ok=True)  # it may be of fewer runs
        return [f"No second opinion: {error}"]
    for results in folders:
        if rows := _rows(results, second):
            write_rows(results.out / SECOND_FILE, rows)
    return []


def _rows(results: ResultsFolder, second: TruthTable) -> list[Row]:
    rows = []
    for run in results.runs:
        with suppress(CellError):  # the report says which row was edited
            accuracy = second.query(Cell.parse(run["genotype"]))[SECOND_METRIC]
            values = (run["method"], run["seed"], SECOND_METRIC, accuracy, second.name, second.checksum[:12])
            rows.append(dict(zip(SECOND_COLUMNS, values, strict=True)))
    return rows
