"""The rule parser: the contract's section "How words become values", written out as rules.

It is the baseline that the model must beat and the fallback that answers in its place. A question is read once into
:class:`_Asked` (places, postcodes, technologies, numbers); then one small function for each group of keys looks at it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.numbers import Quantity, number, quantities
from fit_assets.parsing.vocabulary import WORDS, TechnologyMatch, excluded, find_technologies, mend
from fit_assets.training.prompt import normalise_question

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer, PlaceMatch

Filters = dict[str, Any]

# What the span of a place or postcode is blanked with, so that "Small Heath" is not small.
_BLANK = "§"


class RegexParser:
    """Parses questions by rules; needs no model, is safe for use by several threads."""

    name = "regex"

    def __init__(self, gazetteer: Gazetteer | None = None) -> None:
        if gazetteer is None:
            from fit_assets.places import load_gazetteer

            gazetteer = load_gazetteer()
        self._gazetteer = gazetteer
        self._names = frozenset(
            word
            for place in gazetteer.places
            for name in (place.name, *place.aliases)
            for word in re.findall(r"[a-z]+", name.lower())
        )

    def parse(self, question: str) -> ParseResult:
        """Parse one question."""
        start = time.perf_counter()
        filters, error, notes = None, None, []
        try:
            asked = _read(question, self._gazetteer, self._names)
            filters = QueryFilters.parse(_filters(asked))
            notes = asked.notes
        except Exception as problem:  # the last resort of every question: it must answer, not raise
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


@dataclass
class _Asked:
    """A question, read once. ``text`` is normalised and mended, with places and postcodes blanked out."""

    text: str
    places: list[PlaceMatch]
    postcodes: list[str]
    technologies: list[TechnologyMatch]
    quantities: list[Quantity]
    unknown_places: list[str]
    abroad: bool
    patterns: dict[str, list[str]]
    notes: list[str] = field(default_factory=list)

    def has(self, pattern: str) -> bool:
        """Whether the text has these words."""
        return re.search(pattern, self.text) is not None

    def before(self, quantity: Quantity) -> str:
        """The text left of a number."""
        return self.text[: quantity.start].rstrip()

    def after(self, quantity: Quantity) -> str:
        """The text right of a number."""
        return self.text[quantity.end :].lstrip()

    def of_kind(self, *kinds: str) -> list[Quantity]:
        """The numbers of these kinds, in order."""
        return [quantity for quantity in self.quantities if quantity.kind in kinds]


def _filters(asked: _Asked) -> Filters:
    if _is_out_of_scope(asked):
        return {"query_type": "unsupported"}
    fit_id = _fit_id(asked)
    if fit_id:
        return {"fit_id": fit_id} | _fit_rate(asked) | _shown(asked)
    ranking = _ranking(asked)
    counted = _aggregation(asked, ranking)
    if counted:
        ranking = {key: value for key, value in ranking.items() if "group_by" in counted and _names_a_top(asked)}
    filters = (
        _technology(asked)
        | _place(asked)
        | _capacity(asked)
        | _years(asked)
        | _shown(asked)
        | ranking
        | counted
        | _comparison(asked)
        | _fit_rate(asked)
    )
    if "query_type" in filters and filters["query_type"] == "fit_rate":
        return {key: value for key, value in filters.items() if key not in ("aggregation", "group_by")}
    if "sort_by" in filters and filters["sort_by"] == "revenue_desc":
        filters.pop("include_revenue", None)
    return filters | _intent_and_time_left(asked, filters)


# Reading ------------------------------------------------------------------------------------------------------------


def _read(question: str, gazetteer: Gazetteer, names: frozenset[str]) -> _Asked:
    from fit_assets.places import is_outside_great_britain, postcodes_in

    text = mend(normalise_question(question), names)
    places = gazetteer.find(text)
    codes = [code for code in postcodes_in(text) if not any(_overlap(code, place) for place in places)]
    text = _blanked(text, [*places, *codes])
    notes: list[str] = []
    technologies = _without_exclusions(text, find_technologies(text), notes)
    named = _without_exclusions(text, places, notes)
    return _Asked(
        text=text,
        places=named,
        postcodes=list(dict.fromkeys(code.pattern for code in _without_exclusions(text, codes, notes))),
        technologies=technologies,
        quantities=quantities(text),
        unknown_places=_unknown_places(text, question, bool(places)),
        abroad=is_outside_great_britain(normalise_question(question)),
        patterns={match.place.name: list(match.place.patterns) for match in named},
        notes=notes,
    )


def _without_exclusions(text: str, matches: list[Any], notes: list[str]) -> list[Any]:
    """Leave out what the question rules out ("not solar", "outside Wales"): v1 cannot say it, so a note does."""
    kept = []
    for match in matches:
        exclusion = excluded(text, match.start)
        if exclusion:
            what = getattr(match, "technology", None) or getattr(match, "text", "a place")
            notes.append(f"left out: “{exclusion} {what}” (exclusions cannot be asked for yet)")
        else:
            kept.append(match)
    return kept


_PREPOSITION = re.compile(
    r"\b(?:in and around|in|near(?: to)?|nearby|around|across|within|throughout|at|inside|outside|close to|next to|"
    r"by|from|(?:north|south|east|west) of)\s+(?:the\s+)?(?:(?:town|city|village|county|area|parish) of\s+)?"
    r"(?P<words>[a-z][a-z'.&-]*(?:,?\s+[a-z&][a-z'.-]*){0,7})"
)
_JOINED = re.compile(r"\s*,\s*|\s+(?:and|or|vs|versus|&)\s+")
_GENERIC = frozenset(
    ["area", "region", "county", "district", "council", "village", "town", "city", "parish", "postcode"]
)
_SMALL = frozenset(["of", "and", "upon", "on", "in", "the", "by", "le", "under", "next", "with", "super", "de", "la"])
_FIRST_NAMES = frozenset(
    [
        "great",
        "little",
        "upper",
        "lower",
        "new",
        "old",
        "high",
        "long",
        "north",
        "south",
        "east",
        "west",
        "middle",
        "st",
        "saint",
    ]
)


def _unknown_places(text: str, question: str, knows_one: bool) -> list[str]:
    """Names after a preposition, or capitalised, that are no words of the domain: places the gazetteer lacks."""
    found: list[str] = []
    for match in _PREPOSITION.finditer(text):
        for name in _names(match["words"]):
            found.append(name)
    if not found and not knows_one:
        found = _capitalised(text, question)
    return list(dict.fromkeys(map(_title_case, found)))


def _names(words: str) -> Iterator[str]:
    """The names at the beginning of some words: "little snoring and great snoring with …" gives two."""
    for part in _JOINED.split(words):
        name: list[str] = []
        words_of_part = part.split()
        for word, following in zip(words_of_part, [*words_of_part[1:], ""], strict=True):
            begins_name = not name and word in _FIRST_NAMES and following and following not in WORDS
            if (word in WORDS and not begins_name and not (name and word in _SMALL)) or (not name and word in _SMALL):
                break
            name.append(word.strip("."))
        ended_early = len(name) < len(words_of_part)
        while name and (name[-1] in _GENERIC or name[-1] in _SMALL):
            name.pop()
        if not name or all(len(word) < 2 for word in name):
            return
        yield " ".join(name)
        if ended_early:
            return


def _capitalised(text: str, question: str) -> list[str]:
    """A run of capitalised words in a question that is otherwise written in small letters."""
    typed = re.findall(r"[A-Za-z][A-Za-z'-]*", question)
    large = {word.lower() for word in typed[1:] if word[0].isupper() and not word.isupper()}
    if 2 * sum(word[0].isupper() for word in typed) > len(typed):
        return []
    run: list[str] = []
    for word in re.findall(r"[a-z][a-z'-]*", text):
        if word in large and word not in WORDS:
            run.append(word)
        elif run:
            break
    return [" ".join(run)] if run else []


def _title_case(name: str) -> str:
    words = re.split(r"([ -])", name)
    return "".join(
        word if index and word in _SMALL else word[:1].upper() + word[1:] for index, word in enumerate(words)
    )


def _blanked(text: str, spans: Sequence[Any]) -> str:
    characters = list(text)
    for span in spans:
        characters[span.start : span.end] = _BLANK * (span.end - span.start)
    return "".join(characters)


def _overlap(one: Any, other: Any) -> bool:
    return bool(one.start < other.end and other.start < one.end)


# Scope --------------------------------------------------------------------------------------------------------------

_FOREIGN = (
    r"\bheat[ -]?pumps?\b|\bnuclear\b|\bbatter(?:y|ies)\b|\bgeothermal\b|\btidal\b|\bwave (?:power|energy)\b|\bcoal\b|"
    r"\bgas (?:turbines?|plants?|boilers?|fired|engines?|power)\b|\bnatural gas\b|\bdiesel\b|\bhydrogen\b|\bbiomass\b|"
    r"\boffshore\b|\bsolar thermal\b|\bev (?:charg|point)|\bcharg(?:ing|e) points?\b|\bboilers?\b|\bstorage\b"
)
_OTHER_SCHEMES = (
    r"\bseg\b|\bsmart export\b|\bcfds?\b|\bcontracts? for differences?\b|\brocs?\b|\brenewables obligation\b|"
    r"\brhi\b|\brenewable heat incentive\b|\brego\b|\bcapacity market\b|\beco4?\b|\bboiler upgrade\b"
)
_ORDERS = (
    r"^(?:please |can you |could you |would you |i want (?:you )?to |go and |now )*(?:delete|remove|erase|drop|update|"
    r"change|edit|modify|amend|set|add|insert|create|rename|overwrite|correct|cancel|register|deregister|upload|"
    r"transfer|reset|move|increase|reduce|mark|replace)\b|\b(?:delete|overwrite|truncate|drop table)\b"
)
_OFF_TOPIC = (
    r"\bweather\b|\bforecast\b|\bwindy\b|\bwind (?:speed|chill|direction|instruments?)\b|\bsunny\b|\brain\b|\bjokes?\b|"
    r"\bpoem\b|\brecipe\b|\bfootball\b|\brestaurants?\b|\bhotels?\b|\bhow (?:do|does|did) .*\b(?:works?|made|built)\b|"
    r"\bhow to (?:build|make|install)\b|\bmy (?:roof|house|home|garden|bill|boiler)\b|\bmine\b(?! )|"
    r"\b(?:planning permission|mortgage|loan|grants?|vat|solar system|solar eclipse|eclipse)\b|"
    r"\bcosts? (?:of|to)\b|\bhow much (?:do|does|would|is|are) .*\bcosts?\b|\bprice of\b|\bshould i\b|"
    r"\bignore (?:all |the |your |previous )|\bwhat (?:is|are) (?:an? )?(?:anaerobic digestion|photovoltaics?|"
    r"hydro(?: ?power)?|solar (?:power|energy)|wind (?:power|energy)|(?:micro )?chp|feed[- ]in tariffs?|a fit)\??$|"
    r"\bwho (?:invented|discovered|are you)\b|\bexplain\b|\bnews\b|\bstock\b|\bshares? (?:price|in)\b"
)
_DOMAIN = (
    r"\b(?:sites?|farms?|installations?|installs?|plants?|schemes?|projects?|systems?|arrays?|assets?|stations?|"
    r"generators?|generation|fits?|feed[- ]in|tariffs?|capacity|capacities|commissioned|subsid(?:y|ies)|repower\w*|re-powering|"
    r"ppas?|portfolio|renewables?|records?|register|acquisitions?|acquire)\b"
)


def _is_out_of_scope(asked: _Asked) -> bool:
    if asked.abroad or any(map(asked.has, (_FOREIGN, _OTHER_SCHEMES, _ORDERS, _OFF_TOPIC))):
        return True
    if asked.technologies or asked.has(_DOMAIN) or asked.of_kind("kw", "fit_id"):
        return False
    unfamiliar = [word for word in re.findall(r"[a-z']{2,}", asked.text) if word not in WORDS]
    place = asked.places or asked.postcodes
    number_alone = re.fullmatch(r"[^a-z]*\d{4,}[^a-z]*", asked.text) or _bare_fit_id(asked)
    says_something = place or number_alone or _ranking(asked) or _time_left(asked)
    return bool(unfamiliar) or not says_something


# One installation ---------------------------------------------------------------------------------------------------


def _fit_id(asked: _Asked) -> str | None:
    named = asked.of_kind("fit_id")
    if named:
        return re.sub(r"\D", "", asked.text[named[0].start : named[0].end])
    return _bare_fit_id(asked)


_ASKS_FOR_ONE = re.compile(
    r"(?:\b(?:details?|info(?:rmation)?|record|revenue|income|earnings|rate|tariff|data|capacity|size|location|owner)\s"
    r"(?:of|for|on|about|from)|\b(?:when|where|what|how (?:much|long|big|old)) (?:does|do|is|was|did|will)|"
    r"\b(?:tell me about|about|look up|find|show(?: me)?|get|pull up|open|check|lookup|what's|what is))(?: the)?$"
)


def _bare_fit_id(asked: _Asked) -> str | None:
    """A bare number of four or more digits that nothing makes a capacity, a year or a rank."""
    for quantity in asked.of_kind("number", "year"):
        written = asked.text[quantity.start : quantity.end]
        if not re.fullmatch(r"\d{4,12}", written):
            continue
        alone = not re.sub(r"[^a-z0-9]", "", asked.text.replace(written, ""))
        asked_for = _ASKS_FOR_ONE.search(asked.before(quantity)) is not None
        followed = re.match(r"(?:'s|end|ends|expire|expires|details)\b", asked.after(quantity)) is not None
        if alone or asked_for or followed:
            return written
        if quantity.kind == "number" and _bound(asked, quantity) is None and not asked.technologies:
            return written
    return None


def _fit_rate(asked: _Asked) -> Filters:
    rate = (
        r"\b(?:fit|fits|tariff|feed[- ]in|generation|subsidy|export|payment|support)(?: tariff)?s? rates?\b|\brates?\b|"
        r"\bp(?:ence)?(?:/| per |/ )k(?:wh|ilowatt[ -]?hour)\b|\b(?:pence|price) per (?:unit|kwh)\b"
    )
    tariff = (
        r"\btariffs?\b(?! (?:left|remaining|ends?|ending|expir|period|term|life|runs?|to|still|years|income|revenue))"
    )
    about_time = (
        r"\b(?:years?|months?|left|remaining|expir\w+|end(?:s|ing)?|off|out)\b.*\btariffs?\b|\bfeed[- ]in tariff"
    )
    if asked.has(rate) or (asked.has(tariff) and not asked.has(about_time)):
        return {"query_type": "fit_rate"}
    if asked.has(r"\bwhat(?:'s|s| is| was)? (?:the )?(?:feed[- ]in tariff|fit)\b(?: (?:for|on|of|paid)\b)"):
        return {"query_type": "fit_rate"}
    return {}


def _shown(asked: _Asked) -> Filters:
    shown: Filters = {}
    if asked.has(
        r"\brevenues?\b|\bincomes?\b|\bearn(?:s|ed|ing|ings)?\b|\bpayouts?\b|\bmake (?:a|per) year\b|"
        r"\bmoney\b|\bhow much (?:do|does|did|is|are) .*\b(?:make|making|paid|bring in)\b"
    ):
        shown["include_revenue"] = True
    if asked.has(r"\bregional(?:ly)?\b(?! (?:breakdown|split|comparison|count|counts|totals?))"):
        shown["include_regional"] = True
    return shown


# What is looked for -------------------------------------------------------------------------------------------------


def _technology(asked: _Asked) -> Filters:
    named = list(dict.fromkeys(match.technology for match in asked.technologies))
    if len(named) == 1:
        return {"technology": named[0]}
    return {"technologies": named} if named else {}


def _place(asked: _Asked) -> Filters:
    known = _without_containers(asked)
    named = list(dict.fromkeys([*known, *asked.unknown_places]))
    if len(named) > 1:
        return {"locations": named}
    patterns = asked.postcodes or (asked.patterns.get(named[0], []) if named else [])
    return ({"location": named[0]} if named else {}) | ({"postcode_patterns": patterns} if patterns else {})


def _without_containers(asked: _Asked) -> list[str]:
    """Names of the known places; of "Newbury, Berkshire" or "Leeds in Yorkshire" only the first."""
    names: list[str] = []
    for index, match in enumerate(asked.places):
        before = asked.places[index - 1] if index else None
        if before is not None:
            between = asked.text[before.end : match.start].strip()
            inside = set(before.place.patterns) <= set(match.place.patterns)
            if between in (",", "in", "", ", in") and inside and before.place.name != match.place.name:
                continue
        names.append(match.place.name)
    return list(dict.fromkeys(names))


_NEGATED_OVER = r"(?:no|not|nothing)(?: (?:over|above|more than|greater than|bigger than|larger than|higher than))"
_NEGATED_UNDER = r"(?:no|not|nothing)(?: (?:under|below|less than|smaller than|lower than|fewer than))"
_OVER = (
    r"over|above|more than|greater than|bigger than|larger than|higher than|at least|a min(?:imum)?(?: of)?|"
    r"min(?:imum)?(?: (?:of|capacity|size))?|exceeding|exceeds?|in excess of|upwards? of|north of|from|starting (?:at|from)|"
    r"longer than|>=?|≥|=>"
)
_UNDER = (
    r"under|below|less than|smaller than|lower than|fewer than|beneath|up ?to|at most|max(?:imum)?(?: (?:of|capacity|size))?|"
    r"a max(?:imum)?(?: of)?|capped at|limited to|south of|sub-?|shorter than|<=?|≤|=<|(?:in|within|over|during|inside) "
    r"the (?:next|coming)|(?:next|coming)|within|inside|in"
)
_ABOUT = r"around|about|roughly|approx(?:imately|\.)?|circa|ca?\.|~|nearly|close to|in the region of"
_FILLER = r"(?:\s(?:a|an|the|of|capacity|another|just|is|are))*\s?$"
_BEFORE = [
    ("max", re.compile(rf"(?:\b|^){_NEGATED_OVER}{_FILLER}")),
    ("min", re.compile(rf"(?:\b|^){_NEGATED_UNDER}{_FILLER}")),
    ("about", re.compile(rf"(?:(?<![a-z])(?:{_ABOUT})){_FILLER}")),
    ("max", re.compile(rf"(?:(?<![a-z])(?:{_UNDER})){_FILLER}")),
    ("min", re.compile(rf"(?:(?<![a-z])(?:{_OVER})){_FILLER}")),
]
_AFTER = [
    ("min", re.compile(r"\+|(?:plus|upwards?|min(?:imum)?)\b|(?:or|and) (?:more|above|over|bigger|larger|greater|higher|up|upwards?|longer)\b|at least\b")),
    ("max", re.compile(r"(?:or|and) (?:less|under|below|smaller|fewer|lower|shorter)\b|max(?:imum)?\b|at most\b|tops\b|or so at most\b")),
    ("about", re.compile(r"-?ish\b|or so\b|or thereabouts\b|give or take\b")),
]  # fmt: skip


def _bound(asked: _Asked, quantity: Quantity) -> str | None:
    """``min``, ``max`` or ``about``, as the words beside a number say; None where they say nothing."""
    before = asked.before(quantity) + " "
    for bound, pattern in _AFTER[:2]:
        if pattern.match(asked.after(quantity)):
            return bound
    for bound, pattern in _BEFORE:
        if pattern.search(before):
            return bound
    return "about" if _AFTER[2][1].match(asked.after(quantity)) else None


_RANGE = re.compile(r"\s*(?:-|to|and|&|up to|or|through|until|till)\s*")


def _ranges(asked: _Asked, numbers: list[Quantity]) -> Iterator[tuple[Quantity, Quantity | None]]:
    """Pairs that bound a range, and single numbers."""
    index = 0
    while index < len(numbers):
        first = numbers[index]
        second = numbers[index + 1] if index + 1 < len(numbers) else None
        joined = second is not None and _RANGE.fullmatch(asked.text[first.end : second.start]) is not None
        yield first, second if joined else None
        index += 2 if joined else 1


def _bounds(asked: _Asked, numbers: list[Quantity], low: str, high: str, alone: str) -> Filters:
    """Lower and upper bounds from some numbers; ``alone`` says what one without a comparing word means."""
    lows: list[float] = []
    highs: list[float] = []
    for first, second in _ranges(asked, numbers):
        if second is not None:
            lows.append(min(first.value, second.value))
            highs.append(max(first.value, second.value))
            continue
        bound = _bound(asked, first) or alone
        share = 0.1 if bound == "about" else 0
        if bound != "max":
            lows.append(first.value * (1 - share))
        if bound != "min":
            highs.append(first.value * (1 + share))
    bounds: Filters = {}
    if lows:
        bounds[low] = number(max(lows))
    if highs:
        bounds[high] = number(min(highs))
    if len(bounds) == 2 and bounds[low] > bounds[high]:
        asked.notes.append("left out: two bounds that contradict each other")
        return {}
    return bounds


def _capacity(asked: _Asked) -> Filters:
    numbers = [q for q in asked.quantities if (q.kind == "kw" or _is_bare_capacity(asked, q)) and q.value > 0]
    stated = _bounds(asked, numbers, "capacity_min_kw", "capacity_max_kw", "exact")
    size = _size_words(asked)
    lows = [bounds["capacity_min_kw"] for bounds in (stated, size) if "capacity_min_kw" in bounds]
    highs = [bounds["capacity_max_kw"] for bounds in (stated, size) if "capacity_max_kw" in bounds]
    if lows and highs and max(lows) > min(highs):
        return stated  # "large wind under 300 kW": the number is what is meant
    return ({"capacity_max_kw": min(highs)} if highs else {}) | ({"capacity_min_kw": max(lows)} if lows else {})


_COUNTED = re.compile(
    r"\s*(?:sites?|installations?|farms?|turbines?|plants?|projects?|panels?|results|rows|schemes?|arrays?|systems?|"
    r"regions|counties|miles?|km|days?|weeks?|am|pm|p\b|%|per cent|homes|houses)"
)


def _is_bare_capacity(asked: _Asked, quantity: Quantity) -> bool:
    """A number without a unit that the words beside it make a capacity: "wind over 500"."""
    if quantity.kind not in ("number", "year") or _COUNTED.match(asked.after(quantity)):
        return False
    before = asked.before(quantity)
    if re.search(r"\bcapacity(?: of| is| =|:)?$|\b(?:sized?|rated)(?: at)?$", before):
        return True
    if re.search(r"[£$]$|\b(?:top|first|rated|limit|last)$", before):
        return False
    strict = (
        r"(?:over|above|(?:more|greater|bigger|larger|less|smaller) than|under|below|at (?:least|most)|[<>]=?|≥|≤)$"
    )
    if re.search(rf"(?:^|[\s(]){strict}", before):
        return quantity.kind == "number" or re.search(r"(?:bigger|larger|smaller) than$|[<>]=?$", before) is not None
    paired = re.search(r"\bbetween(?: \d+(?:\.\d+)? and)?$", before)
    return quantity.kind == "number" and paired is not None and quantity.value >= 10


def _size_words(asked: _Asked) -> Filters:
    if asked.has(r"\bhow (?:large|big|small)\b"):
        return {}
    sizes: Filters = {}
    if asked.has(r"\bsmall(?:-scale| scale|-sized)?\b"):
        sizes["capacity_max_kw"] = 50
    if asked.has(r"\b(?:medium|mid)(?:[ -](?:scale|sized?))?\b"):
        sizes |= {"capacity_min_kw": 50, "capacity_max_kw": 500}
    if asked.has(r"\b(?:large|big)(?:-scale| scale|-sized)?\b"):
        sizes["capacity_min_kw"] = 500
    if sizes.get("capacity_min_kw", 0) > sizes.get("capacity_max_kw", 1000):
        return {}  # "large and small"
    return sizes


# Time ---------------------------------------------------------------------------------------------------------------

_EXPIRY_WORDS = re.compile(
    r"\bexpir\w*|\bend(?:s|ed|ing)?\b(?! of (?:the )?(?:year )?(?:19|20)\d\d)|\bfinish\w*|\brun(?:s|ning)? out\b|\blaps\w+|"
    r"\b(?:com|go|roll|fall|drop)(?:e|es|s|ing)? off\b|\bleav(?:e|es|ing)\b|\boff[ -]fit\b|\bstops?\b|\bruns? until\b"
)
_COMMISSION_WORDS = re.compile(
    r"\bcommission\w*|\bbuilt\b|\binstalled\b|\bregistered\b|\baccredited\b|\bonline\b|\boperational\b|\boperating\b|"
    r"\benergised\b|\bwent live\b|\bstarted\b|\bconstructed\b|\bnewer\b|\bolder\b|\bjoined\b|\binstallations\b"
)
# Ofgem's scheme closed to new sites in 2019 (the last were commissioned in 2020): a later year is an end.
_LAST_COMMISSIONING_YEAR = 2024

_OF_YEAR = r"(?: (?:the|year|calendar|start|beginning|end|of|january|december|early|mid|late|1st|31st))*$"
_YEAR_BEFORE = [
    ("max", 0, r"(?:by|until|till|til|up ?to|through|no later than|not (?:later than|after)|(?:on|in) or before|<=|≤)"),
    ("max", 0, r"before the end of"),
    ("min", 0, r"(?:in|on|from|during) or after|(?:no earlier than|not before|since|from|as of|beginning|starting(?: in| from)?|>=|≥)"),
    ("max", -1, r"(?:before|pre-?|prior to|earlier than|older than|ahead of|<)"),
    ("min", 1, r"(?:after|post-?|later than|newer than|more recent(?:ly)? than|past|following|beyond|>)"),
]  # fmt: skip
_YEAR_BEFORE_COMPILED = [
    (bound, step, re.compile(rf"(?<![a-z])(?:{words}){_OF_YEAR}")) for bound, step, words in _YEAR_BEFORE
]
_YEAR_AFTER = [
    ("min", re.compile(r"\+|onwards?\b|on\b|plus\b|(?:or|and) (?:later|newer|after|onwards?|beyond|since)\b")),
    ("max", re.compile(r"(?:or|and) (?:earlier|before|older)\b|at the latest\b")),
]


def _years(asked: _Asked) -> Filters:
    """Bounds on the year of commissioning and on the year in which the tariff ends."""
    bounds: Filters = {}
    numbers = [q for q in asked.of_kind("year") if not _is_bare_capacity(asked, q)]
    for first, second in _ranges(asked, numbers):
        name = "fit_expiry_year" if _is_expiry(asked, first, second or first) else "commissioned_year"
        year = int(first.value)
        if second is not None and "or" not in asked.text[first.end : second.start]:
            bounds |= {f"{name}_min": min(year, int(second.value)), f"{name}_max": max(year, int(second.value))}
            continue
        bound, step = _year_bound(asked, first)
        for side in ("min", "max"):
            if bound in (side, "exact"):
                bounds[f"{name}_{side}"] = year + step
    return {key: value for key, value in bounds.items() if not _swapped(bounds, key)}


def _swapped(bounds: Filters, key: str) -> bool:
    name = key.rsplit("_", 1)[0]
    return bool(bounds.get(f"{name}_min", 0) > bounds.get(f"{name}_max", 9999))


def _year_bound(asked: _Asked, year: Quantity) -> tuple[str, int]:
    after = asked.after(year)
    for bound, pattern in _YEAR_AFTER:
        if pattern.match(after):
            return bound, 0
    for bound, step, pattern in _YEAR_BEFORE_COMPILED:
        if pattern.search(asked.before(year)):
            return bound, step
    return "exact", 0


def _is_expiry(asked: _Asked, first: Quantity, last: Quantity) -> bool:
    """Whether a year is that of the tariff's end: the nearest verb says, the one on the left first."""
    nearest: list[tuple[int, bool]] = []
    for pattern, is_expiry in ((_COMMISSION_WORDS, False), (_EXPIRY_WORDS, True)):
        for match in pattern.finditer(asked.text):
            if match.end() <= first.start:
                nearest.append((first.start - match.end(), is_expiry))
            elif match.start() >= last.end:
                nearest.append((2 * (match.start() - last.end), is_expiry))
    if not nearest or (len(nearest) == 1 and not nearest[0][1]):
        return first.value > _LAST_COMMISSIONING_YEAR
    return min(nearest)[1]


