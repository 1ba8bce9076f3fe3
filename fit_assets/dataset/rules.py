"""The mission's five rules for training data, each a function from examples to violations.

They read question and gold from outside: nothing here uses what the generator knows. Feedback and hand-written
examples pass through them too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import OSA

from fit_assets.dataset.examples import Example
from fit_assets.filters import FILTER_KEYS, TECHNOLOGIES, FilterError, QueryFilters, canonical_text
from fit_assets.language.text import normalise_question
from fit_assets.places import load_gazetteer

# Fixed by the mission, whatever the gazetteer says.
FIXED_PATTERNS: Mapping[str, frozenset[str]] = {
    "Yorkshire": frozenset(("YO", "HU", "DN", "HD", "WF", "LS", "BD")),
    "Berkshire": frozenset(("RG", "SL")),
}

_UNDER_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_FROM_TWENTY = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_UNDER_TWENTY)}
_NUMBER_WORDS |= {word: 10 * tens for tens, word in enumerate(_FROM_TWENTY, start=2)}
_ONES = "|".join(_UNDER_TWENTY[1:10])
_TENS = "|".join(_FROM_TWENTY)
_SCALES = {"hundred": 100, "thousand": 1000}
_WORD_NUMBER = re.compile(
    rf"\b(?:{'|'.join((*_NUMBER_WORDS, *_SCALES))})(?:[ -]+(?:and +)?(?:{'|'.join((*_NUMBER_WORDS, *_SCALES))}))*\b"
)
_KW = r"(?:k\.? ?w\.?(?:p|e|s)?|kay w|kilo[ -]?wat+s?)(?![a-z])"
_MW = r"(?:m\.? ?w\.?(?:p|e|s)?|mega[ -]?wat+s?|megs?)(?![a-z])"
_QUANTITY = re.compile(rf"(?<![a-z0-9.])(\d+(?:\.\d+)?|\.\d+)[ -]?(?:({_KW})|({_MW}))?|(?<![a-z])(?:({_KW})|({_MW}))")
_ABOUT = ("around", "about", "roughly", "approximately", "approx", "circa", "thereabouts", "ballpark", "give", "near")
_SIZES: Mapping[str, tuple[float, ...]] = {
    **dict.fromkeys(("small", "tiny"), (50.0,)),
    **dict.fromkeys(("medium", "mid-sized", "mid"), (50.0, 500.0)),
    **dict.fromkeys(("large", "big"), (500.0,)),
}


@dataclass(frozen=True)
class Violation:
    """One example that breaks one rule: its position, and what to do about it."""

    index: int
    rule: str
    message: str


def technology_spelling(examples: Sequence[Example]) -> list[Violation]:
    """Every technology is spelled exactly as the register spells it."""
    violations = []
    for index, example in enumerate(examples):
        named = [example.gold.get("technology"), *_list(example.gold.get("technologies"))]
        for name in named:
            if name is not None and name not in TECHNOLOGIES:
                mend = f"{name!r} is no technology of the register; write one of {', '.join(TECHNOLOGIES)}"
                violations.append(Violation(index, "technology_spelling", mend))
    return violations


def postcode_accuracy(examples: Sequence[Example]) -> list[Violation]:
    """Patterns are the gazetteer's for a known place, or stand in the question; the two fixed places are exact."""
    gazetteer = load_gazetteer()
    violations = []
    for index, example in enumerate(examples):
        location, patterns = example.gold.get("location"), _list(example.gold.get("postcode_patterns"))
        known = gazetteer.patterns_for(location) if isinstance(location, str) else None
        written = [pattern for pattern in patterns if _writes_postcode(example.q, str(pattern))]
        expected = FIXED_PATTERNS.get(str(location), frozenset(known or ()))
        message = None
        if patterns and written == patterns:
            continue  # the question's own postcodes, with or without a place
        if known is not None and set(patterns) != expected:
            message = f"patterns of {location} are {patterns}; write {sorted(expected)}"
        elif known is None and patterns:
            message = f"{patterns} come neither from the question nor from the gazetteer; remove them"
        if message:
            violations.append(Violation(index, "postcode_accuracy", message))
    return violations


