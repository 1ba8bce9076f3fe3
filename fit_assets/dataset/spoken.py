"""Numbers as people write and say them: capacities, years left, counts.

Each function returns ways to write one value; a way that stands several times is that much more common.
"""

from __future__ import annotations

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_KILOWATT_SHAPES = (
    *(
        "{}kW",
        "{}kW",
        "{}kW",
        "{} kW",
        "{} kW",
        "{}kw",
        "{}kw",
        "{} kw",
        "{} KW",
        "{}KW",
        "{} kilowatts",
        "{} kilowatts",
    ),
    *("{} kilowatts", "{} kilowatts", "{}kWp", "{} kws", "{} kilowatt", "{}-kW", "{} Kw"),
)
_FRACTIONS_OF_MW = {
    250: ("a quarter of a megawatt", "quarter of a megawatt", "a quarter megawatt", "quarter of a MW"),
    500: ("half a megawatt", "half a MW", "half a meg", "half a megawatt", "half MW"),
    750: ("three quarters of a megawatt", "three quarters of a meg", "three-quarters of a MW"),
    1000: ("a megawatt", "one megawatt", "1 meg", "a meg", "one MW", "a MW"),
}


def number_words(number: int) -> str:
    """A whole number from 0 to 9,999 in British words ("two hundred and fifty")."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    many, rest = divmod(number, size)
    joint = " and " if rest < 100 else " "
    return f"{_ONES[many]} {name}" + (joint + number_words(rest) if rest else "")


def plain(number: float) -> str:
    """Digits without a needless ``.0``."""
    return str(int(number)) if float(number).is_integer() else f"{number:g}" if number < 1e5 else str(number)


def digits(number: float) -> tuple[str, ...]:
    """Digits, with a thousands comma too where there is room for one."""
    return (plain(number), f"{int(number):,}") if number >= 1000 and float(number).is_integer() else (plain(number),)


def kilowatts(kw: float) -> list[str]:
    """Ways to write a capacity in kW."""
    ways = [shape.format(number) for number in digits(kw) for shape in _KILOWATT_SHAPES]
    if float(kw).is_integer() and kw <= 900 and (kw <= 20 or kw % 10 == 0):
        ways.append(f"{number_words(int(kw))} kilowatts")
        ways.append(f"{number_words(int(kw))} kW")
    if kw == 100:
        ways += ["a hundred kW", "a hundred kilowatts"]
    return ways


def megawatts(kw: float) -> list[str]:
    """Ways to write a capacity in MW."""
    mw = round(kw / 1000, 6)
    shapes = [
        "{}MW",
        "{} MW",
        "{}mw",
        "{} mw",
        "{}MW",
        "{}MWp",
        "{} megawatts",
        "{} megawatt",
        "{} Mw",
        "{} megs",
        "{}meg",
    ]
    if mw == 1:
        shapes = ["{}MW", "{} MW", "{}mw", "{} mw", "{}MW", "{} megawatt"]
    ways = [shape.format(plain(mw)) for shape in shapes]
    if mw < 1:
        ways.append(f"{plain(mw).removeprefix('0')}MW")
    ways += _FRACTIONS_OF_MW.get(int(kw), ())
    if not mw.is_integer():
        ways.append(f"{plain(mw).replace('.', ' point ')} megawatts")
    whole, part = divmod(kw, 1000)
    if part == 0 and 2 <= whole <= 20:
        ways += [f"{number_words(int(whole))} megawatts", f"{number_words(int(whole))} megs", f"{plain(mw)}.0 MW"]
    if part == 500 and 1 <= whole <= 9:
        words = number_words(int(whole))
        ways += [f"{words} and a half megawatts", f"{words} and a half megs", f"{int(whole)} and a half megawatts"]
        ways.append(f"{words} point five megawatts")
    if kw == 1500:
        ways.append("a megawatt and a half")
    return ways


def says_megawatts(kw: float) -> bool:
    """Whether people would say this capacity in MW at all."""
    return (kw >= 1000 and kw % 10 == 0) or kw in (100, 200, 250, 300, 400, 500, 600, 700, 750, 800, 900)


def durations(years: float) -> list[str]:
    """Ways to write a length of time in years."""
    if not float(years).is_integer():
        months = plain(years * 12)
        ways = [f"{months} months", f"{months} months", f"{months}mths"]
        ways += [f"{plain(years)} years", f"{plain(years)} yrs"]
        if years % 1 == 0.5 and years > 1:
            ways.append(f"{number_words(int(years))} and a half years")
        return [*ways, "half a year", "six months"] if years == 0.5 else ways
    whole = int(years)
    unit, short = ("year", "yr") if whole == 1 else ("years", "yrs")
    ways = [f"{whole} {unit}"] * 3
    ways += [f"{number_words(whole)} {unit}", f"{whole}{short}", f"{whole}y", f"{whole} yrs"]
    if whole <= 3:
        ways.append(f"{whole * 12} months")
    if whole == 1:
        ways += ["a year", "12 months", "twelve months"]
    if whole == 2:
        ways.append("a couple of years")
    if whole == 10:
        ways.append("a decade")
    return ways


def year_words(year: int) -> str:
    """A year as it is spoken ("twenty thirteen")."""
    return f"{number_words(year // 100)} {number_words(year % 100)}"
