"""The filter contract: one natural-language question in, one JSON object out.

``QueryFilters`` is the only definition of the keys, their types and their rules. The dataset is made of
its canonical text, the grammar and Ollama's schema come from :func:`json_schema`, the metrics compare
:meth:`QueryFilters.pairs`, and the executor reads its fields. To add a key, add a field here and its
column expression in ``reference/query.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Technology = Literal["Wind", "Photovoltaic", "Hydro", "Anaerobic digestion", "Micro CHP"]
QueryType = Literal["fit_rate", "comparison", "aggregation", "unsupported"]
QueryIntent = Literal["repowering_opportunities", "ppa_opportunities", "acquisition_targets"]
Aggregation = Literal["count", "sum_capacity", "avg_capacity", "min_capacity", "max_capacity"]
GroupBy = Literal["technology", "region", "country", "local_authority", "postcode_area", "commissioned_year"]
SortBy = Literal[
    "capacity_desc",
    "capacity_asc",
    "commissioned_desc",
    "commissioned_asc",
    "fit_remaining_asc",
    "revenue_desc",
]

TECHNOLOGIES: tuple[Technology, ...] = ("Wind", "Photovoltaic", "Hydro", "Anaerobic digestion", "Micro CHP")

# A postcode area (RG) or an outward code (RG17, EC1A).
POSTCODE_PATTERN = re.compile(r"[A-Z]{1,2}([0-9][0-9A-Z]?)?")

PositiveNumber = Annotated[int | float, Field(gt=0, allow_inf_nan=False)]
Years = Annotated[int | float, Field(ge=0, le=100, allow_inf_nan=False)]
Year = Annotated[int, Field(ge=1900, le=2100)]
Name = Annotated[str, Field(min_length=1, max_length=80)]
PostcodePattern = Annotated[str, Field(pattern=f"^{POSTCODE_PATTERN.pattern}$")]


class FilterError(ValueError):
    """An object or text that breaks the contract; the message names each field and what it must be."""


class QueryFilters(BaseModel):
    """The constraints that one question states; an absent key means "no such constraint"."""

    # Keys stand in sorted order: model, grammar and schema all write them in this order.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    aggregation: Aggregation | None = None
    capacity_max_kw: PositiveNumber | None = None
    capacity_min_kw: PositiveNumber | None = None
    commissioned_year_max: Year | None = None
    commissioned_year_min: Year | None = None
    fit_expiry_year_max: Year | None = None
    fit_expiry_year_min: Year | None = None
    fit_id: Annotated[str, Field(pattern=r"^[0-9]{1,12}$")] | None = None
    fit_remaining_max_years: Years | None = None
    fit_remaining_min_years: Years | None = None
    group_by: GroupBy | None = None
    include_regional: Literal[True] | None = None
    include_revenue: Literal[True] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    location: Name | None = None
    locations: Annotated[list[Name], Field(min_length=2)] | None = None
    postcode_patterns: Annotated[list[PostcodePattern], Field(min_length=1)] | None = None
    query_intent: QueryIntent | None = None
    query_type: QueryType | None = None
    sort_by: SortBy | None = None
    technologies: Annotated[list[Technology], Field(min_length=2, max_length=5)] | None = None
    technology: Technology | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            nulls = sorted(str(key) for key, value in data.items() if value is None)
            if nulls:
                raise ValueError(f"{', '.join(nulls)}: null is not allowed; leave the key out instead")
        return data

    @field_validator(
        "capacity_max_kw", "capacity_min_kw", "fit_remaining_max_years", "fit_remaining_min_years", mode="after"
    )
    @classmethod
    def _integral_numbers_are_integers(cls, value: int | float | None) -> int | float | None:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @field_validator("locations", "postcode_patterns", "technologies", mode="after")
    @classmethod
    def _no_repeats(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names the same value twice; name each once")
        return value

    @field_validator("location", "locations", mode="after")
    @classmethod
    def _names_are_trimmed(cls, value: str | list[str] | None) -> str | list[str] | None:
        for name in [value] if isinstance(value, str) else value or []:
            if name != " ".join(name.split()):
                raise ValueError(f"{name!r} has spaces at its ends or in a row; write the name plainly")
        return value

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        present = self.model_fields_set
        if self.query_type == "unsupported" and len(present) > 1:
            raise ValueError("query_type 'unsupported' stands alone; remove the other keys")
        for one, many in (("technology", "technologies"), ("location", "locations")):
            if {one, many} <= present:
                raise ValueError(f"{one} and {many} exclude each other; keep one of them")
        if {"locations", "postcode_patterns"} <= present:
            raise ValueError("postcode_patterns do not stand beside locations; remove them")
        if self.aggregation and self.query_type not in ("aggregation", "comparison"):
            raise ValueError("aggregation needs query_type 'aggregation' or 'comparison'")
        for low, high in (
            ("capacity_min_kw", "capacity_max_kw"),
            ("commissioned_year_min", "commissioned_year_max"),
            ("fit_remaining_min_years", "fit_remaining_max_years"),
            ("fit_expiry_year_min", "fit_expiry_year_max"),
        ):
            if {low, high} <= present and getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} is above {high} {getattr(self, high)}; swap them")
        return self

    @classmethod
    def parse(cls, value: str | bytes | Mapping[str, Any]) -> QueryFilters:
        """Validate JSON text or a mapping.

        Raises:
            FilterError: not JSON, not an object, or against the contract; one clause for each field.
        """
        if isinstance(value, str | bytes):
            try:
                value = json.loads(value, object_pairs_hook=_object_without_repeats)
            except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
                raise FilterError(f"not valid JSON: {error}") from error
        if not isinstance(value, Mapping):
            raise FilterError(f"filters must be a JSON object, not {type(value).__name__}")
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            raise FilterError("; ".join(_clauses(error))) from error

    def to_dict(self) -> dict[str, Any]:
        """The keys that are set, sorted, as plain JSON values."""
        return {key: value for key, value in self.model_dump().items() if value is not None}

    def canonical(self) -> str:
        """The canonical text: compact JSON, keys sorted, UTF-8 as it is."""
        return canonical_text(self.to_dict())

    def pairs(self) -> frozenset[tuple[str, Any]]:
        """The (key, value) pairs that metrics compare; lists as sets, as the contract says."""
        return frozenset(
            (key, frozenset(value) if isinstance(value, list) else value) for key, value in self.to_dict().items()
        )

    def same_as(self, other: QueryFilters) -> bool:
        """Whether both objects state the same constraints (lists compared as sets)."""
        return self.pairs() == other.pairs()

    def replace(self, **changes: Any) -> QueryFilters:
        """A validated copy with some keys changed; a change to None removes the key."""
        merged = self.to_dict() | changes
        return QueryFilters.parse({key: value for key, value in merged.items() if value is not None})


FILTER_KEYS: tuple[str, ...] = tuple(QueryFilters.model_fields)


def canonical_text(value: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys; the one text form of an object that is trained on and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """JSON schema of the contract, properties in sorted order, without null alternatives or titles."""
    properties = {}
    for key, field in QueryFilters.model_json_schema()["properties"].items():
        (field,) = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
        if "anyOf" in field:  # int | float, whose bounds pydantic leaves under its own names
            bounds = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum"}
            field = {"type": "number"} | {bounds[name]: part for name, part in field.items() if name in bounds}
        properties[key] = {name: part for name, part in field.items() if name not in ("title", "default")}
    return {
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
    }


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise FilterError(f"{', '.join(repeated)}: the key stands twice in the object")
    return dict(pairs)


def _clauses(error: ValidationError) -> list[str]:
    """One readable clause for each thing that pydantic found wrong."""
    clauses: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        key = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            clauses[key] = f"{key}: unknown key; known are {', '.join(FILTER_KEYS)}"
        elif not key:
            clauses[problem["msg"]] = problem["msg"].removeprefix("Value error, ")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            clauses.setdefault(key, f"{key}: {message} (got {problem['input']!r})")
    return list(clauses.values())
