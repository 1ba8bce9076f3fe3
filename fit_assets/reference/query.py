"""Filters become parameterised SQL: the one place where a key of the contract meets a column of the tables.

Every value travels as a parameter (``$1``, ``$2`` …); the text of a statement is made of constants of this
module alone. To add a key that bounds a column, add one line to ``CONDITIONS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from fit_assets.filters import QueryFilters
from fit_assets.places import Gazetteer, load_gazetteer
from fit_assets.reference.crosswalk import register_names

Kind = Literal["search", "breakdown", "comparison", "fit_rate", "tariff_table", "unsupported"]

# Installations with their facts. $1 is the day that years left count from. 365.25 as in facts.DAYS_A_YEAR.
BASE = """
base AS (
    SELECT
        i.*, year(i.commissioned_date) AS commissioned_year,
        f.* EXCLUDE (fit_id, as_of, fit_remaining_years, repowering_window),
        year(f.tariff_end) AS fit_expiry_year,
        greatest(0.0, date_diff('day', CAST($1 AS DATE), f.tariff_end) / 365.25) AS fit_remaining_years
    FROM installations AS i {join}
)"""
JOIN = "LEFT JOIN installation_facts AS f USING (fit_id)"
# Row beside row: 30 times as fast on 870,000 rows, and right only where both tables have the same order.
ALIGNED_JOIN = "POSITIONAL JOIN installation_facts AS f"
ALIGNED = (
    f"SELECT coalesce(bool_and(i.fit_id IS NOT DISTINCT FROM f.fit_id), TRUE) FROM installations AS i {ALIGNED_JOIN}"
)

CONDITIONS = {
    "capacity_max_kw": "capacity_kw <= {}",
    "capacity_min_kw": "capacity_kw >= {}",
    "commissioned_year_max": "commissioned_year <= {}",
    "commissioned_year_min": "commissioned_year >= {}",
    "fit_expiry_year_max": "fit_expiry_year <= {}",
    "fit_expiry_year_min": "fit_expiry_year >= {}",
    "fit_id": "fit_id = {}",
    "fit_remaining_max_years": "fit_remaining_years <= {}",
    "fit_remaining_min_years": "fit_remaining_years >= {}",
    "technology": "technology = {}",
}

SEARCH_COLUMNS = (
    "fit_id",
    "technology",
    "capacity_kw",
    "outward_code",
    "local_authority",
    "region",
    "country",
    "commissioned_date",
    "tariff_end",
    "fit_remaining_years",
    "tariff_p_kwh",
)
REGIONAL_COLUMNS = ("generation_kwh", "generation_regional_kwh")
REVENUE_COLUMNS = ("revenue_gbp",)
REGIONAL_REVENUE_COLUMNS = ("revenue_regional_gbp",)

FIGURES = {
    "count": ("installations", "count(fit_id)"),
    "sum_capacity": ("total_capacity_kw", "coalesce(sum(capacity_kw), 0.0)"),
    "avg_capacity": ("average_capacity_kw", "avg(capacity_kw)"),
    "min_capacity": ("smallest_capacity_kw", "min(capacity_kw)"),
    "max_capacity": ("largest_capacity_kw", "max(capacity_kw)"),
}
COMPARED_FIGURES = ("count", "sum_capacity", "avg_capacity")

# Ties are settled by FIT id, so that a ranking is the same each time.
BY_FIT_ID = "try_cast(fit_id AS BIGINT), fit_id"
ORDERS = {
    "capacity_desc": "capacity_kw DESC NULLS LAST",
    "capacity_asc": "capacity_kw ASC NULLS LAST",
    "commissioned_desc": "commissioned_date DESC NULLS LAST",
    "commissioned_asc": "commissioned_date ASC NULLS LAST",
    "fit_remaining_asc": "tariff_end ASC NULLS LAST",
    "revenue_desc": "revenue_gbp DESC NULLS LAST",
}

SUMMARY = (
    "count(*), coalesce(sum(capacity_kw), 0.0), sum(revenue_gbp), sum(revenue_regional_gbp), "
    "count(*) - count(outward_code)"
)

RATE_COLUMNS = (
    "fit_id",
    "technology",
    "capacity_kw",
    "commissioned_date",
    "eligibility_date",
    "tariff_p_kwh",
    "tariff_band_above_kw",
    "tariff_band_to_kw",
    "tariff_from",
    "tariff_to",
    "tariff_end",
    "fit_remaining_years",
    "tariff_source",
)
TARIFF_TABLE_COLUMNS = (
    "technology",
    "capacity_above_kw",
    "capacity_to_kw",
    "eligible_from",
    "eligible_to",
    "pv_type",
    "rating",
    "pence_per_kwh",
    "source",
)


@dataclass(frozen=True)
class Query:
    """SQL with its parameters.

    ``sql`` gives the rows to show; ``summary_sql`` (empty for tariffs) gives one row: number of installations
    that match before any ranking limit, their total capacity in kW, yearly revenue in GBP with the national and
    the regional yield, and how many of them have no postcode.
    """

    sql: str
    params: list[Any]
    kind: Kind
    summary_sql: str = ""
    summary_params: tuple[Any, ...] = ()


def asks_for_tariffs(filters: QueryFilters) -> bool:
    """Whether published rates answer, not installations."""
    return filters.query_type == "fit_rate" and filters.fit_id is None


def to_sql(filters: QueryFilters, as_of: date, gazetteer: Gazetteer | None = None, *, aligned: bool = False) -> Query:
    """The statement for one set of filters.

    Args:
        filters: what was asked.
        as_of: the day that years of tariff left count from.
        gazetteer: places; by default the project's own.
        aligned: whether each row of the facts is known to stand beside its installation (``ALIGNED`` asks).
    """
    if filters.query_type == "unsupported":
        return Query("", [], "unsupported")
    if asks_for_tariffs(filters):
        return _tariff_table(filters)
    builder = _Builder(as_of, gazetteer or load_gazetteer())
    compared_places = filters.locations if filters.query_type == "comparison" else None
    base = BASE.format(join=ALIGNED_JOIN if aligned else JOIN)
    tables = [base, f"matched AS (SELECT * FROM base WHERE {builder.where(filters, places=not compared_places)})"]
    if compared_places:
        tables.append(builder.placed(compared_places))
    found = "placed" if compared_places else "matched"
    # A row in two of the compared places counts once.
    once = "(SELECT DISTINCT * EXCLUDE (place) FROM placed)" if compared_places else "matched"
    summary = _with(tables, f"SELECT {SUMMARY} FROM {once}")
    summary_params = tuple(builder.params)

    kind: Kind
    if filters.query_type == "fit_rate":
        kind, select = "fit_rate", f"SELECT {', '.join(RATE_COLUMNS)} FROM matched ORDER BY {BY_FIT_ID}"
    elif filters.query_type == "comparison":
        kind, select = "comparison", _comparison(builder, filters, found, tables)
    elif filters.query_type == "aggregation" or filters.group_by:
        kind, select = "breakdown", _breakdown(filters)
    else:
        kind, select = "search", _search(filters)
    if filters.limit is not None:
        select += f"\nLIMIT {builder.bind(filters.limit)}"
    return Query(_with(tables, select), builder.params, kind, summary, summary_params)


class _Builder:
    """Collects parameters while conditions are written."""

    def __init__(self, as_of: date, gazetteer: Gazetteer) -> None:
        self.params: list[Any] = [as_of]
        self._gazetteer = gazetteer

    def bind(self, value: Any) -> str:
        self.params.append(value)
        return f"${len(self.params)}"

    def bind_list(self, values: Iterable[Any]) -> str:
        return ", ".join(self.bind(value) for value in values)

    def where(self, filters: QueryFilters, *, places: bool) -> str:
        """All conditions that a row must meet; without the places where those are compared."""
        conditions = [
            template.format(self.bind(value))
            for key, template in CONDITIONS.items()
            if (value := getattr(filters, key)) is not None
        ]
        if filters.technologies:
            conditions.append(f"technology IN ({self.bind_list(filters.technologies)})")
        if filters.location:
            conditions.append(self.in_place(filters.location, filters.postcode_patterns))
        elif filters.postcode_patterns:
            conditions.append(self._matches_pattern(filters.postcode_patterns))
        if places and filters.locations:
            conditions.append(" OR ".join(self.in_place(name) for name in filters.locations))
        return " AND ".join(f"({condition})" for condition in conditions) or "TRUE"

    def in_place(self, name: str, patterns: Sequence[str] | None = None) -> str:
        """Rows in a place: by given patterns, else by the gazetteer's, else by council, region or nation.

        Rows without a postcode belong to a place of the gazetteer where its name is their council, region or
        nation; not so where the question narrowed the place to postcodes of its own.
        """
        place = self._gazetteer.get(name)
        if place is None:
            return self._matches_pattern(patterns) if patterns else self._is_named(name)
        if patterns and set(patterns) != set(place.patterns):
            return self._matches_pattern(patterns)
        names = self.bind_list({_plain(known): None for known in (place.name, *place.aliases)})
        council = " OR ".join(f"{_plain_sql(column)} IN ({names})" for column in _NAME_COLUMNS)
        return f"{self._matches_pattern(place.patterns)} OR (outward_code IS NULL AND ({council}))"

    def placed(self, names: Sequence[str]) -> str:
        parts = [
            f"SELECT {self.bind(name)}::VARCHAR AS place, * FROM matched WHERE {self.in_place(name)}" for name in names
        ]
        return f"placed AS ({' UNION ALL '.join(parts)})"

    def _matches_pattern(self, patterns: Sequence[str]) -> str:
        areas = [pattern for pattern in patterns if pattern.isalpha()]
        codes = [pattern for pattern in patterns if not pattern.isalpha()]
        alternatives = []
        if areas:
            alternatives.append(f"postcode_area IN ({self.bind_list(areas)})")
        if codes:
            alternatives.append(f"outward_code IN ({self.bind_list(codes)})")
        return f"({' OR '.join(alternatives)})"

    def _is_named(self, name: str) -> str:
        """The name as whole words: Newcastle finds Newcastle upon Tyne, Ash does not find Ashford."""
        wanted = [plain for known in register_names(name) if (plain := _plain(known))]
        if not wanted:
            return "FALSE"
        words = [self.bind(f" {plain} ") for plain in wanted]
        return " OR ".join(
            # Each name is looked at once, not each row.
            f"{column} IN (SELECT {column} FROM (SELECT DISTINCT {column} FROM installations) "
            f"WHERE contains(' ' || {_plain_sql(column)} || ' ', {word}))"
            for word in words
            for column in _NAME_COLUMNS
        )


_NAME_COLUMNS = ("local_authority", "region", "country")


def _search(filters: QueryFilters) -> str:
    columns = list(SEARCH_COLUMNS)
    if filters.include_regional:
        columns += REGIONAL_COLUMNS
    if filters.include_revenue or filters.sort_by == "revenue_desc":
        columns += REVENUE_COLUMNS
        if filters.include_regional:
            columns += REGIONAL_REVENUE_COLUMNS
    order = f"{ORDERS[filters.sort_by]}, " if filters.sort_by else ""
    return f"SELECT {', '.join(columns)} FROM matched ORDER BY {order}{BY_FIT_ID}"


def _breakdown(filters: QueryFilters) -> str:
    figures = _figures(filters, (filters.aggregation or "count",))
    if not filters.group_by:
        return f"SELECT {_named(figures)} FROM matched"
    return (
        f"SELECT {filters.group_by}, {_named(figures)} FROM matched GROUP BY {filters.group_by} "
        f"ORDER BY {_group_order(filters, figures)}"
    )


def _comparison(builder: _Builder, filters: QueryFilters, found: str, tables: list[str]) -> str:
    """Every compared thing is a row, also where nothing was found of it; in the order of the question."""
    figures = _figures(filters, (filters.aggregation,) if filters.aggregation else COMPARED_FIGURES)
    things = {"technology": filters.technologies, "place": filters.locations}
    compared = {column: values for column, values in things.items() if values}
    if not compared:
        return _breakdown(filters) if filters.group_by else f"SELECT {_named(figures)} FROM {found}"
    lists = []
    for column, values in compared.items():
        rows = ", ".join(f"({builder.bind(value)}::VARCHAR, {index})" for index, value in enumerate(values))
        lists.append(f"(VALUES {rows}) AS {column}s({column}, {column}_order)")
    tables.append(f"things AS (SELECT * FROM {' CROSS JOIN '.join(lists)})")
    order = [f"{column}_order" for column in compared]
    groups = [*compared, *order]
    columns = list(compared)
    if filters.group_by and filters.group_by not in compared:
        columns.append(filters.group_by)
        groups.append(filters.group_by)
        order.append(_group_order(filters, figures))
    elif filters.sort_by:
        order = [_group_order(filters, figures)]
    return (
        f"SELECT {', '.join(columns)}, {_named(figures)} FROM things LEFT JOIN {found} USING ({', '.join(compared)}) "
        f"GROUP BY {', '.join(groups)} ORDER BY {', '.join(order)}"
    )


def _figures(filters: QueryFilters, names: Sequence[str]) -> list[tuple[str, str]]:
    figures = [FIGURES[name] for name in names]
    sums: tuple[str, ...] = ()
    if filters.include_regional:
        sums += REGIONAL_COLUMNS
    if filters.include_revenue or filters.sort_by == "revenue_desc":
        sums += REVENUE_COLUMNS + (REGIONAL_REVENUE_COLUMNS if filters.include_regional else ())
    return figures + [(column, f"coalesce(sum({column}), 0.0)") for column in sums]


def _group_order(filters: QueryFilters, figures: Sequence[tuple[str, str]]) -> str:
    """Years in their order, other groups by their first figure, largest first unless the question says else."""
    group = filters.group_by or figures[0][0]
    if filters.sort_by in ("commissioned_asc", "commissioned_desc") and group == "commissioned_year":
        return f"{group} {'ASC' if filters.sort_by == 'commissioned_asc' else 'DESC'} NULLS LAST"
    if filters.sort_by is None and group == "commissioned_year":
        return f"{group} ASC NULLS LAST"
    figure = "revenue_gbp" if filters.sort_by == "revenue_desc" else figures[0][0]
    direction = "ASC" if filters.sort_by == "capacity_asc" else "DESC"
    return f"{figure} {direction} NULLS LAST, {group} NULLS LAST"


def _tariff_table(filters: QueryFilters) -> Query:
    """Rows of Ofgem's table whose band and period meet what was asked; the place makes no difference."""
    params: list[Any] = []
    conditions = ["kind = 'generation'"]

    def add(template: str, value: Any) -> None:
        params.append(value)
        conditions.append(template.format(f"${len(params)}"))

    technologies = filters.technologies or ([filters.technology] if filters.technology else [])
    if technologies:
        add("list_contains(CAST({} AS VARCHAR[]), technology)", list(technologies))
    if filters.capacity_min_kw is not None:
        add("capacity_to_kw >= {}", filters.capacity_min_kw)
    if filters.capacity_max_kw is not None:
        add("capacity_above_kw < {}", filters.capacity_max_kw)
    if filters.commissioned_year_min is not None:
        add("coalesce(year(eligible_to), 9999) >= {}", filters.commissioned_year_min)
    if filters.commissioned_year_max is not None:
        add("year(eligible_from) <= {}", filters.commissioned_year_max)
    sql = (
        f"SELECT {', '.join(TARIFF_TABLE_COLUMNS)} FROM tariff_rates WHERE {' AND '.join(conditions)}\n"
        "ORDER BY technology, eligible_from, capacity_above_kw, capacity_to_kw, pv_type, rating"
    )
    if filters.limit is not None:
        params.append(filters.limit)
        sql += f"\nLIMIT ${len(params)}"
    return Query(sql, params, "tariff_table")


def _with(tables: Sequence[str], select: str) -> str:
    return f"WITH {', '.join(table.strip() for table in tables)}\n{select}"


def _named(figures: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in figures)


def _plain(name: str) -> str:
    """Lower case, words apart by one space, no punctuation: as :func:`_plain_sql` does it to a column."""
    return re.sub(r"[^a-z0-9]+", " ", name.lower().replace("&", " and ")).strip()


def _plain_sql(column: str) -> str:
    return f"trim(regexp_replace(lower(replace({column}, '&', ' and ')), '[^a-z0-9]+', ' ', 'g'))"
