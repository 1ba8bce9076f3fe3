"""From filters to an answer: rows, one sentence of what was understood, and notes on what to know about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.filters import QueryFilters
from fit_assets.places import Gazetteer, load_gazetteer
from fit_assets.reference import standin
from fit_assets.reference.query import ALIGNED, Query, asks_for_tariffs, to_sql
from fit_assets.reference.warehouse import connect

if TYPE_CHECKING:
    import duckdb

WHAT_CAN_BE_ASKED = (
    "This cannot be answered from the Feed-in Tariff register. Ask about its installations: wind, photovoltaics, "
    "hydro, anaerobic digestion and micro CHP by capacity, place, year and tariff left, or for a FIT rate."
)

# Keys that belong to one constraint: taken out together to see which of them leaves nothing.
CONSTRAINTS: dict[str, tuple[str, ...]] = {
    "the FIT id": ("fit_id",),
    "the technology": ("technology", "technologies"),
    "the capacity": ("capacity_min_kw", "capacity_max_kw"),
    "the place": ("location", "locations", "postcode_patterns"),
    "the year of commissioning": ("commissioned_year_min", "commissioned_year_max"),
    "the years of tariff left": ("fit_remaining_min_years", "fit_remaining_max_years"),
    "the year in which the tariff ends": ("fit_expiry_year_min", "fit_expiry_year_max"),
}

INTENTS = {
    "repowering_opportunities": "repowering opportunities",
    "ppa_opportunities": "PPA opportunities",
    "acquisition_targets": "acquisition targets",
}
FIGURES = {
    "count": "Number",
    "sum_capacity": "Total capacity",
    "avg_capacity": "Average capacity",
    "min_capacity": "Smallest capacity",
    "max_capacity": "Largest capacity",
}
# What the sentence says of a set before it tells how many there are.
_SHOWN_FIGURES = ("avg_capacity", "min_capacity", "max_capacity")
RANKINGS = {
    "capacity_desc": "largest first",
    "capacity_asc": "smallest first",
    "commissioned_desc": "newest first",
    "commissioned_asc": "oldest first",
    "fit_remaining_asc": "the tariff that ends first at the top",
    "revenue_desc": "highest revenue first",
}


_ALIGNED: dict[tuple[str, int], bool] = {}


@dataclass(frozen=True)
class Answer:
    """What came back for one set of filters.

    ``rows`` are JSON-safe (days as ISO text) and unrounded; ``total`` is the number of rows before the display
    limit; ``sentence`` says in English what was understood and found; ``notes`` what a reader should know.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    sentence: str
    notes: list[str]
    sql: str
    params: list[Any]
    total: int


@dataclass(frozen=True)
class _Summary:
    count: int
    capacity_kw: float
    revenue_gbp: float | None
    revenue_regional_gbp: float | None
    without_postcode: int


def answer(
    filters: QueryFilters | Mapping[str, Any] | str, *, as_of: date | None = None, limit: int | None = None
) -> Answer:
    """Look up what the filters ask for.

    Args:
        filters: an object of the contract, or JSON of one.
        as_of: the day that years of tariff left count from; by default :func:`settings.as_of`.
        limit: at most so many rows in the answer; ``total`` still counts all.

    Raises:
        FilterError: filters that break the contract.
        WarehouseError: no warehouse, or a table missing; the message names the asset to materialise.
    """
    if not isinstance(filters, QueryFilters):
        filters = QueryFilters.parse(filters)
    as_of = as_of or settings.as_of()
    gazetteer = load_gazetteer()
    if filters.query_type == "unsupported":
        return Answer([], [], WHAT_CAN_BE_ASKED, [], "", [], 0)
    of_tariffs = asks_for_tariffs(filters)
    needs = ("tariff_rates",) if of_tariffs else ("installations", "installation_facts")
    with connect(needs=needs) as connection:
        # One thread: sums of floating-point numbers come out the same each time, and the tables are small.
        connection.execute("SET threads = 1")
        query = to_sql(filters, as_of, gazetteer, aligned=not of_tariffs and _are_aligned(connection))
        columns, rows = _fetch(connection, query, limit if query.kind == "search" else None)
        notes: list[str] = []
        summary = None
        if of_tariffs:
            notes += _tariff_notes(filters, rows)
        else:
            summary = _summary(connection, query)
            notes += _place_notes(connection, filters, as_of, gazetteer, summary.without_postcode)
            if summary.count == 0 and set(filters.to_dict()) != {"fit_id"}:
                notes.append(_why_empty(connection, filters, as_of, gazetteer))
            notes += _group_notes(filters, rows)
            notes += _register_notes(connection, filters)
    total = len(rows)
    if query.kind == "search" and summary is not None:
        total = min(summary.count, filters.limit or summary.count)
    sentence = f"{describe(filters, gazetteer)}: {_result(filters, query, rows, summary, total)}"
    if _counts_years(filters):
        sentence += f" Years of tariff left count from {as_of.isoformat()}."
    shown = rows if limit is None else rows[:limit]
    return Answer(columns, shown, sentence, notes, query.sql, _json_safe(query.params), total)


