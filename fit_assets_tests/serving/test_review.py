from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fit_assets.filters import FilterError
from fit_assets.serving.feedback import FeedbackError, add_feedback, count_since, decisions_dir, load_feedback
from fit_assets.serving.review import contradictions, settle, withdraw

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIND = {"technology": "Wind"}
HYDRO = {"technology": "Hydro"}


@pytest.fixture(autouse=True)
def disputed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question that was corrected three times in two ways, and one that was not."""
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    add_feedback("Turbines", HYDRO, "http", now=NOON)
    add_feedback("turbines", WIND, "cli", "wind ones", now=NOON + timedelta(minutes=1))
    add_feedback("turbines", WIND, "http", now=NOON + timedelta(minutes=2))
    add_feedback("weirs", HYDRO, now=NOON)


def later(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def test_a_contradiction_shows_its_readings_the_most_frequent_first() -> None:
    (found,) = contradictions()
    assert found.question == "Turbines"
    wind, hydro = found.readings
    assert (wind.filters.technology, wind.times, wind.origins, wind.notes) == (
        "Wind",
        2,
        ("cli", "http"),
        ("wind ones",),
    )
    assert (hydro.filters.technology, hydro.times, hydro.last) == ("Hydro", 1, NOON)


def test_what_is_settled_can_be_trained_on_and_counts_as_new() -> None:
    watermark = load_feedback().watermark
    assert count_since(watermark) == 0
    settle("TURBINES", WIND, "ann", "asked the author", now=later(1))
    assert contradictions() == []
    assert {item.question: item.filters.technology for item in load_feedback().items} == {
        "Turbines": "Wind",
        "weirs": "Hydro",
    }
    assert count_since(watermark) == 1


def test_a_later_correction_is_held_against_the_decision() -> None:
    settle("turbines", WIND, "ann", now=later(1))
    add_feedback("turbines", WIND, now=later(2))
    assert load_feedback().duplicates == 1
    add_feedback("turbines", HYDRO, now=later(3))
    assert [one.question for one in contradictions()] == ["Turbines"]
    settle("turbines", HYDRO, "bob", now=later(4))
    assert {item.filters.technology for item in load_feedback().items} == {"Hydro"}


def test_a_question_that_is_left_out_comes_back_when_it_is_corrected_anew() -> None:
    settle("turbines", None, "ann", now=later(1))
    assert [item.question for item in load_feedback().items] == ["weirs"]
    assert contradictions() == []
    add_feedback("turbines", WIND, now=later(2))
    assert len(load_feedback().items) == 2


def test_only_what_was_corrected_can_be_settled_and_only_by_the_contract() -> None:
    with pytest.raises(FeedbackError, match="nobody has corrected 'tides'"):
        settle("tides", WIND, "ann")
    with pytest.raises(FilterError, match="technology"):
        settle("turbines", {"technology": "wind"}, "ann")
    assert len(contradictions()) == 1


def test_spoiled_feedback_is_withdrawn_by_its_origin_and_time() -> None:
    add_feedback("solar roofs", HYDRO, "http", now=later(5))
    add_feedback("solar fields", HYDRO, "http", now=later(6))
    withdrawn = withdraw("http", later(5), "ann", "poisoned", now=later(7))
    assert {decision.question for decision in withdrawn} == {"solar roofs", "solar fields"}
    assert [item.question for item in load_feedback().items] == ["weirs"]
    assert len(contradictions()) == 1


def test_a_torn_decision_is_passed_over() -> None:
    settle("turbines", WIND, "ann", now=later(1))
    (path,) = decisions_dir().iterdir()
    with path.open("a") as file:
        file.write('{"question": "weirs", "filt')
    assert len(load_feedback().items) == 2
