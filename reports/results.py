"""A results folder in memory: its rows, checked and sorted, and the names that tables and plots give to things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import RowsError, run_name
from reports.method_facts import Describe, MethodFacts, read_method_facts, title
from reports.rows import (
    FAILURE_COLUMNS,
    HISTORY_COLUMNS,
    RUN_COLUMNS,
    SCORE_COLUMNS,
    SECOND_COLUMNS,
    SECOND_FILE,
    SPACE_COLUMNS,
    read_rows,
    with_changes,
)
from reports.statistics import Floats
from spaces import CellError, Space, SpaceError, named

DATA_SETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}
"""The names that papers use for data sets; one that is not listed keeps its own."""

FLATTERED = "‡"
"""Marks a search on the truth table that chose by the test accuracy, for want of a validation accuracy."""

ONE_A_FOLDER = ("space", "metric", "truth", "truth_checksum")
"""What all runs of a folder must share: a mean over two spaces or truth tables would mean nothing."""

FEW_CHANGES = 5
"""The most changed settings that are named where space is short."""

MOST_EPOCHS = 100_000
"""More than any search has: curves up to a damaged number of an epoch would fill the memory."""


@dataclass(frozen=True)
class Results:
    """The rows of one folder: `runs` by method and seed, `history` by method, seed and epoch, of those runs alone, as
    are `scores` and `second`, the second opinion; `failures` are of other runs."""

    runs: pd.DataFrame
    history: pd.DataFrame
    scores: pd.DataFrame
    failures: pd.DataFrame
    second: pd.DataFrame
    space: pd.DataFrame
    cells: Space
    """What was searched."""
    methods: tuple[str, ...]
    metrics: tuple[str, ...]  # the main metric first
    facts: Mapping[str, MethodFacts]  # what the methods say of themselves

    @property
    def metric(self) -> str:
        """The main metric: the one that regret and rank speak of."""
        return self.metrics[0]

    @property
    def truth(self) -> str:
        """The truth table's name."""
        return str(self.runs["truth"].iloc[0])

    @property
    def truth_name(self) -> str:
        """The truth table with the main metric."""
        return f"{self.truth}, {metric_name(self.metric)}"

    @property
    def images(self) -> str:
        """The image set searched on, as papers call it."""
        return " / ".join(DATA_SETS.get(name, name) for name in self.values("images"))

    def of(self, method: str) -> pd.DataFrame:
        """The runs of one method, by seed."""
        return self.runs[self.runs["method"] == method]

    def curves(self, method: str, column: str) -> Floats:
        """`column` of the method's history, shape (n, epochs): one row a seed in the order of `of(method)`.

        nan where a seed has no such epoch or the search did not measure it. No epochs: shape (n, 0).
        """
        rows = self.history[self.history["method"] == method]
        if column not in rows:
            rows = rows.head(0).assign(**{column: np.nan})
        return self.by_epoch(method, rows, rows[[column]].to_numpy(dtype=np.float64))[:, :, 0]

    def by_epoch(self, method: str, rows: pd.DataFrame, values: Floats) -> Floats:
        """`values`, shape (rows, k), of `rows` of the method's history, as shape (n, epochs, k); nan where a seed has
        none."""
        place = {seed: row for row, seed in enumerate(self.of(method)["seed"])}
        epochs = int(rows["epoch"].max()) if len(rows) else 0
        found = np.full((len(place), epochs, values.shape[1]), np.nan)
        found[rows["seed"].map(place), rows["epoch"] - 1] = values
        return found

    def asked_test(self, method: str) -> bool:
        """Whether the method searched on the table by a test accuracy, which flatters it."""
        return bool(self.of(method)["asks"].str.endswith("_test").any())

    def title(self, method: str) -> str:
        """The name a method has in the tables and plots."""
        return title(self.facts, method)

    def name(self, method: str) -> str:
        """`title`, with `FLATTERED` where that is so."""
        return f"{self.title(method)} {FLATTERED}" if self.asked_test(method) else self.title(method)

    def about(self, method: str) -> MethodFacts:
        """What a method says of itself; nothing of one that the folder does not describe."""
        return self.facts.get(method, MethodFacts())

    def score_name(self, method: str) -> str:
        """What a method ranks the cells by."""
        return self.about(method).score_name or "its own score"

    @property
    def flattered(self) -> str:
        """What `FLATTERED` says, where a method has it."""
        if not any(map(self.asked_test, self.methods)):
            return ""
        return f"{FLATTERED} A search on the table itself, which chose by the test accuracy that it is judged by. "

    def values(self, column: str, method: str | None = None) -> tuple[str, ...]:
        """The distinct values of a column of `runs`, as text, in order of appearance."""
        rows = self.runs if method is None else self.of(method)
        return tuple(str(value) for value in rows[column].dropna().unique())

    def made_with(self, method: str | None = None, most: int | None = None) -> str:
        """The preset of the runs and what was changed in it; of more than `most` settings, their number."""
        return with_changes(self.values("preset", method), self.values("changes", method), most)

    @property
    def preset(self) -> str:
        """The same in few words."""
        return self.made_with(most=FEW_CHANGES)

    def best(self, metric: str) -> float:
        """The best cell's accuracy, %."""
        return float(self.quantiles(metric)[1][-1])

    def mean(self, metric: str) -> float:
        """The mean accuracy over all cells, %."""
        rows = self.space[(self.space["metric"] == metric) & (self.space["statistic"] == "mean")]
        return float(rows["accuracy"].iloc[0])

    def quantiles(self, metric: str) -> tuple[Floats, Floats]:
        """Levels from 0 to 1, shape (q,), and the accuracy at each, %, shape (q,)."""
        rows = self.space[(self.space["metric"] == metric) & (self.space["statistic"] != "mean")]
        levels = rows["statistic"].to_numpy(dtype=np.float64)
        order = np.argsort(levels)
        return levels[order], rows["accuracy"].to_numpy(dtype=np.float64)[order]


