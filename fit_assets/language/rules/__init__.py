"""The rules of the regex parser: one module for each group of keys, each a few functions over a reading."""

from __future__ import annotations

import re
from typing import Any

Filters = dict[str, Any]


def phrases(*alternatives: str) -> re.Pattern[str]:
    """Any of these phrases, as whole words; each is a regular expression over lower-case text."""
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(alternatives)})(?![a-z0-9])")
