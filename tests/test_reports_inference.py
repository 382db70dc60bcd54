"""Intervals and tests: by hand, by counting every resample, and by how often they hold what they say."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.inference import (
    EXACT_PAIRS,
    RESAMPLES,
    Interval,
    bootstrap_interval,
    mean_interval,
    normality_p,
    permutation_test,
    prediction_interval,
    share_interval,
    sign_test,
    smallest_p,
)
from reports.statistics import Floats, interquartile_mean, probability_of_improvement

accuracies = st.lists(st.floats(0, 100), min_size=2, max_size=12)
seldom = settings(max_examples=25, deadline=None)  # each example draws thousands of resamples


def test_t_interval_by_hand() -> None:
    # Mean 2, s = 1, and t = 4.302653 for two degrees of freedom: 2 ± 4.302653 / √3.
    assert mean_interval([1, 2, 3]) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)
    assert mean_interval([54.3, 54.3, 54.3]) == (54.3, 54.3)


def test_a_single_seed_has_no_interval() -> None:
    assert all(map(math.isnan, mean_interval([90.5])))
    assert all(map(math.isnan, bootstrap_interval([[90.5]], interquartile_mean)))
    for values in (mean_interval, lambda empty: bootstrap_interval([empty], interquartile_mean)):
        with pytest.raises(ValueError, match="at least one value"):
            values([])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_interval_of_few_normal_seeds_holds_the_mean_as_often_as_it_says(n: int) -> None:
    """A percentile bootstrap of 5 holds it in 84 % of the cases, of 3 in 75 %."""
    found = [mean_interval(values) for values in np.random.default_rng(1).normal(size=(4000, n))]
    assert np.mean([low <= 0 <= high for low, high in found]) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("runs", "n"), [(3, 5), (3, 1), (10, 3)])
def test_the_mean_of_new_runs_falls_where_predicted_as_often_as_it_says(runs: int, n: int) -> None:
    random = np.random.default_rng(2)
    published, ours = random.normal(size=(4000, runs)), random.normal(size=(4000, n)).mean(axis=1)
    found = [prediction_interval(values.mean(), values.std(ddof=1), runs, n) for values in published]
    held = [low <= mean <= high for (low, high), mean in zip(found, ours, strict=True)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)


def test_prediction_interval_by_hand() -> None:
    # GDAS: 93.61 ± 0.09 over 3 runs, and 3 of ours: 93.61 ± 4.302653 · 0.09 · √(2/3).
    assert prediction_interval(93.61, 0.09, 3, 3) == pytest.approx((93.2938, 93.9262), abs=1e-4)
    for runs, n in ((1, 5), (3, 0)):
        with pytest.raises(ValueError, match="a prediction needs at least 2 runs"):
            prediction_interval(93.61, 0.09, runs, n)


def test_exact_binomial_interval_by_hand() -> None:
    assert share_interval(3, 3) == (pytest.approx(0.025 ** (1 / 3)), 1)  # the share of which 3 of 3 is met in 2.5 %
    assert share_interval(0, 3) == (0, pytest.approx(1 - 0.025 ** (1 / 3)))
    low, high = share_interval(2, 3)
    assert high == pytest.approx(0.975 ** (1 / 3))  # the share of which 2 of 3 or fewer are met in 2.5 %
    assert 3 * low**2 * (1 - low) + low**3 == pytest.approx(0.025)


def test_normality_is_doubted_of_a_stray_seed_and_not_of_any_few() -> None:
    assert normality_p([93.1, 93.2, 93.3, 93.2, 54.3]) < 0.001
    assert normality_p([93.1, 93.2, 93.4, 93.3, 93.25]) > 0.5
    assert all(map(math.isnan, (normality_p([1, 2]), normality_p([5.0]), normality_p([5, 5, 5]))))


def by_counting(values: list[float]) -> Interval:
    """The percentile interval of the interquartile mean from each of the nⁿ resamples, once."""
    every = np.array(list(product(values, repeat=len(values))))
    return Interval(*np.quantile(interquartile_mean(every), [0.025, 0.975], method="inverted_cdf"))


@pytest.mark.parametrize("values", [[54.0, 90.0, 93.0], [91.0, 91.5, 93.0, 94.0], [88.0, 92.0, 92.5, 93.0, 93.5]])
def test_bootstrap_is_near_to_counting_every_resample(values: list[float]) -> None:
    assert bootstrap_interval([values], interquartile_mean) == pytest.approx(by_counting(values), abs=0.26)


def test_each_group_is_resampled_on_its_own() -> None:
    shapes = []

    def difference(first: Floats, second: Floats, axis: int) -> Floats:
        shapes.append((first.shape, second.shape))
        assert set(first.ravel()) <= {1, 2} and set(second.ravel()) <= {10, 11, 12}
        return np.asarray(second.mean(axis=axis) - first.mean(axis=axis))

    low, high = bootstrap_interval([[1, 2], [10, 11, 12]], difference)
    assert ((RESAMPLES, 2), (RESAMPLES, 3)) in shapes
    assert 8 <= low < 9.5 < high <= 11


@seldom
@given(accuracies, st.randoms(use_true_random=False), st.floats(-50, 50))
def test_order_changes_nothing_and_a_constant_shifts_both_ends(values: list[float], random, constant: float) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    for interval in (mean_interval, lambda of: bootstrap_interval([of], interquartile_mean)):
        low, high = interval(values)
        assert interval(shuffled) == (low, high)
        assert interval(np.array(values) + constant) == pytest.approx((low + constant, high + constant), abs=1e-6)
    assert permutation_test(shuffled) == permutation_test(values)
    assert normality_p(shuffled) == pytest.approx(normality_p(values), nan_ok=True)


@seldom
@given(accuracies)
def test_intervals_hold_what_they_are_of(values: list[float]) -> None:
    low, high = mean_interval(values)
    assert low - 1e-9 <= np.mean(values) <= high + 1e-9
    low, high = bootstrap_interval([values], interquartile_mean)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@seldom
@given(accuracies, accuracies)
def test_interval_of_a_probability_is_one_of_probabilities(first: list[float], second: list[float]) -> None:
    low, high = bootstrap_interval([first, second], probability_of_improvement)
    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= probability_of_improvement(first, second) <= high + 1e-9


@given(st.integers(0, 12), st.integers(1, 12))
def test_the_exact_interval_holds_the_share_and_reaches_one_only_where_all_are_hits(hits: int, n: int) -> None:
    hits = min(hits, n)
    low, high = share_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert (high == 1, low == 0) == (hits == n, hits == 0)


def test_permutation_test_by_hand() -> None:
    assert permutation_test([1, 2, 3]) == 2 / 8  # only all plus and all minus are as far from 0
    assert permutation_test([1, 2, -3]) == 1  # a mean of 0
    assert permutation_test([-1, 2, 3]) == 4 / 8  # sums 4, 6, −6, −4 of 8
    assert permutation_test([0, 0]) == permutation_test([3]) == 1
    assert permutation_test([0.1] * 5) == 0.0625


@seldom
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=8))
def test_few_pairs_are_permuted_in_every_way(differences: list[int]) -> None:
    values = np.array(differences)
    signs = np.array(list(product((-1, 1), repeat=len(values))))
    as_far = np.abs(signs @ values) >= abs(values.sum())
    assert permutation_test(values) == pytest.approx(as_far.mean())


def test_many_pairs_are_permuted_at_random_and_never_give_zero() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, EXACT_PAIRS + 7)
    assert permutation_test(values) == permutation_test(values[::-1])
    assert permutation_test(np.full(40, 1.0)) == pytest.approx(2 / (1 + RESAMPLES))


def test_exact_pairs_is_the_most_whose_patterns_are_all_tried() -> None:
    assert 2**EXACT_PAIRS <= RESAMPLES < 2 ** (EXACT_PAIRS + 1)
    assert permutation_test(np.full(EXACT_PAIRS, 1.0)) == smallest_p(EXACT_PAIRS)


def test_sign_test_by_hand() -> None:
    assert [sign_test(5, 0), sign_test(0, 5), sign_test(4, 1), sign_test(3, 2)] == [0.0625, 0.0625, 0.375, 1]
    assert sign_test(0, 0) == 1
    assert [smallest_p(n) for n in (0, 1, 2, 5, 6)] == [1, 1, 0.5, 0.0625, 0.03125]


@given(st.integers(0, 40), st.integers(0, 40))
def test_no_sign_test_is_below_the_smallest_p(won: int, lost: int) -> None:
    assert sign_test(won, lost) >= smallest_p(won + lost) * (1 - 1e-9)
