"""Intervals and tests: what n seeds allow to say beyond themselves.

All are scipy's, and deterministic: what draws at random does so from a fixed seed, each time afresh, so that no number
depends on the rows beside it, nor on the order of the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from reports.statistics import Floats, as_vector

LEVEL = 0.95
"""Of every interval."""

SIGNIFICANCE = 0.05

RESAMPLES = 10_000

EXACT_PAIRS = 13
"""The most pairs for which a permutation test tries all 2ⁿ sign patterns: there are no more than `RESAMPLES`."""

SEED = 201


class Interval(NamedTuple):
    """The ends of an interval; nan where a single seed allows none."""

    low: float
    high: float


def mean_interval(values: ArrayLike) -> Interval:
    """Student's t interval of the mean of `values`, shape (n,): one value a seed.

    It covers what it says where the values are drawn from a normal distribution; see `normality_p`.

    Raises:
        ValueError: where n = 0.
    """
    ordered = np.sort(as_vector(values))
    if len(ordered) < 2:
        return Interval(float("nan"), float("nan"))
    if ordered[0] == ordered[-1]:  # whose computed mean could differ from them in its last digits
        return Interval(float(ordered[0]), float(ordered[-1]))
    found = stats.ttest_1samp(ordered, 0.0).confidence_interval(LEVEL)
    return Interval(float(found.low), float(found.high))


def prediction_interval(mean: float, std: float, runs: int, n: int) -> Interval:
    """Where the mean of `n` new runs is to be expected, if they are drawn as the `runs` were whose mean and sample
    standard deviation are given.

    Patil, Peng & Leek, "What should researchers expect when they replicate studies?", Perspectives on Psychological
    Science 2016; with Student's t for so few runs, as Spence & Stanley, "Prediction interval", PLOS ONE 2016.

    Raises:
        ValueError: for fewer than 2 runs, which have no spread, or n < 1.
    """
    if runs < 2 or n < 1:
        raise ValueError(f"a prediction needs at least 2 runs and 1 new one, got {runs} and {n}")
    low, high = stats.t.interval(LEVEL, runs - 1, loc=mean, scale=std * np.sqrt(1 / runs + 1 / n))
    return Interval(float(low), float(high))


def share_interval(hits: int, n: int) -> Interval:
    """The exact binomial interval (Clopper–Pearson) of a share that was met `hits` times in `n`."""
    found = stats.binomtest(hits, n).proportion_ci(LEVEL, method="exact")
    return Interval(float(found.low), float(found.high))


def normality_p(values: ArrayLike) -> float:
    """The p of Shapiro and Wilk's test that `values`, shape (n,), are draws from a normal distribution; nan where
    n < 3, or all are equal."""
    ordered = np.sort(as_vector(values))
    if len(ordered) < 3 or ordered[0] == ordered[-1]:
        return float("nan")
    return float(stats.shapiro(ordered).pvalue)


def bootstrap_interval(groups: Sequence[ArrayLike], statistic: Callable[..., Floats]) -> Interval:
    """The percentile interval of a statistic that has no closed form, of one or more groups of runs, each resampled on
    its own. From few seeds it is too narrow.

    Args:
        groups: vectors of shape (n,), one value a seed; n may differ from group to group.
        statistic: takes an array a group, and `axis`, along which its runs lie.

    Raises:
        ValueError: where a group has n = 0.
    """
    ordered = [np.sort(as_vector(values)) for values in groups]
    if min(map(len, ordered)) < 2:
        return Interval(float("nan"), float("nan"))
    found = stats.bootstrap(
        ordered,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def permutation_test(differences: ArrayLike) -> float:
    """The two-sided p of the mean of paired `differences`, shape (n,), if each could as well have the other sign.

    Exact up to `EXACT_PAIRS` pairs; beyond, by `RESAMPLES` random sign patterns.

    Raises:
        ValueError: where n = 0.
    """
    ordered = np.sort(as_vector(differences))
    if len(ordered) == 1:
        return 1.0
    found = stats.permutation_test(
        (ordered,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, rng=np.random.default_rng(SEED)
    )
    return float(found.pvalue)


def sign_test(won: int, lost: int) -> float:
    """The exact two-sided p of the pairs won and lost, if both were equally likely; ties do not count."""
    return float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def smallest_p(n: int) -> float:
    """The smallest p that a two-sided sign test or permutation test of `n` pairs can give: all of one sign."""
    return min(1.0, 2.0 ** (1 - n))
