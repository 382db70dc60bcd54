"""The tables of a results folder: as data frames, and as the Markdown of `summary.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from reports.results import Results, method_name, metric_name
from reports.statistics import Spread, paired, spread
from spaces import Cell
from spaces.cell import SKIP

FEW_SEEDS = 5
"""Below this many seeds the summary warns: of 4 fair coins all fall alike once in 8 throws."""

PROVENANCE = ("metric", "truth", "truth_checksum", "images", "preset", "device", "settings", "version")
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
    return pd.DataFrame(rows).astype({"n": "Int64", "rank_best": "Int64", "rank_worst": "Int64"})


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
            both = paired(of_rule[other], of_rule[results.metric])
            rows.append(
                {
                    "method": method,
                    "other_selection": rule,
                    "metric": results.metric,
                    "truth": results.truth,
                    "n": both.n,
                    "other_mean": both.first.mean,
                    "other_std": both.first.std,
                    "own_mean": both.second.mean,
                    "own_std": both.second.std,
                    "difference_mean": both.difference.mean,
                    "difference_std": both.difference.std,
                    "won": both.won,
                    "lost": both.lost,
                    "tied": both.tied,
                }
            )
    return pd.DataFrame(rows)


def chosen_cells(results: Results) -> pd.DataFrame:
    """One row a run: the chosen cell with its true accuracy, rank and number of skip connections."""
    rows = results.runs[["method", "seed", results.metric, "regret", "rank", "genotype"]].copy()
    rows.insert(5, "skip_connects", [_skips(genotype) for genotype in rows["genotype"]])
    return rows


def summary_markdown(results: Results, figures: Sequence[tuple[str, str]], skipped: Mapping[str, str]) -> str:
    """The text of `summary.md`. `figures` are (path, caption) of the plots, `skipped` says why a plot is missing."""
    parts = ["# What the searches found", _head(results), *_warnings(results), _summary_part(results)]
    parts += _selection_part(results)
    parts += ["## Chosen cells", _cells_part(results)]
    if figures or skipped:
        parts.append("## Plots")
    parts += [f"![{caption}]({path})\n\n*{caption}*" for path, caption in figures]
    parts += [f"`{name}` is not drawn: {reason}." for name, reason in skipped.items()]
    return "\n\n".join(parts) + "\n"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table whose columns are also aligned in the raw text; the first `left` columns are flush left."""
    body = [list(row) for row in rows]
    widths = [max(3, *(len(row[column]) for row in [header, *body])) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
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


def method_row(results: Results, method: str) -> dict[str, object]:
    runs = results.of(method)
    row: dict[str, object] = {"kind": "method", "method": method, "n": len(runs)}
    row["seeds"] = " ".join(str(seed) for seed in runs["seed"])
    for metric in results.metrics:
        row[f"{metric}_mean"], row[f"{metric}_std"] = spread(runs[metric])
    row["regret_mean"], row["regret_std"] = spread(runs["regret"])
    row["rank_median"] = float(np.median(runs["rank"]))
    row["rank_best"], row["rank_worst"] = int(runs["rank"].min()), int(runs["rank"].max())
    row["skip_connects_mean"], row["skip_connects_std"] = spread([_skips(text) for text in runs["genotype"]])
    row["search_seconds_mean"], row["search_seconds_std"] = spread(runs["search_seconds"])
    return row | {column: " ".join(results.values(column, method)) for column in PROVENANCE}


def _head(results: Results) -> str:
    settings = {method: " / ".join(results.values("settings", method)) for method in results.methods}
    seeds = {method: ", ".join(str(seed) for seed in results.of(method)["seed"]) for method in results.methods}
    checksum = " / ".join(results.values("truth_checksum"))
    lines = {
        "Truth table": f"{results.truth} (checksum `{checksum}`): every accuracy here is that of the chosen cell "
        "trained by the table's authors, not of the search's own network",
        "Images searched on": results.images,
        "Preset": " / ".join(results.values("preset")),
        "Device": " / ".join(results.values("device")),
        "Seeds": _by_method(seeds),
        "Settings": _by_method({method: f"`{text}`" for method, text in settings.items()}),
        "Version": " / ".join(results.values("version")),
    }
    return "\n".join(f"- **{name}:** {text}" for name, text in lines.items())


def _warnings(results: Results) -> list[str]:
    found = []
    if any("digits" in images for images in results.values("images")):
        found.append(
            "> **No claim is made from digits.** These images serve to try the program out: cells trained on them rank "
            "almost at random against any truth table."
        )
    few = {method: str(len(results.of(method))) for method in results.methods if len(results.of(method)) < FEW_SEEDS}
    if few:
        found.append(
            f"> **Few seeds prove little.** n = {_by_method(few)}: below {FEW_SEEDS} seeds a mean and its spread can "
            "turn with the next seed. Read the single cells, and claim no difference between methods."
        )
    mixed = [method for method in results.methods if len(results.values("settings", method)) > 1]
    mixed += [column for column in ("images", "preset", "version") if len(results.values(column)) > 1]
    if mixed:
        found.append(
            f"> **Not all rows were made alike** ({', '.join(method_name(name) for name in mixed)}): "
            "see the list above before comparing them."
        )
    return found


def _summary_part(results: Results) -> str:
    table = summary(results)
    header = ["Method", "n", *(f"{metric_name(metric)} (%)" for metric in results.metrics)]
    header += ["Regret (points)", "Median rank", "Best–worst", "Skips", "Search (s)"]
    rows = []
    for _, row in table.iterrows():
        reference = row["kind"] == "reference"
        cells = [_REFERENCES.get(row["method"], row["method"]) if reference else method_name(row["method"])]
        cells.append("" if reference else str(row["n"]))
        for column in [*results.metrics, "regret"]:
            mean = row[f"{column}_mean"]
            cells.append(number(mean) if reference else plus_minus(Spread(mean, row[f"{column}_std"])))
        if reference:
            cells += [_count(row["rank_median"]) if row["method"] == "optimal" else "", "", "", ""]
        else:
            cells += [_count(row["rank_median"]), f"{_count(row['rank_best'])}–{_count(row['rank_worst'])}"]
            cells += [plus_minus(Spread(row["skip_connects_mean"], row["skip_connects_std"]), 1)]
            cells += [number(row["search_seconds_mean"], 0 if row["search_seconds_mean"] >= 10 else 1)]
        rows.append(cells)
    note = (
        "Mean ± sample standard deviation (n − 1) over n seeds. Regret is the best accuracy of the space minus the "
        "chosen cell's, and rank 1 + the number of cells that are strictly better, of all 15,625; both "
        f"on {metric_name(results.metric)}. Skips: edges with skip_connect, of 6. The last two rows are no searches: "
        "the best accuracy of each column, and the mean of all cells."
    )
    return f"{markdown_table(header, rows)}\n\n{note}"


_REFERENCES = {"optimal": "*best cell of the space*", "space mean": "*mean of the space*"}


def _selection_part(results: Results) -> list[str]:
    table = selections(results)
    if table.empty:
        return []
    header = ["Method", "Other rule", "n", "Other rule (%)", "Method's own rule (%)", "Difference", "Won / lost / tied"]
    rows = [
        [
            method_name(row["method"]),
            str(row["other_selection"]),
            str(row["n"]),
            plus_minus(Spread(row["other_mean"], row["other_std"])),
            plus_minus(Spread(row["own_mean"], row["own_std"])),
            plus_minus(Spread(row["difference_mean"], row["difference_std"]), sign="+"),
            f"{row['won']} / {row['lost']} / {row['tied']}",
        ]
        for _, row in table.iterrows()
    ]
    note = (
        f"Two selection rules on the very same trained supernet, paired by seed: {metric_name(results.metric)} of the "
        "cell each would choose. Difference: own − other, mean ± sample standard deviation of the n differences; won: "
        "seeds where the method's own rule chose the better cell."
    )
    return ["## Same supernet, two selection rules", f"{markdown_table(header, rows, left=2)}\n\n{note}"]


def _cells_part(results: Results) -> str:
    """As plain text: the bars of a cell's own notation would have to be escaped in a Markdown table."""
    header = ("method", "seed", results.metric, "regret", "rank", "skips", "cell")
    rows = [
        (
            method_name(str(row["method"])),
            str(row["seed"]),
            number(row[results.metric]),
            number(row["regret"]),
            _count(row["rank"]),
            str(row["skip_connects"]),
            str(row["genotype"]),
        )
        for _, row in chosen_cells(results).iterrows()
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        middle = (cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *middle, row[-1]]))
    return "```text\n" + "\n".join(lines) + "\n```"


def _by_method(values: Mapping[str, str]) -> str:
    """One text where all methods share it, else each with its methods in brackets."""
    users: dict[str, list[str]] = {}
    for method, value in values.items():
        users.setdefault(value, []).append(method_name(method))
    if len(users) == 1:
        return next(iter(users))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in users.items())


def _count(value: float) -> str:
    """A whole number with thousands' commas; a median between two ranks keeps its half."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _skips(genotype: str) -> int:
    return Cell.parse(genotype).count(SKIP)
