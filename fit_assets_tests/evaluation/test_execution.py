from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fit_assets.evaluation.execution import AnswerComparer, Table
from fit_assets.filters import QueryFilters

WIND = QueryFilters.parse({"technology": "Wind"})
HYDRO = QueryFilters.parse({"technology": "Hydro"})
RANKED = QueryFilters.parse({"technology": "Wind", "sort_by": "capacity_desc"})
REFUSAL = QueryFilters.parse({"query_type": "unsupported"})


class Tables:
    """Prepared results, and a count of how often each was asked for."""

    def __init__(self, **tables: Table) -> None:
        self.tables, self.asked = tables, 0

    def __call__(self, filters: QueryFilters) -> Table:
        self.asked += 1
        return self.tables[filters.sort_by or filters.technology or ""]


def test_the_order_counts_only_where_gold_ranks() -> None:
    comparer = AnswerComparer(
        Tables(Wind=(["id"], [(1,), (2,)]), Hydro=(["id"], [(2,), (1,)]), capacity_desc=(["id"], [(1,), (2,)]))
    )
    assert comparer.same(WIND, HYDRO) is True
    assert comparer.same(RANKED, HYDRO) is False
    assert comparer.same(RANKED, WIND) is True


@pytest.mark.parametrize(
    ("gold", "predicted", "same"),
    [
        ((["id", "kw"], [(1, 0.1 + 0.2)]), (["kw", "id", "revenue"], [(0.3, 1, 9.0)]), True),
        ((["id", "revenue"], [(1, 9.0)]), (["id"], [(1,)]), False),
        ((["id"], [(1,), (1,)]), (["id"], [(1,)]), False),
        ((["id"], [(1,), (1,), (2,)]), (["id"], [(1,), (2,), (2,)]), False),
        ((["kw"], [(1.5,)]), (["kw"], [(1.5001,)]), False),
        ((["kw"], [(None,)]), (["kw"], [(None,)]), True),
    ],
)
def test_rows_are_compared_on_golds_columns(gold: Table, predicted: Table, same: bool) -> None:
    assert AnswerComparer(Tables(Wind=gold, Hydro=predicted)).same(WIND, HYDRO) is same


def test_equal_filters_and_refusals_need_no_query() -> None:
    tables = Tables()
    comparer = AnswerComparer(tables)
    assert comparer.same(WIND, WIND) is True
    assert comparer.same(WIND, None) is False
    assert comparer.same(WIND, REFUSAL) is False
    assert comparer.same(REFUSAL, WIND) is False
    assert tables.asked == 0


def test_what_was_compared_is_not_asked_again() -> None:
    tables = Tables(Wind=(["id"], [(1,)]), Hydro=(["id"], [(2,)]))
    comparer = AnswerComparer(tables)
    assert [comparer.same(WIND, HYDRO) for _ in range(5)] == [False] * 5
    assert tables.asked == 2


def test_without_a_warehouse_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    assert AnswerComparer().same(WIND, HYDRO) is None
    assert AnswerComparer().same(WIND, WIND) is None


def test_with_half_a_warehouse_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fit_assets.reference.warehouse import replace_table

    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    replace_table("installations", _installations())
    assert AnswerComparer().same(WIND, HYDRO) is None


def test_on_a_warehouse_answers_are_compared_by_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fit_assets.reference import facts, tariffs
    from fit_assets.reference.warehouse import replace_table

    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    replace_table("installations", _installations())
    tariffs.build_tariff_rates()
    facts.build_places()
    facts.build_installation_facts(date(2026, 1, 1))
    comparer = AnswerComparer(as_of=date(2026, 1, 1))

    def same(gold: dict[str, Any], predicted: dict[str, Any]) -> bool | None:
        return comparer.same(QueryFilters.parse(gold), QueryFilters.parse(predicted))

    # 101 kW and 100 kW leave the same sites here, 500 and 501 do not.
    assert same({"capacity_min_kw": 101}, {"capacity_min_kw": 100, "limit": 9}) is True
    assert same({"capacity_min_kw": 500}, {"capacity_min_kw": 501}) is False
    count = {"query_type": "aggregation", "aggregation": "count"}
    assert same(count | {"technology": "Wind"}, count | {"technology": "Hydro"}) is False
    assert same({"technology": "Wind"}, {"technology": "Wind", "include_revenue": True}) is True
    assert same({"technology": "Wind", "include_revenue": True}, {"technology": "Wind"}) is False


def _installations() -> pd.DataFrame:
    rows = [
        ("4004", "Wind", 500.0, "RG17", "RG", "West Berkshire", "South East", "England"),
        ("1585", "Wind", 335.0, "YO17", "YO", "Ryedale", "Yorkshire and The Humber", "England"),
        ("7001", "Hydro", 15.0, "PH33", "PH", "Highland", "Scotland", "Scotland"),
    ]
    names = ["fit_id", "technology", "capacity_kw", "outward_code", "postcode_area", "local_authority", "region"]
    frame = pd.DataFrame(rows, columns=[*names, "country"])
    day = date(2012, 3, 1)
    return frame.assign(
        commissioned_date=day,
        application_date=day,
        tariff_code="WIND/100-500/09L-3",
        tariff_description="Wind",
        installation_type="Non Domestic (Commercial)",
        export_status="Export (Standard)",
        source="test",
    )