_LEFT = (
    r"\bleft\b|\bremain(?:s|ing)?\b|\bexpir\w*|\bend(?:s|ing)?\b|\bto (?:go|run)\b|\brun(?:s|ning)? out\b|\bsubsid|"
    r"\btariff\b|\blaps\w+|\b(?:com|go|roll|fall|drop)(?:e|es|ing)? off\b|\bfit\b|\brepower|\bppas?\b|\buntil\b|"
    r"\bfinish\w*|\bleav(?:es?|ing)\b|\bwindow\b"
)


def _time_left(asked: _Asked) -> Filters:
    """Bounds on the years of tariff left that the question states."""
    durations = [
        quantity
        for quantity in asked.of_kind("years")
        if not re.match(r"(?:old|of age|ago)\b", asked.after(quantity))
        and not re.search(r"\b(?:last|past|previous|older than|every|per)$", asked.before(quantity))
        and quantity.value <= 100
    ]
    if durations and asked.has(_LEFT):
        return _bounds(asked, durations, "fit_remaining_min_years", "fit_remaining_max_years", "max")
    return {}


def _time_words(asked: _Asked) -> Filters:
    """Bounds on the years of tariff left that a word stands for."""
    still = asked.has(r"\b(?:not|n't|yet to|before they|before it)\b[^,]*\b(?:expired?|ended)\b|\bstill on\b")
    if not still and asked.has(
        r"\bexpired\b|(?<!coming )(?<!come )(?<!comes )(?<!going )(?<!rolling )(?<!falling )(?<!dropping )(?<!goes )"
        r"\boff[ -](?:the )?(?:fit|tariff|subsidy)\b|\b(?:fit|tariff|subsidy|support)s? (?:has |have )?(?:already )?(?:ended|lapsed|run out)\b|"
        r"\balready (?:ended|lapsed|finished|off)\b"
    ):
        return {"fit_remaining_max_years": 0}
    if asked.has(r"\boptimal\b"):
        return {"fit_remaining_min_years": 5, "fit_remaining_max_years": 10}
    if asked.has(r"\bimmediate(?:ly)?\b"):
        return {"fit_remaining_max_years": 2}
    if asked.has(
        r"\burgent(?:ly)?\b|\bexpir(?:ing|es?|y)\b(?! (?:dates?|years?)\b)|"
        r"\b(?:end|finish|runn|laps)(?:ing|s|ing out) (?:soon|shortly)\b|\brunning out\b|\bsoon\b"
    ):
        return {"fit_remaining_max_years": 5}
    return {}


