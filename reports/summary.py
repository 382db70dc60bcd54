"""The text of `summary.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from reports.inference import RESAMPLES, SIGNIFICANCE, Interval, smallest_p
from reports.replication import verdicts_line
from reports.results import Results, failures_text, listed, method_name, metric_name, runs_text
from reports.second_opinion import second_opinion_section
from reports.section import Section
from reports.statistics import Spread
from reports.tables import (
    DOUBTFUL,
    FEW_SEEDS,
    MOSTLY_SKIPS,
    REFERENCES,
    chosen_cells,
    count,
    interval_text,
    normality_doubt,
    number,
    p_text,
    plus_minus,
    selections,
)

MANY_METHODS = 5
"""Up to so many methods the page compares each with each; of more, each with the first, and the CSV has the rest."""


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
    parts += [f"> **{claim}** {text}" for claim, text in warnings(results)]
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
            {method: split_text(" / ".join(results.values("split", method))) for method in results.methods}
        ),
        "Device": " / ".join(results.values("device")),
        "Seeds": _by_method(seeds),
        "Settings": _by_method({method: f"`{text}`" for method, text in settings.items()}),
        "Version": " / ".join(results.values("version")),
    }


def split_text(split: str) -> str:
    """A split as a page says it."""
    return "the first and the second half" if split == "halves" else f"halves by `{split}`"


def warnings(results: Results) -> list[tuple[str, str]]:
    """What speaks against reading too much into these rows: a claim, and what is behind it."""
    found = []
    if len(results.failures):
        found.append(
            (f"{runs_text(len(results.failures))} failed", f"and no number here counts them: {failures_text(results)}.")
        )
    if any("digits" in images for images in results.values("images")):
        found.append(
            (
                "No claim is made from digits.",
                "These images serve to try the program out: cells trained on them rank almost at random against any "
                "truth table.",
            )
        )
    flattered = [method_name(method) for method in results.methods if results.asked_test(method)]
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
                f"n = {_by_method(few)}: below {FEW_SEEDS} seeds a mean and its spread can turn with the next seed. "
                "Read the single cells, and claim no difference between methods.",
            )
        )
    mixed = [method for method in results.methods if len(results.values("settings", method)) > 1]
    mixed += [column for column in ("images", "preset", "version") if len(results.values(column)) > 1]
    devices = {device for devices in results.values("device") for device in devices.split(" / ")}  # a run may have two
    mixed += ["device"] * (len(devices) > 1)
    if mixed:
        names = ", ".join(method_name(name) for name in mixed)
        found.append(("Not all rows were made alike", f"({names}): see the list above before comparing them."))
    return found


def _summary_section(results: Results, table: pd.DataFrame) -> Section:
    header = ["Method", "n", *(f"{metric_name(metric)} (%)" for metric in results.metrics)]
    header.insert(3, "95 % interval")
    header += ["Regret (points)", "Median rank", "Best–worst", "Skips", "Collapsed", "Search (s)"]
    best = results.best(results.metric)
    rows: list[list[str]] = []
    doubts: dict[str, list[str]] = {}
    for _, row in table.iterrows():
        reference = row["kind"] == "reference"
        cells = [REFERENCES[row["method"]] if reference else results.name(row["method"])]
        cells.append("" if reference else str(row["n"]))
        for column in [*results.metrics, "regret"]:
            mean = row[f"{column}_mean"]
            cells.append(number(mean) if reference else plus_minus(Spread(mean, row[f"{column}_std"])))
        interval = _interval(row, results.metric)
        doubt = normality_doubt(interval, row[f"{results.metric}_normality_p"], best)
        if doubt:
            doubts.setdefault(f"where {doubt}", []).append(cells[0])
        cells.insert(3, "" if reference else interval_text(interval, doubtful=bool(doubt)))
        if reference:
            cells += [count(row["rank_median"]) if row["method"] == "optimal" else "", "", "", "", ""]
        else:
            cells += [count(row["rank_median"]), f"{count(row['rank_best'])}–{count(row['rank_worst'])}"]
            cells += [plus_minus(Spread(row["skip_connects_mean"], row["skip_connects_std"]), 1)]
            cells += [f"{row['collapsed']} of {row['n']}"]
            cells += [number(row["search_seconds_mean"], 0 if row["search_seconds_mean"] >= 10 else 1)]
        rows.append(cells)
    note = (
        "Mean ± sample standard deviation (n − 1) over n seeds. The interval is Student's, of the mean of "
        f"{metric_name(results.metric)}, and takes the seeds for draws from a normal distribution. "
        f"{_doubts_text(doubts)}{results.flattered}"
        "Regret is the best accuracy of the space minus the chosen cell's, and rank 1 + the number of cells that are "
        f"strictly better, of all 15,625; both on {metric_name(results.metric)}. Skips: edges with skip_connect, of 6. "
        f"Collapsed: seeds whose cell has skip_connect on {MOSTLY_SKIPS} or more edges, or no convolution on any way "
        "through it; of all cells 13.9 % are so. The last two rows are no searches: the best accuracy of each column, "
        "and the mean of all cells."
    )
    references = tuple(range(len(rows) - len(REFERENCES), len(rows)))
    return Section("What the searches found", header, rows, note, references=references)


def _doubts_text(doubts: Mapping[str, Sequence[str]]) -> str:
    """Where normality is doubtful, and of which methods; nothing where it is not."""
    if not doubts:
        return ""
    where = " or ".join(f"{reason} ({', '.join(methods)})" for reason, methods in doubts.items())
    return f"{DOUBTFUL} That is doubtful {where}: read the single seeds. "


def _robust_section(results: Results, table: pd.DataFrame) -> Section:
    metric = results.metric
    header = ["Method", "n", "Median (%)", "IQM (%)", "95 % interval of the IQM", "Median percentile", "Above mean (%)"]
    rows = [
        [
            results.name(row["method"]),
            str(row["n"]),
            number(row[f"{metric}_median"]),
            number(row[f"{metric}_iqm"]),
            interval_text(_interval(row, f"{metric}_iqm")),
            number(row["percentile_median"], 1),
            plus_minus(Spread(row["improvement_mean"], row["improvement_std"]), sign="+"),
        ]
        for _, row in table[table["kind"] == "method"].iterrows()
    ]
    note = (
        f"{metric_name(metric)}. {results.flattered}"
        "IQM: interquartile mean, without the lowest and the highest quarter of the seeds "
        f"(n // 4 of each); its interval is by bootstrap ({RESAMPLES:,} resamples of the seeds, percentiles), and too "
        "narrow from few seeds. Percentile: the percentage of all 15,625 cells that are no better than the chosen one. "
        "Above mean: the accuracy minus the mean of the space, in percent of that mean."
    )
    return Section("The same runs by other statistics", header, rows, note)


def _comparison_section(results: Results, table: pd.DataFrame) -> list[Section]:
    if table.empty:
        return []
    shown = table if len(results.methods) <= MANY_METHODS else table[table["first"] == results.methods[0]]
    header = ["Difference", "n", "Points", "95 % interval", "Won / lost / tied", *TEST_HEADER, "P(better)"]
    rows = [
        [
            f"{results.name(row['second'])} − {results.name(row['first'])}",
            *pair_cells(row),
            improvement_cell(row),
        ]
        for _, row in shown.iterrows()
    ]
    note = (
        f"{results.flattered}"
        f"{metric_name(results.metric)} of the methods' cells, paired by seed: mean ± sample standard deviation of the "
        f"n differences, and Student's interval of their mean. {differences_note(shown)}Won: seeds on which the first "
        f"named is better. {tests_note(shown)} P(better): how likely a run of the first named is better than one of "
        "the other, over all couples of these runs, a tie as half; with its bootstrap interval, each method's seeds "
        "resampled on their own."
    )
    if len(shown) < len(table):
        note += " `comparisons.csv` has every other pair of methods."
    return [Section("Methods compared seed by seed", header, rows, note)]


TEST_HEADER = ("p (sign)", "p (permutation)")


def _selection_section(results: Results) -> list[Section]:
    table = selections(results)
    if table.empty:
        return []
    header = ["Method", "Other rule", "Other rule (%)", "Method's own rule (%)"]
    header += ["n", "Difference", "95 % interval", "Won / lost / tied", *TEST_HEADER]
    rows = [
        [
            method_name(row["method"]),
            str(row["other_selection"]),
            plus_minus(Spread(row["other_mean"], row["other_std"])),
            plus_minus(Spread(row["own_mean"], row["own_std"])),
            *pair_cells(row),
        ]
        for _, row in table.iterrows()
    ]
    note = (
        f"Two selection rules on the very same trained supernet, paired by seed: {metric_name(results.metric)} of the "
        "cell each would choose. Difference: own − other, mean ± sample standard deviation of the n differences, with "
        f"Student's interval of their mean. {differences_note(table)}Won: seeds where the method's own rule chose the "
        f"better cell. {tests_note(table)}"
    )
    return [Section("Same supernet, two selection rules", header, rows, note, left=2)]


def pair_cells(row: pd.Series) -> list[str]:
    """n, difference, interval, seeds won, lost and tied, and the tests' p."""
    return [
        str(row["n"]),
        plus_minus(Spread(row["difference_mean"], row["difference_std"]), sign="+"),
        interval_text(_interval(row, "difference"), sign="+", doubtful=row["difference_normality_p"] < SIGNIFICANCE),
        f"{row['won']} / {row['lost']} / {row['tied']}",
        p_text(row["sign_test_p"]),
        p_text(row["permutation_test_p"]),
    ]


