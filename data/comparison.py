"""The table that comes with the program against a release, number by number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.columns import Column
from data.measurements import Measurements
from data.metrics import (
    FLOPS,
    INDEX,
    METRICS,
    PARAMS,
    TRAINING_OF_METRIC,
    runs_column,
)
from spaces import NASBENCH201, Cell


@dataclass(frozen=True)
class Difference:
    """A number that is not the same in both."""

    column: str
    position: int
    ours: float | None
    """None where there is none."""
    theirs: float

    def __str__(self) -> str:
        here, there = ("none" if number is None else f"{number:.10g}" for number in (self.ours, self.theirs))
        return f"{Cell.at(self.position)}  {self.column}: {here} here, {there} there"


@dataclass
class Comparison:
    """What came out, by the kind of the numbers."""

    compared: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    """Numbers of ours that the release does not hold."""
    other_runs: Counter[str] = field(default_factory=Counter)
    """Means that are over more or fewer runs there."""
    differences: list[Difference] = field(default_factory=list)

    @property
    def accuracies_agree(self) -> bool:
        """Whether no accuracy differs, and some were compared."""
        compared = any(self.compared[kind] for kind in (RUNS, *MEANS.values()))
        return compared and not any(difference.column.startswith(METRICS) for difference in self.differences)

    @property
    def sentence(self) -> str:
        return f"{self.agreed.total():,} of {self.compared.total():,} numbers agree"

    def lines(self) -> Iterator[str]:
        """Every difference; then how many numbers of each kind agree; then how many of all."""
        yield from map(str, self.differences)
        width = len(f"{max(self.compared.values(), default=0):,}")
        for kind, count in self.compared.items():
            yield f"  {self.agreed[kind]:>{width},} of {count:>{width},} {kind}"
        for reason, counts in (("not in it", self.absent), ("over another number of runs there", self.other_runs)):
            if counts:
                yield f"  {reason}: {', '.join(f'{count:,} {kind}' for kind, count in counts.items())}"
        yield self.sentence


RUNS = "single runs of 200 epochs"

MEANS = {200: "means over the runs of 200 epochs", 12: "means over the runs of 12 epochs"}


def compare(ours: Mapping[str, Column], theirs: Measurements) -> Comparison:
    """Every number that both have; accuracies by their counts of images, seconds to the microsecond.

    A mean is compared where it is one over as many runs: a release of fewer runs of a cell has another mean by right.
    """
    found = Comparison()
    for name, column in ours.items():
        if name.startswith("runs_"):
            continue
        kind = _kind(name)
        if name not in theirs.columns:
            found.absent[kind] += int(np.isfinite(column.array()).sum())
            continue
        here, there = _comparable(name, column.array()), _comparable(name, theirs.columns[name])
        known, known_there = np.isfinite(here), np.isfinite(there)
        if lacking := int((known & ~known_there).sum()):
            found.absent[kind] += lacking
        if name.startswith(METRICS) and kind != RUNS:
            same_runs = _same_runs(name, ours, theirs)
            if other := int((known & known_there & ~same_runs).sum()):
                found.other_runs[kind] += other
            known_there = known_there & same_runs
        found.compared[kind] += int(known_there.sum())
        found.agreed[kind] += int((known_there & (here == there)).sum())
        for position in np.flatnonzero(known_there & ~(here == there)).tolist():
            number = column.value(position)
            found.differences.append(Difference(name, position, number, float(theirs.columns[name][position])))
    return found


def _kind(name: str) -> str:
    if name.startswith("train_seconds_"):
        return "training seconds"
    if match := re.fullmatch(r".*_(200|12)", name):
        return MEANS[int(match[1])]
    return {INDEX: "places in the official order", PARAMS: "parameters", FLOPS: "operations"}.get(name, RUNS)


def _comparable(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers without what rounded them on their way; those of `Measurements.exact` are so already."""
    if name == FLOPS:
        return np.rint(values * 1e6)
    return values.round(6) if name.startswith("train_seconds_") else values


def _same_runs(name: str, ours: Mapping[str, Column], theirs: Measurements) -> NDArray[np.bool_]:
    """For each cell whether the means of a column are over as many runs; a source that does not say is believed."""
    metric, _, epochs = name.rpartition("_")
    runs = runs_column(TRAINING_OF_METRIC[metric], int(epochs))
    if runs not in theirs.columns:
        return np.ones(len(NASBENCH201), bool)
    return np.asarray(ours[runs].array() == theirs.columns[runs])
