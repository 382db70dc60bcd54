"""What papers report of methods on NAS-Bench-201: facts, each with its source.

A method's own numbers stand in its file, as `Search.published`. `published.csv` beside this has all others: those of
the best cell of the space, of methods that are not here, and other editions of ours (as quoted elsewhere, or of
searches on each data set). `reports.audit` knows quotations by both.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Published:
    """One published number of a method."""

    metric: str
    """The data set and split that it was measured on, as `cifar10_test`."""
    mean: float
    """Accuracy, %."""
    std: float | None
    """Over the runs, as published; None where the source gives none. None says by which divisor; n − 1 is assumed."""
    runs: int | None
    """Searches behind the mean; None where the source does not say."""
    source: str
    note: str = ""


def reported(
    source: str, numbers: Mapping[str, float | tuple[float, float]], runs: int | None = None, note: str = ""
) -> tuple[Published, ...]:
    """The numbers of one source: by metric the mean, or the mean and the standard deviation."""
    pairs = {metric: found if isinstance(found, tuple) else (found, None) for metric, found in numbers.items()}
    return tuple(Published(metric, mean, std, runs, source, note) for metric, (mean, std) in pairs.items())


@cache
def literature() -> tuple[Mapping[str, str], ...]:
    """The rows of `published.csv`, by the names of its columns; every number is text, with the digits of its source."""
    text = (files("data") / "published.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def of_the_best_cell() -> tuple[Published, ...]:
    """The published maxima of the space."""
    return tuple(
        Published(f"{row['dataset']}_{row['split']}", float(row["mean"]), None, None, row["source"], row["note"])
        for row in literature()
        if row["method"] == "optimal"
    )
