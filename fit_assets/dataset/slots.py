"""The parts of a meaning: each function draws one constraint, its gold keys and the ways to say it.

"How words become values" of the contract is written here once, as code: the phrase files know only wordings,
the value behind a wording is computed beside the choice of its section.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fit_assets.dataset import spoken
from fit_assets.dataset.phrases import Phrase, PhraseBook, choose, names_in
from fit_assets.filters import TECHNOLOGIES
from fit_assets.places import Gazetteer, Place

Gold = dict[str, Any]

SMALL_MAX_KW, LARGE_MIN_KW = 50, 500
INTENT_DEFAULT_YEARS = {"repowering_opportunities": 10, "ppa_opportunities": 5, "acquisition_targets": None}
SOON_YEARS, IMMEDIATE_YEARS, OPTIMAL_YEARS = 5, 2, (5, 10)
PLURAL_LIMIT = 10

# Inside names these stay small, as the ONS spells them (Stow-on-the-Wold, Argyll and Bute).
_SMALL_WORDS = frozenset(
    ("and", "by", "de", "en", "in", "la", "le", "next", "of", "on", "sub", "the", "under", "upon", "y", "yr")
)

# What people ask for; a figure that stands several times is that much more common.
_USUAL_KW: tuple[int, ...] = (
    *(4, 5, 6, 10, 10, 15, 20, 25, 30, 40, 50, 50, 50, 55, 60, 75, 80, 85, 90),
    *(100, 100, 100, 100, 120, 125, 150, 150, 180, 200, 200, 225, 250, 250, 250, 275, 300, 300, 330, 350, 400, 400),
    *(450, 499, 500, 500, 500, 500, 550, 600, 650, 700, 750, 750, 800, 850, 900),
    *(1000, 1000, 1000, 1000, 1200, 1250, 1300, 1500, 1500, 1500, 1600, 1750, 1800),
    *(2000, 2000, 2000, 2200, 2300, 2500, 2500, 3000, 3000, 3500, 4000, 4500, 5000, 5000, 7500, 10000),
)


@dataclass(frozen=True)
class Slot:
    """One constraint: what it means (``gold``) and how it can be said.

    ``forms`` maps a form (``pre`` before the noun, ``post`` after it, ``key`` in a row of keywords, …) to its
    phrases, ``values`` a name in them to its wordings. ``protected`` texts must survive noise letter by letter.
    """

    name: str
    gold: Gold
    forms: Mapping[str, tuple[Phrase, ...]]
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kind: str = ""
    protected: tuple[str, ...] = ()

    def options(self, form: str) -> list[Phrase]:
        """Phrases of a form whose names this slot can fill in."""
        return [phrase for phrase in self.forms.get(form, ()) if phrase.names <= self.values.keys()]

    def has(self, form: str) -> bool:
        """Whether the slot can be said in this form."""
        return form in self.values or bool(self.options(form))

    def say(self, form: str, rng: random.Random) -> str:
        """One wording in this form; a form that is a value (``{technology.mod}``) is that value."""
        if form in self.values and not self.options(form):
            return rng.choice(self.values[form])
        text = choose(rng.choice(self.options(form)).text, rng)
        for name in names_in(text):
            text = text.replace(f"{{{name}}}", rng.choice(self.values[name]), 1)
        return text


def title_case(name: str) -> str:
    """A place name as the contract spells it: Title Case, the small words inside a name small."""
    words = re.split(r"([ -])", " ".join(name.split()).lower())
    return "".join(
        word if index and word in _SMALL_WORDS else word[:1].upper() + word[1:] for index, word in enumerate(words)
    )


# --- technology -------------------------------------------------------------------------------------------------


def technology(rng: random.Random, book: PhraseBook, which: str | None = None) -> Slot:
    """One technology."""
    which = which or rng.choice(TECHNOLOGIES)
    forms = book.forms("technology", which)
    return Slot("technology", {"technology": which}, forms, kind="one")


def technologies(rng: random.Random, book: PhraseBook, number: int = 2) -> Slot:
    """Several technologies, in the order in which they are named."""
    chosen = rng.sample(TECHNOLOGIES, number)
    # The first names of each technology: the same short kind of word for all, so that lists read naturally.
    form = rng.choice(("mod", "mod", "plural")) if number == 2 else "mod"
    names = [technology(rng, book, which).say(form, rng) for which in chosen]
    values: dict[str, Sequence[str]] = {"a": (names[0],), "b": (names[1],)}
    if number == 2:
        a, b = names
        values |= {"both": (f"{a} and {b}",) * 3 + (f"{a} & {b}", f"both {a} and {b}")}
        values |= {"either": (f"{a} or {b}",) * 2 + (f"{a} and {b}", f"{a}/{b}", f"either {a} or {b}")}
    else:
        head, last = ", ".join(names[:-1]), names[-1]
        values = {
            "both": (f"{head} and {last}", f"{head}, {last}", f"{head} & {last}"),
            "either": (f"{head} or {last}",),
        }
    values |= {"mod": [*values["both"], *values["either"]]}
    return Slot("technology", {"technologies": chosen}, book.forms("technology", f"several {form}"), values, "several")


# --- capacity ---------------------------------------------------------------------------------------------------


def capacity(rng: random.Random, book: PhraseBook, kind: str | None = None) -> Slot:
    """A bound on installed capacity: min, max, between, exact or around (10 % either side)."""
    kind = kind or rng.choices(("min", "max", "between", "exact", "around"), (32, 26, 20, 12, 10))[0]
    forms = book.forms("capacity", kind)
    if kind == "between":
        low, high = sorted(rng.sample(sorted(set(_USUAL_KW)), 2)) if rng.random() < 0.75 else _any_range(rng)
        a, b = _range_texts(rng, low, high)
        ends = {"a": (a,), "b": (b,)}
        return Slot("capacity", {"capacity_min_kw": low, "capacity_max_kw": high}, forms, ends, kind)
    kw = _some_kw(rng, whole=kind == "around")
    values: dict[str, Sequence[str]] = {"n": _capacity_texts(rng, kw)}
    if kind in ("min", "max"):
        values["bare"] = spoken.digits(kw)
        return Slot("capacity", {f"capacity_{kind}_kw": kw}, forms, values, kind)
    low, high = (round(kw * 0.9, 3), round(kw * 1.1, 3)) if kind == "around" else (kw, kw)
    return Slot("capacity", {"capacity_min_kw": low, "capacity_max_kw": high}, forms, values, kind)


def size(rng: random.Random, book: PhraseBook, kind: str | None = None) -> Slot:
    """A size in words: small, medium or large."""
    kind = kind or rng.choices(("small", "medium", "large"), (4, 2, 4))[0]
    gold: Gold = {}
    if kind != "small":
        gold["capacity_min_kw"] = SMALL_MAX_KW if kind == "medium" else LARGE_MIN_KW
    if kind != "large":
        gold["capacity_max_kw"] = LARGE_MIN_KW if kind == "medium" else SMALL_MAX_KW
    return Slot("size", gold, book.forms("size", kind), kind=kind)


def usual_kw(rng: random.Random) -> int:
    """A capacity that people ask for, in kW."""
    return rng.choice(_USUAL_KW)


def _some_kw(rng: random.Random, whole: bool = False) -> float:
    roll = rng.random()
    if roll < 0.6 or whole:
        return usual_kw(rng)
    if roll < 0.66:
        return rng.choice((1.5, 2.5, 3.68, 3.9, 4.5, 7.5, 9.9, 12.5, 22.5, 49.5, 49.9, 99.5, 99.9, 149.5, 249.9))
    if roll < 0.75:
        return rng.randrange(11, 120) * 100
    return rng.randrange(3, 1000)


def _any_range(rng: random.Random) -> tuple[float, float]:
    low = rng.randrange(1, 900)
    return low, low + rng.randrange(1, 1200)


def _capacity_texts(rng: random.Random, kw: float) -> list[str]:
    in_mw = spoken.says_megawatts(kw) and rng.random() < (0.75 if kw >= 1000 else 0.35)
    return spoken.megawatts(kw) if in_mw else spoken.kilowatts(kw)


def _range_texts(rng: random.Random, low: float, high: float) -> tuple[str, str]:
    """The two ends of a range; the first end often leaves its unit to the second."""
    if spoken.says_megawatts(low) and spoken.says_megawatts(high) and rng.random() < 0.6:
        if rng.random() < 0.6:
            unit = rng.choice(("MW", " MW", "mw", " megawatts"))
            return spoken.plain(low / 1000), f"{spoken.plain(high / 1000)}{unit}"
        return rng.choice(spoken.megawatts(low)), rng.choice(spoken.megawatts(high))
    if high >= 1000 and spoken.says_megawatts(high) and low < 1000 and rng.random() < 0.6:
        return rng.choice(spoken.kilowatts(low)), rng.choice(spoken.megawatts(high))
    a, b = rng.choice(spoken.kilowatts(low)), rng.choice(spoken.kilowatts(high))
    return (rng.choice(spoken.digits(low)), b) if rng.random() < 0.65 else (a, b)


# --- place ------------------------------------------------------------------------------------------------------


def place(
    rng: random.Random, book: PhraseBook, gazetteer: Gazetteer, kind: str | None = None, one: Place | None = None
) -> Slot:
    """A place: ``known`` (``one``, if given), ``unknown`` to the gazetteer, a ``postcode``, ``both``, ``several``."""
    kind = kind or rng.choices(("known", "unknown", "postcode", "both", "several"), (81, 8, 6, 2, 3))[0]
    if kind == "postcode":
        return _postcode(rng, book, gazetteer)
    if kind == "several":
        return places(rng, book, gazetteer, 2 if rng.random() < 0.85 else 3)
    if kind == "both":
        return _place_with_postcode(rng, book, gazetteer)
    forms = book.forms("place", "place")
    if kind == "unknown":
        written = unknown_place(rng, book, gazetteer)
        gold = {"location": title_case(written)}
        return Slot("place", gold, forms, _names(written), kind, protected=(written,))
    one = one or known_place(rng, gazetteer)
    written = written_name(rng, gazetteer, one)
    values = _names(_with_article(rng, book, written), written)
    return Slot("place", _located(one), forms, values, kind, protected=() if len(written) > 5 else (written,))


def places(rng: random.Random, book: PhraseBook, gazetteer: Gazetteer, number: int = 2) -> Slot:
    """Several places, in the order in which they are named; they carry no postcode patterns."""
    chosen: list[tuple[str, str]] = []
    while len(chosen) < number:
        if rng.random() < 0.07:
            text = unknown_place(rng, book, gazetteer)
            name = title_case(text)
        else:
            one = known_place(rng, gazetteer)
            text = written_name(rng, gazetteer, one)
            name, text = one.name, _with_article(rng, book, text)
        if name not in [known for known, _ in chosen]:
            chosen.append((name, text))
    texts = [text for _, text in chosen]
    head, last = ", ".join(texts[:-1]), texts[-1]
    joined = (f"{head} and {last}",) * 3 + (f"{head} & {last}", f"{head} or {last}", f"{head} plus {last}")
    values = {**dict.fromkeys(("p", "bare", "the", "name"), joined), "both": joined[:4]}
    if number == 2:
        values |= {"a": (texts[0],), "b": (texts[1],)}
    gold = {"locations": [name for name, _ in chosen]}
    return Slot("place", gold, book.forms("place", "several"), values, "several", protected=tuple(texts))


def unknown_place(rng: random.Random, book: PhraseBook, gazetteer: Gazetteer) -> str:
    """A place that the gazetteer does not know: a real one from the phrase file, or one made of name parts."""
    for _ in range(50):
        if rng.random() < 0.6:
            name = rng.choice(book.lines("unknown_places", "real")).text
        else:
            section = rng.choice(("english", "english", "welsh", "scottish"))
            name = choose(rng.choice(book.lines("unknown_places", section)).text, rng)
            name = title_case(name)
        if not _known(gazetteer, name):
            return name
    raise ValueError("unknown_places.txt: the gazetteer knows nearly all of these names; add others")


@lru_cache(maxsize=20_000)
def _known(gazetteer: Gazetteer, name: str) -> bool:
    return gazetteer.get(name) is not None or bool(gazetteer.find(name))


def known_place(rng: random.Random, gazetteer: Gazetteer) -> Place:
    """A place of the gazetteer, as often as people ask for its kind."""
    return rng.choices(gazetteer.places, cum_weights=_place_weights(gazetteer))[0]


@lru_cache(maxsize=4)
def _place_weights(gazetteer: Gazetteer) -> list[float]:
    """As people ask: counties and council areas in half of the questions; what costs many tokens (over 20 areas) less.

    By kind, these weights give about the shares of the development questions (`data/questions/dev.jsonl`).
    """
    kinds = {
        "nation": 15.0,
        "county": 8.0,
        "region": 6.0,
        "council_area": 3.5,
        "historic": 1.5,
        "city": 1.2,
        "town": 0.6,
    }
    total, cumulative = 0.0, []
    for one in gazetteer.places:
        weight = kinds.get(one.kind, 1.0)
        if one.name in ("Yorkshire", "Berkshire"):
            weight = 12.0
        if len(one.patterns) > 20:
            weight = 1.0
        total += weight
        cumulative.append(total)
    return cumulative


def written_name(rng: random.Random, gazetteer: Gazetteer, one: Place) -> str:
    """The canonical name or an alias, without an article of its own where it is known without."""
    aliases = [alias for alias in one.aliases if len(alias) > 2]
    text = rng.choice(aliases) if aliases and rng.random() < 0.35 else one.name
    bare = text[4:] if text.lower().startswith("the ") else text
    return bare if gazetteer.get(bare) is one else text


def takes_article(book: PhraseBook, name: str) -> bool:
    """Whether people put "the" before a place's name."""
    return name.lower() in {phrase.text.lower() for phrase in book.lines("place", "takes the")}