def capacities_in_kw(examples: Sequence[Example]) -> list[Violation]:
    """Every capacity follows from a number and its unit, or a size in words, in the question's own text."""
    violations = []
    for index, example in enumerate(examples):
        bounds = {key: example.gold[key] for key in ("capacity_min_kw", "capacity_max_kw") if key in example.gold}
        if not bounds:
            continue
        licensed = capacities_in(example.q)
        for key, value in bounds.items():
            if not any(abs(value - other) < 1e-6 * max(1.0, other) for other in licensed):
                figures = ", ".join(f"{kw:g}" for kw in sorted(licensed)) or "no capacity"
                message = f"{key} is {value}, the question gives {figures} (kW); 1 MW is 1000 kW"
                violations.append(Violation(index, "capacities_in_kw", message))
    return violations


def valid_json(examples: Sequence[Example]) -> list[Violation]:
    """Every gold object is valid by the contract, and its canonical text reads back as itself.

    An empty one asks for everything: people may, the phrases do not.
    """
    violations = []
    for index, example in enumerate(examples):
        try:
            text = canonical_text(example.gold)
            if QueryFilters.parse(text).canonical() != text:
                message = f"{text} is not canonical; write {QueryFilters.parse(text).canonical()}"
                violations.append(Violation(index, "valid_json", message))
            if not example.gold and not example.source:
                violations.append(Violation(index, "valid_json", "gold is empty; name a constraint or 'unsupported'"))
        except (FilterError, TypeError, ValueError) as error:
            violations.append(Violation(index, "valid_json", f"{error}; correct the gold object"))
    return violations


def field_names(examples: Sequence[Example]) -> list[Violation]:
    """Every key is a key of the contract."""
    return [
        Violation(index, "field_names", f"unknown key {key!r}; known are {', '.join(FILTER_KEYS)}")
        for index, example in enumerate(examples)
        for key in example.gold
        if key not in FILTER_KEYS
    ]


RULES: Mapping[str, Callable[[Sequence[Example]], list[Violation]]] = {
    rule.__name__: rule for rule in (technology_spelling, postcode_accuracy, capacities_in_kw, valid_json, field_names)
}


def check_rules(examples: Sequence[Example]) -> dict[str, list[Violation]]:
    """All five rules, each with its violations (none where the data is clean)."""
    return {name: rule(examples) for name, rule in RULES.items()}


def capacities_in(question: str) -> set[float]:
    """Every capacity in kW that the question's words can mean.

    A number counts with the unit behind it; without one it counts as kW, and as MW too where a later number
    carries that unit ("1 to 5 MW"). "around" adds 10 % either side, a size in words its bounds.
    """
    text = _in_digits(normalise_question(question))
    found: set[float] = set()
    quantities = list(_QUANTITY.finditer(text))
    for position, match in enumerate(quantities):
        number, kilo, mega, bare_kilo, bare_mega = match.groups()
        if bare_mega or bare_kilo:
            continue
        value = float(number)
        if mega:
            found.add(value * 1000)
        elif kilo:
            found.add(value)
        else:
            found.add(value)
            later = next((other for other in quantities[position + 1 :] if other[2] or other[3]), None)
            if later is not None and later[3]:
                found.add(value * 1000)
    words = re.findall(r"[a-z]+(?:-[a-z]+)?", text)
    if re.search(r"~|\bish\b|-ish\b|\bor so\b|\bc\.? ?\d", text) or _means(words, _ABOUT):
        found |= {round(kw * factor, 3) for kw in found for factor in (0.9, 1.1)}
    for word, bounds in _SIZES.items():
        if _means([part for both in words for part in (both, both.split("-")[0])], (word,)):
            found |= set(bounds)
    return found


