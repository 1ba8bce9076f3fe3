"""Review of feedback: what people corrected in two ways is shown, and settled by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fit_assets.filters import QueryFilters
from fit_assets.language.text import normalise_question
from fit_assets.places import fill_patterns
from fit_assets.serving.feedback import (
    Decision,
    Feedback,
    FeedbackError,
    FeedbackSet,
    decided,
    decisions_dir,
    load_feedback,
)
from fit_assets.serving.jsonl import append_line


@dataclass(frozen=True)
class Reading:
    """One way in which a question was corrected: how often, from where, and when last."""

    filters: QueryFilters
    times: int
    origins: tuple[str, ...]
    last: datetime
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Contradiction:
    """A question that was corrected in more than one way; the reading that came most often stands first."""

    question: str
    readings: tuple[Reading, ...]


def contradictions(feedback: FeedbackSet | None = None) -> list[Contradiction]:
    """Everything that waits for a person, by question; of all feedback, unless some was loaded already."""
    found: dict[str, list[Feedback]] = {}
    for item in (feedback or load_feedback()).contradictions:
        found.setdefault(normalise_question(item.question), []).append(item)
    return [Contradiction(items[0].question, _readings(items)) for _, items in sorted(found.items())]


def settle(
    question: str,
    filters: QueryFilters | Mapping[str, Any] | str | None,
    who: str,
    why: str = "",
    *,
    now: datetime | None = None,
) -> Decision:
    """Decide what holds for a question that was corrected, or with None that nothing is learnt from it.

    Raises:
        FeedbackError: nobody has corrected that question.
        FilterError: the filters break the contract.
        OSError: it could not be written.
    """
    spelled = _spellings(load_feedback()).get(normalise_question(question))
    if spelled is None:
        raise FeedbackError(f"nobody has corrected {question!r}; see: fit feedback review")
    parsed = filters if filters is None or isinstance(filters, QueryFilters) else QueryFilters.parse(filters)
    return _keep(Decision(spelled, parsed and fill_patterns(parsed), now or datetime.now(UTC), who, why))


def withdraw(origin: str, since: datetime, who: str, why: str = "", *, now: datetime | None = None) -> list[Decision]:
    """Leave out every question that was corrected from an origin since a moment: when somebody spoiled the feedback.

    Raises:
        OSError: it could not be written.
    """
    feedback = load_feedback()
    hit = dict.fromkeys(
        normalise_question(item.question)
        for item in (*feedback.items, *feedback.contradictions)
        if item.origin == origin and item.timestamp >= since
    )
    spelled = _spellings(feedback)
    return [_keep(Decision(spelled[question], None, now or datetime.now(UTC), who, why)) for question in hit]


def _spellings(feedback: FeedbackSet) -> dict[str, str]:
    """Every question that was corrected or decided, as it was first spelled, by its normalised text."""
    questions = [item.question for item in (*feedback.items, *feedback.contradictions)]
    questions += [decision.question for decision in decided().values()]
    # Of two spellings the later overwrites, so the first comes last.
    return {normalise_question(question): question for question in reversed(questions)}


def _keep(decision: Decision) -> Decision:
    append_line(decisions_dir(), decision.to_line(), decision.timestamp.astimezone(UTC).date())
    return decision


def _readings(items: list[Feedback]) -> tuple[Reading, ...]:
    groups: dict[frozenset[tuple[str, Any]], list[Feedback]] = {}
    for item in items:
        groups.setdefault(item.filters.pairs(), []).append(item)
    readings = [
        Reading(
            group[0].filters,
            len(group),
            tuple(Counter(item.origin for item in group)),
            max(item.timestamp for item in group),
            tuple(item.user_note for item in group if item.user_note),
        )
        for group in groups.values()
    ]
    return tuple(sorted(readings, key=lambda reading: (-reading.times, reading.filters.canonical())))