def _with_article(rng: random.Random, book: PhraseBook, written: str) -> str:
    return f"the {written}" if takes_article(book, written) and rng.random() < 0.75 else written


def _names(text: str, bare: str | None = None) -> dict[str, Sequence[str]]:
    """A name inside the phrases of a place (``p``, ``bare``) and inside frames (``the``, ``name``)."""
    return {"p": (text,), "the": (text,), "bare": (bare or text,), "name": (bare or text,)}


def _located(one: Place) -> Gold:
    return {"location": one.name, "postcode_patterns": list(one.patterns)}


@lru_cache(maxsize=4)
def postcode_areas(gazetteer: Gazetteer) -> list[str]:
    """All postcode areas that the gazetteer names."""
    return sorted({pattern for one in gazetteer.places for pattern in one.patterns if pattern.isalpha()})


def outward_code(rng: random.Random, area: str) -> str:
    """An outward code of an area, by its shape; it need not exist."""
    if area in ("EC", "WC"):
        return (
            f"{area}{rng.randrange(1, 5)}{rng.choice('AN')}"
            if area == "EC"
            else f"WC{rng.randrange(1, 3)}{rng.choice('AN')}"
        )
    return f"{area}{rng.randrange(1, 10) if rng.random() < 0.45 else rng.randrange(10, 60)}"


