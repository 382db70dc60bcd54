"""Published numbers beside ours: `paper-vs-ours.md` and `.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from data.published import Published, of_the_best_cell
from reports.inference import Interval, mean_interval, normality_p, prediction_interval, share_interval
from reports.results import DATA_SETS, Results, metric_name
from reports.rows import BETWEEN_CHANGES
from reports.section import Section
from reports.statistics import Spread, spread
from reports.tables import (
    DOUBTFUL,
    REFERENCES,
    collapsed,
    interval_text,
    normality_doubt,
    number,
    plus_minus,
)
from reports.warnings import Warning, quoted
from spaces import NASBENCH201, Cell

PRESET, TRUTH, IMAGES = "paper", "NAS-Bench-201", "cifar10"
"""What the published searches ran with: their own settings, that table, and those images."""

REPLICATED, NOT_REPLICATED = "replicated", "not replicated"
SO_FAR, NOT_SO_FAR, UNDECIDED = "so far consistent", "so far not consistent", "so far undecided"
AGREES, DIFFERS = "agrees", "differs"
NOT_COMPARABLE = "not comparable"
VERDICTS = (REPLICATED, NOT_REPLICATED, SO_FAR, NOT_SO_FAR, UNDECIDED, NOT_COMPARABLE)
"""Of searches; of the best cell of the space, which nobody searched, `agrees` or `differs`."""

ENOUGH_SEEDS = 3
"""The fewest seeds for a verdict: as many as the published numbers have, where their sources say."""

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
    "ours_low": "lower end of Student's 95 % interval of our mean",
    "ours_high": "its upper end",
    "ours_normality_p": "p of Shapiro and Wilk's test of our seeds",
    "inside": "(a) whether the published mean lies in that interval",
    "predicted_low": "lower end of the 95 % prediction interval of a mean of n seeds, from what is published",
    "predicted_high": "its upper end",
    "predicted": "(b) whether our mean lies in it",
    "cell_seeds": "(c) our seeds that ended in the published cell",
    "cell_low": "lower end of the exact 95 % interval of their share",
    "cell_high": "its upper end",
    "difference": "ours minus published, percentage points",
    "verdict": ", ".join(f"`{verdict}`" for verdict in (*VERDICTS, AGREES, DIFFERS)),
    "reason": "what the verdict rests on, or what in the rows speaks against one",
    "source": "where the number was published",
    "note": "what the source says of it",
    "preset": "the preset of our runs",
    "changes": "what they have otherwise",
    "split": "what they trained on and validated on",
    "images": "the images they searched on",
    "truth": "the truth table",
    "truth_checksum": "its checksum",
}
"""Columns of `paper-vs-ours.csv`."""


def replications(results: Results) -> pd.DataFrame:
    """One row for each published number of a method and metric that the results have, and of the space's best cell."""
    rows = [_of_optimum(results, fact) for fact in of_the_best_cell() if fact.metric in results.metrics]
    for method in results.methods:
        rows += [
            _of_method(results, method, fact)
            for fact in results.about(method).published
            if fact.metric in results.metrics
        ]
    rows.sort(key=lambda row: results.metrics.index(str(row["metric"])))
    whole = dict.fromkeys(("n", "published_runs", "cell_seeds"), "Int64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(whole)


def _of_optimum(results: Results, fact: Published) -> dict[str, object]:
    best = results.best(fact.metric)
    against = _other_truth(results)
    agrees = abs(best - fact.mean) <= ROUNDING
    return _row(results, "optimal", fact, None, Spread(best, np.nan)) | {
        "verdict": NOT_COMPARABLE if against else AGREES if agrees else DIFFERS,
        "reason": "; ".join(against),
    }


def _of_method(results: Results, method: str, fact: Published) -> dict[str, object]:
    runs = results.of(method)
    tests = _tests(runs, fact, results.about(method).published_cell)
    ours = spread(runs[fact.metric])
    row = _row(results, method, fact, len(runs), ours) | tests | {"ours_normality_p": normality_p(runs[fact.metric])}
    if against := _against(results, method):
        return row | {"verdict": NOT_COMPARABLE, "reason": "; ".join(against)}
    # A share of 1, as the published runs had it, lies in the exact interval (c) only where all seeds ended in the cell.
    in_cell = None if tests["cell_seeds"] is None else tests["cell_seeds"] == len(runs)
    applying = [test for test in (tests["inside"], tests["predicted"], in_cell) if test is not None]
    passed = all(applying) if applying else None
    if passed is None and abs(ours.mean - fact.mean) > ROUNDING:
        why = "a single seed has no interval, and the published number no spread"
        return row | {"verdict": UNDECIDED, "reason": why}
    if len(runs) < ENOUGH_SEEDS:
        verdict = NOT_SO_FAR if passed is False else SO_FAR
    else:
        verdict = REPLICATED if passed else NOT_REPLICATED
    gone = sum(collapsed(NASBENCH201, Cell.parse(genotype)) for genotype in runs["genotype"])
    why = f"{gone} of {len(runs)} cells collapsed" if gone and not passed else ""
    return row | {"verdict": verdict, "reason": why}


NO_INTERVAL = Interval(float("nan"), float("nan"))


def _tests(runs: pd.DataFrame, fact: Published, cell: str | None) -> dict[str, Any]:
    """Whether seeds replicate a published number, by the columns of `COLUMNS`; None where a test does not apply.

    (a) needs two seeds, (b) the spread of the published runs and their number, (c) a number that is one cell's, ± 0.00.
    """
    values, n = runs[fact.metric], len(runs)
    ours, prediction, share = mean_interval(values), NO_INTERVAL, NO_INTERVAL
    inside = within(ours, fact.mean) if n > 1 else None
    predicted, hits = None, None
    if fact.std and fact.runs:
        prediction = prediction_interval(fact.mean, fact.std, fact.runs, n)
        predicted = within(prediction, float(values.mean()))
    if fact.std == 0 and cell is not None:
        hits = sum(Cell.parse(genotype) == Cell.parse(cell) for genotype in runs["genotype"])
        share = share_interval(hits, n)
    return {
        **{"ours_low": ours.low, "ours_high": ours.high, "inside": inside},
        **{"predicted_low": prediction.low, "predicted_high": prediction.high, "predicted": predicted},
        **{"cell_seeds": hits, "cell_low": share.low, "cell_high": share.high},
    }


def within(interval: Interval, value: float) -> bool:
    """Whether an interval holds a value, but for rounding."""
    return bool(interval.low - ROUNDING <= value <= interval.high + ROUNDING)


def _against(results: Results, method: str) -> list[str]:
    """Why a method's rows cannot be compared with published numbers; nothing where they can."""
    runs = results.of(method)
    others = runs[~runs["as_published"]]
    if others.empty:
        return []
    found = []
    for run in others.to_dict("records"):
        if run["preset"] != PRESET:
            found.append(f"preset {run['preset']}{' with changed settings' * bool(run['changes'])}")
        elif run["changes"]:
            found.append(f"changed settings: {run['changes'].replace(BETWEEN_CHANGES, ', ')}")
        if run["images"] != IMAGES:
            found.append(f"searched on {DATA_SETS.get(run['images'], run['images'])}")
    if len(results.values("settings", method)) > 1:
        found.append("seeds of several settings")
    found += _other_truth(results)
    if not found:  # all but the split is the preset's
        splits = " / ".join(others["split"].unique())
        found.append(f"the split, {splits}, is not the published one, or an earlier version did not record that it is")
    return list(dict.fromkeys(found))


def _other_truth(results: Results) -> list[str]:
    return [] if results.truth == TRUTH else [f"truth {results.truth}"]


def _row(results: Results, method: str, fact: Published, n: int | None, ours: Spread) -> dict[str, object]:
    of_method = method if n else None
    return {
        "method": method,
        "metric": fact.metric,
        "published_mean": fact.mean,
        "published_std": np.nan if fact.std is None else fact.std,
        "published_runs": fact.runs,
        "n": n,
        "ours_mean": ours.mean,
        "ours_std": ours.std,
        "difference": ours.mean - fact.mean,
        "source": fact.source,
        "note": fact.note,
        **{
            column: " / ".join(results.values(column, of_method)) for column in ("preset", "changes", "split", "images")
        },
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
    """How many published numbers of searches have each verdict."""
    found = searches["verdict"].value_counts()
    return ", ".join(
        f"{found[verdict]} {verdict}{_stated(searches[searches['verdict'] == verdict])}"
        for verdict in VERDICTS
        if verdict in found
    )


def _stated(rows: pd.DataFrame) -> str:
    """The numbers of seeds of rows with one verdict, in brackets, where it has too few of them; else nothing."""
    if rows["verdict"].iloc[0] not in (SO_FAR, NOT_SO_FAR, UNDECIDED):
        return ""
    return f" (n = {' or '.join(str(n) for n in sorted(rows['n'].unique()))})"


def replication_markdown(results: Results, table: pd.DataFrame) -> str:
    """The text of `paper-vs-ours.md`."""
    section = replication_section(results, table)
    parts = [f"# {section.title}", CONDITIONS]
    parts += quoted(no_verdict(table))
    if len(table):
        parts.append(section.markdown())
        parts.append("\n".join(f"{place}. {source}" for place, source in enumerate(published_sources(table), 1)))
    parts += published_cells(results)
    parts += left_out(results)
    return "\n\n".join(parts) + "\n"


CONDITIONS = (
    f"A number is *{REPLICATED}* where it passes every test that applies to it: (a) the published mean lies in the "
    "95 % interval of ours; (b) our mean lies in the 95 % prediction interval of the published one, where that comes "
    "with a spread and the number of its runs; (c) all our seeds end in the published cell, where the number is that "
    f"of a single cell (± 0.00). With fewer than {ENOUGH_SEEDS} seeds it is no more than *{SO_FAR}* or "
    f"*{NOT_SO_FAR}*, n stated. All of this asks for the published conditions: the problem and the settings of preset "
    f"`{PRESET}`, and the truth table {TRUTH}. Whatever else is *{NOT_COMPARABLE}*, however near or far."
)
"""What it takes for a verdict."""


def no_verdict(table: pd.DataFrame) -> list[Warning]:
    """Where nothing can be compared: that claim, and what is behind it."""
    searches = table[table["method"] != "optimal"]
    if searches.empty or (searches["verdict"] != NOT_COMPARABLE).any():
        return []
    why = f": {_shared_reason(table)}." if _shared_reason(table) else "; see *Why*."
    return [("No verdict here.", f"None of these runs was made under the published conditions{why}")]


def _shared_reason(table: pd.DataFrame) -> str:
    """Why no search of the table can be compared, where the reason is one for all; else ""."""
    reasons = table.loc[table["method"] != "optimal", "reason"].unique()
    return str(reasons[0]) if len(reasons) == 1 else ""


def published_sources(table: pd.DataFrame) -> list[str]:
    """Where the published numbers of the table stand, in the order of the numbers that its rows give them."""
    return list(dict.fromkeys(map(_source_text, table.to_dict("records"))))


def replication_section(results: Results, table: pd.DataFrame) -> Section:
    """The table of `paper-vs-ours.md`."""
    sources, shared = published_sources(table), _shared_reason(table)
    header = ["Method", "Metric", "Verdict", "Published (%)", "Ours (%)", "n"]
    header += ["(a) Our interval", "(b) Predicted", "(c) In the cell", "Difference", "Why"]
    rows, doubtful = [], False
    for place, row in enumerate(table.to_dict("records")):
        optimum = row["method"] == "optimal"
        published = Spread(row["published_mean"], row["published_std"])
        ours = Spread(row["ours_mean"], row["ours_std"])
        interval = Interval(row["ours_low"], row["ours_high"])
        doubt = bool(normality_doubt(interval, row["ours_normality_p"], results.best(row["metric"])))
        doubtful |= doubt
        as_printed = plus_minus(published) if np.isfinite(published.std) else number(published.mean)
        rows.append(
            [
                REFERENCES["optimal"] if optimum else results.title(row["method"]),
                metric_name(row["metric"]),
                f"{row['verdict']}{_stated(table.iloc[[place]])}",
                f"{as_printed} [{sources.index(_source_text(row)) + 1}]",
                number(ours.mean) if optimum else plus_minus(ours),
                "" if optimum else str(row["n"]),
                _tested(interval_text(interval, doubtful=doubt), row["inside"]),
                _tested(interval_text(Interval(row["predicted_low"], row["predicted_high"])), row["predicted"]),
                "" if pd.isna(row["cell_seeds"]) else _in_cell(row),
                number(row["difference"], sign="+"),
                "" if shared else row["reason"],
            ]
        )
    meanings = {
        "(a) Our interval": "(a) Student's 95 % interval of our mean; ✓ where it holds the published one."
        + f" {DOUBTFUL} Normality is doubtful." * doubtful,
        "(b) Predicted": "(b) Where the mean of n seeds is to be expected, 95 %, if ours are as the published ones "
        "(Patil, Peng & Leek 2016); ✓ where it is there.",
        "(c) In the cell": "(c) Seeds that ended in the published cell, with the exact binomial 95 % interval of their "
        "share; ✓ where all did.",
    }
    used = [place for place in range(len(header)) if place < 3 or any(row[place] for row in rows)]
    header, rows = [header[place] for place in used], [[row[place] for place in used] for row in rows]
    note = [
        "Published: as printed, ± where the source, whose number is in brackets, gives a standard deviation. Ours: "
        "mean ± sample standard deviation (n − 1) over n seeds.",
        *(text for name, text in meanings.items() if name in header),
        "Difference: ours − published, points. Numbers that round to the same two decimals count as equal. A wide "
        "interval replicates easily: read its width and n beside the verdict.",
    ]
    references = tuple(place for place, method in enumerate(table["method"]) if method == "optimal")
    return Section("Published numbers beside ours", header, rows, " ".join(note), 3, references, ("Why",))


def _tested(interval: str, passed: Any) -> str:
    """An interval and whether it holds what it should; nothing where there is none."""
    return "" if pd.isna(passed) else f"{interval} {'✓' if passed else '✗'}"


def _in_cell(row: Mapping[Any, Any]) -> str:
    """`2 of 3 (9–99 %) ✗`."""
    return _tested(
        f"{row['cell_seeds']} of {row['n']} ({100 * row['cell_low']:.0f}–{100 * row['cell_high']:.0f} %)",
        row["cell_seeds"] == row["n"],
    )


def _source_text(row: Mapping[Any, Any]) -> str:
    """`Dong & Yang, NAS-Bench-201, ICLR 2020 (first order; 3 runs)`."""
    runs = "" if pd.isna(row["published_runs"]) else f"{row['published_runs']} runs"
    details = "; ".join(filter(None, (row["note"], runs)))
    return f"{row['source']} ({details})" if details else str(row["source"])


def published_cells(results: Results) -> list[str]:
    """For each method whose published numbers are of a single cell: that cell, and how far our seeds are from it."""
    found = []
    for method in results.methods:
        runs = results.of(method)
        if (cell := results.about(method).published_cell) is None or runs.empty:
            continue
        wanted = Cell.parse(cell).operations
        edges = [sum(map(int.__ne__, Cell.parse(text).operations, wanted)) for text in runs["genotype"]]
        ours = ", ".join(f"{apart} (seed {seed})" for apart, seed in zip(edges, runs["seed"], strict=True))
        found.append(
            f"What is published of {results.title(method)} is one cell of NAS-Bench-201, and no other there agrees: "
            f"`{cell}`. Edges on which the cells found here differ from it: {ours}."
        )
    return found


def left_out(results: Results) -> list[str]:
    """The methods without a published number, and the published metrics that the truth table lacks."""
    found = []
    unknown = [results.title(method) for method in results.methods if not results.about(method).published]
    if unknown:
        found.append(f"No published number is known of: {', '.join(unknown)}.")
    lacking = [fact.metric for method in results.methods for fact in results.about(method).published]
    lacking = [metric_name(metric) for metric in dict.fromkeys(lacking) if metric not in results.metrics]
    if lacking:
        found.append(f"Published too, but not in this truth table: {', '.join(lacking)}.")
    return found
