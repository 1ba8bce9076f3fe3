import json
from datetime import date
from typing import Any

import pytest

from fit_assets.filters import FilterError, QueryFilters
from fit_assets.reference.answer import WHAT_CAN_BE_ASKED, answer, describe
from fit_assets.reference.warehouse import WarehouseError

AS_OF = date(2026, 1, 1)
YORKSHIRE = ["YO", "HU", "DN", "HD", "WF", "LS", "BD"]
pytestmark = pytest.mark.usefixtures("stand_in_warehouse")


def ask(**filters: Any) -> Any:
    return answer(filters, as_of=AS_OF)


def test_fit_rate_of_a_site() -> None:
    result = ask(query_type="fit_rate", fit_id="1585")
    (row,) = result.rows
    assert (row["tariff_p_kwh"], row["tariff_from"], row["tariff_end"]) == (21.35, "2013-04-01", "2033-07-04")
    assert (row["tariff_band_above_kw"], row["tariff_band_to_kw"]) == (100, 500)
    assert "Ofgem" in row["tariff_source"]
    assert "21.35 p/kWh" in result.sentence


def test_fit_rate_by_technology_capacity_and_year() -> None:
    result = ask(
        query_type="fit_rate",
        technology="Wind",
        capacity_min_kw=500,
        capacity_max_kw=500,
        commissioned_year_min=2012,
        commissioned_year_max=2012,
    )
    assert [(row["eligible_from"], row["pence_per_kwh"]) for row in result.rows] == [
        ("2011-04-01", 25.12),
        ("2012-04-01", 25.12),
        ("2012-12-01", 21.35),
    ]
    assert {(row["capacity_above_kw"], row["capacity_to_kw"]) for row in result.rows} == {(100, 500)}


@pytest.mark.parametrize(("capacity", "band"), [(100, (15, 100)), (100.5, (100, 500)), (15, (1.5, 15))])
def test_bands_include_their_upper_bound_only(capacity: float, band: tuple[float, float]) -> None:
    result = ask(
        query_type="fit_rate",
        technology="Wind",
        capacity_min_kw=capacity,
        capacity_max_kw=capacity,
        commissioned_year_max=2010,
    )
    assert [(row["capacity_above_kw"], row["capacity_to_kw"]) for row in result.rows] == [band]


def test_fit_rate_without_a_rate_says_so() -> None:
    result = ask(query_type="fit_rate", technology="Wind", capacity_min_kw=6000)
    assert result.rows == []
    assert "no such rate" in result.notes[0]
    assert ask(query_type="fit_rate", fit_id="77").rows == []


def test_one_site_when_does_it_end() -> None:
    result = ask(fit_id="4004")
    assert result.rows[0]["tariff_end"] == "2032-01-12"
    assert result.rows[0]["fit_remaining_years"] == pytest.approx(2202 / 365.25)
    assert "tariff until 2032-01-12" in result.sentence


def test_comparison_of_technologies_in_a_place() -> None:
    result = ask(
        query_type="comparison",
        technologies=["Wind", "Photovoltaic"],
        location="Yorkshire",
        postcode_patterns=YORKSHIRE,
    )
    assert [row["technology"] for row in result.rows] == ["Wind", "Photovoltaic"]
    assert set(result.columns) == {"technology", "installations", "total_capacity_kw", "average_capacity_kw"}
    assert all(row["installations"] > 0 for row in result.rows)


def test_comparison_of_places_and_technologies_names_a_figure_and_keeps_empty_cells() -> None:
    result = ask(
        query_type="comparison",
        technologies=["Hydro", "Micro CHP"],
        locations=["London", "Orkney"],
        aggregation="max_capacity",
    )
    assert result.columns == ["technology", "place", "largest_capacity_kw"]
    assert [(row["technology"], row["place"]) for row in result.rows] == [
        ("Hydro", "London"),
        ("Hydro", "Orkney"),
        ("Micro CHP", "London"),
        ("Micro CHP", "Orkney"),
    ]
    assert result.rows[3]["largest_capacity_kw"] is None


def test_comparison_without_two_things_still_answers() -> None:
    assert ask(query_type="comparison", technology="Wind").rows[0]["installations"] == 3206
    assert len(ask(query_type="comparison", technology="Wind", group_by="country").rows) == 4


def test_years_come_in_order_and_other_groups_by_figure() -> None:
    years = [row["commissioned_year"] for row in ask(query_type="aggregation", group_by="commissioned_year").rows]
    assert years == sorted(years)
    counts = [row["installations"] for row in ask(group_by="region").rows]
    assert counts == sorted(counts, reverse=True)
    top = ask(query_type="aggregation", aggregation="sum_capacity", group_by="region", limit=3)
    assert top.rows[0]["region"] == "Scotland"
    assert len(top.rows) == 3


def test_revenue_with_and_without_the_regional_yield() -> None:
    plain = ask(fit_id="1585", include_revenue=True)
    assert plain.rows[0]["revenue_gbp"] == pytest.approx(335 * 8760 * 0.2627 * 0.2135)
    assert "revenue_regional_gbp" not in plain.columns
    both = ask(technology="Wind", include_regional=True, include_revenue=True)
    assert {"generation_kwh", "generation_regional_kwh", "revenue_gbp", "revenue_regional_gbp"} <= set(both.columns)
    assert both.total == 3206
    total = ask(query_type="aggregation", aggregation="count", technology="Wind", include_revenue=True)
    assert total.rows[0]["revenue_gbp"] == pytest.approx(sum(row["revenue_gbp"] for row in both.rows))


def test_ranking_says_how_many_there_are() -> None:
    result = ask(technology="Wind", sort_by="capacity_desc", limit=3)
    assert len(result.rows) == result.total == 3
    assert "3,206 installations" in result.sentence
    assert "largest first" in result.sentence


