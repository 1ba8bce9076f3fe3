"""A question, read once: places, postcodes, technologies and numbers with their spans.

Rules and grounding both start from here, so that they cannot disagree on what a question says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar

from fit_assets.language.background import background, told_before
from fit_assets.language.corrections import taken_back
from fit_assets.language.numbers import Kind, Quantity, quantities
from fit_assets.language.spelled import spelled_together
from fit_assets.language.text import BLANK, MAX_QUESTION_CHARS, MONTH, Mention, normalise_question
from fit_assets.language.vocabulary import TechnologyMatch, excluded, find_technologies, mend

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer

# Adjectives that say where.
_ADJECTIVES = {"scottish": "scotland", "welsh": "wales", "cornish": "cornwall"}
_OF_A_PLACE = re.compile(rf"\b(?:{'|'.join(_ADJECTIVES)})\b(?! (?:borders|power|water|government))")

# "above-10 kW", "up-to-50 kW": the words are the words.
_STUCK = re.compile(r"\b(?:over|under|above|below|up-?to|at-least|at-most)-?(?=\d)")
# "200to800kw", "turbinesnear oban", "w yorks,200kw", "wind /1mw"
_UNSPACED = re.compile(
    r"(?<=\d)(to)(?=\d)|"
    r"\b((?:turbine|panel|farm|site|scheme|plant|digester)s|hydros?|wind|solar|biogas|chp|pv)"
    r"(?=(?:near|in|over|under|above|below|around|by|since|to)(?![a-z]))|"
    r"(?<=[a-z ])(,)(?=\d)|(?<= )(/)(?=\d)|(?<=\d)(/)(?=[a-z]{1,2}\d)"
)
_FIRST = re.compile(r"\b1st\b(?! (?:of\b|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))")

# "Kind regards, Elin" is not in Elgin.
_SIGNATURE = re.compile(
    r"(?<=[.?!)]) (?:(?:kind|best|many|warm|with|all the) )*"
    r"(?:regards|rgds|wishes|thanks|thank you|cheers|best(?=,)|yours|love|sincerely|faithfully|slainte)"
    r"(?:[,.]? [a-z]\.)?(?:[,.]? (?!(?:in|for|and|but|only|just|with|first|please)\b)[a-z'-]+(?! only\b)){1,2}[.!]*$|"
    r"(?<=[.?!)]) (?:-+ ?[a-z]+|[a-z]\. [a-z]+)\.?$"
)
# Out of a spreadsheet: "Row 14: wind / 225 kW", "cell B7 says PV".
_CELL = re.compile(r"\b(?:row \d{1,5}|(?:cell|col(?:umn)?) [a-z]{1,2}\d{0,5})(?=:| -| says| reads| has\b| shows)")
# "31 March 2012", "March 31st, 2012", "31/03/2012", "2012-03-31": years are what the contract knows.
_DAY = re.compile(
    rf"\b(?:the )?[0-3]?\d(?:st|nd|rd|th)?(?: of)? (?={MONTH}[a-z]{{0,6}},? (?:19|20)\d\d\b)|"
    rf"(?<=[a-z]) [0-3]?\d(?:st|nd|rd|th)?,(?= (?:19|20)\d\d\b)|"
    r"(?<![\d/.-])[0-3]?\d([/.-])[01]?\d\1(?=(?:19|20)\d\d\b)|(?<=\b(?:19|20)\d\d)-[01]\d-[0-3]\d\b"
)
# Dictated: "how erm many".
_FILLERS = re.compile(r"\b(?:erm+|u+m+|u+h+)\b[,.]* ?")
# "50kwto100kw", "1.5mwor more"
_BEHIND_UNIT = re.compile(
    r"(?<=\d)([km]w)(?=(?:to|or|and|in|near|plus|max|min|(?:wind|solar|pv|hydro|biogas|chp)[a-z]{0,9})(?![a-z]))"
)
# "KY9over 20kw"
_BEHIND_CODE = re.compile(r"(?<=\d)(?=(?:over|under|above|below)\b)")
# "5oldest"
_BEHIND_NUMBER = re.compile(r"(?<=\d)(?=(?:bigg|larg|small|old|new)est\b)")
# "b4 2014"; alone it is a postcode.
_TEXTED = re.compile(r"\bb4(?= (?:19|20)\d\d\b)")
# "under a yr left" is not in Ayr.
_A_YEAR = re.compile(r"(?<=\ba )yr\b")
_AND = re.compile(r"\ban(?= (?:over|under|above|below|at least|at most|more than|less than)\b)")

# Where a name that is a word as well cannot be one.
_BETWEEN_COMMAS = re.compile(r", ([A-Z][a-z]{3,})(?=[,:]|[.?!]*$)")

# Postcode areas that are words as well, in capitals after a preposition or another area: "generators in BA", "GL + BA".
_AREA_IN_CAPITALS = re.compile(
    r"(?:\b(?:in|near|around|across|within|under)|"
    r"\b(?!PV|AD|[KM]W|UK|GB|[AP]M|OK|[NS][EW])[A-Z]{1,2}\d{0,2}(?:,| ?[+&/]| and| or)) "
    r"(AL|BA|CA|CH|CO|DA|DE|EN|HA|HR|IP|LA|LE|ME|OX|PA|PE|PO|SO|ST|TA)\b"
)


# Northern Ireland, Jersey, Guernsey and the Isle of Man.
_FOREIGN_POSTCODE = re.compile(r"\b(?:bt|je|gy|im)[0-9]{1,2}\b")

_AT_IT = re.compile(r" (?:in[,.;]|in the (?:business|trade|job|industry)|of experience|on the job)")
_NEEDS_NO_PLACE = re.compile(r"\b(?:by|per|each|every|rate|tariff)\b")
# Blanks and accents make a text longer than its normal form; what lies beyond is cut there too.
_LONGEST = 4 * MAX_QUESTION_CHARS


class _Span(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


_AnySpan = TypeVar("_AnySpan", bound=_Span)


@dataclass(frozen=True)
class Named:
    """A place or postcode in a text: its canonical name, its kind, and the postcode patterns that it stands for."""

    name: str
    start: int
    end: int
    patterns: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Reading:
    """What a question says.

    ``plain`` is the normalised question; ``text`` the same with misspelt domain words put right, and places, postcodes,
    background and what is taken back blanked out: all spans are spans of ``text``. ``told`` still has the background,
    but for purposes ("for a Commons briefing").
    ``places`` are those of the gazetteer and districts, ``codes`` the postcode areas and outward codes. What the
    question rules out ("not solar", "outside Wales") is only in ``exclusions``.
    """

    question: str
    plain: str
    text: str
    told: str
    places: tuple[Named, ...]
    codes: tuple[Named, ...]
    technologies: tuple[TechnologyMatch, ...]
    numbers: tuple[Quantity, ...]
    exclusions: tuple[str, ...]
    outside_great_britain: bool

    def has(self, pattern: re.Pattern[str]) -> bool:
        """Whether the text has these words."""
        return pattern.search(self.text) is not None

    def before(self, span: _Span) -> str:
        """The text to the left."""
        return self.text[: span.start].rstrip()

    def after(self, span: _Span) -> str:
        """The text to the right."""
        return self.text[span.end :].lstrip()

    def between(self, left: _Span, right: _Span) -> str:
        """The text between two spans."""
        return self.text[left.end : right.start].strip()

    def written(self, span: _Span) -> str:
        """The words of a span."""
        return self.text[span.start : span.end]

    def of_kind(self, *kinds: Kind) -> list[Quantity]:
        """The numbers of these kinds, in order."""
        return [number for number in self.numbers if number.kind in kinds]

    @property
    def number_words(self) -> set[str]:
        """The words that numbers were read from, units among them."""
        return {word for number in self.numbers for word in self.written(number).split()}

    @property
    def place_text(self) -> str:
        """The text in which a place is named: of a question without one, background as well ("I'm in Clun. Hydro?")."""
        return self.text if self.places or self.codes or _NEEDS_NO_PLACE.search(self.text) else self.told

    @property
    def place_names(self) -> list[str]:
        """The names of the places, each once, in order."""
        return list(dict.fromkeys(place.name for place in self.places))

    @property
    def patterns(self) -> list[str]:
        """The postcode patterns that the question itself gives, each once, in order."""
        return list(dict.fromkeys(code.name for code in self.codes))


def read(question: str, gazetteer: Gazetteer) -> Reading:
    """Read a question; never fails, whatever the text."""
    question = question[:_LONGEST]
    plain = normalise_question(question)
    text = mend(spelled_together(_untabled(_unsigned(plain, gazetteer))), _words_of_names(gazetteer))
    text = _OF_A_PLACE.sub(lambda adjective: _ADJECTIVES[adjective[0]], text)
    places = [
        Named(hit.place.name, hit.start, hit.end, hit.place.patterns, hit.place.kind) for hit in gazetteer.find(text)
    ]
    places += [Named(*district) for district in gazetteer.find_districts(text)]
    places += [
        named for named in _alone(question, text, gazetteer) if not any(_overlap(named, place) for place in places)
    ]
    places.sort(key=lambda place: place.start)
    codes = [code for code in _codes(question, text) if not any(_overlap(code, place) for place in places)]
    written, text = text, _blanked(text, [*places, *codes])
    named = _kinds(places, codes, find_technologies(text), quantities(text))
    wrong = [*taken_back(text, named, written), *told_before(text, named)]
    text = _blanked(text, [Named("", *span) for span in wrong], " ")
    places, codes = _outside(wrong, places), _outside(wrong, codes)
    technologies = find_technologies(text)
    numbers = quantities(text)
    # "Everything except solar, because Rob has the solar."
    ruled_out = {match.technology for match in technologies if excluded(text, match.start)}
    if "because" not in text and all(match.technology in ruled_out for match in technologies):
        ruled_out = set()  # "not wind in Kent, wind in Essex"
    exclusions: list[str] = []
    sizes = [number for number in numbers if number.kind in ("kw", "fit_id", "years") and not _is_tenure(text, number)]
    asides = _asides(text, [*technologies, *sizes, *codes], places, gazetteer)
    purposes = [span for span in asides if text[slice(*span)].lstrip().startswith("for ")]
    told, text = (_blanked(text, [Named("", *span) for span in spans], " ") for spans in (purposes, asides))
    places = _outside(asides, places)
    # "New York LN4" is in Lincolnshire.
    is_there = any(code.name[-1].isdigit() for code in codes)
    return Reading(
        question=question,
        plain=plain,
        text=text,
        told=told,
        places=_included(text, places, exclusions),
        codes=_included(text, codes, exclusions),
        technologies=tuple(
            match for match in _included(text, technologies, exclusions) if match.technology not in ruled_out
        ),
        numbers=tuple(_outside(asides, numbers)),
        exclusions=tuple(exclusions),
        outside_great_britain=_FOREIGN_POSTCODE.search(plain) is not None
        or (gazetteer.names_outside(text if asides or wrong else plain) and not is_there),
    )


def _alone(question: str, text: str, gazetteer: Gazetteer) -> list[Named]:
    """Places whose names are words as well, capitalised between commas: "PV 50-250kWp, Reading"."""
    found = []
    for typed in _BETWEEN_COMMAS.finditer(question):
        place = gazetteer.get(typed[1])
        written = re.search(rf"(?<=, ){typed[1].lower()}(?=[,:]|[.?!]*$)", text) if place else None
        if place and written:
            found.append(Named(place.name, *written.span(), place.patterns, place.kind))
    return found


def _unsigned(plain: str, gazetteer: Gazetteer) -> str:
    """The text without the name of who signs it, unless that is a place: "Thanks, Kent"."""
    signed = _SIGNATURE.search(plain)
    if signed is None or any(hit.score == 100 for hit in gazetteer.find(signed[0])):
        return plain
    return plain[: signed.start()]


def _untabled(plain: str) -> str:
    """The text that is read: names of columns are words as well ("by local_authority"), "2012..2014" is a range."""
    text = _DAY.sub("", _CELL.sub("", plain)).replace("_", " ")
    text = re.sub(r"(?<=\d)\.{2,3}(?=\d)", "-", text).replace("-based", " based")
    text = _BEHIND_UNIT.sub(r"\1 ", text.replace(" up2 ", " up to "))
    text = _BEHIND_NUMBER.sub(" ", _BEHIND_CODE.sub(" ", text))
    text = _TEXTED.sub("before", _FILLERS.sub("", text.replace("great britain", "britain")))
    text = _FIRST.sub("first", _AND.sub("and", _A_YEAR.sub("year", text)))
    text = _UNSPACED.sub(lambda stuck: f"{'' if stuck[2] or stuck[3] else ' '}{stuck[0]} ", text)
    return _STUCK.sub(lambda words: words[0].replace("-", " ").rstrip() + " ", text)


def _codes(question: str, text: str) -> list[Named]:
    """Postcodes of the normalised text, and those that only capitals in the question as typed give away."""
    from fit_assets.places import postcodes_in

    found = [Named(*code) for code in postcodes_in(text)]
    capitals = [] if question.upper() == question else _AREA_IN_CAPITALS.finditer(question)
    for pattern, start, end in [*postcodes_in(question), *((area[1], *area.span(1)) for area in capitals)]:
        written = re.search(rf"(?<![a-z0-9]){re.escape(normalise_question(question[start:end]))}(?![a-z0-9])", text)
        if written and all(code.name != pattern for code in found):
            found.append(Named(pattern, *written.span()))
    return sorted(found, key=lambda code: code.start)


def _included(text: str, spans: Sequence[_AnySpan], exclusions: list[str]) -> tuple[_AnySpan, ...]:
    """The spans that the text does not rule out; the others are described in ``exclusions``."""
    kept = []
    for span in spans:
        ruled_out_by = excluded(text, span.start)
        # What lies outside a town lies near it.
        is_near = ruled_out_by.startswith("outside") and isinstance(span, Named) and span.kind == "town"
        if ruled_out_by and not is_near:
            name = span.technology if isinstance(span, TechnologyMatch) else getattr(span, "name", "")
            exclusions.append(f"{ruled_out_by} {name}")
        else:
            kept.append(span)
    return tuple(kept)


@lru_cache(maxsize=4)
def _words_of_names(gazetteer: Gazetteer) -> frozenset[str]:
    return frozenset(
        word
        for place in gazetteer.places
        for name in (place.name, *place.aliases)
        for word in re.findall(r"[a-z]+", name.lower())
    )


def _kinds(
    places: Sequence[Named], codes: Sequence[Named], technologies: Sequence[_Span], numbers: Sequence[Quantity]
) -> list[Mention]:
    """What a question names, by kinds that replace each other, in order."""
    kinds = [("place", one) for one in (*places, *codes)] + [("technology", one) for one in technologies]
    kinds += [("size" if one.kind in ("kw", "number") else one.kind, one) for one in numbers]
    return sorted(((kind, one.start, one.end) for kind, one in kinds), key=lambda one: one[1])


def _asides(
    text: str, evidence: Sequence[_Span], places: Sequence[Named], gazetteer: Gazetteer
) -> list[tuple[int, int]]:
    """What only tells, but for the one place that a question names."""
    asides = background(text, [span.start for span in evidence], gazetteer.names_outside)
    if not _outside(asides, places):
        asides = [span for span in asides if len(_outside([span], places)) == len(places)]
    return asides


def _is_tenure(text: str, number: Quantity) -> bool:
    """Whether it says how long somebody has been at something: "for a decade", "thirty years in,"."""
    return number.kind == "years" and (
        text[: number.start].endswith(" for ") or _AT_IT.match(text[number.end :]) is not None
    )


def _outside(asides: Sequence[tuple[int, int]], spans: Sequence[_AnySpan]) -> list[_AnySpan]:
    return [span for span in spans if not any(begin <= span.start < end for begin, end in asides)]


def _blanked(text: str, spans: Sequence[_Span], blank: str = BLANK) -> str:
    characters = list(text)
    for span in spans:
        characters[span.start : span.end] = blank * (span.end - span.start)
    return "".join(characters)


def _overlap(one: _Span, other: _Span) -> bool:
    return one.start < other.end and other.start < one.end
