"""What the head of a column means: which metric, and whether accuracies or errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from data.metrics import METRICS
from reports.audit import TableError
from reports.results import DATA_SETS

IGNORED = "-"
"""Stands in `--columns` for a column that is no metric."""

_DATA_SETS = {
    "imagenet16-120": r"imagenet|inet|img?net|\b(?:img|im|in)[\s-]*16",
    "cifar100": r"cifar[\s-]*100(?!\d)|\bc[\s-]*100(?!\d)|\bcf[\s-]*100(?!\d)",
    "cifar10": r"cifar[\s-]*10(?!\d)|\bc[\s-]*10(?!\d)|\bcf[\s-]*10(?!\d)",
}
_SPLITS = {"valid": r"\bval(?![a-tv-z])|valid|\bdev\b", "test": r"\btest|\btst\b"}
_ERRORS = r"\berr(?:or)?s?\b"
_RUNS = r"(?:#|no\.?|number)?\s*(?:of\s*)?(?:runs|seeds|n)"


class ColumnHead(NamedTuple):
    """A column whose numbers are audited."""

    metric: str
    errors: bool


def title(metric: str) -> str:
    """`CIFAR-10 test`."""
    data_set, _, split = metric.partition("_")
    return f"{DATA_SETS[data_set]} {split}"


def read_heads(heads: Sequence[str], given: Sequence[str], errors: bool, where: str) -> list[ColumnHead | None]:
    """The meaning of each column; None for one that is no metric.

    Args:
        heads: of all columns, the methods' names first.
        given: `HEAD=METRIC` each, HEAD being a head or the number of a column, METRIC one of `METRICS` or `-`.
        errors: whether all numbers are errors.
        where: the file and line of the heads, as a message begins.

    Raises:
        TableError: where a head can't be told, two mean the same, or none is a metric.
    """
    chosen = _given(heads, given, where)
    found: list[ColumnHead | None] = [None]
    for place, head in enumerate(heads[1:], start=1):
        of_errors = errors or re.search(_ERRORS, head.casefold()) is not None
        metric = chosen[place] if place in chosen else _metric(head, where)
        found.append(None if metric in (None, IGNORED) else ColumnHead(str(metric), of_errors))
    metrics = [head.metric for head in found if head]
    if not metrics:
        raise TableError(
            f"{where}: no column is named by a metric, as “CIFAR-10 test” is; say what they mean with "
            f"--columns HEAD=METRIC, METRIC one of {', '.join(METRICS)}"
        )
    for metric in metrics:
        if metrics.count(metric) > 1:
            raise TableError(
                f"{where}: two columns are {title(metric)}; leave one out with --columns NUMBER=-, NUMBER being the "
                "place of a column"
            )
    return found


def runs_column(heads: Sequence[str]) -> int | None:
    """The column that says how many runs are behind a row, if there is one."""
    matches = [place for place, head in enumerate(heads) if place and re.fullmatch(_RUNS, head.casefold().strip())]
    return matches[0] if matches else None


def _metric(head: str, where: str) -> str | None:
    text = head.casefold().replace("_", " ")
    data_sets = [name for name, pattern in _DATA_SETS.items() if re.search(pattern, text)]
    splits = [name for name, pattern in _SPLITS.items() if re.search(pattern, text)]
    if not data_sets:
        return None
    if len(data_sets) > 1 or len(splits) != 1:
        raise TableError(
            f"{where}: the column “{head[:80]}” does not say which metric it is; add --columns '{head[:80]}=METRIC', "
            f"METRIC one of {', '.join(METRICS)}, or {IGNORED} to leave it out"
        )
    return f"{data_sets[0]}_{splits[0]}"


def _given(heads: Sequence[str], given: Sequence[str], where: str) -> dict[int, str]:
    chosen: dict[int, str] = {}
    for entry in given:
        head, _, metric = (part.strip() for part in entry.rpartition("="))
        if metric != IGNORED and metric not in METRICS:
            raise TableError(
                f"--columns {entry[:100]!r}: give HEAD=METRIC, METRIC one of {', '.join(METRICS)}, or {IGNORED} to "
                "leave the column out"
            )
        if head.isascii() and head.isdecimal() and len(head) < 5 and 2 <= int(head) <= len(heads):
            chosen[int(head) - 1] = metric
            continue
        places = [place for place, name in enumerate(heads) if place and name.casefold() == head.casefold()]
        if len(places) != 1:
            raise TableError(
                f"--columns {entry[:100]!r}: {'no column has' if not places else 'several columns have'} this head in "
                f"{where}; they are {', '.join(f'{place} “{name[:40]}”' for place, name in enumerate(heads, 1))[:600]}"
            )
        chosen[places[0]] = metric
    return chosen