def _inward(rng: random.Random) -> str:
    return f"{rng.randrange(10)}{''.join(rng.choices('ABDEFGHJLNPQRSTUWXYZ', k=2))}"


def _postcode(rng: random.Random, book: PhraseBook, gazetteer: Gazetteer) -> Slot:
    areas = postcode_areas(gazetteer)
    area = rng.choice(areas)
    outward = outward_code(rng, area)
    kind = rng.choices(("area", "outward", "full", "postcodes"), (35, 40, 15, 10))[0]
    patterns, text = [outward], outward
    if kind == "area":
        patterns, text = [area], area
    elif kind == "full":
        text = outward + rng.choice((" ", " ", " ", "")) + _inward(rng)
    elif kind == "postcodes":
        first, second = (outward, outward_code(rng, area)) if rng.random() < 0.5 else (area, rng.choice(areas))
        patterns = list(dict.fromkeys((first, second)))
        text = rng.choice((" and ", " or ", ", ", "/", " & ")).join(patterns)
    text = text.lower() if rng.random() < 0.35 else text
    forms = book.forms("place", kind)
    return Slot("place", {"postcode_patterns": patterns}, forms, _names(text), "postcode", protected=(text,))


def _place_with_postcode(rng: random.Random, book: PhraseBook, gazetteer: Gazetteer) -> Slot:
    if rng.random() < 0.5:
        written = name = unknown_place(rng, book, gazetteer)
        name = title_case(name)
        area = rng.choice(postcode_areas(gazetteer))
    else:
        towns = [one for one in gazetteer.places if len(one.patterns) <= 3]
        one = rng.choice(towns)
        name, written = one.name, written_name(rng, gazetteer, one)
        area = re.sub(r"[^A-Z].*", "", rng.choice(one.patterns))
    outward = area if rng.random() < 0.2 else outward_code(rng, area)
    values = _names(written) | {"code": (outward, outward.lower())}
    values |= dict.fromkeys(("the", "name"), (f"{written} {outward}", f"{written}, {outward}"))
    gold = {"location": name, "postcode_patterns": [outward]}
    return Slot("place", gold, book.forms("place", "both"), values, "both", protected=(written, outward))


