"""Numbers in a question: capacities in kW, durations in years, calendar years, FIT ids and plain numbers.

Every number is found once, with the span of text it was read from, so that parsers and grounding agree on what
the question says: "1.5MW", "1,500 kW", "half a meg", "one and a half megawatts" are all one quantity in kW, and in
"1-5MW" the unit belongs to both ends.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["kw", "years", "year", "fit_id", "number"]

# What a bare four-digit number must lie between to be read as a calendar year.
FIRST_YEAR, LAST_YEAR = 1980, 2060


@dataclass(frozen=True)
class Quantity:
    """A number in a text.

    ``value`` is in kW (``kw``), in years (``years``), a calendar year (``year``), the number of an installation
    (``fit_id``) or as written (``number``); ``start`` and ``end`` bound the text it was read from, unit included.
    """

    value: int | float
    kind: Kind
    start: int
    end: int


_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORD_VALUES = (
    {word: value for value, word in enumerate(_ONES, 1)}
    | {word: value for value, word in enumerate(_TEENS, 10)}
    | dict(zip(_TENS, range(20, 100, 10), strict=True))
    | {"a": 1, "an": 1, "couple": 2, "dozen": 12}
)
_DIGIT_VALUES = {"oh": "0", "zero": "0", "nought": "0"} | {word: str(value) for value, word in enumerate(_ONES, 1)}
_FRACTIONS = {"half": 0.5, "quarter": 0.25, "quarters": 0.25, "third": 1 / 3, "thirds": 1 / 3}

# In a verbose pattern a space must stand in brackets.
_one, _teen, _ten = "|".join(_ONES), "|".join(_TEENS), "|".join(_TENS)
_below_100 = rf"(?:(?:{_ten})(?:[ -](?:{_one}))?|{_teen}|{_one})\b"
SPOKEN_BELOW_100 = rf"(?:(?:{_one})[ ](?:{_one})|{_below_100})"
# "five-hundred-kilowatt turbines" and "half-a-megawatt" are hyphenated throughout.
# "one hundred and two hundred" is two numbers, "one hundred and two" is one.
_tail_below_100 = rf"(?:[ ](?:and[ ])?{_below_100}(?![ ](?:hundred|thousand)\b))"
_below_1000 = rf"(?:(?:(?:{_below_100}|a)[ -])?hundred\b{_tail_below_100}?|{_below_100})"
_words = (
    rf"(?:(?:{_below_1000}|a)[ -]thousand\b(?:[ ](?:and[ ])?{_below_1000}(?![ ]thousand\b))?|{_below_1000}"
    r"|a[ ](?:couple|dozen)(?:[ ]of)?|(?:a[ ])?half[ -](?:a[ -])?dozen|dozen)"
)
_POWER = {
    "kw": (r"kw(?:s|p|el?)?|k\.[ ]?w\b\.?|k[ ]w\b|kay[ ]w|kilo[ -]?wat+s?|k", 1),
    "mw": (r"mw(?:s|p|el?)?|m\.[ ]?w\b\.?|m[ ]w\b|em[ ]w|mega[ -]?wat+s?|megs?", 1000),
    "gw": (r"gw(?:s|p|el?)?|giga[ -]?wat+s?|gigs?", 1_000_000),
    # "750000 W", but "since 2015 w yorks"
    "w": (r"watts?|(?<=[\d,]{5})w|(?<=[\d,]{5}[ ])w", 0.001),
}
_TIME = {
    # "cap<400 year>2014": there it is the next column's name.
    "y": (r"(?:years?|yrs?|y)(?![ ]?(?:[<>=≤≥]|(?:left|remaining)?:[ ]?\d))", 1),
    "m": (r"months?|mths?", 1 / 12),
    "d": (r"decades?", 10),
}
_units = "|".join(rf"(?P<{name}>{words})" for name, (words, _) in (_POWER | _TIME).items())
_power_ahead = "|".join(words for words, _ in _POWER.values())
_unit_ahead = "|".join(words for words, _ in (_POWER | _TIME).values())
_stop = r"(?![a-z0-9])"
_decimal_comma = rf"\d{{1,3}},\d{{1,2}}(?=[ ]?(?:{_unit_ahead}){_stop})"
_digits = rf"(?:{_decimal_comma}|\d{{1,3}}(?:,\d{{3}})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_digit = rf"(?:{_one}|oh|zero|nought)"
_spoken_decimal = rf"(?:(?:\d+|{_digit})[ ])?(?:point|dot)(?:[ ](?:\d+|{_digit})\b)+"
_spelled_digit = rf"(?:(?:double|triple|treble)[ ])?{_digit}"
_spelled_digits = rf"(?:{_spelled_digit}(?:[ ]{_spelled_digit}){{2,}}|\d(?:[ ]\d){{3,}})"

_NUMBER = re.compile(
    rf"""(?<![a-z0-9.,/£$])
    (?:(?P<column>[kmg]w(?:p|el?)?|(?:years|yrs|months)[ ](?:left|remaining))[ ]?(?:(?:[<>]=?|=[<>]?|[≤≥:])[ ]?
        |between[ ](?!(?:19|20)\d\d[ ](?:and|to)[ ](?:19|20)\d\d)
        |(?<=left[ ])(?=\d+[ ]?(?:-|to)[ ]?\d+(?![\d,.]*[ ]?[km]w))))?(?:
        (?:(?P<parts>a|one|two|three)[ -])?(?P<fraction>half|quarters?|thirds?)[ -](?:of[ -])?(?:(?:an?|one)[ -])?
            (?=(?:{_unit_ahead}){_stop})
      | (?P<spoken_century>twenty)[ ](?P<spoken_year>{_teen}|(?:twenty|thirty|forty)(?:[ -](?:{_one}))?)\b
      | (?P<spoken_decimal>{_spoken_decimal})
      | (?P<spelled_digits>{_spelled_digits})\b
      # "two fifty kilowatts"
      | (?P<hundreds>{_one})[ ](?P<beyond>(?:{_ten})(?:[ -](?:{_one}))?|{_teen})
            (?=[ -]?(?:{_power_ahead}){_stop}|[ ](?:and|to|or)[ ](?:[a-z]+[ ]){{1,2}}(?:{_power_ahead}){_stop})
      | (?P<over>\d)[/⁄](?P<under>[2-9])(?![\d/⁄])
      | (?P<digits>{_digits})(?![\d])
      | (?P<words>{_words})(?![a-z])
      | (?P<next>next|coming|an?(?![ ]watt))[ ](?=(?:{_unit_ahead}){_stop})
    )
    (?:[ -]and[ -](?:an?[ -])(?P<plus>half|quarter)\b(?![ ](?:of[ ])?an?[ ]))?
    (?:(?:[ ]?[+-]?[ ]?|[ ](?:more|further|full)[ ](?=years|yrs|months)|-plus[ ]|
        [ ]of[ ]an?[ ]|[ ]or[ ](?:more|less|fewer|over|under)[ ])
        (?:{_units}){_stop}(?:'s\b|')?)?
    (?:[ ]and[ ]a[ ](?P<tail>half|quarter)\b(?![ ](?:(?:of[ ])?an?[ ])?(?:{_unit_ahead}){_stop}))?
    # An energy, a price or a share is none of ours, and "a kW figure" is no number.
    (?![a-z0-9]|\.[0-9]|[ ]?(?:[kmg]wh|p/|pence|%|£|percent)|[ ](?:(?:figure|value)s?|looks?)\b)
    """,
    re.VERBOSE | re.IGNORECASE,
)

_FIT_ID = re.compile(
    r"""(?<![a-z0-9])(?:
        (?:fit|fits|ids?|feed[ -]in[ ]tariff)(?:[ -]?(?:ids?|no\.?|num(?:ber)?|ref(?:erence)?|installation|site))*
            [ ]?[:#=]?[ ]?(?P<named>\d{1,3}(?:,\d{3})+|\d{1,12})
      | (?:installation|site|asset|generator|ref(?:erence)?|number|no\.)(?:[ ](?:ids?|no\.?|number|ref(?:erence)?))?
            [ ]?[:#=]?[ ]?(?P<counted>\d{3,12})
      | \#[ ]?(?P<hashed>\d{1,12})
    )(?![\d,.]*\d|[ ]?-[ ]?\d|[a-z+%])""",
    re.VERBOSE | re.IGNORECASE,
)

_REPEATED = re.compile(r"\b(double|triple|treble) ([a-z]+)", re.IGNORECASE)
_SHORT_RANGE = re.compile(r"(?<![\d.,-])((?:19|20)\d\d)[-/]((?:(?<=/)20)?\d\d)(?![\d-]|[,.]\d)")
# "since '14"; installations began in the nineties, the scheme in 2010.
_SHORT_YEAR = re.compile(r"(?<![\w'])'([01]\d|2[0-4])(?![\w'])")
_RANGE = re.compile(
    r"\s*(?:-|too?|(?:and )?(?:going )?up to|and(?: going to)?|&|\+|n|or|through|until|till)\s*", re.IGNORECASE
)
_SPANS = ("-", "to")
_COLUMN = re.compile(r"[kmg]w|(?:years|yrs|months) (?:left|remaining)", re.IGNORECASE)
# "over 1 but under 5 MW": between the two numbers, and before the first.
_COMPARED = r"(?:over|above|under|below|(?:more|less|bigger|smaller) than|at (?:least|most)|up to)"
_BOTH_BOUNDED = re.compile(rf",? (?:and|but) (?:(?:not? )?{_COMPARED} |[<>]=? ?)", re.IGNORECASE)
_BOUNDED = re.compile(rf"(?:{_COMPARED} |[<>]=? ?)$", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:between|from|range)\s*$", re.IGNORECASE)


def quantities(question: str) -> list[Quantity]:
    """Every number in the question, in order; spans do not overlap.

    A bare number between 1980 and 2060 is a ``year``; "FIT 4004", "id 4004", "installation 4004", "#4004" are a
    ``fit_id``; in a range the unit of the last number holds for the first as well ("500 to 1MW" stays 500 kW).
    Single spaces are expected, as in a normalised question; letter case does not matter.
    """
    found: list[Quantity] = []
    short_ranges = {match.start(): match for match in _SHORT_RANGE.finditer(question)}
    short_years = {match.start(1): match for match in _SHORT_YEAR.finditer(question)}
    identifiers = {match.start(match.lastgroup or 0): match for match in _FIT_ID.finditer(question)}
    position = 0
    while match := _NUMBER.search(question, position):
        position = max(match.end(), match.start() + 1)
        if span := short_ranges.get(match.start()):  # 2010-12, 2012/13
            first = int(span[1])
            last = first - first % 100 + int(span[2]) % 100
            found.append(Quantity(first, "year", span.start(1), span.end(1)))
            if last > first:
                found.append(Quantity(last, "year", span.start(2), span.end(2)))
            position = span.end()
        elif (year := short_years.get(match.start())) and not _unit(match):
            found.append(Quantity(2000 + int(year[1]), "year", *year.span()))
        elif match["spelled_digits"] or (match.start() in identifiers and not _unit(match)):
            found.append(Quantity(int(digits_of(match[0])), "fit_id", *match.span()))
        else:
            found.append(_quantity(match))
            position = found[-1].end
    return _spread_units(_spread_columns(found, question), question)


def number(value: float) -> int | float:
    """The value as the contract writes it: an integer where integral, else rounded to what people type."""
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded


def digits_of(text: str) -> str:
    """The digits of a FIT id as it stands in a question: "13,072", "one three oh seven two", "double four"."""
    text = _REPEATED.sub(lambda said: f"{said[2]} " * (2 if said[1].lower() == "double" else 3), text)
    return re.sub(r"\D", "", re.sub(r"[a-z]+", lambda word: _DIGIT_VALUES.get(word[0].lower(), ""), text, flags=re.I))


def _quantity(match: re.Match[str]) -> Quantity:
    value = _value(match)
    unit = _unit(match)
    if unit in _POWER:
        return Quantity(number(value * _POWER[unit][1]), "kw", *match.span())
    if unit == "y" and match["digits"] and FIRST_YEAR <= value <= LAST_YEAR:  # "before the 2014 year"
        return Quantity(number(value), "year", *match.span())
    if unit in _TIME:
        return Quantity(number(value * _TIME[unit][1]), "years", *match.span())
    plain = match["digits"] or match["words"] or match["spoken_year"]
    is_year = plain and "," not in plain and "." not in plain and FIRST_YEAR <= value <= LAST_YEAR
    return Quantity(number(value), "year" if is_year else "number", *match.span())


def _unit(match: re.Match[str]) -> str:
    """The unit behind the number, else the one before it, as in a table's column: "kW >= 500"."""
    behind = next((name for name in (*_POWER, *_TIME) if match[name]), "")
    column = (match["column"] or "").lower()
    return behind or (column[:1] if " " in column else column[:2])


def _value(match: re.Match[str]) -> float:
    if match["fraction"]:
        value = _WORD_VALUES.get((match["parts"] or "a").lower(), 1) * _FRACTIONS[match["fraction"].lower()]
    elif match["spoken_year"]:
        value = 2000 + _spelled(match["spoken_year"].lower())
    elif match["spoken_decimal"]:
        whole, tenths = re.split("point|dot", match["spoken_decimal"].lower(), maxsplit=1)
        value = float(f"{_DIGIT_VALUES.get(whole.strip(), whole.strip() or 0)}.{digits_of(tenths)}")
    elif match["hundreds"]:
        value = 100 * _spelled(match["hundreds"].lower()) + _spelled(match["beyond"].lower())
    elif match["over"]:
        value = int(match["over"]) / int(match["under"])
    elif match["digits"]:
        value = float(_plain_decimal(match["digits"]))
    elif match["words"]:
        value = _spelled(match["words"].lower())
    else:
        value = 1
    return value + _FRACTIONS.get((match["plus"] or match["tail"] or "").lower(), 0)


def _plain_decimal(digits: str) -> str:
    """Digits with a decimal point and no thousands' commas; "1,5" has a decimal comma."""
    if re.fullmatch(r"\d+,\d{1,2}", digits):
        return digits.replace(",", ".")
    return digits.replace(",", "")[:300]


def spoken_digits(words: str) -> str:
    """The digits of a number below 100 as it is said: "fifty three", "one seven", "17"."""
    if words[0].isdigit():
        return words
    return digits_of(words) if all(word in _DIGIT_VALUES for word in words.split()) else str(_spelled(words))


def _spelled(words: str) -> int:
    total = part = 0
    for word in re.findall(r"[a-z]+", words):
        if word == "hundred":
            part = max(part, 1) * 100
        elif word == "thousand":
            total, part = total + max(part, 1) * 1000, 0
        elif word in ("couple", "dozen"):
            part = _WORD_VALUES[word] // (2 if "half" in words else 1)
        else:
            part += _WORD_VALUES.get(word, 0)
    return total + part


def _spread_columns(found: list[Quantity], question: str) -> list[Quantity]:
    """Give the second number of a range the unit that stands before the first, as in a table's column: "kw:50-100"."""
    for index, (first, second) in enumerate(itertools.pairwise(found), 1):
        written = question[first.start : first.end]
        in_column = first.kind in ("kw", "years") and _COLUMN.match(written)
        if (
            in_column
            and second.kind == "number"
            and question[first.end : second.start].strip() in ((*_SPANS, "and") if "between" in written else _SPANS)
        ):
            factor = _factor(written, _POWER if first.kind == "kw" else _TIME)
            found[index] = replace(second, value=number(second.value * factor), kind=first.kind)
    return found


def _spread_units(found: list[Quantity], question: str) -> list[Quantity]:
    """Give the first number of a range the unit of the second: "1-5MW", "between 3 and 6 years"."""
    for index in range(len(found) - 1, 0, -1):
        first, second = found[index - 1], found[index]
        between = question[first.end : second.start]
        before = question[: first.start]
        both_bounded = second.kind in ("kw", "years") and _BOTH_BOUNDED.fullmatch(between) and _BOUNDED.search(before)
        if second.kind not in ("kw", "years") or not (both_bounded or _RANGE.fullmatch(between)):
            continue
        opened = _BETWEEN.search(before)
        spanned = opened or between.strip() in _SPANS  # but not "2014 up to 2.5 MW"
        if first.kind != "number" and not (first.kind == "year" and spanned):
            continue
        value: float = first.value
        if second.kind == "kw":
            written = question[second.start : second.end]
            is_digit = value < 10 and question[first.start : first.end].isalpha() and between.strip() in ("to", "or")
            if is_digit and not opened and "hundred" in written.lower() and value * 100 < second.value:
                value *= 100  # "three to four hundred kilowatts"
            value *= _factor(written, _POWER)
            value = first.value if value > second.value else value  # "500 to 1MW"
        else:
            value *= _factor(question[second.start : second.end], _TIME)
        found[index - 1] = replace(first, value=number(value), kind=second.kind)
    return found


def _factor(text: str, units: dict[str, tuple[str, float]]) -> float:
    """How many kW or years the unit in the text is; 1 where a range of three passed it on ("6 to 4-50kW")."""
    matching = (factor for words, factor in units.values() if re.search(rf"(?:{words}){_stop}", text, re.IGNORECASE))
    return next(matching, 1)
