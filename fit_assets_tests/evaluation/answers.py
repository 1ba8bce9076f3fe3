"""A parser that gives prepared answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult


@dataclass
class Canned:
    """Answers from a table; a question that is not in it gets an error."""

    answers: Mapping[str, QueryFilters]
    name: str = "canned"
    latency_ms: float = 2.0
    asked: list[str] = field(default_factory=list)

    def parse(self, question: str) -> ParseResult:
        self.asked.append(question)
        filters = self.answers.get(question)
        error = None if filters else "I do not know"
        return ParseResult(question, filters, self.name, self.latency_ms, filters.canonical() if filters else "", error)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]