def improvement_cell(row: pd.Series) -> str:
    """`0.84 (0.52 to 1.00)`; without an interval where one seed allows none."""
    interval = interval_text(_interval(row, "improvement_probability"))
    return f"{number(row['improvement_probability'])} ({interval})".replace(" (–)", "")


def differences_note(table: pd.DataFrame) -> str:
    """What the mark at an interval of differences says, where there is one."""
    if not (table["difference_normality_p"] < SIGNIFICANCE).any():
        return ""
    return f"{DOUBTFUL} The differences are hardly normal (Shapiro–Wilk p < {SIGNIFICANCE:g}). "


def tests_note(table: pd.DataFrame) -> str:
    """What the p of these pairs are, and what they could be at the least."""
    text = "p: two-sided, of the exact sign test and of the permutation test of the mean (signs of the differences)"
    if len(table) > 1:
        text += f", not corrected for {len(table)} comparisons (Bonferroni: {SIGNIFICANCE / len(table):.2g} for 0.05)"
    text += "."
    few = [n for n in sorted({int(n) for n in table["n"]}) if smallest_p(n) > SIGNIFICANCE]
    if few:
        least = " and ".join(f"{smallest_p(n):g} with {n} pair{'s' * (n > 1)}" for n in few)
        text += (
            f" The smallest p that either test can give is {least}: so few pairs cannot pass 0.05 however they end, "
            "and 6 are the least that can."
        )
    return text


def _interval(row: pd.Series, name: str) -> Interval:
    return Interval(float(row[f"{name}_low"]), float(row[f"{name}_high"]))


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


def _by_method(values: Mapping[str, str]) -> str:
    """One text where all methods share it, else each with its methods in brackets."""
    users: dict[str, list[str]] = {}
    for method, value in values.items():
        users.setdefault(value, []).append(method_name(method))
    if len(users) == 1:
        return next(iter(users))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in users.items())
