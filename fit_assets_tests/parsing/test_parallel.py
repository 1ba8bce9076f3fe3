"""Parsers asked at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.parallel import ParallelParser


class Meeting:
    """Answers only once as many threads as parsers have asked; notes how many asked it at the same time."""

    name = "canned"

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier
        self._busy = threading.Lock()

    def parse(self, question: str) -> ParseResult:
        assert self._busy.acquire(blocking=False), "one parser was asked by two threads"
        try:
            self._barrier.wait(timeout=10)
            return ParseResult(question, None, self.name, 1.0, error="canned")
        finally:
            self._busy.release()

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


def test_a_batch_is_answered_at_once_and_in_order() -> None:
    barrier = threading.Barrier(2)
    parser = ParallelParser([Meeting(barrier), Meeting(barrier)])
    questions = [f"wind {number}" for number in range(20)]
    assert [answer.question for answer in parser.parse_batch(questions)] == questions
    assert parser.name == "canned"


def test_without_parsers_it_says_so() -> None:
    with pytest.raises(ValueError, match="no parsers"):
        ParallelParser([])
