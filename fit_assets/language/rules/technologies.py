"""Technologies, in the order in which a question names them."""

from __future__ import annotations

from fit_assets.language.reading import Reading
from fit_assets.language.rules import Filters


def technology(asked: Reading) -> Filters:
    """``technology``, or ``technologies`` where several are named."""
    named = list(dict.fromkeys(match.technology for match in asked.technologies))
    if len(named) > 1:
        return {"technologies": named}
    return {"technology": named[0]} if named else {}
