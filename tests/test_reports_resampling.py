"""Intervals and tests by resampling: on inputs small enough to count every resample, and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, permutation_test

import reports.resampling as ours
from reports.resampling import EXACT_PAIRS, RESAMPLES, stratified_bootstrap
from reports.statistics import Floats, interquartile_mean, probability_of_improvement

accuracies = st.lists(st.floats(0, 100), min_size=2, max_size=12)
seldom = settings(max_examples=25, deadline=None)  # each example draws thousands of resamples


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def means(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=-1))


def interval(values: list[float] | Floats, resamples: int = RESAMPLES) -> ours.Interval:
    return stratified_bootstrap([values], means, generator(), resamples=resamples)


def test_interval_of_three_seeds_by_hand() -> None:
    # 1 of the 27 resamples has only the lowest and 1 only the highest: 3.7 % each, more than 2.5 %.
    assert interval([54, 90, 93]) == (54, 93)


def test_interval_of_two_values_by_hand() -> None:
    # Of 10 draws from five 0 and five 1 the count of 1 is binomial: below 2 in 1.1 %, below 3 in 5.5 %.
    assert interval([0] * 5 + [1] * 5) == pytest.approx((0.2, 0.8))


def test_a_single_seed_has_no_interval() -> None:
    assert all(map(math.isnan, interval([90.5])))
    with pytest.raises(ValueError, match="at least one value"):
        interval([])


def test_each_stratum_is_resampled_on_its_own() -> None:
    shapes = []

    def difference(first: Floats, second: Floats) -> Floats:
        shapes.append((first.shape, second.shape))
        assert set(first.ravel()) <= {1, 2} and set(second.ravel()) <= {10, 11, 12}
        return np.asarray(second.mean(axis=-1) - first.mean(axis=-1))

    low, high = stratified_bootstrap([[1, 2], [10, 11, 12]], difference, generator(), resamples=500)
    assert shapes == [((500, 2), (500, 3))]
    assert 8 <= low < 9.5 < high <= 11


def test_interval_is_scipys() -> None:
    values = np.random.default_rng(0).normal(91, 2, 20)
    for statistic, function in ((means, np.mean), (interquartile_mean, lambda x, axis: interquartile_mean(x))):
        theirs = bootstrap((values,), function, method="percentile", n_resamples=20_000, axis=-1).confidence_interval
        found = stratified_bootstrap([values], statistic, generator(), resamples=20_000)
        assert found == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_five_seeds_cover_the_mean_about_four_times_in_five() -> None:
    """What the note under the summary says."""
    draws = np.random.default_rng(1).normal(size=(1500, 5))
    found = [interval(values, resamples=1000) for values in draws]
    assert np.mean([low <= 0 <= high for low, high in found]) == pytest.approx(0.82, abs=0.03)


@seldom
@given(accuracies)
def test_interval_holds_the_mean_and_stays_among_the_values(values: list[float]) -> None:
    low, high = interval(values)
    assert min(values) - 1e-9 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= max(values) + 1e-9


@seldom
@given(accuracies, st.randoms(use_true_random=False), st.floats(-50, 50))
def test_order_changes_nothing_and_a_constant_shifts_both_ends(values: list[float], random, constant: float) -> None:
    low, high = interval(values)
    shuffled = list(values)
    random.shuffle(shuffled)
    assert interval(shuffled) == (low, high)
    assert interval(np.array(values) + constant) == pytest.approx((low + constant, high + constant), abs=1e-9)


@seldom
@given(accuracies, accuracies)
def test_interval_of_a_probability_holds_it(first: list[float], second: list[float]) -> None:
    low, high = stratified_bootstrap([first, second], probability_of_improvement, generator(), resamples=2000)
    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= probability_of_improvement(first, second) <= high + 1e-9


def test_permutation_test_by_hand() -> None:
    assert ours.permutation_test([1, 2, 3], generator()) == 2 / 8  # only all plus and all minus are as far from 0
    assert ours.permutation_test([1, 2, -3], generator()) == 1  # a mean of 0
    assert ours.permutation_test([-1, 2, 3], generator()) == 4 / 8  # sums 4, 6, −6, −4 of 8
    assert ours.permutation_test([0, 0], generator()) == 1
    assert ours.permutation_test([0.1] * 5, generator()) == 0.0625


@seldom
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=8))
def test_permutation_test_is_scipys(differences: list[int]) -> None:
    values = np.array(differences, dtype=float)
    pairs = (values, np.zeros(len(values)))
    theirs = permutation_test(pairs, lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf)
    assert ours.permutation_test(values, generator()) == pytest.approx(theirs.pvalue)


def test_many_pairs_are_permuted_at_random_and_never_give_zero() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, EXACT_PAIRS + 7)
    pairs = (values, np.zeros(len(values)))
    theirs = permutation_test(pairs, lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=20_000)
    assert ours.permutation_test(values, generator()) == pytest.approx(theirs.pvalue, abs=0.02)
    assert ours.permutation_test(np.full(40, 1.0), generator()) == 1 / (1 + RESAMPLES)
    assert ours.permutation_test(values[::-1], generator()) == ours.permutation_test(values, generator())
