"""Value linking: what code can look up or compute in a question is told to the model with the question.

A name becomes its canonical form with its postcode patterns; a number with its unit and the words beside it becomes a
bound in kW, in years or on a calendar year ("after 2015" is 2016 and later). Code writes these values as the answer
would; the model decides which of them hold, and what is asked of the installations: it copies values, it does not
remember or calculate them. In work on questions to databases this is called value linking (Lin, Socher, Xiong,
"Bridging Textual and Tabular Data", 2020).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fit_assets.filters import canonical_text
from fit_assets.language.numbers import Quantity, digits_of
from fit_assets.language.reading import Reading, read
from fit_assets.language.rules.business import stated_time_left
from fit_assets.language.rules.capacity import capacity
from fit_assets.language.rules.places import place
from fit_assets.language.rules.technologies import technology
from fit_assets.language.rules.years import years

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer

# England's 100 postcode areas, the longest list there is, and some more.
MAX_LINKED_CHARS = 800


@lru_cache(maxsize=1024)
def linked_values(question: str, gazetteer: Gazetteer) -> str:
    """The values that a question states, as the answer would write them; at most ``MAX_LINKED_CHARS``.

    ``{"capacity_min_kw":1500,"location":"Berkshire","postcode_patterns":["RG","SL"],"technology":"Wind"}`` for "wind in
    berks of 1.5MW or more". What the question rules out is left out. Behind it stand other numbers that the question
    has in words ("top ten": 10), and ``abroad`` where it names a place outside Great Britain. Never fails, whatever the
    text.
    """
    asked = read(question, gazetteer)
    linked = [_object(_values(asked)), *_other_numbers(asked), *(["abroad"] if asked.outside_great_britain else [])]
    return " ".join(text for text in linked if text)


def _values(asked: Reading) -> dict[str, Any]:
    identifiers = [digits_of(asked.written(number)) for number in asked.of_kind("fit_id")]
    values = technology(asked) | place(asked) | capacity(asked) | years(asked, is_rate=False) | stated_time_left(asked)
    if identifiers:
        values["fit_id"] = identifiers[0]
    return values


def _object(values: dict[str, Any]) -> str:
    """The values as one object; of too many, as many as fit."""
    while len(text := canonical_text(values)) > MAX_LINKED_CHARS:
        values.popitem()
    return text if values else ""


def _other_numbers(asked: Reading) -> list[str]:
    """Plain numbers that the question writes in words."""
    numbers = dict.fromkeys(str(number.value) for number in asked.of_kind("number") if not _in_digits(asked, number))
    return list(numbers)[:5]


def _in_digits(asked: Reading, number: Quantity) -> bool:
    return re.search(rf"(?<![\d.,]){re.escape(str(number.value))}(?![\d.,]*\d)", asked.written(number)) is not None
