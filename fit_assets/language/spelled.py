"""What is spelled aloud and written down by a machine: "pee aitch fifteen", "the kay double u area", "pee vee"."""

from __future__ import annotations

import re

from fit_assets.language.numbers import SPOKEN_BELOW_100, spoken_digits
from fit_assets.language.vocabulary import word_pairs
from fit_assets.places import POSTCODE_AREAS

_LETTERS = word_pairs(
    """
    ay:a bee:b cee:c see:c sea:c dee:d ee:e eff:f gee:g jee:g aitch:h haitch:h eye:i jay:j kay:k ell:l el:l em:m en:n
    oh:o pee:p are:r ar:r ess:s es:s tee:t tea:t you:u yew:u double_u:w double_you:w double_yew:w ex:x why:y wye:y zed:z
    """
)
_NAME = "|".join(_LETTERS)
_LETTER = re.compile(rf"\b(?:{_NAME}|[a-z])\b")
# Alone, "em" and "are" are no letters.
_ALONE = "bee|gee|ell|ess|double u|double you"
_CODE = re.compile(
    rf"(?<!')\b(?P<letters>(?:{_NAME}) (?:{_NAME})|(?!k w)[a-z] [a-z]|{_ALONE}) "
    rf"(?:(?P<number>\d\d?|{SPOKEN_BELOW_100})\b|(?=(?:area|postcodes?|post codes?)\b))"
)
# "the postcode area d g", "d g postcodes"
_AREA = re.compile(
    r"(?:(?<=\bpostcode )|(?<=\bpostcode area )|\b(?=[a-z] [a-z] postcodes?\b))([a-z]) ([a-z])\b"
    rf"(?! (?:\d|{SPOKEN_BELOW_100}))"
)
_ACRONYMS = {
    "seg": re.compile(r"\bs e g\b"),
    "pv": re.compile(r"\bpee vee\b"),
    "chp": re.compile(r"\b(?:see|c) (?:aitch|haitch|h) (?:pee|p)\b"),
    "ppa": re.compile(r"\b(?:pee|p) (?:pee|p) (?:ay|a)\b"),
}


def spelled_together(text: str) -> str:
    """A normalised text with postcodes and acronyms that are spelled letter by letter put together."""
    for acronym, said in _ACRONYMS.items():
        text = said.sub(acronym, text)
    return _CODE.sub(_together, _AREA.sub(r"\1\2", text))


def _together(spelled: re.Match[str]) -> str:
    letters = "".join(_LETTERS.get(name, name) for name in _LETTER.findall(spelled["letters"]))
    if letters.upper() not in POSTCODE_AREAS:
        return spelled[0]
    return letters + (spoken_digits(spelled["number"]) if spelled["number"] else " ")
