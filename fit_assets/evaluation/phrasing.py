"""How a question is put, as labels to slice results by: length, order, slips, and what training has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fit_assets.dataset.natural import category_of
from fit_assets.evaluation.evaluate import Question
from fit_assets.language.reading import Reading, read
from fit_assets.places import Gazetteer, load_gazetteer

_LENGTHS = ((5, "1 to 5 words"), (10, "6 to 10 words"), (15, "11 to 15 words"))


@dataclass(frozen=True)
class Seen:
    """What the training questions name: places by their canonical or written name, and numbers of any kind."""

    places: frozenset[str]
    numbers: frozenset[float]

    @classmethod
    def of(cls, questions: Iterable[tuple[str, Mapping[str, Any]]], gazetteer: Gazetteer | None = None) -> Seen:
        """What these questions, each with its gold object, name."""
        gazetteer = gazetteer or load_gazetteer()
        places: set[str] = set()
        numbers: set[float] = set()
        for question, gold in questions:
            places |= {gold["location"]} if "location" in gold else set(gold.get("locations", ()))
            numbers |= {float(one.value) for one in read(question, gazetteer).numbers}
        return cls(frozenset(places), frozenset(numbers))


def labelled(question: Question, seen: Seen, gazetteer: Gazetteer | None = None) -> Question:
    """The question with its category of the mission and the labels of how it is put."""
    gazetteer = gazetteer or load_gazetteer()
    gold = question.gold.to_dict()
    asked = read(question.q, gazetteer)
    words = len(question.q.split())
    labels = {
        "length": next((label for most, label in _LENGTHS if words <= most), "16 words or more"),
        "spelling": "with slips" if _has_slips(asked, gazetteer) else "clean",
        "place": _place(gold, seen, gazetteer),
        "number": _number(asked, seen),
        "order": _order(asked),
    }
    return replace(question, category=question.category or category_of(gold), labels=labels)


def _has_slips(asked: Reading, gazetteer: Gazetteer) -> bool:
    """Whether a word of the domain was mended, or a place is written otherwise than it is spelled."""
    mended = any(word not in asked.plain for word in asked.text.replace("§", " ").split())
    return mended or any(match.score < 100 for match in gazetteer.find(asked.plain))


def _place(gold: Mapping[str, Any], seen: Seen, gazetteer: Gazetteer) -> str:
    names = gold.get("locations") or [gold[key] for key in ("location",) if key in gold]
    if not names:
        return "postcode only" if "postcode_patterns" in gold else "none"
    if any(gazetteer.get(name) is None for name in names):
        return "not in the gazetteer"
    return "seen in training" if seen.places.issuperset(names) else "not seen in training"


def _number(asked: Reading, seen: Seen) -> str:
    if not asked.numbers:
        return "none"
    known = all(float(one.value) in seen.numbers for one in asked.numbers)
    return "seen in training" if known else "not seen in training"


def _order(asked: Reading) -> str:
    """What is named first."""
    starts = [
        *((one.start, "place first") for one in (*asked.places, *asked.codes)),
        *((one.start, "technology first") for one in asked.technologies),
        *((one.start, "number first") for one in asked.numbers),
    ]
    return min(starts, default=(0, "none of them"))[1]
