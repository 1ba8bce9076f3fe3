from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from fit_assets import settings
from fit_assets.places import load_gazetteer
from fit_assets.reference import standin
from fit_assets.reference.facts import (
    CapacityFactorError,
    build_installation_facts,
    facts_for,
    load_capacity_factors,
    tariff_end,
    years_left,
)
from fit_assets.reference.tariffs import build_tariff_rates
from fit_assets.reference.warehouse import WarehouseError, connect, replace_table


@pytest.mark.parametrize(
    ("technology", "commissioned", "eligible", "end"),
    [
        ("Wind", date(2012, 1, 12), None, date(2032, 1, 12)),
        ("Photovoltaic", date(2012, 7, 31), None, date(2037, 7, 31)),
        ("Photovoltaic", date(2012, 8, 1), None, date(2032, 8, 1)),
        ("Photovoltaic", date(2012, 7, 20), date(2012, 8, 2), date(2032, 7, 20)),
        ("Hydro", date(2011, 5, 1), None, date(2031, 5, 1)),
        ("Micro CHP", date(2011, 5, 1), None, date(2021, 5, 1)),
        ("Wind", date(2012, 2, 29), None, date(2032, 2, 29)),
        ("Photovoltaic", date(2012, 2, 29), None, date(2037, 2, 28)),
    ],
)
def test_tariff_lifetime(technology: str, commissioned: date, eligible: date | None, end: date) -> None:
    assert tariff_end(technology, commissioned, eligible) == end


def test_years_left_never_fall_below_nothing() -> None:
    assert years_left(date(2032, 1, 12), date(2026, 1, 12)) == pytest.approx(2191 / 365.25)
    assert years_left(date(2032, 1, 12), date(2032, 1, 12)) == 0
    assert years_left(date(2032, 1, 12), date(2040, 1, 1)) == 0


def test_revenue_of_fit_1585_by_hand() -> None:
    facts = facts_for("Wind", 335, date(2013, 7, 4), date(2026, 1, 1), region="Yorkshire and The Humber")
    assert facts.generation_kwh == pytest.approx(335 * 8760 * 0.2627)
    assert facts.revenue_gbp == pytest.approx(335 * 8760 * 0.2627 * 0.2135)
    assert facts.revenue_regional_gbp == pytest.approx(335 * 8760 * 0.26 * 0.2135)


def test_sites_older_than_the_scheme_have_the_migrated_rate() -> None:
    facts = facts_for("Wind", 500, date(2008, 5, 1), date(2026, 1, 1))
    assert facts.tariff is not None
    assert (facts.tariff.kind, facts.tariff.pence_per_kwh) == ("ro_migrated", 12.08)
    later = facts_for("Wind", 500, date(2009, 12, 1), date(2026, 1, 1))
    assert later.tariff is not None
    assert (later.tariff.kind, later.tariff.pence_per_kwh) == ("generation", 25.12)


@pytest.mark.usefixtures("stand_in_warehouse")
def test_the_table_equals_the_formulas() -> None:
    """SQL against plain Python, for every fiftieth row and the two real sites."""
    with connect() as connection:
        rows = connection.execute(
            "SELECT * FROM installations JOIN installation_facts USING (fit_id) "
            "WHERE hash(fit_id) % 50 = 0 OR fit_id IN ('4004', '1585')"
        ).df()
    assert len(rows) > 500
    ratings = {"H": "Higher", "M": "Middle", "L": "Lower"}
    for row in rows.to_dict("records"):
        expected = facts_for(
            row["technology"],
            row["capacity_kw"],
            row["commissioned_date"].date(),
            date(2026, 1, 1),
            eligible=row["eligibility_date"].date(),
            region=row["region"] if isinstance(row["region"], str) else None,
            rating=ratings.get(row["tariff_description"][-1]),
        )
        assert expected.tariff is not None
        assert row["tariff_end"].date() == expected.tariff_end
        assert row["tariff_p_kwh"] == expected.tariff.pence_per_kwh
        for name in ("fit_remaining_years", "generation_kwh", "generation_regional_kwh"):
            assert row[name] == pytest.approx(getattr(expected, name), rel=1e-12), name
        assert row["revenue_gbp"] == pytest.approx(expected.revenue_gbp, rel=1e-12)
        assert row["revenue_regional_gbp"] == pytest.approx(expected.revenue_regional_gbp, rel=1e-12)


