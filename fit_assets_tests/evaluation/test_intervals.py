from __future__ import annotations

import math

import pytest

from fit_assets.evaluation.intervals import (
    clustered_share,
    mcnemar,
    median_interval,
    paired_difference,
    percentile,
    wilson,
)


def test_wilson_matches_the_literature() -> None:
    # Newcombe, Statistics in Medicine 1998, 17:857: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_contains_the_share_at_both_ends() -> None:
    for n in (1, 4, 450):
        assert wilson(0, n)[0] == 0
        assert wilson(n, n)[1] == 1
        assert wilson(n, n)[0] < 1


def test_an_interval_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="at least one"):
        clustered_share([0.0], [0.0])
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 50)


def test_clusters_of_one_are_wilsons_interval_nearly() -> None:
    parts = [1.0] * 90 + [0.0] * 10
    share, low, high = clustered_share(parts, [1.0] * 100)
    assert share == 0.9
    assert (low, high) == pytest.approx(wilson(90, 100), abs=2e-3)


def test_errors_that_come_together_widen_the_interval() -> None:
    together = clustered_share([4.0] * 90 + [0.0] * 10, [4.0] * 100)
    spread = clustered_share([4.0] * 60 + [3.0] * 40, [4.0] * 100)
    assert together[0] == spread[0] == 0.9
    assert together[2] - together[1] > spread[2] - spread[1]
    assert clustered_share([4.0] * 100, [4.0] * 100)[1:] == pytest.approx(wilson(100, 100))


def test_paired_difference_matches_newcombes_example() -> None:
    # Newcombe, Statistics in Medicine 1998, 17:2635, table III, method 10: e=36 f=12 g=2 h=0.
    difference, low, high = paired_difference(both=36, only_a=2, only_b=12, neither=0)
    assert difference == pytest.approx(0.20)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_paired_difference_is_antisymmetric_and_bounded() -> None:
    forth, back = paired_difference(50, 10, 20, 20), paired_difference(50, 20, 10, 20)
    assert forth == pytest.approx((-back[0], -back[2], -back[1]))
    difference, low, high = paired_difference(100, 0, 0, 0)
    assert difference == 0
    assert -0.05 < low < 0 < high < 0.05


def test_mcnemar_is_the_sign_test() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 8) == pytest.approx(2 * (1 + 9) / 512)
    assert 0 <= mcnemar(100, 2000) < 1e-9


def test_percentiles_are_measured_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 99) == 7


def test_the_medians_interval_contains_it_and_shrinks() -> None:
    few = median_interval([float(value) for value in range(10)])
    many = median_interval([float(value) / 100 for value in range(1000)])
    assert few[1] <= few[0] <= few[2]
    assert many[2] - many[1] < few[2] - few[1]
    assert all(math.isfinite(value) for value in median_interval([3.0]))
