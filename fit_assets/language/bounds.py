"""Lower and upper bounds: "over", "at most", "100 to 250", "around", for any kind of number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from fit_assets.language.numbers import Quantity, number
from fit_assets.language.reading import Reading

Bound = Literal["min", "max", "about", "exact"]

_OVER = (
    r"over|above|(?:more|greater|bigger|larger|higher|longer) (?:than|as)(?: or equal to)?|at (?:the )?(?:very )?least|"
    r"(?<!no )more n|more (?:big|large) than|(?<!no )(?<!or )(?:more|bigger|larger)|"
    r"at or above|in excess of|superior to|exceed(?:s|ing)?|beyond|topping|surpassing|upwards? of|north of|"
    r"(?<!income )(?<!incomes )(?<!revenue )(?<!earnings )from|"
    r"starting (?:at|from)|(?:a )?min(?:imum|\.)?(?: (?:of|capacity|size|tail|runway|term))?|plus|"
    r"go(?:es)? past|>=?|≥|=>"
)
_UNDER = (
    r"under|below|beneath|more small than|(?<!no )(?<!or )(?:less|smaller)|"
    r"(?:less|smaller|lower|fewer|shorter) (?:than|as)(?: or equal to)?|at (?:the )?most|"
    r"at or (?:under|below)|up ?to(?: and incl(?:uding|usive|\.)?)?|sub-?|south of|inferior to|"
    r"cap(?:ped)?(?: it| them)? at|limited to|"
    r"(?:a )?max(?:imum|\.)?(?: (?:of|capacity|size|tail|runway|term))?|<=?|≤|=<|"
    r"(?:in|within|over|during|inside) the (?:next|coming)|next|coming|within|inside|in"
)
_ABOUT = (
    r"around|(?<!care )(?<!know )about(?! an? ?$)|roughly|approx(?:imately|\.)?|circa|ca?\.|~|nearly|close to|"
    r"in the region of|near(?: to| enough)?|give or take"
)
_NOT = (
    r"(?:(?:drop|ignore|skip|forget|remove|leave (?:out|off)|(?:don't|dont) bother with) "
    r"(?:everything|anything|all|those)|no|not|nothing|nowt|never|none|"
    r"without|(?:are|is|do|does|did|was|were|wo)nt|[a-z]+n't) "
    r"(?:(?:any|be|get|go(?:es|ing)?|fall|drop|dip)s? |(?:want|need|like) (?:anything|any|ones) |something )?"
)
_MORE = r"(?:over|above|exceed(?:s|ing)?|(?:more|greater|bigger|larger|higher|longer) than)"
_LESS = r"(?:under|below|(?:less|smaller|lower|fewer|shorter) than)"
# Where a comparing word or sign may begin.
BEGINS = r"(?:(?<![a-z])|(?=[<>=≤≥]))"
_FILLER = (
    r"(?:(?:,? (?:a|an|the|of|capacity|another|just|is|are|uh|um|erm?|ooh|oh|hmm|like|say|what is it|"
    r"let me (?:think|see))\b)+,?)? ?$"
)


def _comparing(words: str) -> re.Pattern[str]:
    """These words at the end of the text before a number; a sign may follow a word ("size>500")."""
    return re.compile(rf"{BEGINS}(?:{words}){_FILLER}")


# Inside the number itself: "5+ years", "kW >= 500", "8 or more years".
_WRITTEN: tuple[tuple[Bound, re.Pattern[str]], ...] = (
    ("min", re.compile(r"[+>≥]|or (?:more|over)\b|-plus\b")),
    ("max", re.compile(r"[<≤]|or (?:less|fewer|under)\b")),
)
_AFTER: tuple[tuple[Bound, re.Pattern[str]], ...] = (
    ("min", re.compile(r"n up\b")),
    (
        "min",
        re.compile(
            r"\+|-?(?:plus|min(?:imum)?|upwards?|up(?! (?:to|in|at|on|near|around|by|north)\b)|"
            r"at (?:the |a )?(?:very )?(?:least|minimum))\b"
        ),
    ),
    (
        "min",
        re.compile(r"-?(?:or|and?)[ -](?:more|above|over|bigger|larger|greater|higher|longer|up|upwards?)\b(?! than)"),
    ),
    (
        "min",
        re.compile(r"(?:is |as )?(?:the |a )(?:floor|lower limit)\b|(?:, )?(?:is|as) (?:the |a |our |my )minimum\b"),
    ),
    (
        "max",
        re.compile(
            r"(?:is |as )?(?:the |a )(?:ceiling|cap|capacity limit|upper limit)\b|"
            r"(?:, )?(?:is|as) (?:the |a |our |my )maximum\b"
        ),
    ),
    ("max", re.compile(r"(?:max(?:imum)?|tops|at (?:the |a )?(?:very )?(?:most|maximum))\b")),
    ("max", re.compile(r"-?(?:or|and?)[ -](?:less|under|below|smaller|fewer|lower|shorter)\b(?! than)")),
)
# "150kw min 500kw max"
_MIN_AND_MAX = re.compile(r"min(?:imum)?,? (?:and |to |- )?[\d.,]+ ?[a-z]* max(?:imum)?\b")
# What is counted may stand between: "8 years' tail minimum", "half a megawatt of PV and above".
_COUNTED_AFTER = re.compile(
    r"(?:of )?(?:(?:fit|tariff|subsidy) )?(?:tails?|runway|fits?|tariffs?|subsidy|support|left|remaining|"
    r"to (?:run|go)|pv|solar|wind|hydro|ad|biogas|chp|capacity),? "
    r"(?=(?:(?:a )?(?:min|max)(?:imum)?|at (?:the )?(?:least|most)|(?:or|and) (?:above|over|more|up|upwards?|bigger|"
    r"larger|longer|under|below|less|smaller))\b(?! (?:of|than)))"
)
# "in the 500 kW class" is no upper bound.
_CLASS_AFTER = re.compile(r"(?:class|range|bracket|mark)\b")
_BEFORE: tuple[tuple[Bound, re.Pattern[str]], ...] = (
    # "that don't expire in the next 2 years"
    (
        "min",
        _comparing(
            r"(?:[a-z]+n'?t|not) (?:expir(?:e|es|ing)|end(?:s|ing)?|run out|finish|lapse)s? "
            r"(?:(?:in|within|before)\b ?)?(?:the next)?"
        ),
    ),
    ("max", _comparing(_NOT + _MORE)),
    ("min", _comparing(_NOT + _LESS)),
    ("about", _comparing(_ABOUT)),
    ("max", _comparing(_UNDER)),
    ("min", _comparing(_OVER)),
)
_ABOUT_AFTER = re.compile(r"-?ish\b|,? ?(?:or so|or thereabouts|give or take|roughly|approx(?:imately)?)\b(?! \d)")
# "500 kW plus or minus 20%": asked before ``_AFTER``, to which a plus is a lower bound.
_MARGIN_AFTER = re.compile(
    r"(?:±|\+ ?/ ?-|\+-|plus[ /-]?(?:or )?minus|give or take),? ?(?P<percent>\d{1,2}) ?(?:%|per ?cent\b)"
)
_ABOUT_MARGIN = 0.1
_JOINS_A_RANGE = re.compile(r"-|/|\+|too?|and?(?: going to)?|n|&|(?:and )?(?:going )?up to|or|through|until|till")


def bound_of(asked: Reading, quantity: Quantity) -> Bound | None:
    """What the words beside a number make of it; None where they say nothing."""
    written = asked.written(quantity)
    for bound, pattern in _WRITTEN:
        if pattern.search(written):
            return bound
    after = asked.after(quantity)
    if _margin_said(asked, quantity):
        return "about"
    counted = _COUNTED_AFTER.match(after)
    after = after[counted.end() :] if counted else after
    if _MIN_AND_MAX.match(after):
        return "min"
    following = len(asked.text) - len(after)
    for bound, pattern in _AFTER:
        words = pattern.match(after)
        if words and not _leads_to_a_number(asked, words[0], following + words.end()):
            return bound
    for bound, pattern in _BEFORE:
        if bound == "max" and _CLASS_AFTER.match(after):
            continue
        if pattern.search(asked.before(quantity)):
            return bound
    return "about" if _ABOUT_AFTER.match(after) else None


def margin_of(asked: Reading, quantity: Quantity) -> float:
    """To either side of a number that is "about" so much, as a share of it: what is said, else a tenth."""
    said = _margin_said(asked, quantity)
    return int(said["percent"]) / 100 if said else _ABOUT_MARGIN


def _margin_said(asked: Reading, quantity: Quantity) -> re.Match[str] | None:
    return _MARGIN_AFTER.match(asked.after(quantity)) if quantity.kind in ("kw", "number") else None


def _leads_to_a_number(asked: Reading, words: str, position: int) -> bool:
    """ "100 kW and over" bounds the 100 kW, and so does "or more 2011"; "100 kW and over 2 years left" does not."""
    leads_to_year = words.endswith(("over", "above", "under", "below"))
    return any(0 <= other.start - position <= 1 and (leads_to_year or other.kind != "year") for other in asked.numbers)


def ranges(asked: Reading, numbers: list[Quantity]) -> Iterator[tuple[Quantity, Quantity | None]]:
    """The numbers in order: those joined to a range ("100 to 250") in pairs, the others with None."""
    index = 0
    while index < len(numbers):
        first, second = numbers[index], numbers[index + 1] if index + 1 < len(numbers) else None
        if second is not None and not _JOINS_A_RANGE.fullmatch(asked.between(first, second)):
            second = None
        yield first, second
        index += 1 if second is None else 2


def bounds(asked: Reading, numbers: list[Quantity], alone: Bound) -> tuple[float | None, float | None]:
    """The strictest lower and upper bound that some numbers state; None where there is none.

    ``alone`` says what a number without a comparing word means. Bounds that contradict each other are no bounds.
    """
    lows: list[float] = []
    highs: list[float] = []
    for first, second in ranges(asked, numbers):
        bound = (bound_of(asked, first) or alone) if second is None else "exact"
        values = sorted({first.value, second.value if second else first.value})
        margin = margin_of(asked, first) if bound == "about" else 0
        if bound != "max":
            lows.append(number(values[0] * (1 - margin)))
        if bound != "min":
            highs.append(number(values[-1] * (1 + margin)))
    low, high = max(lows, default=None), min(highs, default=None)
    return (None, None) if low is not None and high is not None and low > high else (low, high)