def describe(filters: QueryFilters, gazetteer: Gazetteer | None = None) -> str:
    """What the filters ask for, as one English phrase."""
    if filters.query_type == "unsupported":
        return WHAT_CAN_BE_ASKED
    if filters.query_type == "fit_rate":
        start = "Tariff of" if filters.fit_id else "Published generation tariffs for"
    elif filters.query_type == "comparison":
        start = f"{FIGURES[filters.aggregation]} compared:" if filters.aggregation else "Comparison of"
    elif filters.query_type == "aggregation" or filters.group_by:
        start = f"{FIGURES[filters.aggregation or 'count']} of"
    else:
        start = ""
    parts = [start, _things(filters), *_bounds(filters, gazetteer or load_gazetteer())]
    if filters.query_intent:
        parts.append(f"as {INTENTS[filters.query_intent]}")
    if filters.group_by:
        parts.append(f"by {filters.group_by.replace('_', ' ')}")
    shown = [
        text
        for text, wanted in (("revenue", filters.include_revenue), ("regional yield", filters.include_regional))
        if wanted
    ]
    if shown:
        parts.append(f"with {' and '.join(shown)}")
    phrase = " ".join(part for part in parts if part)
    if filters.sort_by:
        phrase += f", {RANKINGS[filters.sort_by]}"
    if filters.limit:
        phrase += f", at most {filters.limit:,}"
    return phrase[0].upper() + phrase[1:]


def _things(filters: QueryFilters) -> str:
    if filters.fit_id:
        return f"FIT {filters.fit_id}"
    if filters.technologies:
        joint = " and " if filters.query_type == "comparison" else " or "
        return f"{_listed(filters.technologies, joint)} installations"
    return f"{filters.technology} installations" if filters.technology else "installations"


def _bounds(filters: QueryFilters, gazetteer: Gazetteer) -> list[str]:
    bounds = [_between(filters.capacity_min_kw, filters.capacity_max_kw, "of", " kW", "at least", "at most")]
    if filters.location:
        patterns = filters.postcode_patterns or gazetteer.patterns_for(filters.location) or ()
        bounds.append(f"in {filters.location}" + (f" (postcodes {', '.join(patterns)})" if patterns else ""))
    elif filters.postcode_patterns:
        bounds.append(f"in the postcodes {', '.join(filters.postcode_patterns)}")
    if filters.locations:
        bounds.append(f"in {_listed(filters.locations, ' and ')}")
    low, high = filters.commissioned_year_min, filters.commissioned_year_max
    bounds.append(_between(low, high, "commissioned in", "", "", "", years=True))
    low_left, high_left = filters.fit_remaining_min_years, filters.fit_remaining_max_years
    if high_left == 0:
        bounds.append("whose tariff has ended")
    else:
        bounds.append(_between(low_left, high_left, "with", " years of tariff left", "at least", "at most"))
    low, high = filters.fit_expiry_year_min, filters.fit_expiry_year_max
    bounds.append(_between(low, high, "whose tariff ends in", "", "", "", years=True))
    return [bound for bound in bounds if bound]


def _between(
    low: float | None, high: float | None, lead: str, unit: str, least: str, most: str, *, years: bool = False
) -> str:
    def text(value: float) -> str:
        return str(value) if years else f"{value:,.10g}"

    if low is None and high is None:
        return ""
    if low == high and low is not None:
        return f"{lead} {text(low)}{unit}"
    if low is not None and high is not None:
        return f"{lead} {text(low)} to {text(high)}{unit}"
    if years:
        return f"{lead} {text(low)} or later" if low is not None else f"{lead} {text(high or 0)} or earlier"
    return f"{lead} {least} {text(low)}{unit}" if low is not None else f"{lead} {most} {text(high or 0)}{unit}"


