"""Whether what a folder's runs say of the methods holds under another truth table as well."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.results import Results, metric_name
from reports.rows import SECOND_METRIC
from reports.section import Section
from reports.statistics import Floats
from reports.tables import number


class MethodPair(NamedTuple):
    """Two methods on their common seeds, the better one by the truth of the runs first: first − second, points."""

    first: str
    second: str
    here: Floats
    """(n,) by the truth of the runs."""
    there: Floats
    """(n,) by the other table."""

    @property
    def holds(self) -> bool:
        """Whether the same method has the better mean."""
        return bool(np.sign(self.here.mean()) == np.sign(self.there.mean()))


def cells_in_both(results: Results) -> pd.DataFrame:
    """A row a run, with the accuracy of its cell `here`, by the truth of the runs, and `there`, by the other table, %;
    none where there is no second opinion."""
    if SECOND_METRIC not in results.runs:
        return pd.DataFrame(columns=["method", "seed", "here", "there"])
    here = results.runs[["method", "seed", SECOND_METRIC]].rename(columns={SECOND_METRIC: "here"})
    there = results.second[["method", "seed", "accuracy"]].rename(columns={"accuracy": "there"})
    return here.merge(there, on=["method", "seed"])


def orders(cells: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The methods from the best mean down: by the truth of the runs, and by the other table."""
    means = cells.groupby("method", sort=False)[["here", "there"]].mean()
    here, there = (means[side].sort_values(ascending=False, kind="stable") for side in ("here", "there"))
    return [str(method) for method in here.index], [str(method) for method in there.index]


def pairs(cells: pd.DataFrame) -> list[MethodPair]:
    """Every two methods with common seeds."""
    found = []
    for one, other in combinations(cells["method"].unique(), 2):
        both = cells[cells["method"] == one].merge(cells[cells["method"] == other], on="seed", suffixes=("_1", "_2"))
        if both.empty:
            continue
        here, there = ((both[f"{side}_1"] - both[f"{side}_2"]).to_numpy(dtype=np.float64) for side in ("here", "there"))
        found.append(MethodPair(one, other, here, there) if here.mean() >= 0 else MethodPair(other, one, -here, -there))
    return found


def second_opinion_section(results: Results, many: int) -> list[Section]:
    """The small table of `summary.md`; no section where there is nothing to compare. Of more than `many` methods it has
    the pairs with the first one alone."""
    cells = cells_in_both(results)
    if cells["method"].nunique() < 2:
        return []
    name = " / ".join(str(name) for name in results.second["truth"].unique())
    checksum = " / ".join(str(name) for name in results.second["truth_checksum"].unique())
    here, there = orders(cells)
    turned = [(one, other) for one, other in combinations(here, 2) if there.index(other) < there.index(one)]
    rows = [_order_row(results, here, there, turned, many)]
    for pair in pairs(cells):
        if len(results.methods) <= many or results.methods[0] in (pair.first, pair.second):
            verb = "beats" if pair.here.mean() > 0 else "equals"
            claim = f"{results.title(pair.first)} {verb} {results.title(pair.second)}"
            rows.append([claim, _yes(pair.holds), _ahead(pair.here), _ahead(pair.there)])
    note = (
        f"{metric_name(SECOND_METRIC)} of the very same cells in two tables: {results.truth}, from which every other "
        f"number here comes, and {name} (checksum `{checksum}`), for which others trained all cells once more. Pairs: "
        "points of the mean difference, and the seeds on which the first named is the better, of those that both have. "
        "A conclusion holds where the order is the same, or the same method ahead; whether by more than chance, the "
        "tests above say."
    )
    if len(here) > many and turned:
        named = "; ".join(f"{results.title(one)} > {results.title(other)}" for one, other in turned)
        note += f" Means in this order here, and the other way round there: {named}."
    if results.metric != SECOND_METRIC:
        note += f" Those tests are of {metric_name(results.metric)}, which {name} does not have."
    return [Section("A second opinion", ("Conclusion", "Holds", results.truth, name), rows, note, left=4)]


def _order_row(
    results: Results, here: list[str], there: list[str], turned: list[tuple[str, str]], many: int
) -> list[str]:
    """The two orders or, of more than `many` methods, how many pairs stand in the same."""
    if len(here) <= many:
        order, other = (" > ".join(map(results.title, methods)) for methods in (here, there))
        return ["Order of the means", _yes(not turned), order, other if turned else "the same"]
    count = len(here) * (len(here) - 1) // 2
    return [f"Order of {len(here)} means", _yes(not turned), f"{count} pairs", f"{count - len(turned)} in this order"]


def _ahead(differences: Floats) -> str:
    won = int(np.count_nonzero(differences > 0))
    return f"{number(float(differences.mean()), sign='+')}, {won} of {len(differences)} seeds"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