def _intent_and_time_left(asked: _Asked, filters: Filters) -> Filters:
    """The business reason and what is left of the tariff: stated bounds, else those of a word, else the intent's."""
    found: Filters = {}
    default: Filters = {}
    if asked.has(r"\bre-?power\w*"):
        found["query_intent"], default = "repowering_opportunities", {"fit_remaining_max_years": 10}
    elif asked.has(
        r"\bppas?\b|\bpower purchase\b|\b(?:com|roll|fall|drop|go)(?:e|es|s|ing) off (?:of )?(?:the |their |its )?"
        r"(?:fits?|subsid\w+|tariffs?|feed[- ]in|support|scheme)\b|\bleav(?:e|es|ing) (?:the )?(?:fit|subsidy|scheme)\b"
    ):
        found["query_intent"], default = "ppa_opportunities", {"fit_remaining_max_years": 5}
    elif asked.has(
        r"\bto (?:buy|acquire|purchase)\b|\bacqui\w+|\bbuy(?:ing)?\b|\btakeovers?\b|\bpurchas(?:e|ing)\b|\bfor sale\b|\bm&a\b"
    ):
        found["query_intent"] = "acquisition_targets"
    stated = _time_left(asked)
    if stated or "fit_expiry_year_min" in filters or "fit_expiry_year_max" in filters:
        return found | stated
    only_orders = filters.get("sort_by") == "fit_remaining_asc" or filters.get("query_type") == "fit_rate"
    return found | (({} if only_orders else _time_words(asked)) or default)