def _in_digits(text: str) -> str:
    """The text with number words and fractions as digits, thousands without their comma."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(rf"(?<=\d),(?=\d{{1,2}}[ -]?(?:{_KW}|{_MW}))", ".", text)
    text = re.sub(r"\b(over|under|above|below)(?=\d)|(?<=\d)(to)(?=\d)", r" \1\2 ", text)
    text = re.sub(r"\ba (mega[ -]?watt|meg) and a half", r"1.5 \1", text)
    text = re.sub(r"\b(\d+) and a half", r"\1.5", text)
    text = re.sub(rf"\b({'|'.join(_NUMBER_WORDS)}) and a half", lambda match: f"{_NUMBER_WORDS[match[1]]}.5", text)
    # Spoken: "one point five", "dot two five of a megawatt".
    text = re.sub(
        rf"(?:\b({_ONES}|zero|nought) )?\b(?:point|dot)((?: (?:{_ONES}|zero|nought|oh)\b)+)",
        lambda match: f"{_NUMBER_WORDS.get(match[1] or '', 0)}.{''.join(map(_digit, match[2].split()))}",
        text,
    )
    text = re.sub(r"\b(\d+) point (\d+)", r"\1.\2", text)
    text = re.sub(r"\bthree[ -]quarters of an? ", "0.75 ", text)
    text = re.sub(r"\b(?:a )?quarter (?:of )?(?:an? )?", "0.25 ", text)
    text = re.sub(rf"\b(?:(?:a )?half[ -](?:of )?(?:an?[ -])?|1/2 )(?={_MW})", "0.5 ", text)
    # Spoken: "two fifty kilowatts", "two twenty five kw"; and in Scots.
    text = text.replace("hunner", "hundred").replace("twa ", "two ")
    text = re.sub(rf"\b({_ONES}) (?=(?:{_TENS})\b(?:[ -](?:{_ONES}))?[ -]?(?:{_KW}|{_MW}))", r"\1 hundred ", text)
    text = re.sub(rf"(?<=\d) of an? (?={_MW})", " ", text)
    text = re.sub(rf"\ban? (?={_MW})", "1 ", text)
    return _WORD_NUMBER.sub(lambda match: " ; ".join(_readings(match[0])), text)


def _digit(word: str) -> str:
    return str(_NUMBER_WORDS.get(word, 0))


def _readings(words: str) -> list[str]:
    """All numbers that a run of number words can hold: "one hundred and five hundred" is 100 and 500 too."""
    parts = [part for part in re.split(r"[ -]+", words) if part != "and"]
    readings = []
    for last in range(len(parts), 0, -1):
        for first in range(last):
            value = _value(parts[first:last])
            # The reading next to the unit stands last, so that it keeps the unit.
            readings.append(str(value))
    return list(reversed(readings))


def _value(parts: Sequence[str]) -> int:
    total = group = 0
    for part in parts:
        if part in _SCALES:
            group = max(group, 1) * _SCALES[part]
            if part == "thousand":
                total, group = total + group, 0
        else:
            group += _NUMBER_WORDS[part]
    return total + group


def _means(words: Iterable[str], meant: Iterable[str]) -> bool:
    """Whether one of the words is one of the meant ones, or a typing slip of it."""
    return any(
        OSA.distance(word, target) <= (0 if len(target) < 4 else 1 if len(target) < 5 else 2)
        for target in meant
        for word in words
        if abs(len(word) - len(target)) <= 2
    )


def _writes_postcode(question: str, pattern: str) -> bool:
    """Whether the question writes this outward code or area, alone or as the head of a full postcode."""
    inward = r"(?: ?\d[a-z]{2})?" if any(char.isdigit() for char in pattern) else ""
    return re.search(rf"(?<![a-z0-9]){pattern.lower()}{inward}(?![a-z0-9])", normalise_question(question)) is not None


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def describe(violations: Sequence[Violation], examples: Sequence[Example], limit: int = 5) -> str:
    """The first few violations, one a line, with their questions."""
    return "\n".join(
        f"example {one.index} {json.dumps(examples[one.index].q, ensure_ascii=False)}: {one.rule}: {one.message}"
        for one in violations[:limit]
    )
