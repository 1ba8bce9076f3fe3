"""The gazetteer: names of places, their aliases and postcode areas, and how a question's words become them.

``data/gazetteer.csv`` holds the places (``data/gazetteer.md`` says where its figures come from and how a row is
written), ``data/outside_gb.txt`` places the scheme does not cover, ``data/common_words.txt`` English words that
are never taken for a misspelt place, and ``data/local_authorities.csv`` the districts that are not in the
gazetteer: the executor finds those by their own name, so "West Devon" must not become Devon.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

from rapidfuzz import process
from rapidfuzz.distance import OSA

from fit_assets import settings
from fit_assets.filters import POSTCODE_PATTERN, QueryFilters

KINDS: tuple[str, ...] = ("nation", "region", "county", "council_area", "city", "town", "area", "historic")
COLUMNS: tuple[str, ...] = ("name", "kind", "patterns", "aliases")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The 120 postcode areas of Great Britain (ONS Postcode Directory, November 2025; without BT, GY, IM, JE).
POSTCODE_AREAS: frozenset[str] = _words(
    "AB AL B BA BB BD BH BL BN BR BS CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK FY G "
    "GL GU HA HD HG HP HR HS HU HX IG IP IV KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX "
    "PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD "
    "WF WN WR WS WV YO ZE"
)

_COMPASS = _words("north south east west mid central northern southern eastern western ne nw se sw")
# A compass word before a place of these kinds names another place: West Devon, North Norfolk, South England.
_COMPASS_MAKES_ANOTHER = frozenset({"nation", "region", "county", "historic", "area"})
_LEADS_TO_PLACE = _words("in near around across by from at within outside throughout compare between versus vs")
# "Glen Lyon" and "Ireland Wood" are not abroad.
_PARTS_OF_NAMES = _words(
    "avenue ben bridge common farm glen green hill house lane loch lower mill mount park road street upper wood"
)
# "Give us a list", "I ran a farm"
_NO_COUNTRY = (["us", "a"], ["i", "ran"])
_NEARNESS = _words("vicinity neighbourhood outskirts north south east west edge town city")
_JOINS = _words("and or vs versus with to")
_TECHNOLOGY_WORDS = _words(
    "wind windfarm windfarms turbine turbines solar pv photovoltaic photovoltaics panels hydro hydroelectric ad "
    "anaerobic digester digesters digestion biogas chp farm farms site sites installation installations"
)
_MAX_WORDS = 6
_GLUE = re.compile(r"[\s.‐‑‒–—\-]*")
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)*|&")


class GazetteerError(ValueError):
    """A file of the gazetteer that cannot be used; the message names file, row and mend."""


@dataclass(frozen=True)
class Place:
    """One place: canonical name, one of ``KINDS``, postcode areas or outward codes, other names."""

    name: str
    kind: str
    patterns: tuple[str, ...]
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class PlaceMatch:
    """A place in a question: ``question[start:end] == text``; score 100 is exact, lower is misspelt."""

    place: Place
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class _Token:
    start: int
    end: int
    word: str  # lower case, without apostrophes; "&" is "and"
    owner: str | None = None  # "devon" of "devon's"


@dataclass(frozen=True)
class _Span:
    """A stretch of tokens that means something: a place, or (``place`` None) a name that hides the places in it."""

    first: int
    last: int
    place: Place | None
    score: float = 100.0
    district: str | None = None
    outside: bool = False
    possessive: bool = False


class Gazetteer:
    """All places, and the search for them in a question."""

    def __init__(
        self,
        places: Iterable[Place],
        common_words: Iterable[str] = (),
        districts: Iterable[str] = (),
        outside: Iterable[str] = (),
    ) -> None:
        """Index the places; names must be unique (see ``load_gazetteer``, which checks them)."""
        self.places: tuple[Place, ...] = tuple(places)
        self._common = frozenset(common_words)
        self._by_key: dict[str, Place] = {}
        self._words_of: dict[str, list[str]] = {}
        correctable = []
        for place in self.places:
            for name in (place.name, *place.aliases):
                key = _key(name)
                self._by_key[key] = place
                self._words_of[key] = [token.word for token in _tokens(name)]
                # Abbreviations lie one letter from too many words (Lincs, links; W Yorks, works) to be corrected.
                if len(key) >= (5 if name == place.name else 7) and all(len(word) > 1 for word in name.split()):
                    correctable.append(key)
        self._correctable = correctable
        self._districts = {_key(name): name for name in districts if _key(name) not in self._by_key}
        self._outside = frozenset(map(_key, outside)) - self._by_key.keys()
        self._long_outside = [key for key in self._outside if len(key) > 9]
        self._spans = lru_cache(maxsize=4096)(self._scan)

    def get(self, name: str) -> Place | None:
        """The place with this canonical name or alias, in any case, with or without "the"."""
        key = _key(name)
        return self._by_key.get(key) or self._by_key.get(key.removeprefix("the"))

    def patterns_for(self, name: str) -> tuple[str, ...] | None:
        """Postcode patterns of a place by name or alias; None where the gazetteer does not know it."""
        place = self.get(name)
        return place.patterns if place else None

    def find(self, question: str) -> list[PlaceMatch]:
        """The places that a question names, in the order of the text, not overlapping, the longest name first.

        Names are met in any case, with hyphens or spaces, "&" or "and", abbreviated with full stops, with a
        possessive "s", and misspelt by a letter or two; a place whose name is an English word (Reading, Bath)
        only after a preposition, beside another place, or at the end of the question next to a technology.
        """
        tokens = _tokens(question)
        matches = []
        for span in self._spans(question):
            if span.place:
                start, end = tokens[span.first].start, tokens[span.last].end - (2 if span.possessive else 0)
                matches.append(PlaceMatch(span.place, start, end, question[start:end], span.score))
        return matches

    def find_districts(self, question: str) -> list[tuple[str, int, int]]:
        """English districts the question names that are not in the gazetteer: (name as the ONS spells it, start, end).

        They have no patterns: the executor looks them up among the local authorities.
        """
        tokens = _tokens(question)
        return [
            (span.district, tokens[span.first].start, tokens[span.last].end)
            for span in self._spans(question)
            if span.district
        ]

    def names_outside(self, question: str) -> bool:
        """Whether the question names a place outside Great Britain that the list knows."""
        return any(span.outside for span in self._spans(question))

    def suggest(self, name: str, limit: int = 3) -> list[str]:
        """Canonical names that look like ``name``, the nearest first; empty where none does."""
        hits = process.extract(
            _key(name), list(self._by_key), scorer=OSA.normalized_similarity, score_cutoff=0.6, limit=limit * 4
        )
        return list(dict.fromkeys(self._by_key[key].name for key, _, _ in hits))[:limit]

    def _scan(self, question: str) -> tuple[_Span, ...]:
        tokens = _tokens(question)
        candidates = []
        for window in _windows(question, tokens):
            candidates += self._exact(tokens, *window) or self._misspelt(tokens, *window)
        candidates += [wider for span in candidates for wider in self._with_compass(question, tokens, span)]
        candidates.sort(
            key=lambda span: (
                tokens[span.first].start - tokens[span.last].end,  # longest first
                span.place is None and not span.district,
                -span.score,
            )
        )
        chosen: list[_Span] = []
        doubtful: list[_Span] = []
        for span in candidates:
            if any(span.first <= other.last and other.first <= span.last for other in chosen):
                continue
            is_word = span.first == span.last and span.score == 100 and tokens[span.first].word in self._common
            (doubtful if is_word and not _leads_to_place(tokens, span) else chosen).append(span)
        for span in doubtful:
            if any(_joined(question, tokens, span, other) for other in chosen):
                chosen.append(span)
        return tuple(sorted(chosen, key=lambda span: span.first))

    def _exact(self, tokens: list[_Token], first: int, last: int) -> list[_Span]:
        words = _with_and([token.word for token in tokens[first : last + 1]])
        owner = tokens[last].owner
        for key, possessive in (("".join(words), False), ("".join([*words[:-1], owner or ""]), True)):
            if possessive and owner is None:
                continue
            if key in self._by_key:
                return [_Span(first, last, self._by_key[key], possessive=possessive)]
            if key in self._districts:
                return [_Span(first, last, None, district=self._districts[key])]
            if key in self._outside and words not in _NO_COUNTRY:
                beside = {
                    tokens[first - 1].word if first else "",
                    *(token.word for token in tokens[last + 1 : last + 2]),
                }
                return [_Span(first, last, None, outside=beside.isdisjoint(_PARTS_OF_NAMES))]
        return []

    def _misspelt(self, tokens: list[_Token], first: int, last: int) -> list[_Span]:
        words = _with_and([token.owner or token.word for token in tokens[first : last + 1]])
        if words[1:] and words[-1] == "shire":  # "Abberdeen shire"
            words[-2:] = [words[-2] + "shire"]
        key = "".join(words)
        if len(key) < 4 or not key.isalpha() or all(word in self._common for word in words):
            return []
        hits = process.extract(key, self._correctable, scorer=OSA.distance, score_cutoff=_slips(key) + 1, limit=8)
        near = [(distance, name) for name, distance, _ in hits if self._is_slip_of(words, name, int(distance))]
        if not near:
            outside = process.extractOne(key, self._long_outside, scorer=OSA.distance, score_cutoff=1)
            return [_Span(first, last, None, outside=True)] if outside and outside[0][0] == key[0] else []
        best = min(distance for distance, _ in near)
        nearest = [name for distance, name in near if distance == best]
        # A letter is sooner left out than put in: "penrth" is Penrith, not Perth.
        nearest = [name for name in nearest if len(name) > len(key)] or nearest
        places = {self._by_key[name] for name in nearest}
        if len(places) > 1:  # "herfordshire" may be either of two counties: better no answer than a wrong one
            return []
        name = nearest[0]
        possessive = tokens[last].owner is not None
        return [_Span(first, last, self._by_key[name], round(100 * (1 - best / len(name)), 1), possessive=possessive)]

    def _is_slip_of(self, words: list[str], name: str, distance: int) -> bool:
        """Whether ``words`` are a misspelling of the name with this key, word by word where their number is equal."""
        known = self._words_of[name]
        if len(words) != len(known):
            if len(words) == 2 and len(known) == 1:  # "oak hampton", "harrow gate"
                return distance <= len(name) // 8 and words[0][0] == name[0] and min(map(len, words)) > 2
            # "stokeontrnet" is a slip, "land faster" is not one of Lancaster.
            return len(words) < len(known) and distance == 1 and words[0][0] == name[0]
        for word, right in zip(words, known, strict=True):
            if word == right:
                continue
            slips = OSA.distance(word, right)
            if word in self._common or word in _COMPASS or slips > _slips(right):
                return False
            if word[0] != right[0] and word[:2] != right[1::-1]:
                return False
        return True

    def _with_compass(self, question: str, tokens: list[_Token], span: _Span) -> list[_Span]:
        """The span together with the compass words before it, or the word "facing" behind it."""
        first = span.first
        while first > 0 and tokens[first - 1].word in _COMPASS and _glued(question, tokens, first - 1):
            first -= 1
        wider = []
        if span.place and first < span.first:
            another = span.place.kind in _COMPASS_MAKES_ANOTHER and span.place.name != "London"
            wider.append(_Span(first, span.last, None if another else span.place, span.score))
        following = span.last + 1
        if span.place and following < len(tokens) and tokens[following].word == "facing":
            wider.append(_Span(first, following, None))
        return wider


def load_gazetteer(path: Path | None = None) -> Gazetteer:
    """The gazetteer of a CSV file (default: the project's); read again only when a file has changed.

    Raises:
        GazetteerError: a missing file, another encoding than UTF-8, or a row that breaks a rule.
    """
    data = settings.data_dir()
    files = (
        path or settings.gazetteer_path(),
        data / "common_words.txt",
        data / "local_authorities.csv",
        data / "outside_gb.txt",
    )
    return _load(files, tuple(_stamp(file) for file in files))


@overload
def fill_patterns(filters: QueryFilters, gazetteer: Gazetteer | None = None) -> QueryFilters: ...
@overload
def fill_patterns(filters: dict[str, Any], gazetteer: Gazetteer | None = None) -> dict[str, Any]: ...
def fill_patterns(
    filters: QueryFilters | dict[str, Any], gazetteer: Gazetteer | None = None
) -> QueryFilters | dict[str, Any]:
    """The same filters with ``postcode_patterns`` of their location, where they have none and it is known."""
    values: Mapping[str, Any] = filters.to_dict() if isinstance(filters, QueryFilters) else filters
    location = values.get("location")
    if not isinstance(location, str) or values.get("postcode_patterns"):
        return filters
    patterns = (gazetteer or load_gazetteer()).patterns_for(location)
    if patterns is None:
        return filters
    if isinstance(filters, QueryFilters):
        return filters.replace(postcode_patterns=list(patterns))
    return {**filters, "postcode_patterns": list(patterns)}


def is_outside_great_britain(text: str, gazetteer: Gazetteer | None = None) -> bool:
    """Whether the text names a country or city of ``data/outside_gb.txt``, which the scheme does not cover."""
    return (gazetteer or load_gazetteer()).names_outside(text)


# Areas that are also a word, a unit, a compass point or the start of a name ("NE", "500 KW", "CO Durham").
_ALSO_WORDS = _words("AL B BA CA CH CO DA DE E EN G HA HR IP KW L LA LE M MA ME N NE NW OX PA PE PO S SE SO ST SW TA W")
# Grid connection standards and financial years that look like outward codes of Glasgow and Blackpool.
_NOT_OUTWARD = frozenset({"G59", "G98", "G99", *(f"FY{year}" for year in range(10, 40))})
_AREA = "(?:" + "|".join(sorted(POSTCODE_AREAS, key=lambda area: (-len(area), area))) + ")"
_OUTWARD = re.compile(
    rf"(?<![A-Za-z0-9/])({_AREA}[0-9](?:[0-9]|[A-HJKMNPR-Y])?)(?:\s?[0-9][ABD-HJLNP-UW-Z]{{2}}|\s[0-9](?![\w.,]))?"
    r"(?![A-Za-z0-9/])",
    re.IGNORECASE,
)
_AREAS = re.compile(
    rf"(?<![\w'’/.-])({_AREA}(?:(?:\s*(?:,|/|&|\band\b|\bor\b)\s*)+{_AREA}\b)*)(?![\w'’]|[-.]\w)", re.IGNORECASE
)
_AREA_WORD_BEFORE = re.compile(
    r"\b(?:post\s?codes?(?:\s+areas?)?|outward\s+codes?)\s*[:=]?\s*"
    r"(?:of|in|is|are|(?:start(?:s|ing)?|begin(?:s|ning)?)\s+with)?\s*$",
    re.IGNORECASE,
)
_AREA_WORD_AFTER = re.compile(r"\s*(?:post\s?codes?|areas?\b|postal\b)", re.IGNORECASE)
_PREPOSITION_BEFORE = re.compile(r"\b(?:in|near|around|across|within)\s+(?:the\s+)?$", re.IGNORECASE)


def postcodes_in(question: str) -> list[tuple[str, int, int]]:
    """Postcode areas and outward codes that a question names: (pattern, start, end), in the order of the text.

    "RG17" and "RG17 9AB" are outward codes. "the YO area", "YO and HU postcodes", "postcode yo" are areas in
    any case; alone, an area is taken in capitals ("sites in YO", unless the whole question is in capitals) or
    after a preposition ("in yo"), and never where it is also a word, a unit or a compass point (NE, KW, so).
    """
    found = []
    for match in _OUTWARD.finditer(question):
        if match[1].upper() not in _NOT_OUTWARD:
            found.append((match[1].upper(), match.start(), match.end()))
    shouted = question.upper() == question
    for run in _AREAS.finditer(question):
        before, after = question[: run.start()], question[run.end() :]
        named = bool(_AREA_WORD_BEFORE.search(before) or _AREA_WORD_AFTER.match(after))
        placed = bool(_PREPOSITION_BEFORE.search(before))
        # Beside an area that is nothing else, one that is a word as well is an area: "IV and KW".
        unmistakable = any(area not in _ALSO_WORDS for area in re.findall(rf"\b{_AREA}\b", run[0].upper()))
        for part in re.finditer(rf"\b{_AREA}\b", run[0], re.IGNORECASE):
            area, in_capitals = part[0].upper(), part[0].isupper() and not shouted
            alone = unmistakable and (in_capitals or placed)
            if named or alone:
                found.append((area, run.start() + part.start(), run.start() + part.end()))
    return sorted(found, key=lambda hit: hit[1])


def _slips(key: str) -> int:
    """How many slips of the pen a name of this length may carry."""
    return sum(len(key) >= length for length in (4, 9, 14))


def _plain(char: str) -> str:
    """The letter in lower case without its accent; always one character, so that offsets stay true."""
    bare = unicodedata.normalize("NFKD", char)[0].lower()
    return bare if len(bare) == 1 else char


def _tokens(text: str) -> list[_Token]:
    plain = "".join(map(_plain, text))
    tokens = []
    for match in _WORD.finditer(plain):
        word = match[0].replace("’", "'")
        owner = word[:-2].replace("'", "") if word.endswith("'s") else None
        tokens.append(_Token(match.start(), match.end(), "and" if word == "&" else word.replace("'", ""), owner))
    return tokens


def _key(name: str) -> str:
    """A name as it is looked up: its words run together, so that hyphens and spaces do not matter."""
    return "".join(token.word for token in _tokens(name))


def _with_and(words: list[str]) -> list[str]:
    """The words of one name, where the "n" or "an" of "Perth n Kinross" is an "and"; that of "N Wales" is not."""
    return ["and" if word in ("n", "an") and 0 < index < len(words) - 1 else word for index, word in enumerate(words)]


def _glued(question: str, tokens: list[_Token], index: int) -> bool:
    """Whether only blanks, hyphens or full stops stand between this token and the next."""
    return _GLUE.fullmatch(question, tokens[index].end, tokens[index + 1].start) is not None


def _windows(question: str, tokens: list[_Token]) -> Iterable[tuple[int, int]]:
    """(first, last) of every run of tokens that may be one name."""
    for first in range(len(tokens)):
        for last in range(first, min(first + _MAX_WORDS, len(tokens))):
            if last > first and not _glued(question, tokens, last - 1):
                break
            yield first, last


def _leads_to_place(tokens: list[_Token], span: _Span) -> bool:
    """Whether the words around a name that is also an English word say that it is the place."""
    before = tokens[span.first - 1].word if span.first else None
    after = tokens[span.last + 1].word if span.last + 1 < len(tokens) else None
    if (
        before in _LEADS_TO_PLACE
        or (before == "on" and span.outside)
        or (before == "of" and span.first > 1 and tokens[span.first - 2].word in _NEARNESS)
    ):
        return True
    ends = after is None or after[0].isdigit()
    return (before is None and after in _TECHNOLOGY_WORDS) or (ends and before in _TECHNOLOGY_WORDS)


def _joined(question: str, tokens: list[_Token], span: _Span, other: _Span) -> bool:
    """Whether two spans are members of one list: "Bath and Bristol", "Leeds, Reading"."""
    left, right = (span, other) if span.first < other.first else (other, span)
    between = tokens[left.last + 1 : right.first]
    if not between:
        return not {",", "/"}.isdisjoint(question[tokens[left.last].end : tokens[right.first].start])
    return len(between) == 1 and between[0].word in _JOINS


def _stamp(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        raise GazetteerError(f"{file}: cannot be read ({error.strerror}); put the file back") from error


@lru_cache(maxsize=4)
def _load(files: tuple[Path, Path, Path, Path], stamps: tuple[int, ...]) -> Gazetteer:
    gazetteer, common_words, local_authorities, outside = files
    common = frozenset(_lines(common_words))
    return Gazetteer(
        _read_places(gazetteer, common),
        common,
        _district_names(local_authorities),
        _lines(outside),
    )


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise GazetteerError(f"{file}, row {row}: not UTF-8; save the file as 'CSV UTF-8'") from error
    except OSError as error:
        raise GazetteerError(f"{file}: cannot be read ({error.strerror}); put the file back") from error


def _lines(file: Path) -> list[str]:
    lines = (line.strip() for line in _text(file).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _district_names(file: Path) -> list[str]:
    rows = csv.DictReader(io.StringIO(_text(file)))
    if "name" not in (rows.fieldnames or ()):
        raise GazetteerError(f"{file}, row 1: no column 'name'; put the header back")
    return [re.sub(r", (City|County) of$", "", row["name"]) for row in rows]


def _read_places(file: Path, common_words: frozenset[str]) -> list[Place]:
    rows = csv.reader(io.StringIO(_text(file)), strict=True)
    places: list[Place] = []
    owners: dict[str, str] = {}
    try:
        for number, row in enumerate(rows, start=1):
            if number == 1:
                if tuple(row) != COLUMNS:
                    raise GazetteerError(f"{file}, row 1: the header is {row!r}; it must be {','.join(COLUMNS)}")
                continue
            try:
                places.append(_read_place(row, owners, common_words))
            except ValueError as error:
                raise GazetteerError(f"{file}, row {rows.line_num}: {error}") from None
    except csv.Error as error:
        raise GazetteerError(f"{file}, row {rows.line_num}: {error}; check the quotation marks of the row") from error
    if not places:
        raise GazetteerError(f"{file}: holds no place; restore the file from git")
    return places


def _read_place(row: list[str], owners: dict[str, str], common_words: frozenset[str]) -> Place:
    """One row as a place; ``owners`` gathers the keys seen so far. The caller adds file and row to errors."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} columns where {len(COLUMNS)} belong; separate lists by ';', not ','")
    name, kind = row[0], row[1].strip()
    if not _key(name) or name != " ".join(name.split()):
        raise ValueError(f"name {name!r} is empty or has blanks too many; write the name plainly")
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r} of {name}; use one of {', '.join(KINDS)}")
    patterns, aliases = _list(row[2], name, "patterns"), _list(row[3], name, "aliases") if row[3].strip() else ()
    for pattern in patterns:
        area = re.match("[A-Z]*", pattern)
        if not POSTCODE_PATTERN.fullmatch(pattern) or area is None or area[0] not in POSTCODE_AREAS:
            raise ValueError(
                f"pattern {pattern!r} of {name} is no postcode area or outward code of Great Britain; "
                "write it in capitals, as in RG or RG17"
            )
    if len(set(patterns)) < len(patterns):
        raise ValueError(f"{name} names a pattern twice; name each once")
    for label in (name, *aliases):
        key = _key(label)
        if len(key) < 2:
            raise ValueError(f"alias {label!r} of {name} is too short; use two letters or more")
        if key in owners:
            raise ValueError(f"{label!r} of {name} already stands for {owners[key]}; keep it in one of the rows")
        if label != name and key in common_words:
            raise ValueError(f"alias {label!r} of {name} is an English word; remove it")
        owners[key] = name
    return Place(name, kind, patterns, aliases)


def _list(cell: str, name: str, column: str) -> tuple[str, ...]:
    values = tuple(value.strip() for value in cell.split(";"))
    if not all(values):
        raise ValueError(f"{column} of {name} are empty or hold an empty value; separate them by single ';'")
    return values