# Figures and rankings -----------------------------------------------------------------------------------------------

_NOUN = (
    r"(?:site|farm|installation|turbine|array|plant|scheme|project|system|digester|station|asset|generator|panel|"
    r"generator|one|unit|hydro|windmill|target|prospect|candidate|opportunit(?=y|ies)|earner|wind ?farm)"
)
_PLURAL = re.compile(rf"\b{_NOUN}(?:s|ies)\b")
_SINGULAR = re.compile(rf"\b{_NOUN}y?\b(?!s)")
_REVENUE_RANK = (
    r"\b(?:highest|top|best|biggest|most|greatest|max(?:imum)?)[ -](?:earn(?:ing|ers?|ings)|paid|revenues?|incomes?|paying|"
    r"lucrative|profitable|money)\b|\bearn(?:s|ing)? (?:the )?most\b|\bmak(?:es?|ing) (?:the )?most money\b|"
    r"\b(?:by|on) (?:annual |yearly )?(?:revenue|income|earnings)\b|\b(?:revenue|income|earnings),? highest first\b"
)
_LEFT_RANK = (
    r"\b(?:expir\w*|end(?:s|ing)?|finish\w*|run(?:s|ning)? out|com(?:e|es|ing) off\b[^,]*|laps\w+)(?: the)? "
    r"(?:first|soonest|earliest|next)\b|\b(?:soonest|earliest|next|first) (?:to )?(?:expir\w*|end\w*|run out|finish|come off)|"
    r"\b(?:least|shortest|fewest) (?:time|years?|tariff|term|period)\b|\bclosest to expir\w*|"
    r"\b(?:order|sort|rank)(?:ed)? by (?:the )?(?:years? left|expiry|tariff left|time left|end date|remaining)"
)
_RANKS: tuple[tuple[str, str], ...] = (
    ("revenue_desc", _REVENUE_RANK),
    ("fit_remaining_asc", _LEFT_RANK),
    ("commissioned_desc", r"\bnewest\b|\bmost recent(?:ly)?\b|\blatest\b|\byoungest\b|\blast (?:to be )?(?:built|commissioned)\b"),
    ("commissioned_asc", r"\boldest\b|\bearliest\b|\blongest[ -]running\b|\bfirst (?:to be )?(?:built|commissioned)\b"),
    ("capacity_asc", r"\bsmallest\b|\btiniest\b|\blowest (?:installed )?capacity\b|\bsize ascending\b"),
    ("capacity_desc", r"\blargest\b|\bbiggest\b|\btop\b|\bhighest\b|\bgreatest\b|\bmost powerful\b|\b(?:sort|order|rank)(?:ed)? by (?:installed )?(?:capacity|size)\b"),
)  # fmt: skip
_ORDERS_ONLY = (
    r"\b(?:largest|biggest|smallest|newest|oldest|latest|earliest|highest|lowest|soonest)(?: ones?)? (?:first|to)\b|"
    r"\b(?:sort|order|rank)(?:ed)?(?: them)? by\b|\b(?:largest|biggest|highest) at the top\b"
)
_COUNT_FIGURE = r"\bhow many\b(?! (?:mw|kw|gw|mega|kilo|giga|megs|years|months))|\bcount(?:s|ing)?\b|\b(?:total )?number of\b|\bnumbers?\b(?= (?:by|per))|\btally\b"
_FIGURES: tuple[tuple[str, str], ...] = (
    ("avg_capacity", r"\b(?:average|mean|avg|typical|averaged)\b"),
    ("count", _COUNT_FIGURE),
    (
        "sum_capacity",
        r"\b(?:total|combined|overall|aggregate|sum(?: of)?|cumulative|summed)\b(?! (?:number|count))(?! heat)|\bhow much\b"
        r"[^,]*\b(?:capacity|mw|kw|gw|megawatts?|installed|wind|solar|hydro)\b|\bhow many (?:mw|kw|gw|mega|kilo|giga|megs)",
    ),
)
_GROUPS: tuple[tuple[str, str], ...] = (
    ("region", r"regions?"),
    ("local_authority", r"count(?:y|ies)|councils?|local authorit(?:y|ies)|authorit(?:y|ies)|districts?|boroughs?"),
    ("country", r"countr(?:y|ies)|nations?"),
    ("technology", r"technolog(?:y|ies)|tech(?:s|nology types?)?|types?|energy types?|fuels?"),
    ("commissioned_year", r"(?:commission(?:ing|ed) |install(?:ation|ed) )?years?|year (?:of )?(?:commission(?:ing|ed)|installed|built)|vintage"),
    ("postcode_area", r"post ?codes?(?: areas?)?"),
)  # fmt: skip
_BY = (
    r"(?:\bby|\bper|\bfor each|\bfor every|\bin each|\bin every|\beach|\bevery|\bacross (?:the |all )?|\bsplit by|\b(?:which|what))"
    r"(?: the| all| uk| english| british| gb| different)*"
)


