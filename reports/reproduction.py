"""Whether runs that were repeated have the rows of the first time, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from reports import run_name
from reports.provenance import FACTS, Entry, Provenance
from reports.rows import FAILURE_COLUMNS, HISTORY_COLUMNS, RUN_COLUMNS, SCORE_COLUMNS, read_rows

NOT_FOUND_BY_THE_SEARCH = (
    *("search_seconds", "device"),
    *("preset", "changes", "as_published", "settings", "version"),
)
"""Columns of `runs.csv` that say how long a run took and what it was made with; the others say what it found."""


Key = tuple[str, int]
"""Method and seed of a run."""


def differing_runs(there: Path, here: Path) -> dict[str, str | None]:
    """Of every run in the folder `there`, by name, in what its rows in the folder `here` differ; None where in nothing.

    Raises:
        RowsError: where rows cannot be read.
    """
    first, again = _Rows(there), _Rows(here)
    found = {run_name(*key): _difference(first, again, key) for key in _keys(first.runs)}
    for key in _keys(again.runs):
        if key in first.failures:
            found[run_name(*key)] = f"failed there ({first.failures[key]}), and not here"
    return found


class _Rows:
    """The rows of a folder; none where no run has ended in it."""

    def __init__(self, folder: Path) -> None:
        none_ended = not (folder / "runs.csv").exists()
        self.runs = read_rows(folder, "runs.csv", RUN_COLUMNS, optional=none_ended)
        self.history = read_rows(folder, "history.csv", HISTORY_COLUMNS, optional=none_ended)
        self.scores = read_rows(folder, "scores.csv", SCORE_COLUMNS, optional=True)
        failures = read_rows(folder, "failures.csv", FAILURE_COLUMNS, optional=True)
        self.failures = dict(zip(_keys(failures), failures["error"].astype(str), strict=True))


def _keys(rows: pd.DataFrame) -> list[Key]:
    return [(str(method), int(seed)) for method, seed in zip(rows["method"], rows["seed"], strict=True)]


def _difference(first: _Rows, again: _Rows, key: Key) -> str | None:
    if key in again.failures:
        return f"failed here ({again.failures[key]})"
    if key not in _keys(again.runs):
        return "did not end here"
    in_run = _columns(first.runs, again.runs, key, NOT_FOUND_BY_THE_SEARCH)
    if in_history := _columns(first.history, again.history, key):
        row = min(in_history.values())
        columns = ", ".join(column for column, at in in_history.items() if at == row)
        cell = "another" if "genotype" in in_run else "the same"
        return f"differs from epoch {row + 1} on, first in {columns}; ends with {cell} cell"
    if in_run:
        return f"has the same history, but differs in {', '.join(in_run)}"
    return "has the same history and cell, but other scores" if _columns(first.scores, again.scores, key) else None


def _columns(one: pd.DataFrame, other: pd.DataFrame, key: Key, but: Sequence[str] = ()) -> dict[str, int]:
    """The columns of both in which a run's rows differ, each with the first row, counted from 0, in which they do."""
    one, other = (rows[(rows["method"] == key[0]) & (rows["seed"] == key[1])] for rows in (one, other))
    different = {}
    for column in one.columns.intersection(other.columns):
        if column in but:
            continue
        values = one[column].tolist(), other[column].tolist()
        rows = [row for row, (a, b) in enumerate(zip(*values, strict=False)) if not _same(a, b)]
        if len(values[0]) != len(values[1]):
            rows.append(min(map(len, values)))
        if rows:
            different[str(column)] = rows[0]
    return different


def _same(one: object, other: object) -> bool:
    return one == other or (one != one and other != other)  # two that are no number


def differing_facts(there: Provenance, here: Provenance) -> list[str]:
    """What the commands `there` and `here` differ in: settings, versions, kernels, machine. A line a fact."""
    facts: dict[str, Callable[[Entry], str]] = {
        "truth table": lambda entry: f"{entry.truth}, SHA-256 {entry.truth_checksum[:12]}",
        **FACTS,
    }
    for name in dict.fromkeys(name for entry in (*there.commands, *here.commands) for name in entry.packages):
        facts[name] = lambda entry, name=name: entry.packages.get(name, "not recorded")  # type: ignore[misc]
    lines = [_line(f"setting {name}", _values(there, name), _values(here, name)) for name in _settings(there, here)]
    lines += [_line(name, there.distinct(fact), here.distinct(fact)) for name, fact in facts.items()]
    return [line for line in lines if line]


def _settings(*sides: Provenance) -> Iterable[str]:
    return dict.fromkeys(setting.name for side in sides for setting in side.settings)


def _values(side: Provenance, name: str) -> list[str]:
    return [repr(setting.value) for setting in side.settings if setting.name == name] or ["not recorded"]


def _line(name: str, there: Sequence[str], here: Sequence[str]) -> str:
    if sorted(there) == sorted(here):
        return ""
    return f"{name}: {' / '.join(there)} there, {' / '.join(here)} here"
