"""What is spelled aloud and written down by a machine: "pee aitch fifteen", "the kay double u area", "pee vee"."""

from __future__ import annotations

import re

from fit_assets.language.numbers import SPOKEN_BELOW_100, spoken_digits
from fit_assets.places import POSTCODE_AREAS

_LETTERS = {
    name: letter
    for letter, names in {
        **{"a": "ay", "b": "bee", "c": "cee see sea", "d": "dee", "e": "ee", "f": "eff", "g": "gee jee"},
        **{"h": "aitch haitch", "i": "eye", "j": "jay", "k": "kay", "l": "ell el", "m": "em", "n": "en", "o": "oh"},
        **{"p": "pee", "r": "are ar", "s": "ess es", "t": "tee tea", "u": "you yew", "x": "ex", "y": "why wye"},
        "z": "zed",
    }.items()
    for name in names.split()
} | {"double u": "w", "double you": "w", "double yew": "w"}
_NAME = "|".join(_LETTERS)
_LETTER = re.compile(rf"\b(?:{_NAME})\b")
# Alone, "em" and "are" are no letters.
_ALONE = "bee|gee|ell|ess|double u|double you"
_CODE = re.compile(
    rf"\b(?P<letters>(?:{_NAME}) (?:{_NAME})|{_ALONE}) "
    rf"(?:(?P<number>\d\d?|{SPOKEN_BELOW_100})\b|(?=(?:area|postcodes?|post codes?)\b))"
)


_AREA = re.compile(r"(?<=\bpostcode )((?:area )?)([a-z]) ([a-z])\b|\b()([a-z]) ([a-z])(?= postcodes?\b)")
_ACRONYMS = {
    "pv": re.compile(r"\bpee vee\b"),
    "chp": re.compile(r"\b(?:see|c) (?:aitch|haitch|h) (?:pee|p)\b"),
    "ppa": re.compile(r"\b(?:pee|p) (?:pee|p) (?:ay|a)\b"),
}


def spelled_together(text: str) -> str:
    """A normalised text with postcodes and acronyms that are spelled letter by letter put together."""
    for acronym, said in _ACRONYMS.items():
        text = said.sub(acronym, text)
    return _CODE.sub(_together, _AREA.sub(lambda said: "".join(filter(None, said.groups())), text))


def _together(spelled: re.Match[str]) -> str:
    letters = "".join(_LETTERS[name] for name in _LETTER.findall(spelled["letters"]))
    if letters.upper() not in POSTCODE_AREAS:
        return spelled[0]
    return letters + (spoken_digits(spelled["number"]) if spelled["number"] else " ")
