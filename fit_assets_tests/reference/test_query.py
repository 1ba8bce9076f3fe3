import re
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fit_assets.filters import FILTER_KEYS, TECHNOLOGIES, QueryFilters
from fit_assets.reference.answer import answer
from fit_assets.reference.query import ALIGNED, CONDITIONS, to_sql
from fit_assets.reference.warehouse import connect
from fit_assets_tests.reference import brute_force

AS_OF = date(2026, 1, 1)
RELAXED = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="session")
def table(sample: pd.DataFrame, sample_folder: Path) -> pd.DataFrame:
    import duckdb

    with duckdb.connect(str(sample_folder / "warehouse.duckdb"), read_only=True) as connection:
        facts = connection.execute("SELECT * FROM installation_facts").df()
    return brute_force.prepare(sample, facts, AS_OF)


def ids(filters: dict[str, Any]) -> list[str]:
    return [row["fit_id"] for row in answer(filters, as_of=AS_OF).rows]


@pytest.mark.usefixtures("stand_in_warehouse")
def test_the_missions_example() -> None:
    result = answer(
        {"technology": "Wind", "capacity_min_kw": 100, "location": "Berkshire", "postcode_patterns": ["RG", "SL"]},
        as_of=AS_OF,
    )
    assert [(row["fit_id"], row["capacity_kw"], row["outward_code"]) for row in result.rows] == [
        ("4004", 500.0, "RG17")
    ]


SINGLE = [
    {"capacity_min_kw": 500},
    {"capacity_max_kw": 500},
    {"capacity_min_kw": 500, "capacity_max_kw": 500},
    {"capacity_min_kw": 500.01},
    {"capacity_min_kw": 0.5, "capacity_max_kw": 0.9},
    {"commissioned_year_min": 2015},
    {"commissioned_year_max": 2010},
    {"commissioned_year_min": 2013, "commissioned_year_max": 2013},
    {"fit_expiry_year_min": 2037},
    {"fit_expiry_year_max": 2030},
    {"fit_remaining_min_years": 12},
    {"fit_remaining_max_years": 5},
    {"fit_remaining_max_years": 0},
    {"fit_remaining_min_years": 5, "fit_remaining_max_years": 10},
    {"fit_remaining_max_years": 4.5},
    {"fit_id": "4004"},
    {"fit_id": "40"},
    {"technology": "Hydro"},
    {"technologies": ["Wind", "Anaerobic digestion"]},
    {"location": "Berkshire"},
    {"location": "Berkshire", "postcode_patterns": ["RG", "SL"]},
    {"location": "Devon", "postcode_patterns": ["EX1"]},
    {"location": "Scotland"},
    {"location": "Highland"},
    {"location": "Ryedale"},
    {"location": "Kesteven"},
    {"location": "Nowhere"},
    {"location": "Nowhere", "postcode_patterns": ["YO17"]},
    {"locations": ["Devon", "Cornwall"]},
    {"locations": ["Leeds", "Nowhere"]},
    {"postcode_patterns": ["G"]},
    {"postcode_patterns": ["YO1"]},
    {"postcode_patterns": ["YO17", "RG"]},
    {"query_intent": "ppa_opportunities", "fit_remaining_max_years": 5},
    {"include_revenue": True, "technology": "Micro CHP"},
    {"include_regional": True, "technology": "Micro CHP"},
]


@pytest.mark.usefixtures("sample_warehouse")
@pytest.mark.parametrize("filters", SINGLE, ids=str)
def test_rows_equal_those_of_pandas(filters: dict[str, Any], table: pd.DataFrame) -> None:
    expected = brute_force.matching(table, QueryFilters.parse(filters))["fit_id"]
    assert sorted(ids(filters)) == sorted(expected)


