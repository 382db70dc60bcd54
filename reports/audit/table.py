"""A table of published numbers in memory: its rows by metric, and its text as given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.metrics import METRICS
from reports.audit import TableError
from reports.audit.grids import MOST_BYTES, Grid, Line, read_grids
from reports.audit.heads import ColumnHead, read_heads, runs_column, title
from reports.audit.latex import MOST_ROWS
from reports.audit.numbers import Printed, looks_like_number, read_number

LONG = ("method", "dataset", "split", "mean")
"""Columns by which the long form is known: a line a number, as `published.csv` has it."""


@dataclass(frozen=True)
class Row:
    """The numbers of one method."""

    name: str
    line: int
    """Of the file."""
    numbers: dict[str, Printed]
    """By metric, in the order of the columns."""
    runs: int | None
    """Searches behind the means; None where the table doesn't say."""
    texts: list[str]
    """Of each column, as given."""
    source: str = ""
    """Where the numbers were taken from; empty where the table doesn't say."""

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.numbers)


@dataclass(frozen=True)
class Table:
    """One table, as given."""

    file: str
    heads: list[str]
    columns: list[str | None]
    """The metric of each column; None for one that isn't audited."""
    rows: list[Row]

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(metric for metric in self.columns if metric)

    @property
    def left_out(self) -> list[str]:
        """The heads of the columns that aren't audited."""
        pairs = list(zip(self.heads, self.columns, strict=True))[1:]
        return [head for head, metric in pairs if metric is None and head.strip()]


