"""Statistics on tiny inputs worked out by hand, and what must hold for any input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics import (
    interquartile_mean,
    paired,
    percentile,
    probability_of_improvement,
    relative_improvement,
    seed_band,
    share_at_or_below,
    spread,
)

accuracies = st.lists(st.floats(0, 100), min_size=1, max_size=12)


def test_spread_divides_by_n_minus_1() -> None:
    assert spread([54, 90, 93]) == (79.0, pytest.approx(math.sqrt((25**2 + 11**2 + 14**2) / 2)))


def test_a_single_seed_has_no_spread() -> None:
    mean, std = spread([90.5])
    assert mean == 90.5 and math.isnan(std)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_spread_refuses_what_is_no_vector_of_seeds(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        spread(values)


def test_band_is_mean_worst_and_best_seed_by_epoch() -> None:
    band = seed_band([[1, 5, 7], [3, 5, 1]])
    assert band.mean.tolist() == [2, 5, 4]
    assert band.low.tolist() == [1, 5, 1]
    assert band.high.tolist() == [3, 5, 7]


def test_band_has_no_value_where_a_seed_has_none() -> None:
    band = seed_band([[1, np.nan], [3, 5]])
    assert band.mean[0] == 2
    assert all(np.isnan(curve[1]) for curve in band)


def test_band_of_no_seeds_is_refused() -> None:
    with pytest.raises(ValueError, match="n > 0"):
        seed_band(np.empty((0, 3)))


def test_paired_by_hand() -> None:
    result = paired([90, 92, 93, 91], [92, 92, 94, 90])
    assert (result.n, result.won, result.lost, result.tied) == (4, 2, 1, 1)
    assert result.first.mean == 91.5 and result.second.mean == 92
    assert result.difference == (0.5, pytest.approx(math.sqrt((1.5**2 + 0.5**2 + 0.5**2 + 1.5**2) / 3)))


def test_pairs_need_two_of_each() -> None:
    with pytest.raises(ValueError, match="one length, got 2 and 1"):
        paired([1, 2], [1])


def test_share_between_quantiles_is_linear() -> None:
    share = share_at_or_below([0, 0.5, 1], [10, 90, 94], [9.9, 10, 50, 90, 92, 94, 99])
    assert share.tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_share_jumps_where_many_cells_are_equal() -> None:
    share = share_at_or_below([0, 0.1, 0.2, 1], [10, 10, 10, 90], [9.9, 10, 50])
    assert share.tolist() == pytest.approx([0, 0.2, 0.6])


def test_share_needs_a_value_for_each_level() -> None:
    with pytest.raises(ValueError, match="got 1 for 2"):
        share_at_or_below([0, 1], [10], [5])


def test_interquartile_mean_by_hand() -> None:
    assert interquartile_mean([54, 90, 91, 92, 99]) == 91
    assert interquartile_mean([54, 90, 93]) == 79, "of 3 a quarter is none"
    assert interquartile_mean([[1, 2, 3, 100], [4, 3, 2, 1]]).tolist() == [2.5, 2.5]
    with pytest.raises(ValueError, match="at least one value"):
        interquartile_mean([])


def test_relative_improvement_and_percentile_by_hand() -> None:
    assert relative_improvement([88, 80], 80).tolist() == [10, 0]
    assert percentile([1, 3, 5], 5).tolist() == pytest.approx([100, 60, 20])


def test_probability_of_improvement_by_hand() -> None:
    assert probability_of_improvement([90, 92], [92, 94, 80]) == pytest.approx((1.5 + 2 + 0) / 6)
    resamples = probability_of_improvement([[1, 2], [3, 3]], [[3], [3]])
    assert resamples.tolist() == [1, 0.5]


@given(accuracies)
def test_interquartile_mean_leaves_out_a_quarter_at_each_end(values: list[float]) -> None:
    quarter = len(values) // 4
    middle = sorted(values)[quarter : len(values) - quarter]
    assert interquartile_mean(values) == pytest.approx(np.mean(middle), abs=1e-9)


@given(accuracies, accuracies)
def test_probability_of_improvement_counts_couples_of_runs(first: list[float], second: list[float]) -> None:
    found = probability_of_improvement(first, second)
    points = [1.0 if after > before else 0.5 if after == before else 0.0 for before in first for after in second]
    assert found == pytest.approx(np.mean(points))
    assert probability_of_improvement(second, first) == pytest.approx(1 - found)


@given(accuracies, st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(values: list[float], random: np.random.Generator) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    assert spread(shuffled) == pytest.approx(spread(values), nan_ok=True, abs=1e-9)
    assert interquartile_mean(shuffled) == interquartile_mean(values)


@given(accuracies, st.floats(-50, 50))
def test_a_constant_shifts_the_mean_only(values: list[float], constant: float) -> None:
    before, after = spread(values), spread(np.array(values) + constant)
    assert after.mean == pytest.approx(before.mean + constant, abs=1e-9)
    assert after.std == pytest.approx(before.std, nan_ok=True, abs=1e-6)
    shifted = interquartile_mean(np.array(values) + constant)
    assert shifted == pytest.approx(interquartile_mean(values) + constant, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=12))
def test_swapping_the_rules_turns_the_comparison_round(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    one, other = paired(first, second), paired(second, first)
    assert one.won + one.lost + one.tied == one.n == len(pairs)
    assert (one.won, one.lost, one.tied) == (other.lost, other.won, other.tied)
    assert one.difference.mean == pytest.approx(-other.difference.mean)
