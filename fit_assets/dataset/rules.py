"""The five data rules of the mission, each a function from examples to violations.

None of them trusts the generator: places are looked up in the gazetteer again, capacities are read again from the
question's own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fit_assets.dataset.examples import Example
from fit_assets.filters import FILTER_KEYS, TECHNOLOGIES, FilterError, QueryFilters, canonical_text
from fit_assets.places import load_gazetteer, postcodes_in

YORKSHIRE = frozenset({"YO", "HU", "DN", "HD", "WF", "LS", "BD"})
_CAPACITY_KEYS = ("capacity_min_kw", "capacity_max_kw")
_SIZE_WORDS = re.compile(r"\b(small|medium|mid|large|big|tiny|micro|little)", re.IGNORECASE)
_SIZE_BOUNDS = (50, 500)


@dataclass(frozen=True)
class Violation:
    """One example that breaks a rule, and what to mend."""

    index: int
    question: str
    message: str


def technology_spelling(examples: Sequence[Example]) -> list[Violation]:
    """Technologies are spelled exactly as the contract spells them."""
    violations = []
    for index, example in enumerate(examples):
        named = [example.gold["technology"]] if "technology" in example.gold else []
        for name in [*named, *example.gold.get("technologies", [])]:
            if name not in TECHNOLOGIES:
                violations.append(Violation(index, example.q, f"technology {name!r}: use one of {TECHNOLOGIES}"))
    return violations


def postcode_accuracy(examples: Sequence[Example]) -> list[Violation]:
    """A known place carries the gazetteer's patterns, or those of the postcodes in the question."""
    gazetteer = load_gazetteer()
    violations = []
    for index, example in enumerate(examples):
        patterns = set(example.gold.get("postcode_patterns", []))
        asked = {pattern for pattern, _, _ in postcodes_in(example.q)}
        expected = set(gazetteer.patterns_for(example.gold.get("location", "")) or ())
        if example.gold.get("location") == "Yorkshire" and not asked:
            expected |= YORKSHIRE
        if not (patterns == expected or (patterns and patterns <= asked)):
            violations.append(
                Violation(index, example.q, f"patterns {sorted(patterns)} should be {sorted(asked or expected)}")
            )
    return violations


def capacities_in_kw(examples: Sequence[Example]) -> list[Violation]:
    """Every capacity bound follows from a number and a unit, or a size word, in the question."""
    from fit_assets.parsing.ground import ungrounded

    violations = []
    for index, example in enumerate(examples):
        bounds = {key: example.gold[key] for key in _CAPACITY_KEYS if key in example.gold}
        if not bounds:
            continue
        loose = set(ungrounded(example.q, QueryFilters.parse(example.gold))) & set(bounds)
        if _SIZE_WORDS.search(example.q):
            loose -= {key for key in loose if bounds[key] in _SIZE_BOUNDS}
        violations += [
            Violation(index, example.q, f"{key} {bounds[key]} kW does not follow from the question; check its unit")
            for key in sorted(loose)
        ]
    return violations


def valid_json(examples: Sequence[Example]) -> list[Violation]:
    """The canonical text of every gold object parses and says the same again."""
    violations = []
    for index, example in enumerate(examples):
        try:
            text = canonical_text(example.gold)
            if QueryFilters.parse(text).canonical() != text:
                violations.append(Violation(index, example.q, "its canonical text changes on the way back"))
        except FilterError as error:
            violations.append(Violation(index, example.q, str(error)))
    return violations


def field_names(examples: Sequence[Example]) -> list[Violation]:
    """Only the contract's keys occur, none of them null."""
    return [
        Violation(index, example.q, f"{key!r} is unknown or null; use one of {', '.join(FILTER_KEYS)}")
        for index, example in enumerate(examples)
        for key, value in example.gold.items()
        if key not in FILTER_KEYS or value is None
    ]


RULES: Mapping[str, Callable[[Sequence[Example]], list[Violation]]] = {
    "technology_spelling": technology_spelling,
    "postcode_accuracy": postcode_accuracy,
    "capacities_in_kw": capacities_in_kw,
    "valid_json": valid_json,
    "field_names": field_names,
}


def summary(violations: Sequence[Violation], limit: int = 5) -> list[dict[str, Any]]:
    """The first violations as plain records, for a table in the metadata."""
    return [{"line": v.index + 1, "question": v.question, "mend": v.message} for v in violations[:limit]]
