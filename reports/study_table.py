"""The table of a study: a row for each variant and method, and its columns in words."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from reports.columns import Column, spread_of
from reports.results import Results
from reports.statistics import Floats, last, paired, spread
from reports.study import StudyResults
from reports.tables import method_row, plus_minus


def rows_of(study: StudyResults, more: Callable[[Results, str], dict[str, float]] | None = None) -> pd.DataFrame:
    """One row for each variant and method: its factors, what `more` adds, and its means with their sources."""
    rows = []
    for variant, method in study.each():
        row = method_row(variant.results, method)
        del row["kind"]
        added = more(variant.results, method) if more else {}
        rows.append({"study": study.name, "variant": variant.name, **variant.factors, **row, **added})
    return pd.DataFrame(rows)


def by_method(study: StudyResults, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each method together."""
    return table.sort_values("method", key=lambda names: names.map(study.methods.index), kind="stable")


def difference_column(reference: str) -> Column:
    """Of `difference_from`; none for the variant that is the reference."""

    def text(row: pd.Series) -> str:
        if row["variant"] == reference:
            return "–"
        return plus_minus(spread_of(row, "difference"), sign="+")

    return Column("Difference", text)


def with_spread(name: str, values: Floats) -> dict[str, float]:
    found = spread(values)
    return {f"{name}_mean": found.mean, f"{name}_std": found.std}


def largest_weight(results: Results, method: str) -> dict[str, float]:
    """Of softmax(α), over all edges and operations, at the end of the search."""
    return with_spread("largest_weight", last(results.curves(method, "largest_weight")))


def difference_from(reference: Results, results: Results, method: str) -> dict[str, float]:
    """Mean and spread of the main metric's difference from the reference, paired by seed."""
    metric = reference.metric
    both = reference.of(method)[["seed", metric]].merge(results.of(method)[["seed", metric]], on="seed")
    if both.empty:  # of runs that failed
        return {"difference_mean": float("nan"), "difference_std": float("nan")}
    change = paired(both[f"{metric}_x"], both[f"{metric}_y"]).difference
    return {"difference_mean": change.mean, "difference_std": change.std}
