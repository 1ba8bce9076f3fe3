"""Natural questions to learn from, and each of them again with other values.

``data/questions/train.jsonl`` holds questions as people typed them, each with its filters. The wording of such a
question is what no template gives; its places, numbers and technologies could be others. So a question stands in the
data set as it was written, and again with its values exchanged: another place of the same kind, another number with the
same unit, another year, another technology in the same grammatical form, and the gold object with them. What was
exchanged is read again by the rules: a variant that no longer means what its gold says is dropped.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fit_assets.dataset import slots as say
from fit_assets.dataset.examples import read_jsonl
from fit_assets.dataset.phrases import PhraseBook
from fit_assets.dataset.spoken import plain
from fit_assets.evaluation.metrics import CONSTRAINT_KEYS
from fit_assets.filters import TECHNOLOGIES, FilterError, QueryFilters
from fit_assets.language.numbers import Quantity, number, quantities
from fit_assets.language.reading import read
from fit_assets.language.text import normalise_question
from fit_assets.language.vocabulary import find_technologies
from fit_assets.parsing.regex_parser import RegexParser
from fit_assets.places import Gazetteer, Place, fill_patterns, postcodes_in

_SWAP_TECHNOLOGY = 0.5
_MEGAWATTS = (0.1, 0.2, 0.25, 0.3, 0.5, 0.5, 0.75, 0.8, 1, 1, 1.2, 1.25, 1.5, 1.5, 1.8, 2, 2, 2.5, 3, 3.5, 4, 5)
_MONTHS = (3, 6, 6, 9, 12, 18, 18, 24, 30, 36)
_COMMISSIONING_YEARS = (2010, 2019)
_END_YEARS = (2026, 2044)
_CAPACITY_KEYS = ("capacity_min_kw", "capacity_max_kw")
_REMAINING_KEYS = ("fit_remaining_min_years", "fit_remaining_max_years")
_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?|\.\d+")

Gold = dict[str, Any]
# A stretch of a question, and what is to stand there.
_Edit = tuple[int, int, str]


@dataclass(frozen=True)
class Seed:
    """A natural question with its gold filters (postcode patterns filled in) and its category of the mission."""

    q: str
    gold: Gold
    category: str
    name: str


def load_seeds(path: Path, gazetteer: Gazetteer) -> list[Seed]:
    """The questions of a JSONL file of lines with ``q`` and ``gold``.

    Raises:
        ExampleError: a line that is no question with gold by the contract; names file and line.
    """
    return [
        Seed(" ".join(example.q.split()), gold, category_of(gold), f"natural {count}")
        for count, example in enumerate(read_jsonl(path), start=1)
        for gold in [dict(sorted(fill_patterns(example.gold, gazetteer).items()))]
    ]


def category_of(gold: Mapping[str, Any]) -> str:
    """The mission's category that a question with this gold belongs to, as the generator draws them.

    A figure over what a place or several constraints select counts by these; what is split into groups is its own kind.
    """
    stated = {kind for kind, keys in CONSTRAINT_KEYS.items() if keys & gold.keys()}
    kind = gold.get("query_type")
    if kind == "unsupported":
        return "out_of_scope"
    if kind == "fit_rate" or "fit_id" in gold:
        return "fit_rate"
    if kind == "comparison":
        return "comparisons"
    if "query_intent" in gold:
        return "business_queries"
    if gold.keys() & {"include_revenue", "include_regional"}:
        return "regional_calculations"
    if len(stated) > 2 or (len(stated) == 2 and stated not in ({"technology", "place"}, {"technology", "capacity"})):
        return "combined"
    if "group_by" in gold:
        return "aggregations"
    if "capacity" in stated:
        return "capacity_filtering"
    if "place" in stated:
        return "location_mapping"
    if any(key.startswith(("fit_remaining", "fit_expiry")) for key in gold):
        return "business_queries"
    return "aggregations" if kind == "aggregation" else "basic_technology"


class Variations:
    """Makes other questions of a natural one; every draw is the given random generator's."""

    def __init__(self, book: PhraseBook, gazetteer: Gazetteer) -> None:
        """Exchange values with those of these phrases and places."""
        self._book = book
        self._gazetteer = gazetteer
        self._rules = RegexParser(gazetteer)
        self._terms = _terms(book)
        self._reads = lru_cache(maxsize=None)(self._rules_read)

    def vary(self, seed: Seed, rng: random.Random, draw_place: Callable[[], Place]) -> tuple[str, Gold] | None:
        """The question with other values, and its gold; None where this draw changed nothing or its meaning.

        ``draw_place`` draws a place of the gazetteer.
        """
        text = seed.q if seed.q.lower() == normalise_question(seed.q) else normalise_question(seed.q)
        gold = dict(seed.gold)
        edits: list[_Edit] = []
        if rng.random() < _SWAP_TECHNOLOGY:
            edits += self._technologies(text, gold, rng)
        edits += self._places(text, gold, rng, draw_place)
        edits += _numbers(text, gold, seed.gold, rng)
        question = _edited(text, edits)
        if question == text:
            return None
        try:
            gold = QueryFilters.parse(gold).to_dict()
        except FilterError:
            return None
        return (question, gold) if self._still_means(seed, question, gold) else None

    def _still_means(self, seed: Seed, question: str, gold: Gold) -> bool:
        """Whether rules that read the original right read the variant right, or the variant at least names its values.

        Rules that are wrong on the original are no judge; then the variant must name the right places and technologies.
        """
        if self._reads(seed.q) == QueryFilters.parse(seed.gold).pairs():
            return self._rules_read(question) == QueryFilters.parse(gold).pairs()
        before, after = read(seed.q, self._gazetteer), read(question, self._gazetteer)
        return (
            len(before.places) == len(after.places)
            and len(before.codes) == len(after.codes)
            and [one.kind for one in before.numbers] == [one.kind for one in after.numbers]
            and len(before.technologies) == len(after.technologies)
            and set(after.place_names) <= {gold.get("location"), *gold.get("locations", ())}
        )

    def _rules_read(self, question: str) -> frozenset[tuple[str, Any]] | None:
        filters = self._rules.parse(question).filters
        return filters.pairs() if filters else None

    def _technologies(self, text: str, gold: Gold, rng: random.Random) -> list[_Edit]:
        named = gold.get("technologies") or [gold[key] for key in ("technology",) if key in gold]
        matches = find_technologies(text.lower())
        written = [self._terms.get(text[match.start : match.end].lower()) for match in matches]
        if not named or not all(written) or {match.technology for match in matches} != set(named):
            return []
        others = dict(zip(named, rng.sample(TECHNOLOGIES, len(named)), strict=True))
        edits = []
        for match, form in zip(matches, written, strict=True):
            assert form is not None
            choices = [term for term, forms in self._terms.items() if (others[match.technology], form[1]) == forms]
            if not choices:
                return []
            edits.append(_as_typed(text, match.start, match.end, rng.choice(choices)))
        if "technology" in gold:
            gold["technology"] = others[gold["technology"]]
        else:
            gold["technologies"] = [others[one] for one in named]
        return edits

    def _places(self, text: str, gold: Gold, rng: random.Random, draw_place: Callable[[], Place]) -> list[_Edit]:
        codes = postcodes_in(text)
        names = gold.get("locations") or [gold[key] for key in ("location",) if key in gold]
        if codes and not names and [code[0] for code in codes] == gold.get("postcode_patterns"):
            return self._codes(text, codes, gold, rng)
        found = self._gazetteer.find(text)
        if codes or not names or any(match.place.name not in names for match in found):
            return []
        if not found and len(names) == 1 and self._gazetteer.get(names[0]) is None:
            return self._unknown(text, names[0], gold, rng)
        if {match.place.name for match in found} != set(names) or any(_has_article(text, m.start) for m in found):
            return []
        others: dict[str, Place] = {}
        for match in found:
            others.setdefault(match.place.name, self._another(match.place, draw_place))
        if len({one.name for one in others.values()}) < len(others):
            return []
        if "location" in gold:
            place = others[gold["location"]]
            gold |= {"location": place.name, "postcode_patterns": list(place.patterns)}
        else:
            gold["locations"] = [others[name].name for name in names]
        return [
            _as_typed(text, match.start, match.end, say.written_name(rng, self._gazetteer, others[match.place.name]))
            for match in found
        ]

    def _another(self, place: Place, draw_place: Callable[[], Place]) -> Place:
        """A place of much the same kind: a county for a county, a region or nation for a region."""
        wide = ("nation", "region")
        for _ in range(20):
            other = draw_place()
            if (other.kind in wide) == (place.kind in wide) and not say.takes_article(self._book, other.name):
                return other
        return place

    def _unknown(self, text: str, name: str, gold: Gold, rng: random.Random) -> list[_Edit]:
        match = re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", text.lower())
        if match is None:
            return []
        other = say.unknown_place(rng, self._book, self._gazetteer)
        gold["location"] = say.title_case(other)
        return [_as_typed(text, *match.span(), other)]

    def _codes(self, text: str, codes: Sequence[tuple[str, int, int]], gold: Gold, rng: random.Random) -> list[_Edit]:
        edits, patterns = [], []
        for code, start, _ in codes:
            area = rng.choice(say.postcode_areas(self._gazetteer))
            other = area if code.isalpha() else say.outward_code(rng, area)
            patterns.append(other)
            edits.append(_as_typed(text, start, start + len(code), other))
        if len(set(patterns)) < len(patterns) or any(text[s : s + len(c)].upper() != c for c, s, _ in codes):
            return []
        gold["postcode_patterns"] = patterns
        return edits