def _ranking(asked: _Asked) -> Filters:
    for sort_by, words in _RANKS:
        match = re.search(words, asked.text)
        if match is None or (sort_by.startswith("capacity") and _is_figure(asked, match)):
            continue
        return {"sort_by": sort_by} | _limit(asked, match)
    return {}


def _is_figure(asked: _Asked, match: re.Match[str]) -> bool:
    """ "The largest capacity of wind in Devon" asks for a figure, "largest capacity wind farms" for rows."""
    rest = asked.text[match.end() :]
    return (
        re.match(r" (?:installed )?(?:capacity|size)\b(?! (?:wind|solar|hydro|sites?|farms?|installations?))", rest)
        is not None
    )


def _limit(asked: _Asked, match: re.Match[str]) -> Filters:
    counted = next(
        (
            int(q.value)
            for q in asked.of_kind("number")
            if float(q.value).is_integer() and 1 <= q.value <= 1000 and _counts_rows(asked, q, match)
        ),
        None,
    )
    if counted:
        return {"limit": counted}
    if asked.has(_ORDERS_ONLY):
        return {}
    nouns = asked.text[match.end() :] if not re.search(r"first|soonest|next|most$", match[0]) else asked.text
    plural, singular = _PLURAL.search(nouns), _SINGULAR.search(nouns)
    if plural and (not singular or plural.start() <= singular.start()):
        return {"limit": 10}
    if singular or re.search(r"(?:\bthe|what's|what is|which is|whats)\s*$", asked.text[: match.start()]):
        return {"limit": 1}
    return {"limit": 10}


