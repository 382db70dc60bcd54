"""The tables of a results folder as data frames, and how numbers and tables are written as text."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from reports.inference import (
    SIGNIFICANCE,
    Interval,
    bootstrap_interval,
    mean_interval,
    normality_p,
    permutation_test,
    sign_test,
    smallest_p,
)
from reports.results import Results
from reports.statistics import (
    Floats,
    Spread,
    interquartile_mean,
    paired,
    percentile,
    probability_of_improvement,
    relative_improvement,
    spread,
)
from spaces import Cell, Space

FEW_SEEDS = 5
"""Below this many seeds the summary warns: of 4 fair coins all fall alike once in 8 throws."""

MOSTLY_SKIPS = 4
"""From so many of its edges with skip_connect on, a cell counts as collapsed."""

REFERENCES = {"optimal": "best cell of the space", "space mean": "mean of the space"}
"""The last rows of the summary, which are no searches, as the tables call them."""

COMPARISON_COLUMNS = (
    *("first", "second", "metric", "truth", "seeds", "n"),
    *("first_mean", "first_std", "second_mean", "second_std"),
    *("difference_mean", "difference_std", "difference_low", "difference_high", "difference_normality_p"),
    *("won", "lost", "tied", "sign_test_p", "permutation_test_p", "smallest_p"),
    *("improvement_probability", "improvement_probability_low", "improvement_probability_high"),
)
"""Columns of `comparisons.csv`: differences are second − first over their common seeds."""

PROVENANCE = (
    *("metric", "truth", "truth_checksum", "images", "preset", "changes", "split", "as_published", "device"),
    *("settings", "version"),
)
"""Columns of the runs that `summary.csv` repeats on each row, so that no row travels without its source."""


def summary(results: Results) -> pd.DataFrame:
    """One row a method, then the best cell of the space and its mean; means and spreads are over the method's seeds."""
    rows = [method_row(results, method) for method in results.methods]
    best, mean = results.best(results.metric), results.mean(results.metric)
    for name, regret, rank, level in (
        ("optimal", 0.0, 1.0, results.best),
        ("space mean", best - mean, np.nan, results.mean),
    ):
        accuracies = {f"{metric}_mean": level(metric) for metric in results.metrics}
        provenance = {column: " ".join(results.values(column)) for column in ("metric", "truth", "truth_checksum")}
        rows.append(
            {"kind": "reference", "method": name, "regret_mean": regret, "rank_median": rank} | accuracies | provenance
        )
    return pd.DataFrame(rows).astype(dict.fromkeys(("n", "rank_best", "rank_worst", "collapsed"), "Int64"))


def selections(results: Results) -> pd.DataFrame:
    """One row for each method and second selection rule: both rules on the same supernets, paired by seed."""
    rows = []
    other = f"other_{results.metric}"
    for method in results.methods:
        runs = results.of(method)
        if other not in runs:
            continue
        pairs = runs.dropna(subset=["other_selection", other])
        for rule, of_rule in pairs.groupby("other_selection", sort=True):
            names = {"method": method, "other_selection": rule, "metric": results.metric, "truth": results.truth}
            rows.append(names | paired_columns("other", of_rule[other], "own", of_rule[results.metric]))
    return pd.DataFrame(rows)


def comparisons(results: Results) -> pd.DataFrame:
    """One row for every two methods with common seeds: the later one in the order of the methods minus the earlier."""
    rows = []
    for first, second in combinations(results.methods, 2):
        pairs = results.of(first).merge(results.of(second), on="seed", suffixes=("_first", "_second"))
        if pairs.empty:
            continue
        before, after = (pairs[f"{results.metric}_{side}"].to_numpy(dtype=np.float64) for side in ("first", "second"))
        row: dict[str, object] = {"first": first, "second": second, "metric": results.metric, "truth": results.truth}
        row["seeds"] = " ".join(str(seed) for seed in pairs["seed"])
        rows.append(row | paired_columns("first", before, "second", after) | improvement_columns(before, after))
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def paired_columns(first: str, before: ArrayLike, second: str, after: ArrayLike) -> dict[str, object]:
    """What the tables of pairs say of two vectors of shape (n,), whose position i is of one seed."""
    both = paired(before, after)
    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    interval = mean_interval(change)
    return {
        "n": both.n,
        f"{first}_mean": both.first.mean,
        f"{first}_std": both.first.std,
        f"{second}_mean": both.second.mean,
        f"{second}_std": both.second.std,
        "difference_mean": both.difference.mean,
        "difference_std": both.difference.std,
        "difference_low": interval.low,
        "difference_high": interval.high,
        "difference_normality_p": normality_p(change),
        "won": both.won,
        "lost": both.lost,
        "tied": both.tied,
        "sign_test_p": sign_test(both.won, both.lost),
        "permutation_test_p": permutation_test(change),
        "smallest_p": smallest_p(both.n),
    }


def improvement_columns(before: Floats, after: Floats) -> dict[str, float]:
    """How likely a run of `after`, shape (m,), is better than one of `before`, shape (n,), with its interval."""
    interval = bootstrap_interval([before, after], probability_of_improvement)
    return {
        "improvement_probability": float(probability_of_improvement(before, after)),
        "improvement_probability_low": interval.low,
        "improvement_probability_high": interval.high,
    }