def _terms(book: PhraseBook) -> dict[str, tuple[str, str]]:
    """What a technology is called, without choices: the technology and the form (``plural``, ``one``, ``mod``)."""
    return {
        phrase.text.lower(): (technology, form)
        for technology in TECHNOLOGIES
        for form in ("plural", "one", "mod")
        for phrase in book.lines("technology", f"{technology} {form}")
        if "(" not in phrase.text and _is_one_term(phrase.text, technology)
    }


def _is_one_term(text: str, technology: str) -> bool:
    """Whether the reading takes the words, all of them, for this technology."""
    matches = find_technologies(text.lower())
    return len(matches) == 1 and matches[0].technology == technology and matches[0].end == len(text)


def _has_article(text: str, start: int) -> bool:
    return text[:start].lower().endswith("the ")


def _as_typed(text: str, start: int, end: int, words: str) -> _Edit:
    """Other words in the letter case of those that they replace."""
    typed = text[start:end]
    if typed.islower():
        words = words.lower()
    elif typed.isupper() and len(typed) > 3:
        words = words.upper()
    return start, end, words


def _numbers(text: str, gold: Gold, old: Mapping[str, Any], rng: random.Random) -> list[_Edit]:
    """Other capacities, durations, years, limits and FIT ids; changes ``gold`` along."""
    found = quantities(text)
    if "fit_id" in old:
        return _fit_id(text, gold, old["fit_id"], rng)
    edits: list[_Edit] = []
    limits = [one for one in found if one.kind == "number" and one.value == old.get("limit")]
    sizes = [one for one in found if one.kind in ("kw", "number") and _licenses(one, old, _CAPACITY_KEYS)]
    lengths = [one for one in found if one.kind == "years" and _licenses(one, old, _REMAINING_KEYS)]
    if len(limits) == 1 and limits[0] not in sizes:
        limit = rng.choice((3, 5, 5, 10, 10, 15, 20, 25, 50, 100, rng.randrange(2, 40)))
        edits += _renumbered(text, limits, [limit], gold, ("limit",))
    edits += _renumbered(text, sizes, _ordered(sizes, [_size(text, one, rng) for one in sizes]), gold, _CAPACITY_KEYS)
    edits += _renumbered(
        text, lengths, _ordered(lengths, [_length(text, one, rng) for one in lengths]), gold, _REMAINING_KEYS
    )
    for kind, (first, last) in (("commissioned_year", _COMMISSIONING_YEARS), ("fit_expiry_year", _END_YEARS)):
        edits += _shifted_years(text, found, gold, kind, first, last, rng)
    return edits


