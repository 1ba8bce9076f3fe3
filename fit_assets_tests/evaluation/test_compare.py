from __future__ import annotations

from pathlib import Path

import pytest

from fit_assets.evaluation.compare import Comparison, accuracy_loss, compare, compare_parsers
from fit_assets.evaluation.evaluate import Question, Report
from fit_assets.evaluation.execution import AnswerComparer
from fit_assets.evaluation.metrics import Prediction
from fit_assets.filters import QueryFilters
from fit_assets_tests.evaluation.answers import Canned

WIND = QueryFilters.parse({"technology": "Wind"})
HYDRO = QueryFilters.parse({"technology": "Hydro"})


def report(parser: str, right: list[bool], latency_ms: float = 10.0) -> Report:
    return Report(
        parser,
        tuple(
            Prediction(f"q{number}", WIND, WIND if correct else HYDRO, latency_ms + number % 3)
            for number, correct in enumerate(right)
        ),
    )


def comparer() -> AnswerComparer:
    return AnswerComparer(lambda filters: (["id"], [(filters.canonical(),)]))


def test_a_clear_difference_gets_a_verdict() -> None:
    a = report("regex", [number % 10 < 7 for number in range(1000)])
    b = report("gguf", [number % 10 < 8 for number in range(1000)], latency_ms=200)
    found = compare(a, b, comparer())
    assert (found.both, found.only_a, found.only_b, found.neither) == (700, 0, 100, 200)
    assert found.difference[0] == pytest.approx(0.1)
    assert found.difference[1] > 0
    assert found.better == "gguf"
    assert found.same_results.value == 0.9
    assert found.latency_difference_ms[0] == 190
    assert "On 1,000 questions gguf answers more questions right than regex" in found.verdict
    assert "gguf takes 190 ms more a question" in found.verdict
    turned = compare(b, a, comparer())
    assert turned.better == "gguf"
    assert turned.difference[0] == pytest.approx(-0.1)


def test_a_small_difference_is_not_called_one() -> None:
    a, b = report("a", [True] * 50 + [False] * 3), report("b", [True] * 51 + [False] * 2)
    found = compare(a, b, comparer())
    assert found.better is None
    assert found.difference[1] < 0 < found.difference[2]
    assert "no difference in right answers" in found.verdict
    assert "no difference in time is shown" in found.verdict


def test_the_same_parser_twice_gets_two_names() -> None:
    found = compare(report("gguf", [True]), report("gguf", [False]), comparer())
    assert (found.a, found.b) == ("gguf A", "gguf B")
    named = compare(report("gguf", [True]), report("gguf", [True]), comparer(), names=("version 1", "version 2"))
    assert (named.a, named.b) == ("version 1", "version 2")


def test_different_questions_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="evaluate both on the same file"):
        compare(report("a", [True]), report("b", [True, True]))
    with pytest.raises(ValueError, match="without questions"):
        compare(report("a", []), report("b", []))


def test_without_a_warehouse_the_filters_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    found = compare(report("a", [True, True]), report("b", [True, False]))
    assert found.same_results.value == 0.5


def test_two_failures_agree_and_one_does_not() -> None:
    failed = Prediction("q0", WIND, None)
    a, b = Report("a", (failed,)), report("b", [True])
    assert compare(a, Report("b", (failed,)), comparer()).same_results.value == 1
    assert compare(a, b, comparer()).same_results.value == 0


def test_parsers_are_asked_the_same_questions() -> None:
    questions = [Question("one", WIND), Question("two", HYDRO)]
    found, report_a, report_b = compare_parsers(
        Canned({"one": WIND}, name="a"), Canned({"one": WIND, "two": HYDRO}, name="b"), questions, comparer()
    )
    assert isinstance(found, Comparison)
    assert (found.both, found.only_b) == (1, 1)
    assert report_a.questions_digest == report_b.questions_digest
    assert found.to_dict()["verdict"] == found.verdict


def test_loss_is_what_the_reference_had_more() -> None:
    assert accuracy_loss(report("a", [True, True]), report("b", [True, False])) == 0.5
    with pytest.raises(ValueError, match="no question in common"):
        accuracy_loss(report("a", []), report("b", [True]))


def test_loss_is_that_on_the_questions_that_both_were_asked() -> None:
    assert accuracy_loss(report("a", [True]), report("b", [True, False])) == 0
    assert accuracy_loss(report("a", [True, True]), report("b", [False])) == 1
