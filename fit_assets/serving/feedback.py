"""Feedback: questions with the filters that people say are right, kept until the next training.

A line of ``feedback/*.jsonl`` has the mission's names (``manually_corrected``, ``original_query``,
``corrected_filters``) and beside them ``timestamp`` (when we received it), ``origin`` and ``user_note``.
Nothing is ever changed in place: duplicates and contradictions are sorted out when reading. What a person decided on
a question (:mod:`fit_assets.serving.review`) is a line of ``feedback/decisions/*.jsonl``.

A fifth of the questions is held out (:mod:`fit_assets.serving.held_out`), so that a candidate and the version in
production can be measured on what people corrected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fit_assets import settings
from fit_assets.filters import FilterError, QueryFilters
from fit_assets.language.text import normalise_question
from fit_assets.places import fill_patterns
from fit_assets.serving.held_out import held_out
from fit_assets.serving.jsonl import Line, append_line, read_lines, timestamp


class FeedbackError(ValueError):
    """Feedback that cannot be used; the message says what to mend."""


@dataclass(frozen=True)
class Feedback:
    """One corrected question."""

    question: str
    filters: QueryFilters
    timestamp: datetime
    origin: str = ""
    user_note: str = ""

    def to_line(self) -> dict[str, Any]:
        """The object that is stored, by the mission's names."""
        return {
            "manually_corrected": True,
            "original_query": self.question,
            "corrected_filters": self.filters.to_dict(),
            "timestamp": timestamp(self.timestamp),
            "origin": self.origin,
            "user_note": self.user_note,
        }


@dataclass(frozen=True)
class Decision:
    """What a person decided on a question: the filters that hold, or None where it is left out altogether.

    Corrections that were there before are settled by it; later ones are held against it.
    """

    question: str
    filters: QueryFilters | None
    timestamp: datetime
    who: str
    why: str = ""

    def to_line(self) -> dict[str, Any]:
        """The object that is stored."""
        return {
            "question": self.question,
            "filters": None if self.filters is None else self.filters.to_dict(),
            "timestamp": timestamp(self.timestamp),
            "who": self.who,
            "why": self.why,
        }


@dataclass(frozen=True)
class FeedbackSet:
    """All feedback, sorted out.

    ``items`` can be trained on, oldest first; ``contradictions`` are questions that were corrected in more than one
    way, with all their corrections: set aside until somebody decides; ``duplicates`` counts corrections that say
    the same again; ``refused`` are (file and line, reason).
    """

    items: tuple[Feedback, ...]
    contradictions: tuple[Feedback, ...]
    duplicates: int
    refused: tuple[tuple[str, str], ...]

    @property
    def watermark(self) -> datetime | None:
        """When the newest usable item came; None for none. What a training that used these items has seen."""
        return max((item.timestamp for item in self.items), default=None)


@dataclass(frozen=True)
class ImportResult:
    """What became of an imported file; ``refused`` are (line number, reason)."""

    added: int
    duplicates: int
    refused: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class FeedbackExamples:
    """Feedback as examples to train on, and those held out to measure on; ``refused`` are (question, reason).

    Both are objects with ``q``, ``gold``, ``category``, ``complexity``, ``combination``, ``source`` as in the data
    set's files, oldest first; ``watermark`` as in :class:`FeedbackSet`, of all usable feedback.
    """

    examples: tuple[dict[str, Any], ...]
    held_out: tuple[dict[str, Any], ...]
    refused: tuple[tuple[str, str], ...]
    watermark: datetime | None


def add_feedback(
    question: str,
    corrected_filters: QueryFilters | Mapping[str, Any] | str,
    origin: str = "cli",
    user_note: str = "",
    *,
    now: datetime | None = None,
) -> Feedback:
    """Keep one corrected question; ``now`` has a time zone and is this moment by default.

    Raises:
        FeedbackError: an empty question.
        FilterError: the filters break the contract.
        OSError: it could not be written.
    """
    item = _feedback(question, corrected_filters, now or datetime.now(UTC), origin, user_note)
    append_line(settings.feedback_dir(), item.to_line(), item.timestamp.astimezone(UTC).date())
    return item


def import_feedback(path: Path, *, now: datetime | None = None) -> ImportResult:
    """Keep the corrected questions of a JSONL file: all good lines; bad ones are refused by their number.

    What is already there is not added again, so that a file can be imported twice.

    Raises:
        OSError: the file cannot be read, or the feedback not written.
    """
    now = now or datetime.now(UTC)
    known = {_identity(item) for item in _stored()[0]}
    added, duplicates, refused = 0, 0, []
    for line in read_lines(path):
        try:
            item = _from_line(line, origin=path.name, received=now)
        except (FeedbackError, FilterError) as error:
            refused.append((line.number, str(error)))
            continue
        if _identity(item) in known:
            duplicates += 1
            continue
        known.add(_identity(item))
        append_line(settings.feedback_dir(), item.to_line(), now.astimezone(UTC).date())
        added += 1
    return ImportResult(added, duplicates, tuple(refused))