NEIGHBOURS = [
    ({"capacity_min_kw": 500}, {"capacity_min_kw": 500.01}),
    ({"capacity_max_kw": 500}, {"capacity_max_kw": 499.99}),
    ({"capacity_min_kw": 2}, {"capacity_min_kw": 2000}),
    ({"capacity_max_kw": 1.5}, {"capacity_max_kw": 1500}),
    ({"postcode_patterns": ["G"]}, {"postcode_patterns": ["GL"]}),
    ({"postcode_patterns": ["YO1"]}, {"postcode_patterns": ["YO17"]}),
    ({"postcode_patterns": ["E"]}, {"postcode_patterns": ["EH"]}),
    ({"location": "Devon"}, {"location": "Devon", "postcode_patterns": ["EX1"]}),
    ({"location": "Durham"}, {"location": "North East"}),
    ({"commissioned_year_max": 2011}, {"commissioned_year_max": 2012}),
    ({"commissioned_year_min": 2015}, {"commissioned_year_min": 2016}),
    ({"fit_expiry_year_max": 2031}, {"fit_expiry_year_max": 2032}),
    ({"fit_remaining_max_years": 5}, {"fit_remaining_max_years": 5.5}),
    ({"technology": "Wind"}, {"technologies": ["Wind", "Hydro"]}),
]


@pytest.mark.usefixtures("sample_warehouse")
@pytest.mark.parametrize(("one", "other"), NEIGHBOURS, ids=str)
def test_neighbours_are_told_apart(one: dict[str, Any], other: dict[str, Any], table: pd.DataFrame) -> None:
    found = [set(ids(filters)) for filters in (one, other)]
    expected = [set(brute_force.matching(table, QueryFilters.parse(filters))["fit_id"]) for filters in (one, other)]
    assert found == expected
    assert found[0] != found[1]


@pytest.mark.usefixtures("sample_warehouse")
@pytest.mark.parametrize("filters", SINGLE, ids=str)
def test_rows_are_the_same_where_facts_stand_beside_their_installations(filters: dict[str, Any]) -> None:
    asked = QueryFilters.parse(filters)
    joined, aligned = (to_sql(asked, AS_OF, aligned=aligned) for aligned in (False, True))
    with connect() as connection:
        assert connection.execute(ALIGNED).fetchall() == [(True,)]
        one, other = (connection.execute(query.sql, query.params).fetchall() for query in (joined, aligned))
    assert one == other


@pytest.mark.usefixtures("sample_warehouse")
def test_some_hundred_combinations_equal_pandas(table: pd.DataFrame) -> None:
    parts = (
        ({}, {"technology": "Wind"}, {"technologies": ["Photovoltaic", "Hydro"]}),
        ({}, {"postcode_patterns": ["G"]}, {"postcode_patterns": ["YO17", "RG"]}, {"location": "Scotland"}),
        ({}, {"capacity_min_kw": 50}, {"capacity_max_kw": 50}, {"capacity_min_kw": 10, "capacity_max_kw": 500}),
        ({}, {"commissioned_year_min": 2013}, {"commissioned_year_max": 2012}),
        ({}, {"fit_remaining_max_years": 8}),
    )
    combinations = [{key: value for part in chosen for key, value in part.items()} for chosen in product(*parts)]
    assert len(combinations) == 288
    with connect() as connection:
        for filters in combinations:
            asked = QueryFilters.parse(filters)
            query = to_sql(asked, AS_OF)
            found = [row[0] for row in connection.execute(query.sql, query.params).fetchall()]
            assert sorted(found) == sorted(brute_force.matching(table, asked)["fit_id"]), filters


def test_every_key_of_the_contract_is_tried() -> None:
    tried = {key for filters in SINGLE for key in filters}
    elsewhere = {"aggregation", "group_by", "limit", "query_type", "sort_by"}
    assert tried | elsewhere == set(FILTER_KEYS)
    assert set(CONDITIONS) <= tried


amounts = st.sampled_from([0.5, 2, 3.92, 4, 10, 49.9, 50, 80, 100, 249, 250, 499, 500, 1000, 1500, 5000])
spans = st.sampled_from([0, 0.5, 2, 4.5, 5, 6.5, 8, 10, 12])


