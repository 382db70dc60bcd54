"""Published numbers beside ours: `paper-vs-ours.md` and `.csv`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.inference import Interval, mean_interval
from reports.published import CELLS, PUBLISHED, Published
from reports.results import DATA_SETS, Results, method_name, metric_name
from reports.rows import BETWEEN_CHANGES
from reports.section import Section
from reports.statistics import Spread, spread
from reports.tables import (
    FEW_SEEDS,
    REFERENCES,
    collapsed,
    interval_text,
    number,
    plus_minus,
)
from spaces import Cell

PRESET, TRUTH, IMAGES = "paper", "NAS-Bench-201", "cifar10"
"""What the published searches ran with: their own settings, that table, and those images."""

REPLICATED, NOT_REPLICATED, NOT_COMPARABLE = "replicated", "not replicated", "not comparable"

ROUNDING = 0.005 + 1e-9
"""Published accuracies have two decimals: so far apart, points, two numbers may be and still print alike."""

COLUMNS = {
    "method": "name of the method; `optimal` is the best cell of the space",
    "metric": "the data set and split",
    "published_mean": "the published accuracy, %",
    "published_std": "its published standard deviation over runs",
    "published_runs": "the searches behind it",
    "n": "our seeds",
    "ours_mean": "our mean, %",
    "ours_std": "our sample standard deviation",
    "ours_low": "lower end of the 95 % interval of our mean",
    "ours_high": "its upper end",
    "difference": "ours minus published, percentage points",
    "inside": "whether the published number lies in our interval",
    "verdict": f"`{REPLICATED}`, `{NOT_REPLICATED}` or `{NOT_COMPARABLE}`",
    "reason": "what in the rows speaks against comparing, or may explain the difference",
    "source": "where the number was published",
    "note": "what the source says of it",
    "preset": "the preset of our runs",
    "images": "the images they searched on",
    "truth": "the truth table",
    "truth_checksum": "its checksum",
}
"""Columns of `paper-vs-ours.csv`."""


def replications(results: Results) -> pd.DataFrame:
    """One row for each published number of a method and metric that the results have, and of the space's best cell."""
    rows = []
    for fact in PUBLISHED:
        if fact.metric not in results.metrics:
            continue
        if fact.method == "optimal":
            rows.append(_of_optimum(results, fact))
        elif fact.method in results.methods:
            rows.append(_of_method(results, fact))
    order = {method: place for place, method in enumerate(("optimal", *results.methods))}
    rows.sort(key=lambda row: (results.metrics.index(str(row["metric"])), order[str(row["method"])]))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64", "published_runs": "Int64"})


def _of_optimum(results: Results, fact: Published) -> dict[str, object]:
    best = results.best(fact.metric)
    agrees = abs(best - fact.mean) <= ROUNDING
    against = _other_truth(results)
    return _row(results, fact, None, Spread(best, np.nan), Interval(np.nan, np.nan)) | {
        "verdict": _verdict(agrees, against),
        "reason": "; ".join(against) or ("" if agrees else NOTHING_SAYS_WHY),
    }


def _of_method(results: Results, fact: Published) -> dict[str, object]:
    runs = results.of(fact.method)
    interval = mean_interval(runs[fact.metric])
    ours = spread(runs[fact.metric])
    if np.isfinite(interval.low):
        inside: bool | None = interval.low - ROUNDING <= fact.mean <= interval.high + ROUNDING
    else:
        inside = None
    agrees = abs(ours.mean - fact.mean) <= ROUNDING if inside is None else inside
    against = _against(results, fact.method)
    if inside is None and not agrees:
        against.append("a single seed has no interval")
    if against:
        why = against
    else:
        why = [] if agrees else [NOTHING_SAYS_WHY]
        gone = sum(collapsed(Cell.parse(genotype)) for genotype in runs["genotype"])
        if gone and not agrees:
            why.append(f"{gone} of {len(runs)} cells collapsed")
        if len(runs) < FEW_SEEDS:
            why.append("few seeds")
    return _row(results, fact, len(runs), ours, interval) | {
        "inside": inside,
        "verdict": _verdict(agrees, against),
        "reason": "; ".join(why),
    }


NOTHING_SAYS_WHY = "no difference of settings, images or truth stands in the rows"


def _verdict(agrees: bool, against: Sequence[str]) -> str:
    if against:
        return NOT_COMPARABLE
    return REPLICATED if agrees else NOT_REPLICATED


def _against(results: Results, method: str) -> list[str]:
    """What in a method's rows speaks against comparing them with published numbers."""
    runs = results.of(method)
    others = runs[~runs["as_published"]]
    if others.empty:
        return []
    found = []
    for run in others.to_dict("records"):
        if run["preset"] != PRESET:
            found.append(f"preset {run['preset']}")
        if run["changes"]:
            found.append(f"changed settings: {run['changes'].replace(BETWEEN_CHANGES, ', ')}")
        if run["images"] != IMAGES:
            found.append(f"searched on {DATA_SETS.get(run['images'], run['images'])}")
    if len(results.values("settings", method)) > 1:
        found.append("seeds of several settings")
    found += _other_truth(results)
    return list(dict.fromkeys(found)) or ["an earlier version's rows, which do not say that all was as published"]


def _other_truth(results: Results) -> list[str]:
    return [] if results.truth == TRUTH else [f"truth {results.truth}"]