def read_results(folder: Path, methods: Sequence[str] | None = None, describe: Describe | None = None) -> Results:
    """The rows of `folder`. The methods come in the given order, else in that of their first appearance.

    Args:
        describe: what is known here of a method by its name, which goes before what the folder says of it.

    Raises:
        RowsError: where a file is missing or wrong, or its rows can't stand in one table.
    """
    runs = read_rows(folder, "runs.csv", RUN_COLUMNS)
    history = read_rows(folder, "history.csv", HISTORY_COLUMNS)
    scores = read_rows(folder, "scores.csv", SCORE_COLUMNS, optional=True)  # older folders have none
    failures = read_rows(folder, "failures.csv", FAILURE_COLUMNS, optional=True)  # nor have those without a failure
    second = read_rows(folder, SECOND_FILE, SECOND_COLUMNS, optional=True)
    space = read_rows(folder, "space.csv", SPACE_COLUMNS)
    facts = read_method_facts(folder)
    for rows in (runs, history, scores, failures, second):
        rows["method"] = rows["method"].astype(str)
    space["statistic"] = space["statistic"].astype(str)
    if describe is not None:
        texts = {str(text) for rows, column in ((runs, "method"), (history, "phase")) for text in rows[column].unique()}
        parts = sorted({name for text in texts for name in text.split("+")})
        facts |= {name: known for name in parts if (known := describe(name))}
    for column in ONE_A_FOLDER:
        found = runs[column].unique()
        if len(found) > 1:
            raise RowsError(
                f"{folder / 'runs.csv'} mixes {column} {found[0]} and {found[1]}: each needs its own folder"
            )
    try:
        cells = named(str(runs["space"].iloc[0]))
    except SpaceError as error:
        raise RowsError(f"{folder / 'runs.csv'}: {error}") from None
    main = str(runs["metric"].iloc[0])
    others = [str(metric) for metric in space["metric"].unique()]
    metrics = [main, *(metric for metric in others if metric != main and metric in runs)]
    _check_space(folder / "space.csv", space, metrics)
    of_runs = {"seed": SEED, "regret": ANY, "rank": Numbers(1, len(cells), whole=True), "epochs": ANY}
    of_runs |= {"search_seconds": ANY} | dict.fromkeys(metrics, ACCURACY)
    of_runs |= {name: MEASURED for name in (f"other_{metric}" for metric in metrics) if name in runs}
    of_history = {"seed": SEED, "epoch": Numbers(1, MOST_EPOCHS, whole=True), main: ACCURACY}
    of_history |= {"skip_connects": Numbers(0, len(cells.edges), whole=True)}
    of_history |= {name: MEASURED for name in ("largest_weight", "tau") if name in history}
    for name, rows, columns, key in (
        ("runs.csv", runs, of_runs, ["method", "seed"]),
        ("history.csv", history, of_history, ["method", "seed", "epoch"]),
        ("scores.csv", scores, {"seed": SEED, "score": ANY, "accuracy": ACCURACY}, []),
        ("failures.csv", failures, {"seed": SEED}, []),
        (SECOND_FILE, second, {"seed": SEED, "accuracy": ACCURACY}, ["method", "seed"]),
        ("space.csv", space, {}, ["metric", "statistic"]),
    ):
        for column, numbers in columns.items():
            _check_numbers(folder / name, rows, column, numbers)
        if key:
            _check_key(folder / name, rows, key)
    _yes_or_no(folder / "runs.csv", runs, "as_published")
    _check_cells(folder / "runs.csv", runs["genotype"], cells)
    _check_cells(folder / "history.csv", history["genotype"], cells)
    if "other_genotype" in runs:
        _check_cells(folder / "runs.csv", runs["other_genotype"].dropna(), cells)

    rows_of = {str(method): rows for method, rows in runs.groupby("method", sort=False)}
    order = list(rows_of) if methods is None else [name for name in dict.fromkeys(methods) if name in rows_of]
    order += [name for name in rows_of if name not in order]
    runs = pd.concat([rows_of[name].sort_values("seed") for name in order], ignore_index=True)
    key = ["method", "seed"]
    # Unfinished runs have no n.
    history, scores, second = (rows.merge(runs[key], on=key) for rows in (history, scores, second))
    history = history.sort_values(["method", "seed", "epoch"])
    finished = failures.merge(runs[key], on=key, how="left", indicator=True)["_merge"].to_numpy() == "both"
    return Results(
        runs, history, scores, failures[~finished], second, space, cells, tuple(order), tuple(metrics), facts
    )