@pytest.mark.usefixtures("stand_in_warehouse")
def test_every_installation_has_facts_and_the_places_are_a_table() -> None:
    with connect() as connection:
        query = (
            "SELECT count(*), count(DISTINCT fit_id), count(tariff_p_kwh), count(tariff_end) FROM installation_facts"
        )
        assert connection.execute(query).fetchall() == [(40_194,) * 4]
        windows = dict(connection.execute("SELECT fit_id, repowering_window FROM installation_facts").fetchall())
        assert windows["4004"] == "optimal"
        berkshire = connection.execute("SELECT patterns FROM places WHERE name = 'Berkshire'").fetchall()
        assert berkshire == [(["RG", "SL"],)]
        assert connection.execute("SELECT count(*) FROM places").fetchall() == [(len(load_gazetteer().places),)]


@pytest.mark.usefixtures("empty_warehouse")
@pytest.mark.parametrize(
    ("description", "code", "pence"),
    [
        (None, None, 32.31),  # 100 kW by its capacity
        ("Wind (>100-<=500kW)-2011/12", None, 25.12),  # part of a larger site
        (None, "WD/100-500/02-1", 25.12),
        ("Wind (>15-<=100kW)-2011/12", "WD/100-500/02-1", 32.31),  # the description goes before the code
    ],
)
def test_the_rows_own_tariff_decides(description: str | None, code: str | None, pence: float) -> None:
    row = dict.fromkeys(standin.COLUMNS) | {
        "fit_id": "1",
        "technology": "Wind",
        "capacity_kw": 100.0,
        "commissioned_date": date(2011, 5, 1),
        "tariff_description": description,
        "tariff_code": code,
    }
    replace_table("installations", pd.DataFrame([row], dtype=object), columns=standin.COLUMNS)
    build_tariff_rates()
    build_installation_facts(date(2026, 1, 1))
    with connect() as connection:
        assert connection.execute("SELECT tariff_p_kwh FROM installation_facts").fetchall() == [(pence,)]


def test_the_worked_example_of_the_docs_is_what_the_code_computes() -> None:
    text = (settings.data_dir() / "reference.md").read_text("utf-8")
    day = date(2026, 1, 1)
    for capacity, commissioned, region in (
        (500, date(2012, 1, 12), "South East"),
        (335, date(2013, 7, 4), "Yorkshire and The Humber"),
    ):
        facts = facts_for("Wind", capacity, commissioned, day, region=region)
        assert facts.tariff is not None
        assert facts.revenue_gbp is not None
        assert facts.revenue_regional_gbp is not None
        for figure in (
            f"{facts.tariff.pence_per_kwh} p/kWh",
            f"{facts.generation_kwh:,.0f} kWh",
            f"£{facts.revenue_gbp:,.0f}",
            f"£{facts.revenue_regional_gbp:,.0f}",
            f"{(facts.tariff_end - day).days:,} days",
            f"{facts.fit_remaining_years:.2f} years",
        ):
            assert figure in text, figure


@pytest.mark.usefixtures("empty_warehouse")
def test_facts_need_the_register_first() -> None:
    with pytest.raises(WarehouseError, match="materialise the asset"):
        build_installation_facts(date(2026, 1, 1))


def test_every_technology_has_a_factor_between_its_regions() -> None:
    factors = load_capacity_factors()
    for technology in ("Wind", "Photovoltaic"):
        regions = [factor for (name, region), factor in factors.items() if name == technology and region]
        assert len(regions) == 11
        assert min(regions) <= factors[(technology, "")] <= max(regions)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Wind,,25,DUKES", r"capacity_factors.csv, row 2: .*correct the row"),
        ("Wind,,0.25,", "row 2"),
        ("Wind,,0.25,DUKES", "add a row with an empty region for Photovoltaic"),
    ],
)
def test_bad_capacity_factors(content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "capacity_factors.csv").write_text(f"technology,region,capacity_factor,source\n{content}\n")
    monkeypatch.setenv("FIT_ASSETS_DATA", str(tmp_path))
    with pytest.raises(CapacityFactorError, match=message):
        load_capacity_factors()