def _counts_rows(asked: _Asked, quantity: Quantity, match: re.Match[str]) -> bool:
    """ "top 10", "10 largest", "the largest 5", "first 20", "show 3 sites that …"."""
    before, after = asked.text[: quantity.start].rstrip(), asked.text[quantity.end :].lstrip()
    beside = match.start() - quantity.end in range(0, 3) or quantity.start - match.end() in range(0, 3)
    named = re.search(r"\b(?:top|first|limit(?: to)?|only|best)$", before) or _COUNTED.match(after)
    return bool(beside or named) and _bound(asked, quantity) not in ("min", "about")


def _names_a_top(asked: _Asked) -> bool:
    return asked.has(
        r"\b(?:top|first) (?:\d+|[a-z]+) (?:regions?|count(?:y|ies)|councils?|districts?|countries|years)\b"
    )


def _aggregation(asked: _Asked, ranking: Filters) -> Filters:
    figure = _figure(asked, ranking)
    group = _group(asked)
    revenue_by_year = group == "commissioned_year" and not figure and asked.has(r"\b(?:revenue|income|earn\w*)\b")
    if revenue_by_year:
        return {}
    if not figure and not group:
        return {}
    return {"query_type": "aggregation", "aggregation": figure or "count"} | ({"group_by": group} if group else {})