def _row(results: Results, fact: Published, n: int | None, ours: Spread, interval: Interval) -> dict[str, object]:
    of_method = fact.method if n else None
    return {
        "method": fact.method,
        "metric": fact.metric,
        "published_mean": fact.mean,
        "published_std": np.nan if fact.std is None else fact.std,
        "published_runs": fact.runs,
        "n": n,
        "ours_mean": ours.mean,
        "ours_std": ours.std,
        "ours_low": interval.low,
        "ours_high": interval.high,
        "difference": ours.mean - fact.mean,
        "source": fact.source,
        "note": fact.note,
        "preset": " / ".join(results.values("preset", of_method)),
        "images": " / ".join(results.values("images", of_method)),
        "truth": results.truth,
        "truth_checksum": " / ".join(results.values("truth_checksum")),
    }


def verdicts_line(table: pd.DataFrame) -> str:
    """One sentence for `summary.md`: what became of the published numbers."""
    searches = table[table["method"] != "optimal"]
    if searches.empty:
        return "No number of these methods and metrics is known to be published (`paper-vs-ours.md`)."
    return f"**Beside the published numbers** ([paper-vs-ours.md](paper-vs-ours.md)): {verdict_counts(searches)}."


def verdict_counts(searches: pd.DataFrame) -> str:
    """How many of the published numbers of searches came to each verdict."""
    found = searches["verdict"].value_counts()
    return ", ".join(f"{found[name]} {name}" for name in (REPLICATED, NOT_REPLICATED, NOT_COMPARABLE) if name in found)


def replication_markdown(results: Results, table: pd.DataFrame) -> str:
    """The text of `paper-vs-ours.md`."""
    section = replication_section(table)
    parts = [f"# {section.title}", CONDITIONS]
    searches = table[table["method"] != "optimal"]
    if not searches.empty and (searches["verdict"] == NOT_COMPARABLE).all():
        parts.append(f"> **{NO_VERDICT[0]}** {NO_VERDICT[1]}")
    if len(table):
        parts.append(section.markdown())
        parts.append("\n".join(f"{place}. {source}" for place, source in enumerate(published_sources(table), 1)))
    parts += published_cells(results)
    parts += left_out(results)
    return "\n\n".join(parts) + "\n"


CONDITIONS = (
    f"A number counts as *{REPLICATED}* where it lies in the 95 % interval of our mean. That asks for the same "
    f"conditions: preset `{PRESET}` without changes, truth table {TRUTH}, searched on {DATA_SETS[IMAGES]}. "
    f"Whatever else is *{NOT_COMPARABLE}*, however near or far."
)
"""What a verdict asks for."""

NO_VERDICT = ("No verdict here.", "None of these runs was made under the published conditions; see *Why*.")


def published_sources(table: pd.DataFrame) -> list[str]:
    """Where the published numbers of the table stand, in the order of the numbers that its rows give them."""
    return list(dict.fromkeys(_source_text(*source) for source in zip(table["source"], table["note"], strict=True)))


def replication_section(table: pd.DataFrame) -> Section:
    """The table of `paper-vs-ours.md`."""
    sources = published_sources(table)
    header = ["Method", "Metric", "Verdict", "Why", "Published (%)", "Ours (%)", "n", "95 % interval", "Inside"]
    header += ["Difference", "Source"]
    rows = []
    for _, row in table.iterrows():
        optimum = row["method"] == "optimal"
        published = Spread(row["published_mean"], row["published_std"])
        ours = Spread(row["ours_mean"], row["ours_std"])
        rows.append(
            [
                REFERENCES["optimal"] if optimum else method_name(row["method"]),
                metric_name(row["metric"]),
                row["verdict"],
                row["reason"],
                plus_minus(published) if np.isfinite(published.std) else number(published.mean),
                number(ours.mean) if optimum else plus_minus(ours),
                "" if optimum else str(row["n"]),
                "" if optimum else interval_text(Interval(row["ours_low"], row["ours_high"])),
                {True: "yes", False: "no"}.get(row["inside"], ""),
                number(row["difference"], sign="+"),
                f"[{sources.index(_source_text(row['source'], row['note'])) + 1}]",
            ]
        )
    note = (
        "Ours: mean ± sample standard deviation (n − 1) over n seeds; the interval is Student's, of the mean. "
        "Published: as printed, ± where the source gives a standard deviation. Difference: ours − published, points. "
        "Numbers that round to the same two decimals count as equal. A wide interval replicates easily: read its width "
        "and n beside the verdict."
    )
    references = tuple(place for place, method in enumerate(table["method"]) if method == "optimal")
    return Section("Published numbers beside ours", header, rows, note, left=4, references=references)


def _source_text(source: str, note: str) -> str:
    return f"{source} ({note})" if note else source


def published_cells(results: Results) -> list[str]:
    """Of each method whose published numbers are those of one cell: that cell, and how near our seeds come to it."""
    found = []
    for method in results.methods:
        runs = results.of(method)
        if (cell := CELLS.get(method)) is None or runs.empty:
            continue
        edges = [sum(map(int.__ne__, Cell.parse(text).operations, cell.operations)) for text in runs["genotype"]]
        ours = ", ".join(f"{apart} (seed {seed})" for apart, seed in zip(edges, runs["seed"], strict=True))
        found.append(
            f"What is published of {method_name(method)} is one cell of NAS-Bench-201, and no other there agrees: "
            f"`{cell}`. Edges on which the cells found here differ from it: {ours}."
        )
    return found


def left_out(results: Results) -> list[str]:
    """The methods without a published number, and the published metrics that the truth table lacks."""
    found = []
    unknown = [method_name(method) for method in results.methods if method not in {fact.method for fact in PUBLISHED}]
    if unknown:
        found.append(f"No published number is known of: {', '.join(unknown)}.")
    lacking = [fact.metric for fact in PUBLISHED if fact.method in results.methods]
    lacking = [metric_name(metric) for metric in dict.fromkeys(lacking) if metric not in results.metrics]
    if lacking:
        found.append(f"Published too, but not in this truth table: {', '.join(lacking)}.")
    return found
