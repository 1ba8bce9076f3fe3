from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fit_assets.evaluation.critical import CRITICAL_TESTS, judge, run_critical_tests
from fit_assets.filters import QueryFilters
from fit_assets_tests.evaluation.answers import Canned

FIRST, RATE, COMPARISON, REVENUE = CRITICAL_TESTS


@pytest.mark.parametrize("test", CRITICAL_TESTS)
def test_the_required_answer_passes_with_and_without_a_location(test: Any) -> None:
    assert judge(test, test.must_contain).passed
    if test is not RATE:
        assert judge(test, test.must_contain.replace(location="Berkshire")).passed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"capacity_min_kw": None}, "capacity_min_kw is missing"),
        ({"capacity_min_kw": 101}, "capacity_min_kw is 101"),
        ({"capacity_max_kw": 500}, "capacity_max_kw does not belong there"),
        ({"postcode_patterns": ["RG"]}, "postcode_patterns is ['RG']"),
    ],
)
def test_anything_else_fails_with_its_reason(changes: Mapping[str, Any], reason: str) -> None:
    result = judge(FIRST, FIRST.must_contain.replace(**changes))
    assert not result.passed
    assert result.reason == reason


def test_lists_may_come_in_any_order() -> None:
    turned = COMPARISON.must_contain.replace(technologies=["Photovoltaic", "Wind"])
    assert judge(COMPARISON, turned).passed


def test_no_answer_fails_with_the_parsers_error() -> None:
    result = judge(REVENUE, None, "not valid JSON")
    assert not result.passed
    assert "not valid JSON" in result.reason


def test_a_parser_is_asked_all_four() -> None:
    answers = {test.question: test.must_contain for test in CRITICAL_TESTS}
    assert [result.passed for result in run_critical_tests(Canned(answers))] == [True] * 4
    answers[RATE.question] = QueryFilters.parse({"fit_id": "1585"})
    assert [result.passed for result in run_critical_tests(Canned(answers))] == [True, False, True, True]
