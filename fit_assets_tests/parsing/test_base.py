"""Answers that will not end."""

import pytest

from fit_assets.parsing.base import repeats_itself


@pytest.mark.parametrize("period", [1, 2, 5, 12])
def test_a_circle_is_seen(period: int) -> None:
    assert repeats_itself([*range(100, 120), *list(range(period)) * 30])


def test_what_goes_on_is_no_circle() -> None:
    assert not repeats_itself(list(range(200)))
    assert not repeats_itself([1] * 23)
    assert not repeats_itself([*[1, 2] * 12, 3])
