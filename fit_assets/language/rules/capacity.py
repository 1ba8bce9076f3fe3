"""Bounds on the installed capacity, in kW."""

from __future__ import annotations

import itertools
import re

from fit_assets.language.bounds import BEGINS, bounds
from fit_assets.language.numbers import Quantity
from fit_assets.language.reading import Reading
from fit_assets.language.rules import Filters, phrases
from fit_assets.language.vocabulary import find_technologies

_SIZE_ASKED = phrases("how (?:large|big|small)")
# Who asks, and what else is small or big: "a small estate near Kelso", "a big thank you".
_NO_SIZE = (
    r"(?! (?:[a-z]+ )?(?:farmers?|famil(?:y|ies)|estates?|land ?owners?|holdings?|crofts?|crofters?|trusts?|"
    r"charit(?:y|ies)|communit(?:y|ies)|villages?|towns?|islands?|parish|business(?:es)?|firms?|compan(?:y|ies)|teams?|investors?|"
    r"developers?|funds?|consultanc(?:y|ies)|co-?ops?|groups?|outfits?|schools?|museums?|shops?|"
    r"librar(?:y|ies)|favours?|questions?|requests?|queries|query|thanks?|fans?|pictures?|problems?|portfolios?|bit|print)\b"
    r"(?! (?:[a-z]+[ -])?(?:wind|solar|pv|hydro|ad|biogas|chp|turbines?|panels?|digesters?|schemes?|projects?|sites?|"
    r"installations?|systems?|arrays?|generators?)\b))"
)
_SMALL = phrases(rf"small(?:[ -](?:scale|sized))?{_NO_SIZE}")
_MEDIUM = phrases(r"(?:medium|mid)(?:[ -](?:scale|sized?))?")
_LARGE = phrases(rf"(?:large|big)(?! than)(?:[ -](?:scale|sized))?{_NO_SIZE}")

_COUNTED = re.compile(
    r"\s*(?:sites?|installations?|farms?|turbines?|plants?|projects?|panels?|results|rows|schemes?|arrays?|systems?|"
    r"regions|counties|miles?|km|days?|weeks?|[ap]m|p|%|per cent|homes|houses)\b"
)
_SAYS_CAPACITY = re.compile(r"\bcapacity(?: of| is| =|:)?$|\b(?:sized?|rated)(?: at)?$")
_SAYS_OTHERWISE = re.compile(
    r"[£$]$|\b(?:top|first|last|limit|year ?[<>=]*)$|\b(?:commission\w*|installed|built|expir\w*|ends?|id) ?[<>=≤≥]+$"
)
_COMPARES = re.compile(
    rf"{BEGINS}(?:over|above|under|below|(?<!top )up to|at (?:the )?(?:least|most)|(?:not|nothing) (?:over|under)|"
    r"(?:more|greater|bigger|larger|less|smaller) than(?: or equal to)?|exceeding|"
    r"min(?:imum)?(?: of)?|max(?:imum)?(?: of)?|[<>]=?|[≥≤])$"
)
_COMPARES_SIZES = re.compile(r"(?:(?:bigger|larger|smaller) than|[<>]=?)$")
_BETWEEN = re.compile(r"\b(?:between|sized?|capacity)(?: from| of)?(?: [\d.,]+ ?(?:and|to|until|till|-))?$")


def capacity(asked: Reading) -> Filters:
    """``capacity_min_kw`` and ``capacity_max_kw``; of a number and a word like "large" the stricter."""
    numbers = [q for q in asked.numbers if (q.kind == "kw" or is_bare_capacity(asked, q)) and q.value > 0]
    stated = bounds(asked, numbers, alone="exact")
    worded = _size_words(asked)
    low = max((bound for bound in (stated[0], worded[0]) if bound is not None), default=None)
    high = min((bound for bound in (stated[1], worded[1]) if bound is not None), default=None)
    if low is not None and high is not None and low > high:
        low, high = stated  # "large wind under 300 kW": the number is what is meant
    found = {"capacity_min_kw": low, "capacity_max_kw": high}
    return {key: value for key, value in found.items() if value is not None}


def is_bare_capacity(asked: Reading, quantity: Quantity) -> bool:
    """Whether a number without a unit is a capacity by the words beside it: "wind over 500"."""
    before = asked.before(quantity)
    after = asked.after(quantity)
    if quantity.kind not in ("number", "year") or _SAYS_OTHERWISE.search(before):
        return False
    if _COUNTED.match(after):  # ">80 installation" is a size, "more than 80 installations" none
        return quantity.kind == "number" and before.endswith(("<", ">", "<=", ">=", "≤", "≥"))
    is_of = after == "+" or after.startswith("+ §") or (after.startswith("+ ") and find_technologies(after[2:20]))
    if is_of and quantity.kind == "number" and quantity.value >= 10:  # "500+ solar", "500+ Devon"
        return True
    if _SAYS_CAPACITY.search(before):
        return True
    if _COMPARES.search(before):
        return quantity.kind == "number" or _COMPARES_SIZES.search(before) is not None
    if quantity.kind == "number" and quantity.value >= 10 and _BETWEEN.search(before):
        return True
    return _in_bare_range(asked, quantity)


def _in_bare_range(asked: Reading, quantity: Quantity) -> bool:
    """Whether a number is an end of a range that stands beside a technology: "hydro near Crieff 50-250"."""
    plain = asked.of_kind("number", "year") if asked.technologies else []
    for first, second in itertools.pairwise(plain):
        if quantity in (first, second) and first.kind == "number" and 10 <= first.value < second.value:
            if asked.between(first, second) not in ("-", "to") or _SAYS_OTHERWISE.search(asked.before(first)):
                continue
            after = asked.after(second)
            return not _COUNTED.match(after) and not after.startswith(("-", "/"))
    return False


def _size_words(asked: Reading) -> tuple[float | None, float | None]:
    if asked.has(_SIZE_ASKED):
        return None, None
    small, medium, large = (asked.has(words) for words in (_SMALL, _MEDIUM, _LARGE))
    low = 500 if large else 50 if medium else None
    high = 50 if small else 500 if medium else None
    return (None, None) if small and (medium or large) else (low, high)
