"""Intervals and tests by resampling: pure functions on arrays and on a random generator that the caller hands over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from reports.statistics import Floats, as_vector

RESAMPLES = 10_000

EXACT_PAIRS = 13
"""Up to so many pairs every one of the 2ⁿ sign patterns is tried; that is fewer than `RESAMPLES`."""


class Interval(NamedTuple):
    """The ends of an interval; nan where a single seed allows none."""

    low: float
    high: float


def stratified_bootstrap(
    strata: Sequence[ArrayLike],
    statistic: Callable[..., Floats],
    generator: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """The percentile interval of a statistic of one or more groups of runs, each resampled on its own.

    Args:
        strata: vectors of shape (n,), one value a seed; n may differ from group to group.
        statistic: takes an array of shape (resamples, n) for each of the strata, one resample a row, and returns the
            statistic of each row, shape (resamples,).
        generator: where the resamples come from. The order of the seeds makes no difference.
        level: the share of the resamples between the two ends.

    Raises:
        ValueError: where a group has n = 0.
    """
    groups = [np.sort(as_vector(values)) for values in strata]
    if min(map(len, groups)) < 2:
        return Interval(float("nan"), float("nan"))
    drawn = [group[generator.integers(len(group), size=(resamples, len(group)))] for group in groups]
    low, high = np.quantile(statistic(*drawn), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def permutation_test(differences: ArrayLike, generator: np.random.Generator, resamples: int = RESAMPLES) -> float:
    """The two-sided p of the mean of paired `differences`, shape (n,), if each could as well have the other sign.

    Exact up to `EXACT_PAIRS` pairs: the share of all 2ⁿ sign patterns with a mean as far from 0. Beyond, the share
    among so many random patterns and the observed one.

    Raises:
        ValueError: where n = 0.
    """
    values = np.sort(as_vector(differences))
    if exact := len(values) <= EXACT_PAIRS:
        patterns = np.arange(2 ** len(values))[:, np.newaxis]
        signs = 1.0 - 2.0 * (patterns >> np.arange(len(values)) & 1)
    else:
        signs = generator.choice((-1.0, 1.0), size=(resamples, len(values)))
    # Sums of the same numbers in another order differ in their last digits, and are as far from 0 all the same.
    as_far = np.abs(signs @ values) >= abs(values.sum()) - 1e-9 * np.abs(values).sum()
    return float(as_far.mean()) if exact else float((1 + as_far.sum()) / (1 + resamples))
