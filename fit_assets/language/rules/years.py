"""Calendar years: of commissioning, and of the tariff's end."""

from __future__ import annotations

import itertools
import re
from operator import attrgetter
from typing import Literal

from fit_assets.language.bounds import BEGINS, ranges
from fit_assets.language.numbers import Quantity
from fit_assets.language.reading import Reading
from fit_assets.language.rules import Filters, phrases
from fit_assets.language.rules.business import SUPPORT
from fit_assets.language.rules.capacity import is_bare_capacity
from fit_assets.language.text import MONTH

_EXPIRY = phrases(
    r"expir\w*",
    r"end(?:s|ed|ing)?(?! of (?:the )?(?:year )?(?:19|20)\d\d)",
    r"finish\w*",
    r"laps\w+",
    r"stops?",
    r"leav(?:e|es|ing)",
    rf"los(?:e|es|ing) (?:the |their |its )?{SUPPORT}",
    r"(?:run(?:s|ning)?) (?:out|until)",
    r"(?:com|go|roll|fall|drop)(?:e|es|s|ing)? off",
    r"off[ -](?:fit|subsidy|tariff)",
    r"tariff beyond",
    r"tariffs? (?:is |are |will be )?(?:over|up|done|gone)",
    rf"still on (?:the |their |its )?{SUPPORT}",
    r"(?:last|continu|stay|run)(?:s|e|es|ing)? (?:till|until|to|beyond|past|up to|at least)",
)
_COMMISSIONING = phrases(
    r"commission\w*",
    r"built|constructed|installed|installations(?= (?:in|of|from|since)\b)|registered|accredited|energised|"
    r"started|joined|online|operational|operating|live|erected|put up",
    r"newer|older",
)
# The scheme closed to new sites in March 2019 (Ofgem); the last were commissioned soon after: later years are ends.
_LAST_COMMISSIONING_YEAR = 2024

# How far behind its verb a year stands at most, in characters: "expiring before the end of 2030".
_GOVERNED = 24

_Side = Literal["min", "max", "exact"]
_OF_YEAR = (
    r"(?: (?:the|year|calendar|start|beginning|end|of|early|mid|late|1st|31st|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|"
    r"apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?))*$"
)
# What may stand between "nothing" and "after 2013".
_BUILT = (
    "built|commissioned|installed|registered|accredited|started|ending|expiring|end|ends|expire|expires|that|which|of|"
    "them|these|going|to|be|was|were|came|come|went|go|goes|on|online|live|any|anything"
)
# Each with what is added to the year: "after 2015" begins in 2016.
_BEFORE: tuple[tuple[_Side, int, str], ...] = (
    (
        "max",
        0,
        r"by|at (?:the )?latest(?: in| by)?|until|till?|up ?to(?: and incl(?:uding|usive|\.)?)?|through|"
        rf"not? (?:later|newer|more recent) than|(?:not|nothing|none|never)(?: (?:{_BUILT}))* after|"
        r"(?:on|in) or before|(?:nothing|none|never)(?: of (?:them|these))? (?:later|newer|more recent) than|<=|≤",
    ),
    ("max", 0, r"before the end of"),
    (
        "min",
        0,
        r"(?:in|on|from|during) or after|not? (?:earlier|older|sooner) than|"
        rf"(?:not|nothing|none)(?: (?:{_BUILT}))* before|"
        r"(?:nothing|none)(?: of (?:them|these))? (?:earlier|older|sooner) than|"
        r"since|from|at least|as of|>=|≥",
    ),
    ("min", 0, r"beginning|starting(?: in| from)?"),
    ("max", -1, r"before|pre-?|pre-?dat(?:es?|ing)|prior to|earlier than|older than|ahead of|<"),
    (
        "min",
        1,
        r"after|post-?|post-?dat(?:es?|ing)|(?:later|newer|younger|more recent(?:ly)?) than|past|following|beyond|>",
    ),
)
_YEAR_BEFORE = tuple((side, step, re.compile(rf"{BEGINS}(?:{words}){_OF_YEAR}")) for side, step, words in _BEFORE)
_YEAR_AFTER: tuple[tuple[_Side, re.Pattern[str]], ...] = (
    (
        "min",
        re.compile(
            r"\+(?! ?\d)|-?(?:onwards?|on(?! the\b| its\b| §)|plus)\b|"
            r"(?:vintage )?(?:or|and) (?:later|newer|more recent(?:ly)?|after|onwards?|beyond|since)\b(?! \d)|"
            r"at the (?:very )?earliest\b|at (?:the (?:very )?)?least\b(?! \d)"
        ),
    ),
    ("max", re.compile(r"(?:vintage )?(?:or|and) (?:earlier|before|older|sooner)\b(?! \d)|at the (?:very )?latest\b")),
)
_NOTHING_FROM = re.compile(r"\b(?:nothing|none|not) (?:[a-z]+ )?(?:from|in)$")
_FROM = re.compile(r"(?<!commissioned )\bfrom(?: [a-z]+){0,2}$")
_TO_NOW = re.compile(r"(?:to|until|till|-) (?:today|now|date|present|the present)\b")
_LISTS = re.compile(r",|,? ?(?:and|or|&)")
_JOINS_MONTHS = re.compile(rf"(?:-|to|and|until|till) (?:the )?(?:end of )?{MONTH}[a-z]*")


