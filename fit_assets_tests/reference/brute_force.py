"""The executor a second time, in pandas and plain Python: what the SQL is compared with."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pandas as pd

from fit_assets.filters import QueryFilters
from fit_assets.places import load_gazetteer


def prepare(register: pd.DataFrame, facts: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Register and facts side by side, with the years that filters speak of."""
    table = register.merge(facts.drop(columns=["fit_remaining_years"]), on="fit_id", how="left")
    table["capacity_kw"] = table["capacity_kw"].astype(float)
    end = pd.to_datetime(table["tariff_end"])
    table["commissioned_year"] = pd.to_datetime(table["commissioned_date"]).dt.year
    table["fit_expiry_year"] = end.dt.year
    table["fit_remaining_years"] = ((end - pd.Timestamp(as_of)).dt.days / 365.25).clip(lower=0)
    return table


def matching(table: pd.DataFrame, filters: QueryFilters, *, places: bool = True) -> pd.DataFrame:
    """Rows that meet every constraint."""
    keep = pd.Series(True, index=table.index)
    for key, column in (
        ("capacity", "capacity_kw"),
        ("commissioned_year", "commissioned_year"),
        ("fit_expiry_year", "fit_expiry_year"),
    ):
        suffix = "_kw" if key == "capacity" else ""
        low = getattr(filters, f"{key}_min{suffix}")
        high = getattr(filters, f"{key}_max{suffix}")
        if low is not None:
            keep &= table[column] >= low
        if high is not None:
            keep &= table[column] <= high
    if filters.fit_remaining_min_years is not None:
        keep &= table["fit_remaining_years"] >= filters.fit_remaining_min_years
    if filters.fit_remaining_max_years is not None:
        keep &= table["fit_remaining_years"] <= filters.fit_remaining_max_years
    if filters.fit_id is not None:
        keep &= table["fit_id"] == filters.fit_id
    if filters.technology is not None:
        keep &= table["technology"] == filters.technology
    if filters.technologies is not None:
        keep &= table["technology"].isin(filters.technologies)
    if filters.location:
        keep &= inside(table, filters.location, filters.postcode_patterns)
    elif filters.postcode_patterns:
        keep &= by_pattern(table, filters.postcode_patterns)
    if places and filters.locations:
        keep &= pd.concat([inside(table, name, None) for name in filters.locations], axis=1).any(axis=1)
    return table[keep]


def inside(table: pd.DataFrame, name: str, patterns: list[str] | None) -> pd.Series:
    place = load_gazetteer().get(name)
    if place is None:
        return by_pattern(table, patterns) if patterns else _whole_words(table, name)
    if patterns and set(patterns) != set(place.patterns):
        return by_pattern(table, patterns)
    names = [_plain(known) for known in (place.name, *place.aliases)]
    named = _plain_names(table).isin(names).any(axis=1)
    return by_pattern(table, list(place.patterns)) | (table["outward_code"].isna() & named)


def by_pattern(table: pd.DataFrame, patterns: list[str]) -> pd.Series:
    def hit(code: Any) -> bool:
        if not isinstance(code, str):
            return False
        area = "".join(char for char in code[:2] if char.isalpha())
        return any(pattern in ((area,) if pattern.isalpha() else (code,)) for pattern in patterns)

    return table["outward_code"].map(hit)


def _whole_words(table: pd.DataFrame, name: str) -> pd.Series:
    plain = _plain(name)
    if not plain:
        return pd.Series(False, index=table.index)
    names = _plain_names(table)
    return names.apply(lambda column: (" " + column + " ").str.contains(f" {plain} ", regex=False)).any(axis=1)


def _plain_names(table: pd.DataFrame) -> pd.DataFrame:
    columns = ["local_authority", "region", "country"]
    return table[columns].apply(lambda column: column.map(lambda text: _plain(text) if isinstance(text, str) else ""))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("&", " and ")))