# --- time -------------------------------------------------------------------------------------------------------


def commissioned(rng: random.Random, book: PhraseBook, kind: str | None = None) -> Slot:
    """The year of commissioning."""
    kind = kind or rng.choice(("in", "since", "after", "before", "by", "between"))
    low, high, values = _years(rng, kind, 2010, 2019)
    return Slot("commissioned", _bounds("commissioned_year", low, high), book.forms("commissioned", kind), values, kind)


def expiry(rng: random.Random, book: PhraseBook, kind: str | None = None) -> Slot:
    """The year in which the tariff ends."""
    kind = kind or rng.choice(("in", "since", "after", "before", "by", "between"))
    low, high, values = _years(rng, kind, 2026, 2044)
    return Slot("expiry", _bounds("fit_expiry_year", low, high), book.forms("expiry", kind), values, kind)


def _years(
    rng: random.Random, kind: str, first: int, last: int
) -> tuple[int | None, int | None, dict[str, Sequence[str]]]:
    year = rng.randrange(first, last)
    if kind == "between":
        end = rng.randrange(year + 1, last + 1)
        values: dict[str, Sequence[str]] = {"a": (str(year),), "b": (str(end),), "short": (f"{end % 100:02d}",)}
        return year, end, values
    values = {"y": (*(str(year),) * 30, spoken.year_words(year))}
    low = {"in": year, "since": year, "after": year + 1}.get(kind)
    high = {"in": year, "before": year - 1, "by": year}.get(kind)
    return low, high, values


