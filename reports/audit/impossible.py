"""`impossible`: numbers that no runs on the benchmark have, by exact bounds.

A printed mean is given the benefit of rounding and of cut digits; see `Printed.bounds`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from reports.audit.finding import Finding, Severity
from reports.audit.heads import title
from reports.audit.numbers import EPSILON, Printed
from reports.audit.space import FEW_RUNS, Floats, Numbers, Space, pairs_of_splits
from reports.audit.table import Row
from reports.audit.words import named, said
from spaces import NASBENCH201

MOST_SUMS = 200_000
"""So many sums of a few accuracies are looked at; where there are more, a mean is taken for possible."""

MOST_NEAR = 1_000
"""Where more cells are near enough to a mean, its deviation is no narrow one, and says more of the number of runs."""

BY_ALL_RUNS = "; by the means over all runs, of which other releases have fewer"
"""Said where a few tenths of a point decide."""

MANY_RUNS = 200
"""From so many runs on, a mean that lies between two cells is taken for possible."""


def impossible(place: int, row: Row, space: Space) -> Iterator[Finding]:
    """Findings about single columns, then about the valid and test column of a data set together."""
    outside = set()
    for metric, number in row.numbers.items():
        if found := beyond(metric, number, space):
            outside.add(metric)
            if not edition_of_fewer_runs(metric, number, space):
                yield _finding(place, row, (metric,), "error", found)
    for metric, number in row.numbers.items():
        if metric in outside:
            continue
        if bound := too_wide(metric, number, row.runs, space) or no_such_mean(metric, number, row.runs, space):
            yield _finding(place, row, (metric,), *bound)
            outside.add(metric)
    for data_set in dict.fromkeys(metric.split("_")[0] for metric in row.metrics):
        columns = tuple(
            metric for metric, number in row.numbers.items() if metric.startswith(f"{data_set}_") and number.std
        )
        if columns and not outside & set(columns) and (bound := no_such_cells(columns, row, space)):
            yield _finding(place, row, columns, *bound)
            outside |= set(columns)
    for pair in pairs_of_splits([metric for metric in row.metrics if metric not in outside]):
        if space.outside_hull(*pair, row.numbers):
            valid, test = (title(metric) for metric in pair)
            found = f"no set of cells has these means in {valid} and {test} at once, however many"
            yield _finding(place, row, pair, "error", found)


def violations(numbers: Numbers, space: Space) -> int:
    """How many bounds are passed that hold for every number of runs; what `order` counts, too."""
    outside = [metric for metric, number in numbers.items() if beyond(metric, number, space)]
    inside = [metric for metric in numbers if metric not in outside]
    return len(outside) + sum(space.outside_hull(*pair, numbers) for pair in pairs_of_splits(inside))


def beyond(metric: str, number: Printed, space: Space) -> str:
    """How a mean lies above the best cell or below the worst; "" where it doesn't."""
    low, high = number.bounds
    best, worst = space.best[metric], space.worst[metric]
    if low > best:
        return f"{number.accuracy:g} is above {best:.2f}, the best of all cells"
    if high < worst:
        return f"{number.accuracy:g} is below {worst:.2f}, the worst of all cells"
    return ""


def edition_of_fewer_runs(metric: str, number: Printed, space: Space) -> bool:
    """Whether a mean above the best of all cells is one that a release with fewer runs of a cell can have."""
    return space.best[metric] < number.bounds[0] <= space.best_of_some_runs.get(metric, -math.inf)


def too_wide(metric: str, number: Printed, runs: int | None, space: Space) -> tuple[Severity, str] | None:
    """A deviation that no runs with this mean have, and whether that depends on their number."""
    if not number.spread or runs == 1:  # of one search, it can be the deviation of the trainings
        return None
    low, high = number.bounds
    least = number.spread - number.spread_half
    conditional: Severity = "error" if runs else "warning"
    ends = space.worst[metric], space.best[metric], low, high
    few = [widest(*ends, count) for count in ([runs] if runs else range(2, FEW_RUNS + 1))]
    bounds: list[tuple[float, float, Severity]] = [
        (math.inf, widest(*ends, math.inf), "error"),
        (runs or FEW_RUNS, max(few), conditional),
    ]
    for count, most, severity in bounds:
        if least > most + EPSILON:
            condition = "" if count == math.inf else f" of {count} runs" if runs else f" of up to {FEW_RUNS} runs"
            return severity, (
                f"± {number.std} is more than the {most:.3f} that a mean{condition} of {number.mean} allows between "
                f"the worst cell, {space.worst[metric]:.2f}, and the best, {space.best[metric]:.2f}"
            )
    return None


def widest(worst: float, best: float, low: float, high: float, runs: float) -> float:
    """The largest sample deviation of so many values in [worst, best] whose mean lies in [low, high].

    For any number of runs it is Bhatia and Davis' √((best − mean)(mean − worst)); for n runs all values but one lie at
    the ends. Divided by n − 1, which gives the larger of the two deviations that papers print.
    """
    low, high = max(low, worst), min(high, best)
    middle = min(max((worst + best) / 2, low), high)
    whole = math.sqrt(max(0.0, (best - middle) * (middle - worst)))
    if runs == math.inf:
        return whole * math.sqrt(2)  # of two runs, where n − 1 counts most
    if best - worst <= EPSILON:
        return 0.0
    n, most = int(runs), 0.0
    for mean in np.linspace(low, high, 9).tolist():
        above = int(min(max((mean - worst) / (best - worst), 0.0), 1.0) * n)  # values at the best end
        rest = n * mean - above * best - (n - above - 1) * worst
        inner = above < n
        squares = above * (best - mean) ** 2 + max(0, n - above - 1) * (mean - worst) ** 2
        squares += (rest - mean) ** 2 if inner else 0.0
        most = max(most, squares)
    # Between the nine means the bound is convex or concave by turns; what they leave open is less than this.
    slack = (high - low) / 8 * n
    return min(math.sqrt(most / (n - 1)) + slack / math.sqrt(n - 1), whole * math.sqrt(n / (n - 1)))


