"""The columns of tables in words: from a row of numbers to the text of a cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from reports.inference import SIGNIFICANCE, Interval, smallest_p
from reports.statistics import Spread
from reports.tables import DOUBTFUL, interval_text, markdown_table, number, p_text, plus_minus


class Column(NamedTuple):
    """The head of a column, and its text of a row."""

    head: str
    text: Callable[[pd.Series], str]


def plain(head: str, name: str) -> Column:
    return Column(head, lambda row: str(row[name]))


def decimal(head: str, name: str, digits: int = 2) -> Column:
    return Column(head, lambda row: number(row[name], digits))


def mean(head: str, name: str, digits: int = 2, sign: str = "") -> Column:
    """Of `NAME_mean` and `NAME_std`."""
    return Column(head, lambda row: plus_minus(spread_of(row, name), digits, sign))


def interval(head: str, name: str) -> Column:
    """Of `NAME_low` and `NAME_high`."""
    return Column(head, lambda row: interval_text(interval_of(row, name)))


def spread_of(row: pd.Series, name: str) -> Spread:
    return Spread(float(row[f"{name}_mean"]), float(row[f"{name}_std"]))


def interval_of(row: pd.Series, name: str) -> Interval:
    return Interval(float(row[f"{name}_low"]), float(row[f"{name}_high"]))


def in_words(table: pd.DataFrame, columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """The heads of the columns, and the texts of every row."""
    rows = [[column.text(row) for column in columns] for _, row in table.iterrows()]
    return [column.head for column in columns], rows


def markdown(table: pd.DataFrame, columns: Sequence[Column], left: int = 1) -> str:
    """The table as Markdown; its first `left` columns are words."""
    return markdown_table(*in_words(table, columns), left)


def of_pairs(difference: str, improvement: bool = True) -> list[Column]:
    """What `reports.tables` finds of pairs: `paired_columns`, and `improvement_columns` where asked.

    Args:
        difference: the head of the column of differences.
    """

    def doubted(row: pd.Series) -> str:
        doubtful = bool(row["difference_normality_p"] < SIGNIFICANCE)
        return interval_text(interval_of(row, "difference"), sign="+", doubtful=doubtful)

    def better(row: pd.Series) -> str:
        of_it = interval_text(interval_of(row, "improvement_probability"))
        return f"{number(row['improvement_probability'])} ({of_it})".replace(" (–)", "")

    columns = [
        plain("n", "n"),
        mean(difference, "difference", sign="+"),
        Column("95 % interval", doubted),
        Column("Won / lost / tied", lambda row: f"{row['won']} / {row['lost']} / {row['tied']}"),
        Column("p (sign)", lambda row: p_text(row["sign_test_p"])),
        Column("p (permutation)", lambda row: p_text(row["permutation_test_p"])),
    ]
    return [*columns, Column("P(better)", better)] if improvement else columns


def differences_note(table: pd.DataFrame) -> str:
    """What the mark at an interval of differences says, where there is one."""
    if not (table["difference_normality_p"] < SIGNIFICANCE).any():
        return ""
    return f"{DOUBTFUL} The differences are hardly normal (Shapiro–Wilk p < {SIGNIFICANCE:g}). "


def tests_note(table: pd.DataFrame) -> str:
    """What the p of these pairs are, and how small they could be at best."""
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