def _bounds(key: str, low: float | None, high: float | None) -> Gold:
    return {f"{key}_{end}": value for end, value in (("min", low), ("max", high)) if value is not None}


def remaining(rng: random.Random, book: PhraseBook, kind: str | None = None) -> Slot:
    """Years of tariff left."""
    kind = (
        kind
        or rng.choices(
            ("within", "more", "between", "soon", "immediate", "optimal", "expired"), (34, 22, 14, 14, 5, 6, 5)
        )[0]
    )
    low: float | None = None
    high: float | None = None
    values: dict[str, Sequence[str]] = {}
    if kind == "between":
        low, high = sorted(rng.sample(range(1, 16), 2))
        values = {"a": (str(low), str(low), spoken.number_words(int(low))), "b": tuple(spoken.durations(high)[:5])}
    elif kind in ("within", "more"):
        years = (
            rng.choice((0.5, 0.75, 1.5, 2.5))
            if rng.random() < 0.15
            else rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15))
        )
        values = {"d": spoken.durations(years)}
        if float(years).is_integer():
            values["n"] = (str(years),)
        low, high = (None, years) if kind == "within" else (years, None)
    else:
        low = OPTIMAL_YEARS[0] if kind == "optimal" else None
        high = {"soon": SOON_YEARS, "immediate": IMMEDIATE_YEARS, "optimal": OPTIMAL_YEARS[1], "expired": 0}[kind]
    gold = {f"fit_remaining_{end}_years": value for end, value in (("min", low), ("max", high)) if value is not None}
    return Slot("remaining", gold, book.forms("remaining", kind), values, kind)


