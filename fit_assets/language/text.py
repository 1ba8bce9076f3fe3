"""A question as every part of the program sees it: one spelling of letter case, spaces, quotes and dashes."""

from __future__ import annotations

import re
import unicodedata

MAX_QUESTION_CHARS = 400
# What the words of a place or postcode are replaced with, so that "Small Heath" is not small.
BLANK = "§"
# How the name of a month begins.
MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
Span = tuple[int, int]
# A kind of thing that a question names ("place", "size"), with its span.
Mention = tuple[str, int, int]

_CONTROL_TOKEN = re.compile(r"<\|[^|<>]*\|>|\[/?INST\]|</?s>|<<?/?SYS>>?", re.IGNORECASE)
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "\u00a0": " "})


def normalise_question(question: str) -> str:
    """The question as the model sees it: NFKC, lower case, plain digits, quotes and dashes, single spaces.

    Control tokens of any chat format are taken out, so that a question cannot end its own turn; what is
    longer than ``MAX_QUESTION_CHARS`` is cut.
    """
    text = unicodedata.normalize("NFKC", question).translate(_PLAIN)
    text = _CONTROL_TOKEN.sub(" ", text)
    text = "".join(_plain(char) for char in text)
    return " ".join(text.lower().split())[:MAX_QUESTION_CHARS].rstrip()


def _plain(char: str) -> str:
    """Digits of any script as 0 to 9; a blank for what cannot be seen."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return char if char.isprintable() else " "
