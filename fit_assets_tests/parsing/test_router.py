from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.cache import MemoryCache
from fit_assets.parsing.router import Router


class Scripted:
    """Answers Wind, or what the script says for a question: an error text, an exception, a confidence."""

    def __init__(self, name: str, script: dict[str, str | Exception | float] | None = None) -> None:
        self.name = name
        self.script = script or {}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def parse(self, question: str) -> ParseResult:
        with self._lock:
            self.asked.append(question)
        scripted = self.script.get(question, 1.0)
        if isinstance(scripted, Exception):
            raise scripted
        if isinstance(scripted, str):
            return ParseResult(question, None, self.name, 7.0, error=scripted)
        return ParseResult(question, QueryFilters(technology="Wind"), self.name, 7.0, confidence=scripted)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


def test_the_primary_answers() -> None:
    fallback = Scripted("regex")
    answer = Router(Scripted("gguf"), fallback).parse("wind")
    assert (answer.parser, answer.notes, fallback.asked) == ("gguf", (), [])


@pytest.mark.parametrize("failure", ["not valid JSON", RuntimeError("out of memory")])
def test_the_fallback_answers_for_a_failure_and_says_so(failure: str | Exception) -> None:
    answer = Router(Scripted("gguf", {"wind": failure}), Scripted("regex")).parse("wind")
    assert answer.parser == "regex"
    assert answer.filters is not None
    assert answer.error is None
    assert str(failure) in answer.notes[-1]
    assert answer.model_error == str(failure)


def test_low_confidence_goes_to_the_fallback_only_where_a_limit_is_set() -> None:
    unsure = {"wind": 0.3}
    assert Router(Scripted("gguf", unsure), Scripted("regex")).parse("wind").parser == "gguf"
    answer = Router(Scripted("gguf", unsure), Scripted("regex"), min_confidence=0.5).parse("wind")
    assert answer.parser == "regex"
    assert "0.30" in answer.notes[-1]
    assert answer.model_error is None  # a doubt is not a failure of the model


def test_the_time_of_the_failed_parser_counts() -> None:
    answer = Router(Scripted("gguf", {"wind": "no"}), Scripted("regex")).parse("wind")
    assert answer.latency_ms == 14.0


def test_both_failing_is_an_error_not_an_exception() -> None:
    both = {"wind": RuntimeError("broken")}
    answer = Router(Scripted("gguf", dict(both)), Scripted("regex", dict(both))).parse("wind")
    assert answer.filters is None
    assert "broken" in (answer.error or "")


def test_a_repeated_question_is_answered_from_the_cache() -> None:
    primary = Scripted("gguf")
    router = Router(primary, Scripted("regex"))
    router.parse("Wind in Kent")
    answer = router.parse("  wind IN kent ")
    assert primary.asked == ["Wind in Kent"]
    assert (answer.question, answer.cached) == ("  wind IN kent ", True)
    assert answer.latency_ms < 7.0


def test_failures_are_not_kept() -> None:
    primary = Scripted("gguf", {"wind": "busy"})
    router = Router(primary, Scripted("regex"))
    assert router.parse("wind").parser == "regex"
    primary.script.clear()
    assert router.parse("wind").parser == "gguf"


def test_the_cache_forgets_the_question_that_was_asked_longest_ago() -> None:
    primary = Scripted("gguf")
    router = Router(primary, Scripted("regex"), cache=MemoryCache(2))
    for question in ("a", "b", "a", "c", "a", "b"):
        router.parse(question)
    assert primary.asked == ["a", "b", "c", "b"]


def test_one_bad_question_does_not_spoil_the_batch() -> None:
    router = Router(Scripted("gguf", {"bad": RuntimeError("broken"), "odd": "no JSON"}), Scripted("regex"))
    answers = router.parse_batch(["wind", "bad", "odd", "hydro"])
    assert [answer.question for answer in answers] == ["wind", "bad", "odd", "hydro"]
    assert [answer.parser for answer in answers] == ["gguf", "regex", "regex", "gguf"]


def test_many_threads_may_ask() -> None:
    router = Router(Scripted("gguf", {"3": "no"}), Scripted("regex"), cache=MemoryCache(4))
    questions = [str(number % 7) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(router.parse, questions))
    assert [answer.question for answer in answers] == questions
    assert {answer.parser for answer in answers if answer.question == "3"} == {"regex"}