def test_the_display_limit_leaves_the_total() -> None:
    result = answer({"technology": "Wind"}, as_of=AS_OF, limit=5)
    assert (len(result.rows), result.total) == (5, 3206)


def test_years_left_count_from_the_day_that_is_given() -> None:
    before = answer({"fit_id": "4004", "fit_remaining_max_years": 0}, as_of=date(2032, 1, 11))
    after = answer({"fit_id": "4004", "fit_remaining_max_years": 0}, as_of=date(2032, 1, 12))
    assert (before.total, after.total) == (0, 1)
    assert "2032-01-12" in after.sentence


def test_an_unknown_place_is_named() -> None:
    notes = ask(location="Atlantis").notes
    assert notes[0] == "Atlantis is not in the gazetteer; the register has nothing by that name."
    assert "Ryedale is not in the gazetteer" in ask(location="Ryedale").notes[0]


def test_rows_without_a_postcode_are_counted_and_found_by_name() -> None:
    result = ask(location="Scotland")
    assert any(row["outward_code"] is None and row["country"] == "Scotland" for row in result.rows)
    assert any(note.startswith("Without a postcode") for note in result.notes)
    narrowed = ask(location="Scotland", postcode_patterns=["AB12"])
    assert {row["outward_code"] for row in narrowed.rows} == {"AB12"}


def test_what_made_the_answer_empty() -> None:
    result = ask(technology="Wind", location="Berkshire", capacity_min_kw=600)
    assert result.rows == []
    (note,) = [note for note in result.notes if note.startswith("Nothing meets")]
    assert "without the capacity" in note
    assert "without the place" in note
    assert "without the technology" in note


def test_every_answer_says_that_the_register_is_a_stand_in() -> None:
    assert any("Stand-in register" in note for note in ask(technology="Wind").notes)


def test_unsupported() -> None:
    result = ask(query_type="unsupported")
    assert (result.rows, result.total, result.sentence) == ([], 0, WHAT_CAN_BE_ASKED)


def test_rows_are_json() -> None:
    result = answer('{"technology":"Wind","capacity_min_kw":2000}', as_of=AS_OF)
    assert json.loads(json.dumps(result.rows)) == result.rows
    assert json.loads(json.dumps(result.params)) == result.params
    assert all(list(row) == result.columns for row in result.rows)


def test_filters_that_break_the_contract() -> None:
    with pytest.raises(FilterError, match="unknown key"):
        answer({"capacity": 5})


def test_without_a_warehouse(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    with pytest.raises(WarehouseError, match="materialise the asset"):
        ask(technology="Wind")


@pytest.mark.parametrize(
    ("filters", "phrase"),
    [
        (
            {"technology": "Wind", "capacity_min_kw": 100, "location": "Berkshire"},
            "Wind installations of at least 100 kW in Berkshire (postcodes RG, SL)",
        ),
        ({"capacity_min_kw": 500, "capacity_max_kw": 500}, "Installations of 500 kW"),
        ({"capacity_min_kw": 450, "capacity_max_kw": 1500}, "Installations of 450 to 1,500 kW"),
        ({"commissioned_year_min": 2015}, "Installations commissioned in 2015 or later"),
        ({"commissioned_year_max": 2011}, "Installations commissioned in 2011 or earlier"),
        ({"fit_remaining_max_years": 0}, "Installations whose tariff has ended"),
        (
            {"fit_remaining_min_years": 3, "fit_remaining_max_years": 6},
            "Installations with 3 to 6 years of tariff left",
        ),
        ({"fit_expiry_year_min": 2031, "fit_expiry_year_max": 2031}, "Installations whose tariff ends in 2031"),
        (
            {"query_type": "aggregation", "aggregation": "sum_capacity", "group_by": "local_authority"},
            "Total capacity of installations by local authority",
        ),
        ({"query_intent": "acquisition_targets", "technology": "Hydro"}, "Hydro installations as acquisition targets"),
        ({"technologies": ["Wind", "Hydro"], "sort_by": "capacity_desc"}, "Wind or Hydro installations, largest first"),
        ({"query_type": "fit_rate", "fit_id": "1585"}, "Tariff of FIT 1585"),
    ],
)
def test_the_sentence_says_what_was_understood(filters: dict[str, Any], phrase: str) -> None:
    assert describe(QueryFilters.parse(filters)) == phrase


def test_a_single_figure_stands_in_the_sentence() -> None:
    result = ask(query_type="aggregation", aggregation="max_capacity", technology="Wind", location="Berkshire")
    (row,) = result.rows
    assert f"{row['largest_capacity_kw']:,.2f}".rstrip("0").rstrip(".") + " kW (" in result.sentence
    empty = ask(query_type="aggregation", aggregation="avg_capacity", technology="Wind", location="Atlantis")
    assert ": none (0 installations)" in empty.sentence


def test_a_group_without_a_name_is_explained() -> None:
    result = ask(query_type="aggregation", aggregation="count", group_by="region", technology="Hydro")
    assert any(row["region"] is None for row in result.rows)
    assert any("whose region the register does not state" in note for note in result.notes)


def test_a_limit_cuts_what_is_shown_and_not_what_is_counted() -> None:
    whole = ask(technology="Hydro", location="Wales")
    some = answer({"technology": "Hydro", "location": "Wales"}, as_of=AS_OF, limit=7)
    assert some.rows == whole.rows[:7]
    assert (some.total, some.sentence, some.sql) == (whole.total, whole.sentence, whole.sql)
    ranked = answer({"technology": "Hydro", "sort_by": "capacity_desc", "limit": 5}, as_of=AS_OF, limit=3)
    assert (len(ranked.rows), ranked.total) == (3, 5)
