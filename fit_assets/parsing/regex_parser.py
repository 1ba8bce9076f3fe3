"""The rule parser: the contract's section "How words become values", written out as rules.

It is the baseline that the model must beat and the fallback that answers in its place. A question is read once
(:mod:`fit_assets.language.reading`); then each module of :mod:`fit_assets.language.rules` looks for its keys.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fit_assets.filters import QueryFilters
from fit_assets.language.reading import Reading, read
from fit_assets.language.rules import Filters, phrases
from fit_assets.language.rules.business import intent, time_left
from fit_assets.language.rules.capacity import capacity
from fit_assets.language.rules.figures import BY_REVENUE, aggregation, comparison, rank
from fit_assets.language.rules.installation import fit_id, fit_rate, shown
from fit_assets.language.rules.places import place, unknown_places
from fit_assets.language.rules.scope import is_out_of_scope
from fit_assets.language.rules.technologies import technology
from fit_assets.language.rules.years import years
from fit_assets.parsing.base import ParseResult

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer


class RegexParser:
    """Parses questions by rules; needs no model, is safe for use by several threads."""

    name = "regex"

    def __init__(self, gazetteer: Gazetteer | None = None) -> None:
        """Parse with these places (default: the project's)."""
        if gazetteer is None:
            from fit_assets.places import load_gazetteer

            gazetteer = load_gazetteer()
        self._gazetteer = gazetteer

    def parse(self, question: str) -> ParseResult:
        """Parse one question."""
        start = time.perf_counter()
        filters, error, notes = None, None, []
        try:
            asked = read(question, self._gazetteer)
            notes = [f"left out: “{words}” (exclusions cannot be asked for yet)" for words in asked.exclusions]
            filters = QueryFilters.parse(_filters(asked))
            notes += [f"“{name}” was not used" for name in _left_out(asked, filters)]
        except Exception as problem:  # the last resort of every question: it answers, it does not raise
            error = f"the rules failed on this question: {problem}"
        return ParseResult(
            question=question,
            filters=filters,
            parser=self.name,
            latency_ms=(time.perf_counter() - start) * 1000,
            text=filters.canonical() if filters else "",
            error=error,
            notes=tuple(notes),
        )

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order."""
        return [self.parse(question) for question in questions]


# What earns a tariff need not be asked for its revenue.
_REVENUE_ITSELF = phrases("revenues?", "incomes?", "earnings")


def _filters(asked: Reading) -> Filters:
    filters = _one_installation(asked) or _search(asked)
    return {"query_type": "unsupported"} if is_out_of_scope(asked, bool(filters)) else filters


def _left_out(asked: Reading, filters: QueryFilters) -> list[str]:
    """Names, capitalised as those of places are, that no filter uses: a place is never dropped in silence."""
    if filters.query_type == "unsupported" or filters.fit_id is not None:
        return []
    used = [filters.location, *(filters.locations or [])]
    return [name for name in unknown_places(asked) if name not in used and name in asked.question]


def _one_installation(asked: Reading) -> Filters:
    """One ``fit_id``, beside which only its rate, its revenue and the regional adjustment can be asked for."""
    identifier = fit_id(asked)
    return {"fit_id": identifier} | fit_rate(asked) | shown(asked) if identifier else {}


def _search(asked: Reading) -> Filters:
    filters = technology(asked) | place(asked) | capacity(asked) | shown(asked)
    if rate := fit_rate(asked):
        if not asked.has(_REVENUE_ITSELF):
            filters.pop("include_revenue", None)  # "what tariff do they earn"
        return filters | rate | years(asked, is_rate=True)
    ranking = rank(asked)
    compared = comparison(asked, "locations" in filters)
    figures = aggregation(asked, ranking, bool(compared))
    if "group_by" in figures and filters.get("include_revenue") and figures["group_by"] == "commissioned_year":
        figures = {}  # "revenue per year" is no breakdown
    filters |= figures or ranking
    if filters.get("sort_by") == "revenue_desc":
        filters.pop("include_revenue", None)
        if compared and asked.has(BY_REVENUE):
            filters = {key: value for key, value in filters.items() if key not in ranking} | {"include_revenue": True}
    filters |= years(asked, is_rate=False) | compared
    return filters | _business(asked, filters)


def _business(asked: Reading, filters: Filters) -> Filters:
    """Intent and years left: what the question states replaces what a word stands for, and that the intent's own."""
    by_year = "fit_expiry_year_min" in filters or "fit_expiry_year_max" in filters
    ranked = filters.get("sort_by") == "fit_remaining_asc"
    return intent(asked)[0] | time_left(asked, by_year=by_year, ranked=ranked)