def _result(
    filters: QueryFilters, query: Query, rows: list[dict[str, Any]], summary: _Summary | None, total: int
) -> str:
    """The finding; figures are rounded here, where they are shown, and nowhere else."""
    if query.kind == "tariff_table":
        rates = sorted({row["pence_per_kwh"] for row in rows})
        span = (
            ""
            if not rates
            else f", {rates[0]:g} p/kWh"
            if len(rates) == 1
            else f", {rates[0]:g} to {rates[-1]:g} p/kWh"
        )
        return f"{_number(len(rows), 'rate')}{span}."
    if query.kind == "fit_rate":
        return "; ".join(_rate_sentence(row) for row in rows) + "." if rows else "no such installation."
    assert summary is not None
    found = _number(summary.count, "installation")
    if filters.fit_id and query.kind == "search":
        found = "no such installation" if not rows else "; ".join(_site_sentence(row) for row in rows)
    elif summary.count:
        found += f", {_kilowatts(summary.capacity_kw)} in all"
    if query.kind == "breakdown" and not filters.group_by and filters.aggregation in _SHOWN_FIGURES and rows:
        found = f"{_exact(next(iter(rows[0].values())))} ({found})"
    if query.kind == "search" and total < summary.count:
        found += f", {total:,} of them shown"
    if summary.count and filters.include_revenue and summary.revenue_gbp is not None:
        found += f", about £{summary.revenue_gbp:,.0f} a year"
        if filters.include_regional and summary.revenue_regional_gbp is not None:
            found += f" (£{summary.revenue_regional_gbp:,.0f} with regional yields)"
    return f"{found}."


def _rate_sentence(row: Mapping[str, Any]) -> str:
    if row["tariff_p_kwh"] is None:
        return f"Ofgem's table has no rate for {row['technology']} of {row['capacity_kw']:g} kW"
    low, high = row["tariff_band_above_kw"], row["tariff_band_to_kw"]
    band = f"above {low:g} to {high:g} kW" if low else f"up to {high:g} kW"
    start, end = row["tariff_from"], row["tariff_to"]
    period = f"{start} to {end}" if end else f"{start} on" if start else "migrated from the Renewables Obligation"
    return (
        f"{row['tariff_p_kwh']:g} p/kWh ({row['technology']}, {row['capacity_kw']:g} kW, band {band}, "
        f"eligible {period}; 2020/21 money) until {row['tariff_end']}"
    )


def _site_sentence(row: Mapping[str, Any]) -> str:
    place = ", ".join(part for part in (row["outward_code"], row["local_authority"]) if part) or "place not stated"
    return (
        f"{row['technology']}, {row['capacity_kw']:g} kW, {place}, commissioned {row['commissioned_date']}, "
        f"tariff until {row['tariff_end']}"
    )


def _place_notes(
    connection: duckdb.DuckDBPyConnection,
    filters: QueryFilters,
    as_of: date,
    gazetteer: Gazetteer,
    found_without_postcode: int,
) -> list[str]:
    notes = []
    for name in filters.locations or ([filters.location] if filters.location else []):
        if gazetteer.get(name) is not None:
            continue
        if filters.postcode_patterns:
            notes.append(f"{name} is not in the gazetteer; the postcodes alone were used.")
            continue
        here = _look(connection, QueryFilters(location=name), as_of, gazetteer).count
        outcome = f"{here:,} installations by council, region or nation" if here else "nothing by that name"
        notes.append(f"{name} is not in the gazetteer; the register has {outcome}.")
    if filters.location or filters.locations or filters.postcode_patterns:
        elsewhere = filters.replace(location=None, locations=None, postcode_patterns=None)
        without = _look(connection, elsewhere, as_of, gazetteer).without_postcode
        if without:
            notes.append(
                f"Without a postcode: {_number(without, 'row')} of what else was asked for, {found_without_postcode:,} "
                "of them found by council, region or nation."
            )
    return notes


