"""Questions that people judged: corrected ones, and answers that they called right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fit_assets import settings
from fit_assets.filters import FilterError, QueryFilters
from fit_assets.language.text import normalise_question
from fit_assets.serving.feedback import load_feedback
from fit_assets.serving.jsonl import read_lines
from fit_assets.serving.query_log import read_log


@dataclass(frozen=True)
class Judged:
    """A question with the filters that are right by what somebody said; ``corrected`` where the answer was wrong."""

    question: str
    filters: QueryFilters
    timestamp: datetime
    corrected: bool


def judged_since(since: datetime | None) -> list[Judged]:
    """What was judged later than ``since`` (everything for None), oldest first, each question once.

    A correction counts more than a "right"; what waits for a person counts not at all.
    """
    feedback = load_feedback()
    found = {normalise_question(item.question): None for item in feedback.contradictions}
    judged: dict[str, Judged | None] = dict(found)
    for item in feedback.items:
        judged[normalise_question(item.question)] = Judged(item.question, item.filters, item.timestamp, True)
    for one in _confirmed():
        judged.setdefault(normalise_question(one.question), one)
    kept = [one for one in judged.values() if one is not None and (since is None or one.timestamp > since)]
    return sorted(kept, key=lambda one: one.timestamp)


def _confirmed() -> list[Judged]:
    """Answers that were called right, joined with the log by their id."""
    right: dict[str, datetime] = {}
    for path in sorted(settings.reactions_dir().glob("*.jsonl")):
        for line in read_lines(path):
            content = line.content or {}
            try:
                if content["verdict"] == "right":
                    right[content["answer_id"]] = datetime.fromisoformat(content["timestamp"])
            except (KeyError, TypeError, ValueError):
                continue  # torn by a full disk
    if not right:
        return []
    confirmed = []
    for entry in read_log():
        if entry.get("id") in right and entry.get("filters"):
            try:
                filters = QueryFilters.parse(entry["filters"])
            except FilterError:
                continue  # answered under an older contract
            confirmed.append(Judged(entry["question"], filters, right[entry["id"]], False))
    return confirmed
