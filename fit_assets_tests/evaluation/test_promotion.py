"""The promotion rule on made-up answers."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from fit_assets.evaluation.evaluate import Report
from fit_assets.evaluation.metrics import Prediction
from fit_assets.evaluation.promotion import decide
from fit_assets.filters import QueryFilters

WIND, HYDRO = (QueryFilters.parse({"technology": technology}) for technology in ("Wind", "Hydro"))


def report(n: int, wrong: Iterable[int] = (), rare: int = 0) -> Report:
    """Answers to n questions; the first ``rare`` ones are of a category of their own."""
    bad = set(wrong)
    predictions = [
        Prediction(f"q{i}", WIND, HYDRO if i in bad else WIND, category="rare" if i < rare else "common")
        for i in range(n)
    ]
    return Report("gguf", tuple(predictions))


def test_a_candidate_that_is_better_everywhere_is_promoted() -> None:
    verdict = decide({"test": (report(400, range(20)), report(400, range(10))), "feedback": (report(20), report(20))})
    assert verdict.promote
    assert verdict.reasons == ()
    assert "test: 95.0 % → 97.5 % of 400 (+2.5 points" in verdict.summary
    assert verdict.to_dict()["standings"][0]["gained"] == 10


def test_equal_is_not_better() -> None:
    verdict = decide({"test": (report(400, range(20)), report(400, range(1, 21)))})
    assert not verdict.promote
    assert verdict.reasons == (
        "it is no better than production: as many right answers to 400 questions (1 gained, 1 lost)",
    )


def test_what_the_intervals_cannot_tell_is_outweighed_by_a_gain_elsewhere() -> None:
    small_loss = (report(400, range(20)), report(400, range(22)))
    gain = (report(20, range(15)), report(20, range(3)))
    assert decide({"test": small_loss, "feedback": gain}).promote
    assert decide({"test": small_loss}).reasons == (
        "it is no better than production: 2 fewer right answers to 400 questions (0 gained, 2 lost)",
    )


def test_a_loss_of_more_than_a_point_on_a_set_is_refused_even_within_the_interval() -> None:
    loss = (report(100, [1, 2]), report(100, [1, 2, 3, 4]))
    verdict = decide({"natural": loss, "feedback": (report(20, range(15)), report(20))})
    assert not verdict.promote
    assert "it loses more than 1 point on natural: 98.0 % → 96.0 % of 100" in verdict.reasons[0]


def test_a_loss_that_is_shown_is_refused_whatever_is_gained_elsewhere() -> None:
    worse = (report(400, range(5)), report(400, range(60)))
    verdict = decide({"test": worse, "feedback": (report(100, range(100)), report(100))})
    assert "it is shown to be worse on test" in verdict.summary


def test_a_slice_may_lose_two_questions_or_a_point() -> None:
    before = report(400, range(200, 230), rare=30)
    assert decide({"test": (before, report(400, [1, 2], rare=30))}).promote
    verdict = decide({"test": (before, report(400, [1, 2, 3], rare=30))})
    assert len(verdict.reasons) == 1
    assert "test, category rare: 30 → 27 of 30 right (-10.0 points" in verdict.reasons[0]


def test_a_set_without_questions_decides_nothing_and_other_questions_are_an_error() -> None:
    better = (report(400, range(20)), report(400))
    assert decide({"test": better, "feedback": (report(0), report(0))}).promote
    with pytest.raises(ValueError, match="were asked different questions"):
        decide({"test": (report(3), report(4))})