def _figure(asked: _Asked, ranking: Filters) -> str | None:
    if re.search(
        r"\b(?:max(?:imum)?|largest|biggest|highest) (?:installed )?(?:capacity|size)\b(?! of \d| \d|:)", asked.text
    ):
        if "sort_by" not in ranking and not _sized_by_number(asked):
            return "max_capacity"
    if re.search(r"\b(?:min(?:imum)?|smallest|lowest) (?:installed )?(?:capacity|size)\b(?! of \d| \d|:)", asked.text):
        if "sort_by" not in ranking and not _sized_by_number(asked):
            return "min_capacity"
    for figure, words in _FIGURES:
        if asked.has(words):
            return figure
    if ranking or asked.has(r"\b(?:sort|order|rank)"):
        return None
    return "sum_capacity" if _is_bare_word_capacity(asked) else None


def _sized_by_number(asked: _Asked) -> bool:
    return asked.has(r"\b(?:capacity|size) (?:of |is |= ?|: ?)?\d")


def _is_bare_word_capacity(asked: _Asked) -> bool:
    """ "wind capacity in Scotland", but not "capacity over 500 kW", "500 kW capacity", "by capacity"."""
    for match in re.finditer(r"\bcapacit(?:y|ies)\b", asked.text):
        before, after = asked.text[: match.start()].rstrip(), asked.text[match.end() :].lstrip()
        beside_number = any(
            (q.kind in ("kw", "number")) and (0 <= match.start() - q.end <= 4 or 0 <= q.start - match.end() <= 24)
            for q in asked.quantities
            if q.kind == "kw" or q.kind == "number"
        )
        if (
            not beside_number
            and not re.search(r"\b(?:by|per|on|with|of)$", before)
            and not re.match(r"(?:factor|market)", after)
        ):
            return True
    return False


def _group(asked: _Asked) -> str | None:
    for group, words in _GROUPS:
        if asked.has(rf"{_BY} ?(?:{words})\b"):
            return group
    if asked.has(r"\bregional (?:breakdown|split|counts?|totals?)\b"):
        return "region"
    if asked.has(r"\btechnology (?:breakdown|split|mix)\b"):
        return "technology"
    return None


def _comparison(asked: _Asked) -> Filters:
    compared = len(asked.technologies) > 1 or len(asked.places) + len(asked.unknown_places) > 1
    if asked.has(r"\bcompar\w+|\bcontrast\b") or (
        compared
        and asked.has(
            r"\bvs?\b\.?|\bversus\b|\bagainst\b|\bdifference between\b|\b(?:more|bigger|larger|greater)\b[^,]*\bor\b|\bthan\b(?! \d)"
        )
    ):
        return {"query_type": "comparison"}
    return {}
