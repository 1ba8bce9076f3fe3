"""Value linking: what code can look up in a question is told to the model with the question.

A name becomes its canonical form with its postcode patterns, a number in words or in another unit becomes kW or years:
the model copies values and decides what they mean, it does not remember or calculate them. In work on questions to
databases this is called value linking (Lin, Socher, Xiong, "Bridging Textual and Tabular Data", 2020).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from fit_assets.language.bounds import bound_of
from fit_assets.language.numbers import Quantity, digits_of, number
from fit_assets.language.reading import Named, Reading, read

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer

# What is linked takes no more of the prompt than a question may.
MAX_LINKED_CHARS = 400

# Of England's 100 areas the model knows by heart that they are meant; those of a region are at most 22.
_MOST_PATTERNS = 24

_UNITS = {"kw": " kW", "years": " years"}


@lru_cache(maxsize=1024)
def linked_values(question: str, gazetteer: Gazetteer) -> str:
    """What the question names, in its order, as the answer would write it; at most ``MAX_LINKED_CHARS``.

    ``"Wind" "Berkshire":["RG","SL"] 1500 kW`` for "wind in berks of 1.5MW or more"; a number is there only where its
    digits are not in the question, with 10 % to either side where the question says "about". What the question rules
    out is left out; ``abroad`` says that a place outside Great Britain is named. Never fails, whatever the text.
    """
    asked = read(question, gazetteer)
    found = [(match.start, json.dumps(match.technology)) for match in asked.technologies]
    found += [(place.start, _place(place)) for place in asked.places]
    found += [(code.start, json.dumps([code.name])) for code in asked.codes]
    found += [(quantity.start, text) for quantity in asked.numbers if (text := _number(asked, quantity))]
    values = dict.fromkeys(text for _, text in sorted(found))
    return " ".join(_as_many_as_fit([*(["abroad"] if asked.outside_great_britain else []), *values]))


def _place(place: Named) -> str:
    if not place.patterns:
        return json.dumps(place.name, ensure_ascii=False)
    patterns = place.patterns if len(place.patterns) <= _MOST_PATTERNS else ("…",)
    return f"{json.dumps(place.name)}:{json.dumps(patterns, separators=(',', ':'), ensure_ascii=False)}"


def _number(asked: Reading, quantity: Quantity) -> str:
    """The number as the answer writes it; empty where the question has it so."""
    unit = _UNITS.get(quantity.kind, "")
    if quantity.kind != "year" and quantity.kind != "fit_id" and bound_of(asked, quantity) == "about":
        return f"{number(quantity.value * 0.9)}-{number(quantity.value * 1.1)}{unit}"
    written = asked.written(quantity)
    value = digits_of(written) if quantity.kind == "fit_id" else str(quantity.value)
    return "" if re.search(rf"(?<![\d.,]){re.escape(value)}(?![\d.,]*\d)", written) else f"{value}{unit}"


def _as_many_as_fit(values: list[str]) -> Iterator[str]:
    left = MAX_LINKED_CHARS
    for value in values:
        left -= len(value) + 1
        if left < -1:
            return
        yield value
