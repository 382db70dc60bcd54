"""What the tables and plots compute: pure functions on arrays. *n* is always the number of seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """Mean and sample standard deviation (divisor n − 1; nan for a single seed, which has no spread to speak of)."""

    mean: float
    std: float


class Band(NamedTuple):
    """Three curves of shape (epochs,): the mean over seeds, the worst and the best seed."""

    mean: Floats
    low: Floats
    high: Floats


class Paired(NamedTuple):
    """A comparison of two rules seed by seed; `difference` is that of second − first over the n pairs."""

    n: int
    first: Spread
    second: Spread
    difference: Spread
    won: int
    lost: int
    tied: int


def spread(values: ArrayLike) -> Spread:
    """Mean and sample standard deviation of `values`, shape (n,): one value a seed.

    Raises:
        ValueError: where n = 0.
    """
    array = as_vector(values)
    return Spread(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float("nan"))


def interquartile_mean(values: ArrayLike, axis: int = -1) -> Floats:
    """The mean of the middle half of `values` along an axis of length n: n // 4 are left out at each end.

    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021: as robust
    against a stray seed as the median nearly, and less ruled by chance.

    Raises:
        ValueError: where n = 0.
    """
    # In order, so that the same numbers have the same sum.
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=axis)
    if ordered.shape[axis] == 0:
        raise ValueError(f"expected at least one value on axis {axis}, got shape {ordered.shape}")
    return np.asarray(stats.trim_mean(ordered, 0.25, axis=axis))


def relative_improvement(accuracies: ArrayLike, mean_of_space: float) -> Floats:
    """How much better than a cell drawn blindly `accuracies`, shape (n,), are, in percent of the mean of the space.

    Yang et al., "NAS evaluation is frustratingly hard", ICLR 2020, §3.
    """
    return 100 * (as_vector(accuracies) - mean_of_space) / mean_of_space


def percentile(ranks: ArrayLike, cells: int) -> Floats:
    """The percentage of all `cells` that are no better, for `ranks`, shape (n,); 100 for rank 1, the best cell."""
    return 100 * (1 - (as_vector(ranks) - 1) / cells)


def seed_band(curves: ArrayLike) -> Band:
    """Mean, lowest and highest of `curves`, shape (n, epochs): one row a seed.

    An epoch that some seed has no value for (nan) has none here either: a mean over fewer seeds would jump.

    Raises:
        ValueError: where n = 0.
    """
    array = np.asarray(curves, dtype=np.float64)
    if array.ndim != 2 or len(array) == 0:
        raise ValueError(f"expected curves of shape (n, epochs) with n > 0, got {array.shape}")
    return Band(array.mean(axis=0), array.min(axis=0), array.max(axis=0))


def last(curves: Floats) -> Floats:
    """The value of each seed's last epoch that has one, shape (n,), of curves of shape (n, epochs); nan without any."""
    return np.array([row[np.isfinite(row)][-1] if np.isfinite(row).any() else np.nan for row in curves])


def finite_spread(values: Floats) -> Spread:
    """Mean and spread of the values that there are; nan where there are none."""
    return spread(values[np.isfinite(values)]) if np.isfinite(values).any() else Spread(float("nan"), float("nan"))


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """Compares `second` with `first`, both of shape (n,): position i of both comes from the same seed.

    A seed is won where second > first, and tied only where both are equal.

    Raises:
        ValueError: where n = 0 or the shapes differ.
    """
    before, after = as_vector(first), as_vector(second)
    if before.shape != after.shape:
        raise ValueError(f"pairs need two vectors of one length, got {len(before)} and {len(after)}")
    change = after - before
    won, lost, tied = (int(np.count_nonzero(hit)) for hit in (change > 0, change < 0, change == 0))
    return Paired(len(change), spread(before), spread(after), spread(change), won, lost, tied)


def probability_of_improvement(first: ArrayLike, second: ArrayLike, axis: int = -1) -> Floats:
    """How likely a run of `second` is better than one of `first`: over all couples of the n and m runs that they have
    along an axis, a tie as half.

    Agarwal et al., NeurIPS 2021: the Mann–Whitney statistic divided by n · m.
    """
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    found = stats.mannwhitneyu(after, before, axis=axis, method="asymptotic")  # we need no p, and the exact one is slow
    return np.asarray(found.statistic / (before.shape[axis] * after.shape[axis]))


def share_at_or_below(levels: ArrayLike, values: ArrayLike, points: ArrayLike) -> Floats:
    """The share of a distribution at or below each of `points`, shape (p,), from its quantiles.

    `levels`, shape (q,), ascending from 0 to 1, and `values`, shape (q,), the quantile of each level; between two
    quantiles the distribution is taken for uniform, and where several levels share a value it jumps there.

    Raises:
        ValueError: where q = 0 or the shapes differ.
    """
    level, value = as_vector(levels), as_vector(values)
    if level.shape != value.shape:
        raise ValueError(f"quantiles need a value for each level, got {len(value)} for {len(level)}")
    distinct = np.append(value[1:] > value[:-1], True)  # of equal values, the highest level
    at = np.asarray(points, dtype=np.float64)
    share = np.interp(at, value[distinct], level[distinct])
    return np.asarray(np.where(at < value[0], 0.0, share), dtype=np.float64)


def as_vector(values: ArrayLike) -> Floats:
    """`values` as floats, shape (n,).

    Raises:
        ValueError: where they are no vector, or n = 0.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"expected a vector with at least one value, got shape {array.shape}")
    return array