def load_feedback(since: datetime | None = None) -> FeedbackSet:
    """All feedback with duplicates and contradictions sorted out; with ``since``, what came later than that.

    Whether something is a duplicate or a contradiction is judged on all feedback, whenever it came. What a person
    settled counts as having come when it was settled: before, nothing could be trained on it.
    """
    stored, refused = _stored()
    decisions = decided()
    by_question: defaultdict[str, list[Feedback]] = defaultdict(list)
    for key, decision in decisions.items():
        if decision.filters is not None:
            settled = Feedback(decision.question, decision.filters, decision.timestamp, "review", decision.why)
            by_question[key].append(settled)
    for item in stored:
        key = normalise_question(item.question)
        if key not in decisions or item.timestamp > decisions[key].timestamp:
            by_question[key].append(item)
    agreed, contradictions, duplicates = [], [], 0
    for versions in by_question.values():
        if any(not item.filters.same_as(versions[0].filters) for item in versions):
            contradictions.extend(versions)
        else:
            agreed.append(versions[0])
            duplicates += len(versions) - 1
    agreed.sort(key=lambda item: item.timestamp)
    return FeedbackSet(
        items=tuple(item for item in agreed if since is None or item.timestamp > since),
        contradictions=tuple(item for item in contradictions if since is None or item.timestamp > since),
        duplicates=duplicates,
        refused=refused,
    )


def decided() -> dict[str, Decision]:
    """The last decision on each question, by its normalised text."""
    decisions = []
    for path in sorted(decisions_dir().glob("*.jsonl")):
        for line in read_lines(path):
            content = line.content or {}
            try:
                filters = None if content["filters"] is None else QueryFilters.parse(content["filters"])
                moment = datetime.fromisoformat(content["timestamp"])
                who, why = str(content.get("who", "")), str(content.get("why", ""))
                decisions.append(Decision(content["question"], filters, moment, who, why))
            except (KeyError, TypeError, ValueError, FilterError):
                continue  # torn by a full disk: it was never confirmed to who made it
    decisions.sort(key=lambda decision: decision.timestamp)
    return {normalise_question(decision.question): decision for decision in decisions}


def decisions_dir() -> Path:
    """Where decisions of people are kept."""
    return settings.feedback_dir() / "decisions"


def count_since(since: datetime | None) -> int:
    """How many usable corrected questions came later than ``since`` (all for None)."""
    return len(load_feedback(since).items)


def feedback_examples(exclude_questions: Iterable[str] = (), feedback: FeedbackSet | None = None) -> FeedbackExamples:
    """Feedback as examples, without what equals or nearly equals a question to be kept unseen.

    Args:
        exclude_questions: the questions of the test split and of every other set that is only measured on.
        feedback: what was loaded already (default: all there is).
    """
    from fit_assets.dataset.examples import Example
    from fit_assets.dataset.splits import find_leaks

    feedback = feedback or load_feedback()
    leaks = find_leaks(exclude_questions, [item.question for item in feedback.items])
    refused = {leak.second: f"{leak.reason} of a question that is only measured on: {leak.first!r}" for leak in leaks}
    usable = [item for item in feedback.items if item.question not in refused]
    unseen = held_out([item.question for item in usable])
    examples = [asdict(Example.of(item.question, item.filters.to_dict(), "feedback")) for item in usable]
    return FeedbackExamples(
        tuple(example for example in examples if example["q"] not in unseen),
        tuple(example for example in examples if example["q"] in unseen),
        tuple(refused.items()),
        feedback.watermark,
    )


def _stored() -> tuple[list[Feedback], tuple[tuple[str, str], ...]]:
    """Every stored correction, oldest first, and the lines that are none."""
    items, refused = [], []
    for path in sorted(settings.feedback_dir().glob("*.jsonl")):
        for line in read_lines(path):
            try:
                items.append(_from_line(line))
            except (FeedbackError, FilterError) as error:
                refused.append((line.where, str(error)))
    return sorted(items, key=lambda item: item.timestamp), tuple(refused)


def _from_line(line: Line, origin: str = "", received: datetime | None = None) -> Feedback:
    """A stored or imported line as feedback; ``received`` replaces the line's own timestamp."""
    content = line.content
    if content is None:
        raise FeedbackError(line.reason)
    for key, kind, name in (("original_query", str, "a text"), ("corrected_filters", dict, "an object")):
        if not isinstance(content.get(key), kind):
            raise FeedbackError(f"{key} is missing or not {name}")
    if content.get("manually_corrected") is not True:
        raise FeedbackError("manually_corrected is not true; only corrections made by a person are taken")
    try:
        moment = received or datetime.fromisoformat(content["timestamp"])
        timestamp(moment)
    except (KeyError, TypeError, ValueError) as error:
        raise FeedbackError(f"timestamp is missing or not ISO 8601 with a time zone ({error})") from error
    return _feedback(
        content["original_query"],
        content["corrected_filters"],
        moment,
        str(content.get("origin") or origin),
        str(content.get("user_note") or ""),
    )


def _feedback(
    question: str, filters: QueryFilters | Mapping[str, Any] | str, moment: datetime, origin: str, user_note: str
) -> Feedback:
    if not normalise_question(question):
        raise FeedbackError("the question is empty; write the question that was corrected")
    parsed = filters if isinstance(filters, QueryFilters) else QueryFilters.parse(filters)
    return Feedback(" ".join(question.split()), fill_patterns(parsed), moment, origin, user_note)


def _identity(item: Feedback) -> tuple[str, frozenset[tuple[str, Any]]]:
    return normalise_question(item.question), item.filters.pairs()