def no_such_mean(metric: str, number: Printed, runs: int | None, space: Space) -> tuple[Severity, str] | None:
    """A mean that no few runs have, with the deviation where there is one."""
    low, high = number.bounds
    values = space.values[metric]
    if np.any((values >= low) & (values <= high)) or (runs or 0) > MANY_RUNS:
        return None
    most = runs or FEW_RUNS
    severity: Severity = "error" if runs else "warning"
    condition = f"{runs} runs" if runs else f"up to {FEW_RUNS} runs"
    below, above = values[values < low], values[values > high]
    nearest = f"the nearest cells have {below.max():.3f} and {above.min():.3f}" if len(below) and len(above) else ""
    if number.still:
        if still_possible(float(below.max()), float(above.min()), low, high, number.largest_spread, most):
            return None
        return "error", (
            f"± {number.std} says that all runs agree, but no cell has {number.mean}: {nearest}, and no mean of "
            f"{condition} has so small a deviation there"
        )
    if mean_possible(values, low, high, most):
        return None
    return severity, f"no mean over {condition} is {number.mean}: {nearest}"


def no_such_cells(columns: tuple[str, ...], row: Row, space: Space) -> tuple[Severity, str] | None:
    """Columns of one data set whose small deviations leave no cells that have these means.

    None of n values is further from their mean than √(n − 1) deviations (Samuelson), so that only cells near to the
    means in every column are left; these must lie on both sides of each mean, and as far apart as its deviation asks.
    That is no more than a warning, since the means of another release, with fewer runs of a cell, are others.
    """
    runs = row.runs or FEW_RUNS
    if runs == 1:
        return None
    near = np.ones(len(NASBENCH201), bool)
    for metric in columns:
        low, high = row.numbers[metric].bounds
        reach = row.numbers[metric].largest_spread * math.sqrt(runs - 1)
        near &= (space.values[metric] >= low - reach) & (space.values[metric] <= high + reach)
    what = f"{runs} runs" if row.runs else f"up to {FEW_RUNS} runs"
    if near.sum() > MOST_NEAR:
        return None
    if not near.any():
        return "warning", f"no cell is near enough to all of these means for {what} with these deviations{BY_ALL_RUNS}"
    for metric in columns:
        number, values = row.numbers[metric], space.values[metric][near]
        low, high = number.bounds
        if values.min() > high or values.max() < low:
            return (
                "warning",
                f"the cells within reach of {what} with these deviations have no mean of {number.mean}{BY_ALL_RUNS}",
            )
        least = (number.spread or 0.0) - number.spread_half
        most = max(
            widest(float(values.min()), float(values.max()), low, high, count)
            for count in ([runs] if row.runs else range(2, FEW_RUNS + 1))
        )
        if least > most + EPSILON:
            between = f"between {values.min():.3f} and {values.max():.3f} in {title(metric)}"
            return "warning", (
                f"the {len(values)} cells within reach of {what} with these deviations lie {between}, too near to each "
                f"other for ± {number.std}{BY_ALL_RUNS}"
            )
    return None


def still_possible(below: float, above: float, low: float, high: float, spread: float, runs: int) -> bool:
    """Whether n ≤ `runs` values, none between `below` and `above`, have a mean in [low, high] inside of that gap and a
    deviation up to `spread`: of a share q of values above and the others below, D apart in the mean, it is
    √(q (1 − q)) D at least."""
    for n in range(2, runs + 1):
        for count in range(1, n):
            q = count / n
            mean = min(max(below + q * (above - below), low), high)
            apart = max((mean - below) / q, (above - mean) / (1 - q))
            if math.sqrt(q * (1 - q)) * apart <= spread:
                return True
    return False


def mean_possible(values: Floats, low: float, high: float, runs: int) -> bool:
    """Whether the mean of some n ≤ `runs` of the values lies in [low, high]; True where there are too many to try.

    A mean this near to the best (or worst) value leaves no room for low ones, so that few values are left to try.
    """
    for n in range(2, runs + 1):
        slack_below = n * low - (n - 1) * float(values.max())
        slack_above = n * high - (n - 1) * float(values.min())
        room = np.unique(values[(values >= slack_below) & (values <= slack_above)])
        sums = {0.0}
        best, worst = float(values.max()), float(values.min())
        for step in range(1, n + 1):
            if len(sums) * len(room) > MOST_SUMS:
                return True
            # What the values still to come can make of a sum must reach the target.
            least, greatest = n * low - (n - step) * best - EPSILON, n * high - (n - step) * worst + EPSILON
            longer = {round(total + value, 7) for total in sums for value in room.tolist()}
            longer = {total for total in longer if least <= total <= greatest}
            sums = longer
        if any(n * low <= total <= n * high for total in sums):
            return True
    return False


def _finding(place: int, row: Row, columns: tuple[str, ...], severity: Severity, evidence: str) -> Finding:
    return Finding(
        place,
        "impossible",
        severity,
        columns,
        evidence,
        f"{named(row)}, {said(row, columns)}: {evidence}. What do these numbers stand for?",
    )