def _group_notes(filters: QueryFilters, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    group = filters.group_by
    if group is None or all(row.get(group) is not None for row in rows):
        return []
    return [f"The line without a name: installations whose {group.replace('_', ' ')} the register does not state."]


def _register_notes(connection: duckdb.DuckDBPyConnection, filters: QueryFilters) -> list[str]:
    notes = []
    if connection.execute("SELECT 1 FROM installations WHERE source = ? LIMIT 1", [standin.SOURCE]).fetchall():
        notes.append("Stand-in register: the rows are generated, not Ofgem's; see data/ofgem/README.md.")
    if filters.include_revenue or filters.sort_by == "revenue_desc":
        notes.append("Revenue is rough: average yearly yield x generation tariff of 2020/21, no export payments.")
    return notes


def _tariff_notes(filters: QueryFilters, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = []
    if filters.location or filters.locations or filters.postcode_patterns:
        notes.append("Tariffs are the same in all of Great Britain; the place was not used.")
    if not rows:
        notes.append("Ofgem's table has no such rate: the scheme took sites from April 2010 to March 2019, up to 5 MW.")
    else:
        notes.append("Rates in pence per kWh of 2020/21 (RPI-adjusted); the date is that of eligibility.")
    return notes


def _why_empty(connection: duckdb.DuckDBPyConnection, filters: QueryFilters, as_of: date, gazetteer: Gazetteer) -> str:
    present = filters.to_dict()
    reasons = []
    for name, keys in CONSTRAINTS.items():
        if not any(key in present for key in keys):
            continue
        found = _look(connection, filters.replace(**dict.fromkeys(keys)), as_of, gazetteer).count
        if found:
            reasons.append(f"without {name} {_number(found, 'installation')} would remain")
    if not reasons:
        return "Nothing meets all the filters, and leaving any single one out does not help."
    return f"Nothing meets all the filters: {'; '.join(reasons)}."


def _fetch(
    connection: duckdb.DuckDBPyConnection, query: Query, limit: int | None
) -> tuple[list[str], list[dict[str, Any]]]:
    # A register of 870,000 rows is not turned into Python objects to show a hundred of them.
    sql = query.sql if limit is None else f"SELECT * FROM ({query.sql}) LIMIT {int(limit)}"
    cursor = connection.execute(sql, query.params)
    columns = [column[0] for column in cursor.description or []]
    rows = [dict(zip(columns, _json_safe(row), strict=True)) for row in cursor.fetchall()]
    return columns, rows


def _summary(connection: duckdb.DuckDBPyConnection, query: Query) -> _Summary:
    return _Summary(*connection.execute(query.summary_sql, list(query.summary_params)).fetchall()[0])


def _look(connection: duckdb.DuckDBPyConnection, filters: QueryFilters, as_of: date, gazetteer: Gazetteer) -> _Summary:
    """The summary of other filters, for a note."""
    search = filters.replace(query_type=None, aggregation=None, group_by=None, sort_by=None, limit=None)
    return _summary(connection, to_sql(search, as_of, gazetteer, aligned=_are_aligned(connection)))


def _are_aligned(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether facts and installations have the same order; looked up once for each state of the warehouse."""
    path = settings.warehouse_path()
    state = (str(path), path.stat().st_mtime_ns)
    if state not in _ALIGNED:
        _ALIGNED.clear()
        _ALIGNED[state] = bool(connection.execute(ALIGNED).fetchall()[0][0])
    return _ALIGNED[state]


def _counts_years(filters: QueryFilters) -> bool:
    bounded = filters.fit_remaining_min_years is not None or filters.fit_remaining_max_years is not None
    return bounded or filters.sort_by == "fit_remaining_asc"


def _json_safe(values: Sequence[Any]) -> list[Any]:
    return [value.isoformat() if isinstance(value, date) else value for value in values]


def _listed(names: Sequence[str], joint: str) -> str:
    return joint.join([", ".join(names[:-1]), names[-1]])


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _exact(capacity_kw: float | None) -> str:
    return "none" if capacity_kw is None else f"{capacity_kw:,.2f}".rstrip("0").rstrip(".") + " kW"


def _kilowatts(capacity_kw: float) -> str:
    return f"{capacity_kw / 1000:,.1f} MW" if capacity_kw >= 1000 else f"{capacity_kw:,.4g} kW"
