"""A question as every part of the program sees it: one spelling of letter case, spaces, quotes and dashes."""

from __future__ import annotations

import re
import unicodedata

MAX_QUESTION_CHARS = 400

_CONTROL_TOKEN = re.compile(r"<\|[^|<>]*\|>|\[/?INST\]|</?s>|<<?/?SYS>>?", re.IGNORECASE)
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "\u00a0": " "})


def normalise_question(question: str) -> str:
    """The question as the model sees it: NFKC, lower case, plain quotes and dashes, single spaces.

    Control tokens of any chat format are taken out, so that a question cannot end its own turn; what is
    longer than ``MAX_QUESTION_CHARS`` is cut.
    """
    text = unicodedata.normalize("NFKC", question).translate(_PLAIN)
    text = _CONTROL_TOKEN.sub(" ", text)
    text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.lower().split())[:MAX_QUESTION_CHARS].rstrip()