def metric_name(metric: str) -> str:
    """`cifar10_test` as CIFAR-10 test."""
    data_set, _, split = metric.rpartition("_")
    return f"{DATA_SETS.get(data_set, data_set)} {split}".strip()


def seeds_text(counts: Iterable[int]) -> str:
    """How many seeds stand behind a picture or table, as `5 seeds` or `3–5 seeds`."""
    low, high = min(counts := list(counts)), max(counts)
    return f"{low}–{high} seeds" if low < high else f"{low} seed{'s' * (low != 1)}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def runs_text(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def failures_text(results: Results) -> str:
    """Each failed run with its error."""
    rows = results.failures.to_dict("records")
    return "; ".join(f"{run_name(row['method'], row['seed'])} ({row['error']})" for row in rows)


class Numbers(NamedTuple):
    """The numbers that a column can have."""

    least: float = -np.inf
    greatest: float = np.inf
    whole: bool = False
    optional: bool = False
    """Whether a row may have none."""


ANY, ACCURACY, MEASURED = Numbers(), Numbers(0, 100), Numbers(optional=True)
SEED = Numbers(0, 2**32 - 1, whole=True)


def _check_numbers(path: Path, rows: pd.DataFrame, column: str, allowed: Numbers) -> None:
    """Makes a column numbers, in place."""
    if column not in rows:
        raise RowsError(f"{path} has no column {column!r}, which its metric needs: was it edited?")
    numbers = pd.to_numeric(rows[column], errors="coerce").replace([np.inf, -np.inf], np.nan)
    wrong = numbers.isna() & (rows[column].notna() if allowed.optional else True)
    if wrong.any():
        value = rows.loc[wrong, column].iloc[0]
        raise RowsError(f"{path}: {str(value)!r} in column {column!r} is no number: the file was edited")
    wrong = (numbers < allowed.least) | (numbers > allowed.greatest)
    if allowed.whole:
        wrong |= numbers % 1 != 0
    if wrong.any():
        raise RowsError(
            f"{path}: {numbers[wrong].iloc[0]:g} in column {column!r} is no {'whole ' * allowed.whole}number from "
            f"{allowed.least:,} to {allowed.greatest:,}: the file was edited"
        )
    rows[column] = numbers.astype(np.int64) if allowed.whole else numbers


def _yes_or_no(path: Path, rows: pd.DataFrame, column: str) -> None:
    """Makes a column booleans, in place."""
    values = rows[column].map({"True": True, "False": False})
    if (wrong := values.isna()).any():
        value = rows.loc[wrong, column].iloc[0]
        raise RowsError(f"{path}: {value!r} in column {column!r} is neither True nor False: was it edited?")
    rows[column] = values.astype(bool)


def _check_space(path: Path, space: pd.DataFrame, metrics: Iterable[str]) -> None:
    _check_numbers(path, space, "accuracy", ACCURACY)
    for metric in metrics:
        found = space.loc[space["metric"] == metric, "statistic"]
        levels = pd.to_numeric(found[found != "mean"], errors="coerce")
        if levels.isna().any() or not levels.between(0, 1).all():
            raise RowsError(f"{path}: each statistic of {metric} must be `mean` or a quantile from 0 to 1")
        if not ("mean" in set(found) and {0.0, 1.0} <= set(levels)):
            raise RowsError(f"{path} lacks the mean, worst (0) or best (1) accuracy of {metric}")
        ordered = space.loc[levels.sort_values().index, "accuracy"]
        if (ordered.diff() < -1e-9).any():  # an interpolated quantile can be off in its last digits
            raise RowsError(f"{path}: the quantiles of {metric} do not grow with their level: the file was edited")


def _check_cells(path: Path, genotypes: pd.Series, cells: Space) -> None:
    for genotype in genotypes.unique():
        try:
            cells.parse("" if pd.isna(genotype) else str(genotype))
        except CellError as error:
            raise RowsError(f"{path}, column {genotypes.name!r}: {error}") from None


def _check_key(path: Path, rows: pd.DataFrame, key: list[str]) -> None:
    twice = rows.loc[rows.duplicated(key), key]
    if not twice.empty:
        first = ", ".join(f"{name} {value}" for name, value in twice.iloc[0].items())
        raise RowsError(f"{path} has more than one row for {first}: remove all but one")