def _licenses(quantity: Quantity, gold: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return any(_factor_between(quantity.value, gold[key]) is not None for key in keys if key in gold)


def _factor_between(stated: float, meant: float) -> float | None:
    """1, or 0.9 and 1.1 for "about"; None where the gold value does not come from this number."""
    return next((f for f in (1, 0.9, 1.1) if abs(stated * f - meant) < 1e-6 * max(1.0, meant)), None)


def _unit_size(text: str, quantity: Quantity) -> float | None:
    """How many kW or years one of the written number is; None where it is not written in digits."""
    digits = _DIGITS.search(text[quantity.start : quantity.end])
    if digits is None or "half" in text[quantity.start : quantity.end].lower():
        return None
    value = float(digits[0].replace(",", ""))
    return quantity.value / value if value else None


def _size(text: str, quantity: Quantity, rng: random.Random) -> float:
    factor = _unit_size(text, quantity)
    return 1000 * rng.choice(_MEGAWATTS) if factor == 1000 else float(say.usual_kw(rng))


def _length(text: str, quantity: Quantity, rng: random.Random) -> float:
    months = abs((_unit_size(text, quantity) or 1) - 1 / 12) < 1e-3
    return rng.choice(_MONTHS) / 12 if months else rng.randrange(1, 16)


def _ordered(found: Sequence[Quantity], values: list[float]) -> list[float]:
    """The new values in the order of size of the old ones, so that a range stays one."""
    ranks = sorted(range(len(found)), key=lambda index: found[index].value)
    by_rank = sorted(values)
    return [by_rank[ranks.index(index)] for index in range(len(found))]


def _renumbered(
    text: str, found: Sequence[Quantity], values: Sequence[float], gold: Gold, keys: Sequence[str]
) -> list[_Edit]:
    """Edits that write the values in place of the numbers; none where one of them is not in digits."""
    if any(_unit_size(text, one) is None for one in found) or len(set(values)) < len(found):
        return []
    edits = []
    for key in [key for key in keys if key in gold]:
        for quantity, value in zip(found, values, strict=True):
            factor = _factor_between(quantity.value, gold[key])
            if factor is not None:
                gold[key] = number(value * factor)
                break
    for quantity, value in zip(found, values, strict=True):
        size = _unit_size(text, quantity)
        digits = _DIGITS.search(text, quantity.start, quantity.end)
        assert digits is not None
        assert size is not None
        written = round(value / size, 4)
        shown = f"{int(written):,}" if "," in digits[0] and float(written).is_integer() else plain(written)
        edits.append((digits.start(), digits.end(), shown))
    return edits


def _shifted_years(
    text: str, found: Sequence[Quantity], gold: Gold, kind: str, first: int, last: int, rng: random.Random
) -> list[_Edit]:
    """All years of one kind moved together, within the years that there are."""
    keys = [key for key in (f"{kind}_min", f"{kind}_max") if key in gold]
    years = [one for one in found if one.kind == "year" and any(abs(one.value - gold[key]) <= 1 for key in keys)]
    written = [text[one.start : one.end] for one in years]
    if not years or not all(re.fullmatch(r"\d{4}", digits) for digits in written):
        return []
    low, high = (extreme([*(one.value for one in years), *(gold[key] for key in keys)]) for extreme in (min, max))
    if low < first or high > last:
        return []
    shift = rng.randint(int(first - low), int(last - high))
    for key in keys:
        gold[key] += shift
    return [(one.start, one.end, str(int(one.value) + shift)) for one in years]


def _fit_id(text: str, gold: Gold, old: str, rng: random.Random) -> list[_Edit]:
    match = re.search(rf"(?<!\d){old}(?!\d)", text)
    if match is None:
        return []
    gold["fit_id"] = str(rng.randrange(10 ** (len(old) - 1), 10 ** len(old)))
    return [(*match.span(), gold["fit_id"])]


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    # "a wind farm", "an AD plant"
    text = re.sub(r"\b([Aa]) (?=(?:AD|ad|anaerobic|onshore)\b)", r"\1n ", text)
    return re.sub(r"\b([Aa])n (?=(?:wind|turbine|solar|PV|pv|hydro|biogas|digest\w*|CHP|chp|micro)\b)", r"\1 ", text)
