"""The four questions that must always pass: the mission's own, word for word from the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import Parser

# The only key that may stand in an answer beside those that it must contain.
ALLOWED_BESIDE = "location"


@dataclass(frozen=True)
class CriticalTest:
    """A question and the keys and values that its answer must contain."""

    question: str
    must_contain: QueryFilters


@dataclass(frozen=True)
class CriticalResult:
    """The verdict on one critical test; ``reason`` is empty where it passed."""

    question: str
    passed: bool
    reason: str
    filters: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> CriticalResult:
        """The inverse of :meth:`to_dict`."""
        return cls(**plain)


CRITICAL_TESTS: tuple[CriticalTest, ...] = tuple(
    CriticalTest(question, QueryFilters.parse(must_contain))
    for question, must_contain in (
        (
            "wind sites over 100kw in berkshire",
            '{"technology":"Wind","capacity_min_kw":100,"postcode_patterns":["RG","SL"]}',
        ),
        (
            "what is the fit rate for fit id 1585",
            '{"query_type":"fit_rate","fit_id":"1585"}',
        ),
        (
            "compare wind and solar in Yorkshire",
            '{"query_type":"comparison","technologies":["Wind","Photovoltaic"],'
            '"postcode_patterns":["YO","HU","DN","HD","WF","LS","BD"]}',
        ),
        (
            "show regional adjusted revenue for all wind farms",
            '{"technology":"Wind","include_regional":true,"include_revenue":true}',
        ),
    )
)


def judge(test: CriticalTest, filters: QueryFilters | None, error: str | None = None) -> CriticalResult:
    """Whether an answer contains what it must, and nothing beside it but a ``location``."""
    if filters is None:
        return CriticalResult(test.question, False, f"no valid answer: {error or 'unknown reason'}", None)
    must, given = dict(test.must_contain.pairs()), dict(filters.pairs())
    complaints = [
        *(f"{key} is missing" for key in must if key not in given),
        *(f"{key} is {filters.to_dict()[key]!r}" for key in must if key in given and given[key] != must[key]),
        *(f"{key} does not belong there" for key in given if key not in must and key != ALLOWED_BESIDE),
    ]
    return CriticalResult(test.question, not complaints, "; ".join(sorted(complaints)), filters.to_dict())


def run_critical_tests(parser: Parser) -> list[CriticalResult]:
    """Ask a parser the four questions."""
    answers = parser.parse_batch([test.question for test in CRITICAL_TESTS])
    return [judge(test, answer.filters, answer.error) for test, answer in zip(CRITICAL_TESTS, answers, strict=True)]