def _bounds(low_key: str, high_key: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    pair = st.tuples(values, values).map(sorted)
    return st.one_of(
        st.just({}),
        values.map(lambda value: {low_key: value}),
        values.map(lambda value: {high_key: value}),
        pair.map(lambda both: {low_key: both[0], high_key: both[1]}),
    )


PLACES = ["Berkshire", "Yorkshire", "Scotland", "Devon", "Cornwall", "Leeds", "Glasgow", "Ryedale", "Nowhere", "Wales"]
PATTERNS = ["G", "GL", "GU", "YO1", "YO17", "RG", "EH", "E", "EC1A", "IV4", "PH"]
places = st.one_of(
    st.just({}),
    st.sampled_from(PLACES).map(lambda name: {"location": name}),
    st.lists(st.sampled_from(PLACES), min_size=2, max_size=3, unique=True).map(lambda names: {"locations": names}),
    st.lists(
        st.sampled_from(["G", "GL", "GU", "YO1", "YO17", "RG", "EH", "E", "EC1A", "IV4", "PH"]), min_size=1, unique=True
    ).map(lambda patterns: {"postcode_patterns": patterns}),
)
technologies = st.one_of(
    st.just({}),
    st.sampled_from(TECHNOLOGIES).map(lambda name: {"technology": name}),
    st.lists(st.sampled_from(TECHNOLOGIES), min_size=2, max_size=3, unique=True).map(
        lambda names: {"technologies": names}
    ),
)
years = st.integers(2010, 2020)
constraints = st.tuples(
    technologies,
    places,
    _bounds("capacity_min_kw", "capacity_max_kw", amounts),
    _bounds("commissioned_year_min", "commissioned_year_max", years),
    _bounds("fit_remaining_min_years", "fit_remaining_max_years", spans),
    _bounds("fit_expiry_year_min", "fit_expiry_year_max", years.map(lambda year: year + 20)),
).map(lambda parts: {key: value for part in parts for key, value in part.items()})


@pytest.mark.usefixtures("sample_warehouse")
@RELAXED
@given(filters=constraints)
def test_any_search_equals_pandas(filters: dict[str, Any], table: pd.DataFrame) -> None:
    expected = brute_force.matching(table, QueryFilters.parse(filters))["fit_id"]
    assert sorted(ids(filters)) == sorted(expected)


FIGURE_OF = {
    "count": lambda group: len(group),
    "sum_capacity": lambda group: group["capacity_kw"].sum(),
    "avg_capacity": lambda group: group["capacity_kw"].mean(),
    "min_capacity": lambda group: group["capacity_kw"].min(),
    "max_capacity": lambda group: group["capacity_kw"].max(),
}


@pytest.mark.usefixtures("sample_warehouse")
@RELAXED
@given(
    filters=constraints,
    figure=st.sampled_from(sorted(FIGURE_OF)),
    group=st.sampled_from(
        ["technology", "region", "country", "local_authority", "postcode_area", "commissioned_year", None]
    ),
)
def test_any_aggregation_equals_pandas(
    filters: dict[str, Any], figure: str, group: str | None, table: pd.DataFrame
) -> None:
    asked = filters | {"query_type": "aggregation", "aggregation": figure} | ({"group_by": group} if group else {})
    result = answer(asked, as_of=AS_OF)
    matched = brute_force.matching(table, QueryFilters.parse(filters))
    column = result.columns[-1]
    if group is None:
        expected: dict[Any, float] = {None: FIGURE_OF[figure](matched)}
        found = {None: result.rows[0][column]}
    else:
        groups = matched.groupby(group, dropna=False)
        expected = {_key(name): FIGURE_OF[figure](rows) for name, rows in groups}
        found = {_key(row[group]): row[column] for row in result.rows}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value) or (found[name] is None and value != value)


@pytest.mark.usefixtures("sample_warehouse")
@RELAXED
@given(filters=constraints, names=st.lists(st.sampled_from(PLACES), min_size=2, max_size=3, unique=True))
def test_any_comparison_of_places_equals_pandas(filters: dict[str, Any], names: list[str], table: pd.DataFrame) -> None:
    filters = {key: value for key, value in filters.items() if key not in ("location", "postcode_patterns")}
    filters["locations"] = names
    result = answer(filters | {"query_type": "comparison"}, as_of=AS_OF)
    parsed = QueryFilters.parse(filters)
    matched = brute_force.matching(table, parsed, places=False)
    expected = [
        (name, technology, len(group), group["capacity_kw"].sum())
        for technology in filters.get("technologies", [None])
        for name in names
        for group in [matched[brute_force.inside(matched, name, None)]]
        for group in [group if technology is None else group[group["technology"] == technology]]
    ]
    found = [
        (row["place"], row.get("technology"), row["installations"], pytest.approx(row["total_capacity_kw"]))
        for row in result.rows
    ]
    assert found == expected


