"""Postcodes as they are spelled aloud and written down by a machine: "pee aitch fifteen", "the kay double u area"."""

from __future__ import annotations

import re

from fit_assets.language.numbers import SPOKEN_BELOW_100, spoken_digits

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


def spelled_postcodes(text: str) -> str:
    """A normalised text with postcode areas and outward codes that are spelled letter by letter put together."""
    return _CODE.sub(_together, text)


def _together(spelled: re.Match[str]) -> str:
    from fit_assets.places import POSTCODE_AREAS

    letters = "".join(_LETTERS[name] for name in _LETTER.findall(spelled["letters"]))
    if letters.upper() not in POSTCODE_AREAS:
        return spelled[0]
    return letters + (spoken_digits(spelled["number"]) if spelled["number"] else " ")