def years(asked: Reading, is_rate: bool) -> Filters:
    """Bounds on ``commissioned_year`` and ``fit_expiry_year``.

    ``is_rate`` says that a tariff rate is asked for: then "from 2011" is the one year that the rate depends on.
    """
    found: Filters = {}
    numbers = [q for q in asked.of_kind("year") if not is_bare_capacity(asked, q)]
    for first, second in _ranges(asked, numbers):
        name = "fit_expiry_year" if not is_rate and _is_expiry(asked, first, second or first) else "commissioned_year"
        if second is not None:
            low, high = sorted((int(first.value), int(second.value)))
            found |= {f"{name}_min": low, f"{name}_max": high}
            continue
        side, step = _side(asked, first)
        onwards = any(pattern.match(asked.after(first)) for _, pattern in _YEAR_AFTER)
        if is_rate and _FROM.search(asked.before(first)) and not onwards:
            side = "exact"
        if side != "max":
            found[f"{name}_min"] = int(first.value) + step
        if side != "min":
            found[f"{name}_max"] = int(first.value) + step
    for name in ("commissioned_year", "fit_expiry_year"):
        if found.get(f"{name}_min", 0) > found.get(f"{name}_max", 9999):  # a contradiction is no bound
            del found[f"{name}_min"], found[f"{name}_max"]
    return found


def _ranges(asked: Reading, numbers: list[Quantity]) -> list[tuple[Quantity, Quantity | None]]:
    """Pairs of years that bound a range, with months between them or not, and single years."""
    paired = list(ranges(asked, numbers))
    if len(numbers) > 2 and all(_LISTS.fullmatch(asked.between(*pair)) for pair in itertools.pairwise(numbers)):
        first, *_, last = sorted(numbers, key=attrgetter("value"))
        return [(first, last)]  # "2031, 2032 or 2033"
    if len(numbers) == 2 and len(paired) == 2 and _JOINS_MONTHS.fullmatch(asked.between(*numbers)):
        return [(numbers[0], numbers[1])]
    return paired


def _side(asked: Reading, year: Quantity) -> tuple[_Side, int]:
    """Which bound a single year is, and by how much it is moved."""
    after = asked.after(year)
    for side, pattern in _YEAR_AFTER:
        if pattern.match(after):
            if _NOTHING_FROM.search(asked.before(year)):  # "nothing from 2014 or before"
                return ("min", 1) if side == "max" else ("max", -1)
            return side, 0
    if _TO_NOW.match(after):
        return "min", 0
    for side, step, pattern in _YEAR_BEFORE:
        if pattern.search(asked.before(year)):
            return side, step
    return "exact", 0


def _is_expiry(asked: Reading, first: Quantity, last: Quantity) -> bool:
    """Whether a year is that of the tariff's end: the nearest verb says, one before the year counting twice."""
    others = [year for year in asked.of_kind("year") if not first.start <= year.start <= last.start]
    nearest: list[tuple[int, bool]] = []
    for pattern, is_expiry in ((_COMMISSIONING, False), (_EXPIRY, True)):
        for verb in pattern.finditer(asked.text):
            if any(
                0 <= other.start - verb.end() <= _GOVERNED and not verb.end() <= first.start < other.start
                for other in others
            ):
                continue  # "2011 or earlier, must end before 2040": the end is that of another year
            if verb.end() <= first.start:
                nearest.append((first.start - verb.end(), is_expiry))
            elif verb.start() >= last.end:
                nearest.append((2 * (verb.start() - last.end), is_expiry))
            else:
                nearest.append((0, is_expiry))
    if any(is_expiry for _, is_expiry in nearest):
        return min(nearest)[1]
    return first.value > _LAST_COMMISSIONING_YEAR