@pytest.mark.usefixtures("sample_warehouse")
@pytest.mark.parametrize(
    ("sort_by", "column", "ascending"),
    [
        ("capacity_desc", "capacity_kw", False),
        ("capacity_asc", "capacity_kw", True),
        ("commissioned_desc", "commissioned_date", False),
        ("commissioned_asc", "commissioned_date", True),
        ("fit_remaining_asc", "tariff_end", True),
        ("revenue_desc", "revenue_gbp", False),
    ],
)
def test_rankings(sort_by: str, column: str, ascending: bool, table: pd.DataFrame) -> None:
    rows = answer({"technology": "Hydro", "sort_by": sort_by, "limit": 7}, as_of=AS_OF).rows
    hydro = table[table["technology"] == "Hydro"].assign(number=table["fit_id"].astype(int))
    expected = hydro.sort_values([column, "number"], ascending=[ascending, True])["fit_id"].head(7)
    assert [row["fit_id"] for row in rows] == expected.tolist()
    assert len(answer({"technology": "Hydro", "sort_by": sort_by}, as_of=AS_OF).rows) == len(hydro)


@pytest.mark.usefixtures("sample_warehouse")
def test_areas_and_codes_are_matched_whole() -> None:
    def codes(pattern: str) -> set[str]:
        return {row["outward_code"] for row in answer({"postcode_patterns": [pattern]}, as_of=AS_OF).rows}

    assert {re.match("[A-Z]+", code).group() for code in codes("G")} == {"G"}  # type: ignore[union-attr]
    assert {re.match("[A-Z]+", code).group() for code in codes("GL")} == {"GL"}  # type: ignore[union-attr]
    assert codes("YO17") == {"YO17"}
    assert codes("YO1") <= {"YO1"}
    assert codes("E")
    assert not any(code[1].isalpha() for code in codes("E"))


@pytest.mark.usefixtures("sample_warehouse")
@pytest.mark.parametrize(
    "name",
    [
        "'; DROP TABLE installations; --",
        "x' OR '1'='1",
        '") OR TRUE --',
        "$1",
        "%",
        "_____",
        "\\",
        "Devon' UNION SELECT * FROM places --",
    ],
)
@pytest.mark.parametrize("key", ["location", "locations"])
def test_names_are_never_sql(name: str, key: str) -> None:
    filters: dict[str, Any] = {key: name if key == "location" else [name, "Nowhere"]}
    assert ids(filters) == []
    asked = QueryFilters.parse(filters | {"query_type": "comparison"})
    assert all(row["installations"] == 0 for row in answer(asked, as_of=AS_OF).rows)
    with connect() as connection:
        assert connection.execute("SELECT count(*) > 2000 FROM installations").fetchall() == [(True,)]


def test_no_value_stands_in_the_text() -> None:
    filters = QueryFilters.parse(
        {
            "technology": "Wind",
            "capacity_min_kw": 98765,
            "locations": ["Devon", "Somewhere Odd"],
            "commissioned_year_min": 2017,
            "fit_remaining_max_years": 7.25,
            "fit_id": "123456789",
            "limit": 4321,
        }
    )
    for extra in ({}, {"query_type": "comparison"}, {"query_type": "aggregation", "aggregation": "count"}):
        query = to_sql(filters.replace(**extra), AS_OF)
        text = query.sql + query.summary_sql
        assert not re.search(r"98765|Devon|somewhere|2017|7\.25|123456789|4321|'EX'|'Wind'", text, re.IGNORECASE)
        used = {int(number) for number in re.findall(r"\$(\d+)", query.sql)}
        assert used == set(range(1, len(query.params) + 1))


def _key(value: Any) -> Any:
    return None if value is None or value != value else value