# --- the rest ---------------------------------------------------------------------------------------------------


def intent(rng: random.Random, book: PhraseBook, which: str | None = None) -> Slot:
    """The business reason; its default of years left is added by :func:`merge`, where nothing replaces it."""
    which = which or rng.choice(tuple(INTENT_DEFAULT_YEARS))
    return Slot("intent", {"query_intent": which}, book.forms("intent", which.split("_")[0]), kind=which)


def ranking(rng: random.Random, book: PhraseBook, kind: str | None = None, sort_by: str | None = None) -> Slot:
    """A ranking: ``one`` row, ``n`` rows, ``many`` (a plural without a number: ten), or only an ``order``."""
    kind = kind or rng.choices(("one", "n", "many", "order"), (3, 4, 4, 2))[0]
    # The revenue order and "expiring first" are ranks too; "largest" is what people ask for most.
    sort_by = (
        sort_by
        or rng.choices(
            (
                "capacity_desc",
                "capacity_asc",
                "commissioned_desc",
                "commissioned_asc",
                "fit_remaining_asc",
                "revenue_desc",
            ),
            (5, 3, 3, 3, 3, 3),
        )[0]
    )
    gold: Gold = {"sort_by": sort_by}
    values: dict[str, Sequence[str]] = {}
    if kind == "n":
        number = rng.choice((3, 5, 10, 20, 50, 100)) if rng.random() < 0.6 else rng.randrange(2, 60)
        values["n"] = (str(number), str(number), spoken.number_words(number)) if number <= 20 else (str(number),)
        gold["limit"] = number
    elif kind != "order":
        gold["limit"] = 1 if kind == "one" else PLURAL_LIMIT
    return Slot("ranking", gold, book.forms("ranking", f"{sort_by} {kind}"), values, kind)


def group(rng: random.Random, book: PhraseBook, by: str | None = None) -> Slot:
    """A breakdown."""
    by = by or rng.choice(("technology", "region", "country", "local_authority", "postcode_area", "commissioned_year"))
    values = {
        form: tuple(choose(phrase.text, rng) for phrase in book.lines("group", f"{by} {form}"))
        for form in ("name", "names")
    }
    return Slot("group", {"group_by": by}, book.forms("group", "by"), values, by)


def revenue(book: PhraseBook) -> Slot:
    """Revenue is asked for."""
    return Slot("revenue", {"include_revenue": True}, book.forms("revenue", "revenue"))


def regional(book: PhraseBook) -> Slot:
    """Regionally adjusted generation is asked for."""
    return Slot("regional", {"include_regional": True}, book.forms("revenue", "regional"))


def both_figures(book: PhraseBook) -> Slot:
    """Regionally adjusted revenue is asked for."""
    return Slot("regional", {"include_regional": True, "include_revenue": True}, book.forms("revenue", "both"))


def fit_number(rng: random.Random) -> str:
    """A FIT id: mostly four to six digits, as in the register."""
    return str(rng.randrange(10 ** (digits := rng.choice((3, 3, 3, 4, 4, 5))), 10 ** (digits + 1)))


def merge(slots: Iterable[Slot]) -> Gold:
    """The gold object of several slots: of two bounds on one side the stricter, and the intent's default."""
    gold: Gold = {}
    for slot in slots:
        for key, value in slot.gold.items():
            if key in gold and "_min_" in key:
                value = max(value, gold[key])
            elif key in gold and "_max_" in key:
                value = min(value, gold[key])
            gold[key] = value
    years = INTENT_DEFAULT_YEARS.get(gold.get("query_intent", ""))
    if years is not None and not any(key.startswith(("fit_remaining", "fit_expiry")) for key in gold):
        gold["fit_remaining_max_years"] = years
    return gold
