"""Value linking: what code can look up or compute in a question is told to the model with the question.

A name becomes its canonical form with its postcode patterns; a number with its unit and the words beside it becomes a
bound in kW, in years or on a calendar year ("after 2015" is 2016 and later), and so does a word that stands for a
number ("small", "expired", the ten years of "repowering"). Code writes these values as the answer would; the model
decides which of them hold, and what is asked of the installations: it copies values, it does not remember or calculate
them. In work on questions to databases this is called value linking (Lin, Socher, Xiong, "Bridging Textual and Tabular
Data", 2020).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fit_assets.filters import canonical_text
from fit_assets.language.numbers import Quantity, digits_of
from fit_assets.language.reading import Reading, read
from fit_assets.language.rules.business import time_left
from fit_assets.language.rules.capacity import capacity
from fit_assets.language.rules.figures import rank
from fit_assets.language.rules.installation import fit_rate
from fit_assets.language.rules.places import place
from fit_assets.language.rules.scope import named_outside
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
    has in words ("top ten": 10), and what the scheme does not have: ``abroad`` where a place outside Great Britain is
    named, ``other technology``, ``other scheme``. Never fails, whatever the text.
    """
    asked = read(question, gazetteer)
    linked = [_object(_values(asked)), *_other_numbers(asked), *named_outside(asked)]
    return " ".join(text for text in linked if text)


def _values(asked: Reading) -> dict[str, Any]:
    identifiers = [digits_of(asked.written(number)) for number in asked.of_kind("fit_id")]
    is_rate = bool(fit_rate(asked))
    values = technology(asked) | place(asked) | capacity(asked) | years(asked, is_rate)
    if not is_rate:
        by_year = "fit_expiry_year_min" in values or "fit_expiry_year_max" in values
        values |= time_left(asked, by_year=by_year, ranked=rank(asked).get("sort_by") == "fit_remaining_asc")
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