def read_table(path: Path, columns: Sequence[str] = (), errors: bool = False) -> Table:
    """The table in a file; of several, the first that has a metric for a column.

    Args:
        path: CSV, Markdown or LaTeX; the content tells.
        columns: what heads mean that can't be told, `HEAD=METRIC` each; see `heads.read_heads`.
        errors: whether the numbers are errors; a column whose head says so need not be told.

    Raises:
        TableError: where it can't be read; says which line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror}): check its name") from None
    failed: TableError | None = None
    for grid in read_grids(content, path.name):
        if grid.heads and set(LONG) <= {cell.casefold() for cell in grid.lines[0].cells}:
            return _long(grid, path.name, errors)
        try:
            return _wide(grid, path.name, columns, errors)
        except TableError as error:
            failed = failed or error
    raise failed or TableError(f"{path.name}, line 1: holds no table; give a CSV, a Markdown table, or a LaTeX tabular")


def _wide(grid: Grid, file: str, columns: Sequence[str], errors: bool) -> Table:
    """A row a method, a column a metric."""
    count = grid.heads if grid.heads is not None else _count_heads(grid.lines)
    above, body = grid.lines[:count], grid.lines[count:]
    above = [line for line in above if not line.cells[0] or len(set(line.cells) - {""}) > 1]  # not names of groups
    if not above:
        raise TableError(
            f"{file}, line {grid.lines[0].number if grid.lines else 1}: a table without heads of its columns"
        )
    width = max(len(line.cells) for line in above)
    heads = [
        " ".join(dict.fromkeys(cell for line in above for cell in line.cells[place : place + 1] if cell))
        for place in range(width)
    ]
    where = f"{file}, line {above[-1].number}"
    meanings = read_heads(heads, columns, errors, where)
    runs = runs_column(heads)
    rows = []
    for line in body:
        if any(line.cells[1:]):
            cells = line.cells + [""] * (width - len(line.cells))
            if len(cells) > width:
                raise TableError(
                    f"{file}, line {line.number}: has {len(line.cells)} cells, but the heads are {width}; give each "
                    "number a column"
                )
            if row := _row(Line(line.number, cells), meanings, runs, file):
                rows.append(row)
    _check(rows, file, where)
    return Table(file, heads, [head.metric if head else None for head in meanings], rows)


def _row(line: Line, meanings: Sequence[ColumnHead | None], runs: int | None, file: str) -> Row | None:
    """The row in a line; None where the line holds words only, as one that names a group of methods does."""
    audited = {place: head for place, head in enumerate(meanings) if head}
    words = {line.cells[place] for place in audited} - {""}
    if words == {line.cells[0]} or (not line.cells[0] and len(words) == 1 and words.pop().isalpha()):
        return None
    numbers = {}
    for place, head in audited.items():
        try:
            number = read_number(line.cells[place], head.errors)
        except ValueError as error:
            raise TableError(
                f"{file}, line {line.number}: {error}, under {title(head.metric)}; write it as 91.55 ± 0.10, "
                "91.55(0.10) or 91.55, or leave it empty"
            ) from None
        if number:
            numbers[head.metric] = number
    count = line.cells[runs] if runs is not None else ""
    known = int(count) if count.isascii() and count.isdecimal() and 0 < int(count[:9]) < 10**6 else None
    return Row(line.cells[0] or f"line {line.number}", line.number, numbers, known, line.cells)


@dataclass
class _Group:
    """What the lines of one row in the long form say."""

    line: int
    numbers: dict[str, Printed] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    runs: set[int] = field(default_factory=set)


def _long(grid: Grid, file: str, errors: bool) -> Table:
    """A line a number; a row is what one source says of one method."""
    names = [cell.casefold() for cell in grid.lines[0].cells]
    collected: dict[tuple[str, ...], _Group] = {}
    for line in grid.lines[1:]:
        if len(line.cells) != len(names):
            raise TableError(f"{file}, line {line.number}: has {len(line.cells)} cells, but the heads are {len(names)}")
        cell = dict(zip(names, line.cells, strict=True))
        metric = f"{cell['dataset'].casefold()}_{cell['split'].casefold()}"
        if metric not in METRICS:
            raise TableError(
                f"{file}, line {line.number}: {cell['dataset'][:40]!r} and {cell['split'][:40]!r} are no data set and "
                f"split; together they are one of {', '.join(METRICS)}"
            )
        runs = cell.get("runs", "")
        if runs and not (runs.isascii() and runs.isdecimal() and 0 < int(runs[:9]) < 10**6):
            raise TableError(f"{file}, line {line.number}: {runs[:40]!r} is no number of runs")
        try:
            number = read_number(f"{cell['mean']} ± {cell['std']}" if cell.get("std") else cell["mean"], errors)
        except ValueError as error:
            raise TableError(f"{file}, line {line.number}: {error}") from None
        source, note = cell.get("source", ""), cell.get("note", "")
        group = collected.setdefault((cell["method"], source), _Group(line.number))
        if metric in group.notes and group.notes[metric] != note:  # one source with two rows of a method
            group = collected.setdefault((cell["method"], source, note), _Group(line.number))
        if metric in group.notes:
            raise TableError(
                f"{file}, line {line.number}: {title(metric)} of {cell['method'][:60]!r} for the second time"
            )
        group.notes[metric] = note
        if number:
            group.numbers[metric] = number
        if runs:
            group.runs.add(int(runs))
    groups = collected.values()
    metrics = [metric for metric in METRICS if any(metric in group.numbers for group in groups)]
    rows = [
        Row(
            key[0] or f"line {group.line}",
            group.line,
            {metric: group.numbers[metric] for metric in metrics if metric in group.numbers},
            group.runs.pop() if len(group.runs) == 1 else None,
            [key[0], *(str(group.numbers.get(metric, "")) for metric in metrics)],
            key[1],
        )
        for key, group in collected.items()
    ]
    _check(rows, file, f"{file}, line {grid.lines[0].number}")
    return Table(file, ["method", *map(title, metrics)], [None, *metrics], rows)


def _check(rows: Sequence[Row], file: str, where: str) -> None:
    numbers = [number for row in rows for number in row.numbers.values()]
    if len(rows) > MOST_ROWS:
        raise TableError(
            f"{where}: {len(rows):,} rows are more than a table of a paper has; give at most {MOST_ROWS:,}"
        )
    if not numbers:
        raise TableError(f"{where}: below its heads there is no number")
    if max(number.accuracy for number in numbers) <= 1:
        raise TableError(f"{where}: all numbers of {file} are at most 1; give percent, not fractions")


def _count_heads(lines: Sequence[Line]) -> int:
    """How many lines come before the first with a number."""
    for place, line in enumerate(lines):
        if any(map(looks_like_number, line.cells[1:])):
            return place
    return len(lines)
