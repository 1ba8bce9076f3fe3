"""Grounding: what code can look up in the question is looked up, whatever a model wrote.

Places become the gazetteer's, postcode patterns those of the place or of the question's own postcodes, a capacity or
FIT id that the question does not say becomes the one that it does say where only one can be meant. A number, year,
place, postcode or technology that nothing in the question licenses is left out; that, and what of the question no
filter uses, is named in a note. Filters that are right stay exactly as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rapidfuzz.fuzz import partial_ratio

from fit_assets.filters import FilterError, QueryFilters
from fit_assets.language.bounds import margin_of
from fit_assets.language.numbers import Quantity, digits_of, number
from fit_assets.language.reading import Reading, read
from fit_assets.language.rules.business import intent, worded_time_left
from fit_assets.language.text import normalise_question

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer

# Words that may stand for a bound beside those of the rules, by that bound.
_YEARS_LEFT_WORDS = {
    0: r"expired|off|ended|lapsed|ran out|run out|over|gone",
    2: r"immediate|immediately",
    5: r"expir\w*|ending|soon|urgent|urgently|ppas?|power purchase|off|leaving|optimal|running out|finish\w*",
    10: r"re-?power\w*|optimal",
}
_TECHNOLOGY_WORDS = {
    "Wind": ("wind", "turbine"),
    "Photovoltaic": ("solar", "panel", "photovoltaic"),
    "Hydro": ("hydro", "water"),
    "Anaerobic digestion": ("digester", "anaerobic", "biogas"),
    "Micro CHP": ("cogen", "heat"),
}
_RESEMBLES = 75  # of 100, for the best match of the shorter word in the longer
# "Oldest first" orders all rows, "the oldest" are ten.
_ORDERS = re.compile(
    r"(?<!the )\b[a-z]{3,}est (?:(?:ones?|[a-z]+s) )?(?:first|at the top|(?:down )?to (?:the )?[a-z]+est)\b"
)
_RANKS = re.compile(r"\b(?:rank\w*|more than any|top|most|least|first|next|last|best|leading|[a-z]{3,}est)\b")
# What asks for all installations; without such a word a question that names nothing asks for nothing.
_EVERYTHING = re.compile(
    r"\b(?:all|lot|everyth\w*|anything|whole|entire|full|complete|every|list|register|database|records?|rows|table|data|"
    r"dataset|portfolio|installations?|installs|sites?|fits?|farms?|stations?|renewables|schemes|projects|systems|plants|"
    r"generators|assets)\b"
)
_SIZE_WORDS = {50: r"small|medium|mid\w*", 500: r"medium|mid\w*|large|big"}


def ground(
    question: str, filters: QueryFilters, gazetteer: Gazetteer | None = None
) -> tuple[QueryFilters, tuple[str, ...]]:
    """The filters with everything looked up that can be, and notes for the user on what does not fit the question.

    Pure: the same question, filters and gazetteer (by default the project's) always give the same answer.
    """
    if filters.query_type == "unsupported":
        return filters, ()
    places = _gazetteer(gazetteer)
    said = read(question, places)
    grounded = _with_numbers(said, _with_patterns(said, places, _with_places(said, places, filters)))
    if not grounded.to_dict() and not said.exclusions and not _EVERYTHING.search(said.plain):
        return QueryFilters.parse({"query_type": "unsupported"}), ()
    unlicensed = _unlicensed(said, places, grounded)
    doubts = [f"{key} {_shown(getattr(grounded, key))}: nothing in the question says so" for key in unlicensed]
    grounded = _licensed(said, grounded, unlicensed)
    exclusions = [f"left out: “{words}” (exclusions cannot be asked for yet)" for words in said.exclusions]
    return grounded, (*doubts, *exclusions, *_ignored(said, places, grounded))


def ungrounded(question: str, filters: QueryFilters, gazetteer: Gazetteer | None = None) -> list[str]:
    """The keys whose values nothing in the question licenses, in the contract's order."""
    places = _gazetteer(gazetteer)
    return _unlicensed(read(question, places), places, filters)


def _gazetteer(given: Gazetteer | None) -> Gazetteer:
    from fit_assets.places import load_gazetteer

    return given or load_gazetteer()


# Looking up ---------------------------------------------------------------------------------------------------------


def _with_places(said: Reading, places: Gazetteer, filters: QueryFilters) -> QueryFilters:
    """Places by their canonical names; the place in the question decides where a model wrote another or none."""
    if filters.location is not None:
        return _changed(filters, location=_canonical(said, places, filters.location, []))
    if filters.locations is not None:
        others = filters.locations
        names = list(dict.fromkeys(_canonical(said, places, name, others) for name in others))
        if len(names) > 1:
            return _changed(filters, locations=names)
        return _changed(filters, location=names[0], locations=None)
    if len(said.place_names) != 1 or said.codes or filters.fit_id is not None:
        return filters
    patterns = set(places.patterns_for(said.place_names[0]) or ())
    if filters.postcode_patterns and set(filters.postcode_patterns) != patterns:
        return filters
    return _changed(filters, location=said.place_names[0])


def _canonical(said: Reading, places: Gazetteer, name: str, beside: list[str]) -> str:
    """The name by which a place is known; ``beside`` are all places of the same answer."""
    known = places.get(name)
    if known is not None and known.name in said.place_names:
        return known.name
    if name in said.place_names or _stands_in(said, name):
        return name if name not in (name.lower(), name.upper()) else name.title()
    taken = {place.name for other in beside if (place := places.get(other)) is not None}
    left = [other for other in said.place_names if other not in taken]
    # "dumb freeze and galloway" may well be Dumfries and Galloway, though Galloway alone is a place too.
    second_half = known is not None and any(
        known.name.endswith(f" and {other.name}") and said.text[: other.start].endswith(" and ")
        for other in said.places
    )
    if len(left) == 1 and not second_half:
        return left[0]
    return known.name if known else name


def _stands_in(said: Reading, name: str) -> bool:
    """Whether the question has these very words, and not as part of a place that is known."""
    return re.search(rf"(?<![a-z0-9]){re.escape(normalise_question(name))}(?![a-z0-9])", said.place_text) is not None


def _with_patterns(said: Reading, places: Gazetteer, filters: QueryFilters) -> QueryFilters:
    """Postcode patterns: the question's own, else those of the place; none for a place that nobody knows."""
    if filters.locations is not None or filters.fit_id is not None:
        return filters
    if not said.codes and filters.location is None:
        return filters
    patterns = said.patterns or list(places.patterns_for(filters.location or "") or ())
    if set(patterns) == set(filters.postcode_patterns or ()):
        return filters
    return _changed(filters, postcode_patterns=patterns or None)


def _with_numbers(said: Reading, filters: QueryFilters) -> QueryFilters:
    """A FIT id or capacity that the question does not say, replaced where only one number can be meant."""
    said_ids = {digits_of(said.written(quantity)) for quantity in said.of_kind("fit_id")}
    if filters.fit_id is not None and len(said_ids) == 1:
        filters = _changed(filters, fit_id=said_ids.pop())
    low, high = filters.capacity_min_kw, filters.capacity_max_kw
    wrong = [
        key
        for key, value in (("capacity_min_kw", low), ("capacity_max_kw", high))
        if value is not None and not _says_capacity(said, value)
    ]
    unused = sorted({float(quantity.value) for quantity in said.of_kind("kw") if not _is_used(said, quantity, filters)})
    if len(wrong) == 2 and len(unused) == 2:
        return _changed(filters, capacity_min_kw=number(unused[0]), capacity_max_kw=number(unused[1]))
    if wrong and len(unused) == 1 and (len(wrong) == 1 or low == high):
        return _changed(filters, **dict.fromkeys(wrong, number(unused[0])))
    return filters


def _licensed(said: Reading, filters: QueryFilters, unlicensed: list[str]) -> QueryFilters:
    """The filters without the values from nowhere; where nothing is left, nothing was asked that we know."""
    left_out = set(unlicensed)
    if "location" in left_out and not said.codes:
        left_out.add("postcode_patterns")
    if not left_out:
        return filters
    kept = {key: value for key, value in filters.to_dict().items() if key not in left_out}
    try:
        return QueryFilters.parse(kept or {"query_type": "unsupported"})
    except FilterError:
        return QueryFilters.parse({"query_type": "unsupported"})


def _changed(filters: QueryFilters, **changes: Any) -> QueryFilters:
    """The filters with the changes; without them where they would break the contract."""
    try:
        return filters.replace(**changes)
    except FilterError:
        return filters


# Judging ------------------------------------------------------------------------------------------------------------


def _unlicensed(said: Reading, places: Gazetteer, filters: QueryFilters) -> list[str]:
    return [key for key, value in filters.to_dict().items() if not _is_licensed(said, places, filters, key, value)]


def _is_licensed(said: Reading, places: Gazetteer, filters: QueryFilters, key: str, value: Any) -> bool:
    """Whether something in the question says this value; keys that stand for no words of their own always pass."""
    match key:
        case "capacity_min_kw" | "capacity_max_kw":
            return _says_capacity(said, value)
        case "commissioned_year_min" | "commissioned_year_max" | "fit_expiry_year_min" | "fit_expiry_year_max":
            return any(abs(value - quantity.value) <= 1 for quantity in said.of_kind("year", "number"))
        case "fit_remaining_min_years" | "fit_remaining_max_years":
            stated = any(value in _around(said, quantity) for quantity in said.of_kind("years", "number"))
            worded = value in worded_time_left(said).values() or value in intent(said)[1].values()
            return stated or worded or _has_word(said, _YEARS_LEFT_WORDS.get(value))
        case "fit_id":
            return any(value == digits_of(said.written(q)) for q in said.of_kind("fit_id", "number", "year"))
        case "limit":
            ranks = value in (1, 10) and _RANKS.search(_ORDERS.sub(" ", said.text)) is not None
            return ranks or any(value == quantity.value for quantity in said.numbers)
        case "location":
            return _names(said, value)
        case "locations":
            return all(_names(said, name) for name in value)
        case "postcode_patterns":
            return _says_patterns(said, places, filters, value)
        case "technology":
            return _says_technology(said, value)
        case "technologies":
            return all(_says_technology(said, one) for one in value)
        case _:
            return True


def _says_technology(said: Reading, technology: str) -> bool:
    """Whether the question names it, or has a word that may be meant for it: "wndturbines"."""
    if any(technology == match.technology for match in said.technologies):
        return True
    words = re.findall(r"[a-z]{4,}", said.text)
    return any(partial_ratio(word, term) >= _RESEMBLES for word in words for term in _TECHNOLOGY_WORDS[technology])


def _says_capacity(said: Reading, value: float) -> bool:
    stated = any(value in _around(said, quantity) for quantity in said.of_kind("kw", "number", "year"))
    return stated or _has_word(said, _SIZE_WORDS.get(int(value)) if value == int(value) else None)


def _around(said: Reading, quantity: Quantity) -> set[int | float]:
    margin = margin_of(said, quantity)
    return {number(quantity.value * share) for share in (1, 1 - margin, 1 + margin)}


def _has_word(said: Reading, words: str | None) -> bool:
    return words is not None and re.search(rf"\b(?:{words})\b", said.text) is not None


def _names(said: Reading, name: str) -> bool:
    return name in said.place_names or _stands_in(said, name)


def _says_patterns(said: Reading, places: Gazetteer, filters: QueryFilters, patterns: list[str]) -> bool:
    if said.codes:
        return set(patterns) == set(said.patterns)
    names = said.place_names if filters.location is None else [filters.location]
    return any(set(patterns) == set(places.patterns_for(name) or ()) for name in names)


def _ignored(said: Reading, places: Gazetteer, filters: QueryFilters) -> list[str]:
    """Notes on capacities and places of the question that no filter uses."""
    if filters.fit_id is not None:
        return []
    notes = [
        f"“{said.written(quantity)}” was not used"
        for quantity in said.of_kind("kw")
        if not _is_used(said, quantity, filters)
    ]
    named = [filters.location] if filters.location else filters.locations or []
    for place in said.places:
        # Berkshire in "Newbury, Berkshire" is used: Newbury lies in it.
        encloses = any(set(places.patterns_for(name) or ["?"]) <= set(place.patterns) for name in named)
        if place.name not in named and not encloses and set(filters.postcode_patterns or ()) != set(place.patterns):
            notes.append(f"{place.name} was not used")
    return notes


def _is_used(said: Reading, quantity: Quantity, filters: QueryFilters) -> bool:
    return not _around(said, quantity).isdisjoint((filters.capacity_min_kw, filters.capacity_max_kw))


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
