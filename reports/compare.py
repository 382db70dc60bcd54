"""Two results folders beside each other: each method that both have, paired by seed, B − A."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pandas as pd

from data.folder import as_text
from reports import RowsError, columns
from reports.columns import Column
from reports.method_facts import Describe
from reports.results import Results, metric_name, read_results
from reports.rows import csv_bytes, readable
from reports.statistics import spread
from reports.tables import improvement_columns, paired_columns, plus_minus
from reports.warnings import digits_warning, quoted
from reports.write import write_file
from spaces import Cell

SIDES = ("a", "b")

SOURCES = ("settings", "preset", "changes", "split", "images", "device", "version")
"""Columns of the runs that `compare.csv` repeats for both sides."""

COMPARE_COLUMNS = (
    *("method", "metric", "truth", "truth_checksum", "seeds", "a_seeds", "b_seeds", "n"),
    *("a_mean", "a_std", "b_mean", "b_std"),
    *("difference_mean", "difference_std", "difference_low", "difference_high", "difference_normality_p"),
    *("won", "lost", "tied", "sign_test_p", "permutation_test_p", "smallest_p"),
    *("improvement_probability", "improvement_probability_low", "improvement_probability_high"),
    *("same_cell", "same_settings"),
    *(f"{side}_{column}" for column in SOURCES for side in SIDES),
)
"""Columns of `compare.csv`: differences are b − a over the n `seeds` that both have, and of those `same_cell` end with
the same cell and `same_settings` ran with the same settings. A side that lacks the method has no seeds of it."""


def compare_folders(folders: Sequence[Path], describe: Describe | None = None) -> tuple[pd.DataFrame, str]:
    """The table of the folders A and B, one row a method, and the page about it.

    Raises:
        RowsError: where a folder's rows can't be read, or nothing in the two can be compared.
    """
    a, b = (read_results(folder, describe=describe) for folder in folders)
    truths = [f"{results.truth} with checksum {_values(results, 'truth_checksum')}" for results in (a, b)]
    for what, (one, other) in (("truth table", truths), ("main metric", (a.metric, b.metric))):
        if one != other:
            raise RowsError(
                f"{folders[0]} and {folders[1]} have not the same {what} ({one}; {other}), so their accuracies cannot "
                "be compared"
            )
    table = compare(a, b)
    if not table["n"].any():
        raise RowsError(
            f"{folders[0]} and {folders[1]} have no method with a common seed, so nothing can be paired: "
            f"A has {_held(a)}; B has {_held(b)}"
        )
    return table, compare_markdown(a, b, table, folders)


def write_comparison(table: pd.DataFrame, text: str, folder: Path) -> list[Path]:
    """Writes compare.md and compare.csv into `folder`; returns their paths."""
    content = csv_bytes(table, "%.6g")
    return [
        write_file(folder / "compare.md", text.encode("utf-8", "backslashreplace")),
        write_file(folder / "compare.csv", content),
    ]


def compare(a: Results, b: Results) -> pd.DataFrame:
    """One row a method that either has, those of A first; see `COMPARE_COLUMNS`."""
    rows = []
    for method in dict.fromkeys([*a.methods, *b.methods]):
        pairs = a.of(method).merge(b.of(method), on="seed", suffixes=("_a", "_b"))
        row: dict[str, object] = {
            "method": method,
            "metric": a.metric,
            "truth": a.truth,
            "truth_checksum": _values(a, "truth_checksum"),
            "seeds": _listed(pairs),
            "n": len(pairs),
        }
        for side, results in zip(SIDES, (a, b), strict=True):
            row[f"{side}_seeds"] = _listed(results.of(method))
            row |= {f"{side}_{column}": _values(results, column, method) for column in SOURCES}
        if not pairs.empty:
            before, after = (pairs[f"{a.metric}_{side}"].to_numpy(dtype=float) for side in SIDES)
            row |= paired_columns("a", before, "b", after) | improvement_columns(before, after)
            cells = zip(pairs["genotype_a"], pairs["genotype_b"], strict=True)
            row["same_settings"] = int((pairs["settings_a"] == pairs["settings_b"]).sum())
            row["same_cell"] = sum(Cell.parse(one) == Cell.parse(other) for one, other in cells)
        rows.append(row)
    counts = ("n", "won", "lost", "tied", "same_cell", "same_settings")
    return pd.DataFrame(rows, columns=list(COMPARE_COLUMNS)).astype(dict.fromkeys(counts, "Int64"))


def compare_markdown(a: Results, b: Results, table: pd.DataFrame, folders: Sequence[Path]) -> str:
    """The text of `compare.md`."""
    heads = [
        f"- **{name}:** `{readable(as_text(str(folder)))}`: {len(results.runs)} run{'s' * (len(results.runs) != 1)}, "
        f"preset {results.preset}, searched on {results.images}, {_values(results, 'device')}, "
        f"version {_values(results, 'version')}"
        for name, folder, results in zip("AB", folders, (a, b), strict=True)
    ]
    heads.append(
        f"- **Truth table of both:** {a.truth} (checksum `{_values(a, 'truth_checksum')}`), {metric_name(a.metric)}"
    )
    shown = table[table["n"] > 0]
    sides = [
        Column("Method", lambda row: a.title(row["method"])),
        *(columns.mean(f"{name} (%)", side) for name, side in zip("AB", SIDES, strict=True)),
    ]
    same = Column("Same cell", lambda row: f"{row['same_cell']} of {row['n']}")
    note = (
        f"{metric_name(a.metric)} of the chosen cells, paired by seed: mean ± sample standard deviation over the n "
        f"seeds that both have, and Student's interval of the mean difference. {columns.differences_note(shown)}Won: "
        f"seeds on which B is better. {columns.tests_note(shown)} P(better): how likely a run of B is better than one "
        "of A, over all couples of these runs, a tie as half; with its bootstrap interval. Same cell: seeds that end "
        "with the very same cell."
    )
    parts = ["# B against A", "\n".join(heads), *quoted(digits_warning((a, b))), _settings(a, b, shown)]
    parts += [f"{columns.markdown(shown, [*sides, *columns.of_pairs('B − A'), same])}\n\n{note}"]
    unpaired = _unpaired(a, b, table)
    if unpaired:
        parts += ["## Not compared", "\n".join(f"- {line}" for line in unpaired)]
    return "\n\n".join(parts) + "\n"


def _settings(a: Results, b: Results, shown: pd.DataFrame) -> str:
    """Which methods were run with the same settings on both sides, and how the others differ."""
    other = shown[shown["same_settings"] < shown["n"]]
    if other.empty:
        return "Every method compared ran with the same settings on both sides."
    lines = []
    for _, row in other.iterrows():
        sides = [
            f"{name} `{row[f'{side}_settings']}` (preset {results.made_with(row['method'])}, "
            f"images {row[f'{side}_images']}, split {row[f'{side}_split']})"
            for name, side, results in zip("AB", SIDES, (a, b), strict=True)
        ]
        lines.append(f"> - {a.title(row['method'])}: {', '.join(sides)}")
    return "> **Not the same settings on both sides**, so a difference is also theirs:\n>\n" + "\n".join(lines)


def _unpaired(a: Results, b: Results, table: pd.DataFrame) -> list[str]:
    """What one side has and the other lacks: whole methods, and single seeds of the methods that both have."""
    lines = []
    for _, row in table.iterrows():
        method = row["method"]
        for (name, here), (other, there) in permutations((("A", a.of(method)), ("B", b.of(method)))):
            alone = here[~here["seed"].isin(there["seed"])]
            if not alone.empty:
                seeds = f"seed{'s' * (len(alone) > 1)} {', '.join(map(str, alone['seed']))}"
                lacks = f"; {other} has no run of this method" * there.empty
                found = plus_minus(spread(alone[a.metric])).removesuffix(" ± –")
                lines.append(
                    f"{(a if method in a.methods else b).title(method)}, {seeds} ({found} %): only in {name}{lacks}"
                )
    return lines


def _listed(runs: pd.DataFrame) -> str:
    return " ".join(str(seed) for seed in runs["seed"])


def _values(results: Results, column: str, method: str | None = None) -> str:
    return " / ".join(results.values(column, method))


def _held(results: Results) -> str:
    return ", ".join(f"{method} (seeds {_listed(results.of(method))})" for method in results.methods)
