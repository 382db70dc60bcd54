"""The text of `summary.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from reports import columns
from reports.columns import Column
from reports.inference import RESAMPLES
from reports.replication import verdicts_line
from reports.results import Results, listed, metric_name
from reports.second_opinion import second_opinion_section
from reports.section import Section
from reports.tables import (
    DOUBTFUL,
    FEW_SEEDS,
    MOSTLY_SKIPS,
    REFERENCES,
    chosen_cells,
    collapsed_share,
    count,
    interval_text,
    normality_doubt,
    number,
    selections,
)
from reports.warnings import Warning, digits_warning, failures_warning, quoted

MANY_METHODS = 5
"""The most methods that the page compares each with each; of more, each with the first, and the CSV has the rest."""


class Tables(NamedTuple):
    """The tables that are files of their own, and that the page shows in part."""

    summary: pd.DataFrame
    comparisons: pd.DataFrame
    replications: pd.DataFrame


def summary_markdown(
    results: Results, tables: Tables, figures: Sequence[tuple[str, str]], skipped: Mapping[str, str]
) -> str:
    """The text of `summary.md`. `figures` are (path, caption) of the plots, `skipped` says why a plot is missing."""
    first, *sections = summary_sections(results, tables)
    parts = [f"# {first.title}", "\n".join(f"- **{name}:** {text}" for name, text in facts(results).items())]
    parts += quoted(warnings(results))
    parts += [first.markdown(), verdicts_line(tables.replications)]
    for section in sections:
        parts += [f"## {section.title}", section.markdown()]
    parts += ["## Chosen cells", _cells_part(results)]
    if figures or skipped:
        parts.append("## Plots")
    parts += [f"![{caption}]({path})\n\n*{caption}*" for path, caption in figures]
    parts += [f"`{name}` is not drawn: {reason}." for name, reason in skipped.items()]
    return "\n\n".join(parts) + "\n"


def summary_sections(results: Results, tables: Tables) -> list[Section]:
    """The tables of `summary.md`; those of pairs only where there are any."""
    return [
        _summary_section(results, tables.summary),
        _robust_section(results, tables.summary),
        *_comparison_section(results, tables.comparisons),
        *second_opinion_section(results, MANY_METHODS),
        *_selection_section(results),
    ]


def facts(results: Results) -> dict[str, str]:
    """What all the tables are made from, by name."""
    settings = {method: " / ".join(results.values("settings", method)) for method in results.methods}
    seeds = {method: ", ".join(str(seed) for seed in results.of(method)["seed"]) for method in results.methods}
    checksum = " / ".join(results.values("truth_checksum"))
    return {
        "Truth table": f"{results.truth} (checksum `{checksum}`): every accuracy here is that of the chosen cell "
        "trained by the table's authors, not of the search's own network",
        "Images searched on": results.images,
        "Preset": results.made_with(),
        "Training and validation images": _by_method(
            results, {method: split_text(" / ".join(results.values("split", method))) for method in results.methods}
        ),
        "Device": " / ".join(results.values("device")),
        "Seeds": _by_method(results, seeds),
        "Settings": _by_method(results, {method: f"`{text}`" for method, text in settings.items()}),
        "Version": " / ".join(results.values("version")),
    }


def split_text(split: str) -> str:
    """A split as a page says it."""
    return "the first and the second half" if split == "halves" else f"halves by `{split}`"


def warnings(results: Results) -> list[Warning]:
    """Why not to read too much into these rows."""
    found = failures_warning(results) + digits_warning([results])
    flattered = [results.title(method) for method in results.methods if results.asked_test(method)]
    if flattered:
        found.append(
            (
                f"{listed(flattered)} chose by the test accuracy.",
                f"{results.truth} has no validation accuracy, so these searches on the table asked for the test "
                "accuracy itself. They look better than any search that cannot know it.",
            )
        )
    few = {method: str(len(results.of(method))) for method in results.methods if len(results.of(method)) < FEW_SEEDS}
    if few:
        found.append(
            (
                "Few seeds prove little.",
                f"n = {_by_method(results, few)}: below {FEW_SEEDS} seeds a mean and its spread can turn with the next "
                "seed. Read the single cells, and claim no difference between methods.",
            )
        )
    mixed = [method for method in results.methods if len(results.values("settings", method)) > 1]
    mixed += [column for column in ("images", "preset", "version") if len(results.values(column)) > 1]
    devices = {device for devices in results.values("device") for device in devices.split(" / ")}  # a run may have two
    mixed += ["device"] * (len(devices) > 1)
    if mixed:
        names = ", ".join(results.title(name) for name in mixed)
        found.append(("Not all rows were made alike", f"({names}): see the list above before comparing them."))
    return found


def _summary_section(results: Results, table: pd.DataFrame) -> Section:
    best = results.best(results.metric)
    is_reference = table["kind"] == "reference"
    doubts: dict[str, list[str]] = {}

    def interval(row: pd.Series) -> str:
        found = columns.interval_of(row, results.metric)
        doubt = normality_doubt(found, row[f"{results.metric}_normality_p"], best)
        if doubt:
            doubts.setdefault(f"where {doubt}", []).append(results.name(row["method"]))
        return interval_text(found, doubtful=bool(doubt))

    shown = [
        Column("Method", lambda row: results.name(row["method"])),
        columns.plain("n", "n"),
        *(columns.mean(f"{metric_name(metric)} (%)", metric) for metric in results.metrics),
        columns.mean("Regret (points)", "regret"),
        Column("Median rank", lambda row: count(row["rank_median"])),
        Column("Best–worst", lambda row: f"{count(row['rank_best'])}–{count(row['rank_worst'])}"),
        columns.mean("Skips", "skip_connects", 1),
        Column("Collapsed", lambda row: f"{row['collapsed']} of {row['n']}"),
        Column("Search (s)", lambda row: seconds_text(row["search_seconds_mean"])),
    ]
    shown.insert(3, Column("95 % interval", interval))
    header, rows = columns.in_words(table[~is_reference], shown)
    for _, row in table[is_reference].iterrows():
        levels = [number(row[f"{column}_mean"]) for column in [*results.metrics, "regret"]]
        rank = count(row["rank_median"]) if row["method"] == "optimal" else ""
        rows.append([REFERENCES[row["method"]], "", levels[0], "", *levels[1:], rank, "", "", "", ""])
    note = (
        "Mean ± sample standard deviation (n − 1) over n seeds. The interval is Student's, of the mean of "
        f"{metric_name(results.metric)}, and takes the seeds for draws from a normal distribution. "
        f"{_doubts_text(doubts)}{results.flattered}"
        "Regret is the best accuracy of the space minus the chosen cell's, and rank 1 + the number of cells that are "
        f"strictly better, of all {len(results.cells):,}; both on {metric_name(results.metric)}. Skips: edges with "
        f"skip_connect, of {len(results.cells.edges)}. "
        f"Collapsed: seeds whose cell has skip_connect on {MOSTLY_SKIPS} or more edges, or no convolution on any way "
        f"through it; of all cells {100 * collapsed_share(results.cells):.1f} % are so. The last two rows are "
        "no searches: the best accuracy of each column, and the mean of all cells."
    )
    references = tuple(range(len(rows) - len(REFERENCES), len(rows)))
    return Section("What the searches found", header, rows, note, references=references)


def _doubts_text(doubts: Mapping[str, Sequence[str]]) -> str:
    """Where normality is doubtful, and of which methods; nothing where it is not."""
    if not doubts:
        return ""
    where = " or ".join(f"{reason} ({', '.join(methods)})" for reason, methods in doubts.items())
    return f"{DOUBTFUL} That is doubtful {where}: read the single seeds. "


def seconds_text(seconds: float) -> str:
    return number(seconds, 0 if seconds >= 10 else 1)


def _robust_section(results: Results, table: pd.DataFrame) -> Section:
    metric = results.metric
    shown = [
        Column("Method", lambda row: results.name(row["method"])),
        columns.plain("n", "n"),
        columns.decimal("Median (%)", f"{metric}_median"),
        columns.decimal("IQM (%)", f"{metric}_iqm"),
        columns.interval("95 % interval of the IQM", f"{metric}_iqm"),
        columns.decimal("Median percentile", "percentile_median", 1),
        columns.mean("Above mean (%)", "improvement", sign="+"),
    ]
    header, rows = columns.in_words(table[table["kind"] == "method"], shown)
    note = (
        f"{metric_name(metric)}. {results.flattered}"
        "IQM: interquartile mean, without the lowest and the highest quarter of the seeds "
        f"(n // 4 of each); its interval is by bootstrap ({RESAMPLES:,} resamples of the seeds, percentiles), and too "
        f"narrow from few seeds. Percentile: the percentage of all {len(results.cells):,} cells that are no better "
        "than the chosen one. "
        "Above mean: the accuracy minus the mean of the space, in percent of that mean."
    )
    return Section("The same runs by other statistics", header, rows, note)


def _comparison_section(results: Results, table: pd.DataFrame) -> list[Section]:
    if table.empty:
        return []
    shown = table if len(results.methods) <= MANY_METHODS else table[table["first"] == results.methods[0]]
    named = Column("Difference", lambda row: f"{results.name(row['second'])} − {results.name(row['first'])}")
    header, rows = columns.in_words(shown, [named, *columns.of_pairs("Points")])
    note = (
        f"{results.flattered}"
        f"{metric_name(results.metric)} of the methods' cells, paired by seed: mean ± sample standard deviation of the "
        f"n differences, and Student's interval of their mean. {columns.differences_note(shown)}Won: seeds on which "
        f"the first named is better. {columns.tests_note(shown)} P(better): how likely a run of the first named is "
        "better than one of the other, over all couples of these runs, a tie as half; with its bootstrap interval, "
        "each method's seeds resampled on their own."
    )
    if len(shown) < len(table):
        note += " `comparisons.csv` has every other pair of methods."
    return [Section("Methods compared seed by seed", header, rows, note)]


def _selection_section(results: Results) -> list[Section]:
    table = selections(results)
    if table.empty:
        return []
    rules = [
        Column("Method", lambda row: results.title(row["method"])),
        columns.plain("Other rule", "other_selection"),
        columns.mean("Other rule (%)", "other"),
        columns.mean("Method's own rule (%)", "own"),
    ]
    header, rows = columns.in_words(table, rules + columns.of_pairs("Difference", improvement=False))
    note = (
        f"Two selection rules on the very same trained supernet, paired by seed: {metric_name(results.metric)} of the "
        "cell each would choose. Difference: own − other, mean ± sample standard deviation of the n differences, with "
        f"Student's interval of their mean. {columns.differences_note(table)}Won: seeds where the method's own rule "
        f"chose the better cell. {columns.tests_note(table)}"
    )
    return [Section("Same supernet, two selection rules", header, rows, note, left=2)]


def _cells_part(results: Results) -> str:
    """As plain text: the bars of a cell's own notation would have to be escaped in a Markdown table."""
    header = ("method", "seed", results.metric, "regret", "rank", "skips", "cell")
    rows = [
        (
            results.name(str(row["method"])),
            str(row["seed"]),
            number(row[results.metric]),
            number(row["regret"]),
            count(row["rank"]),
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


def _by_method(results: Results, values: Mapping[str, str]) -> str:
    """One text where all methods share it, else each with its methods in brackets."""
    users: dict[str, list[str]] = {}
    for method, value in values.items():
        users.setdefault(value, []).append(results.title(method))
    if len(users) == 1:
        return next(iter(users))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in users.items())
