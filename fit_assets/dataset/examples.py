"""One example of the data set, and the JSONL files that keep them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from fit_assets.filters import FilterError, QueryFilters

Complexity = Literal["simple", "complex", "business"]
COMPLEXITIES: tuple[Complexity, ...] = get_args(Complexity)

# Words in the gold object that are a choice and not a number, a year or an id.
_CHOICES = (
    "aggregation",
    "group_by",
    "location",
    "locations",
    "query_intent",
    "query_type",
    "sort_by",
    "technologies",
    "technology",
)
# Keys that state one thing together.
_GROUPS = (
    ("technology", "technologies"),
    ("capacity_min_kw", "capacity_max_kw"),
    ("location", "locations", "postcode_patterns"),
    ("commissioned_year_min", "commissioned_year_max"),
    ("fit_remaining_min_years", "fit_remaining_max_years", "fit_expiry_year_min", "fit_expiry_year_max"),
    ("query_intent",),
    ("query_type", "aggregation"),
    ("group_by",),
    ("sort_by", "limit"),
    ("include_revenue", "include_regional"),
    ("fit_id",),
)


class ExampleError(ValueError):
    """A file of examples that cannot be read; the message names file, line and the mend."""


@dataclass(frozen=True)
class Example:
    """A question with its gold filters (canonical content, postcode patterns filled in).

    ``source`` names the natural question that it was made of; empty for one made of phrases.
    """

    q: str
    gold: dict[str, Any]
    category: str
    complexity: Complexity
    combination: str
    source: str = ""

    @classmethod
    def of(cls, q: str, gold: Mapping[str, Any], category: str, source: str = "") -> Example:
        """Build an example, deriving complexity and combination from the gold object."""
        gold = dict(sorted(gold.items()))
        return cls(q, gold, category, complexity_of(gold), combination_of(gold), source)


def complexity_of(gold: Mapping[str, Any]) -> Complexity:
    """``business`` where an intent or the tariff's end matters, ``simple`` up to two constraints, else ``complex``."""
    if any(key == "query_intent" or key.startswith(("fit_remaining", "fit_expiry")) for key in gold):
        return "business"
    stated = sum(any(key in gold for key in group) for group in _GROUPS)
    return "simple" if stated <= 2 else "complex"


def combination_of(gold: Mapping[str, Any]) -> str:
    """The shape of a gold object: its keys, and the values that are choices; numbers, years and ids left out.

    Postcode patterns count by their letters where the question gave them (no ``location`` implies them).
    """
    shape = []
    for key in sorted(gold):
        value = gold[key]
        if key == "postcode_patterns":
            if "location" not in gold:
                areas = sorted({"".join(char for char in pattern if char.isalpha()) for pattern in value})
                shape.append(f"{key}={','.join(areas)}")
        elif key in _CHOICES:
            shape.append(f"{key}={','.join(sorted(value)) if isinstance(value, list) else value}")
        else:
            shape.append(key)
    return " ".join(shape)


def write_jsonl(path: Path, examples: Iterable[Example]) -> None:
    """Write examples, one JSON object a line; the old file stays until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            for example in examples:
                file.write(json.dumps(example.__dict__, ensure_ascii=False) + "\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_jsonl(path: Path) -> list[Example]:
    """Read examples; all but ``q`` and ``gold`` may be left out, as in feedback.

    Raises:
        ExampleError: no such file, or a line that is no example.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise ExampleError(f"{path}: no such file; materialise the asset that writes it") from error
    examples = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            gold = QueryFilters.parse(record["gold"]).to_dict()
            question = record["q"]
            if not isinstance(question, str) or not question.strip():
                raise ExampleError("q must be a text")
        except (json.JSONDecodeError, KeyError, TypeError, FilterError, ExampleError) as error:
            raise ExampleError(
                f"{path}, line {number}: {type(error).__name__}: {error}; "
                'each line must be {"q": "...", "gold": {...}} with gold by the contract'
            ) from error
        examples.append(Example.of(question, gold, record.get("category", "feedback"), record.get("source", "")))
    return examples