def chosen_cells(results: Results) -> pd.DataFrame:
    """One row a run: the chosen cell with its true accuracy, rank and number of skip connections."""
    rows = results.runs[["method", "seed", results.metric, "regret", "rank", "genotype"]].copy()
    rows.insert(5, "skip_connects", [skips(results.cells, cell) for cell in map(results.cells.parse, rows["genotype"])])
    return rows


def method_row(results: Results, method: str) -> dict[str, object]:
    """What `summary.csv` says of one method."""
    runs = results.of(method)
    space, cells = results.cells, [results.cells.parse(genotype) for genotype in runs["genotype"]]
    row: dict[str, object] = {"kind": "method", "method": method, "n": len(runs)}
    row["seeds"] = " ".join(str(seed) for seed in runs["seed"])
    for metric in results.metrics:
        row[f"{metric}_mean"], row[f"{metric}_std"] = spread(runs[metric])
        row[f"{metric}_low"], row[f"{metric}_high"] = mean_interval(runs[metric])
        row[f"{metric}_normality_p"] = normality_p(runs[metric])
        row[f"{metric}_median"] = float(np.median(runs[metric]))
        row[f"{metric}_iqm"] = float(interquartile_mean(runs[metric]))
        row[f"{metric}_iqm_low"], row[f"{metric}_iqm_high"] = bootstrap_interval([runs[metric]], interquartile_mean)
    row["regret_mean"], row["regret_std"] = spread(runs["regret"])
    row["improvement_mean"], row["improvement_std"] = spread(
        relative_improvement(runs[results.metric], results.mean(results.metric))
    )
    row["rank_median"] = float(np.median(runs["rank"]))
    row["rank_best"], row["rank_worst"] = int(runs["rank"].min()), int(runs["rank"].max())
    row["percentile_median"] = float(np.median(percentile(runs["rank"], len(space))))
    row["skip_connects_mean"], row["skip_connects_std"] = spread([skips(space, cell) for cell in cells])
    gone = sum(collapsed(space, cell) for cell in cells)
    row["collapsed"], row["collapse_rate"] = gone, gone / len(cells)
    row["search_seconds_mean"], row["search_seconds_std"] = spread(runs["search_seconds"])
    return row | {column: " ".join(results.values(column, method)) for column in PROVENANCE}


def skips(space: Space, cell: Cell) -> int:
    """The cell's edges with skip_connect."""
    return space.count(cell, space.skip)


def collapsed(space: Space, cell: Cell) -> bool:
    """Whether a search that ends in `cell` has collapsed: mostly skip_connect, or no convolution on any way from the
    input to the output. Of NAS-Bench-201 2,167 cells are so, 265 of them mostly skip_connect."""
    return skips(space, cell) >= MOSTLY_SKIPS or not space.is_parametric(cell)


@functools.cache
def collapsed_share(space: Space) -> float:
    """Of all cells, those that a collapsed search would end in."""
    return sum(collapsed(space, space.at(index)) for index in range(len(space))) / len(space)


def normality_doubt(interval: Interval, p: float, best: float) -> str:
    """What makes it doubtful that the seeds behind a mean accuracy and its t interval are draws from a normal
    distribution, as the end of a sentence; "" where nothing does.

    Args:
        p: of their test of normality, nan where there is none.
        best: the accuracy that no cell exceeds, %.
    """
    if interval.low == interval.high:
        return "all seeds are alike"
    if interval.high > best:
        return "the interval passes the best cell of the space"
    return f"the Shapiro–Wilk test has p = {p_text(p)}".replace("= <", "< ") if p < SIGNIFICANCE else ""


def p_text(value: float) -> str:
    return "<0.0001" if value < 0.00005 else number(value, 4)


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1, prose: Sequence[str] = ()
) -> str:
    """A Markdown table whose columns are also aligned in the raw text; the first `left` columns are flush left, and
    those whose heads are among `prose`."""
    body = [list(row) for row in rows]
    widths = [max(3, *(len(row[column]) for row in [header, *body])) for column in range(len(header))]
    flush_left = [column < left or name in prose for column, name in enumerate(header)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if of_words else cell.rjust(width)
            for cell, width, of_words in zip(cells, widths, flush_left, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = [
        "-" * width if of_words else "-" * (width - 1) + ":" for width, of_words in zip(widths, flush_left, strict=True)
    ]
    return "\n".join([line(header), line(rule), *map(line, body)])


def plus_minus(value: Spread, digits: int = 2, sign: str = "") -> str:
    """`93.76 ± 0.12`; `93.76 ± –` where a single seed has no spread."""
    return f"{number(value.mean, digits, sign)} ± {number(value.std, digits)}"


def number(value: float, digits: int = 2, sign: str = "") -> str:
    """`value` with so many digits after the point, a true minus, and `–` for a value that is missing."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:{sign}.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


DOUBTFUL = "†"
"""Stands at a t interval where normality is doubtful."""


def interval_text(value: Interval, digits: int = 2, sign: str = "", doubtful: bool = False) -> str:
    """`93.60 to 93.90`, with `DOUBTFUL` where asked; `–` where there is none."""
    if not np.isfinite(value.low):
        return "–"
    mark = f" {DOUBTFUL}" * doubtful
    return f"{number(value.low, digits, sign)} to {number(value.high, digits, sign)}{mark}"


def count(value: float) -> str:
    """A whole number with thousands' commas; a median between two ranks keeps its half."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
