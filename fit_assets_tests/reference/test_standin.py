import hashlib
from datetime import date

import pandas as pd
import pytest

from fit_assets.filters import POSTCODE_PATTERN
from fit_assets.reference import standin
from fit_assets.reference.crosswalk import load_outward_codes
from fit_assets.reference.warehouse import connect

# Change it only together with the generator.
GOLDEN_SHA256 = "659f3821b721a473f0942c80dabe621a6a0f899c5d6074bee3b2370242af2dca"


@pytest.mark.parametrize(
    ("technology", "count", "megawatts", "percentiles"),
    [
        ("Photovoltaic", 35_617, 2_244, (3.92, 10, 40, 150)),
        ("Wind", 3_206, 729, (15, 80, 330, 700)),
        ("Hydro", 895, 262, (45, 99, 400, 1355)),
        ("Anaerobic digestion", 438, 300, (249, 499, 600, 2378)),
        ("Micro CHP", 38, None, (1.5, 2, 2, 2)),
    ],
)
def test_known_aggregates(
    register: pd.DataFrame, technology: str, count: int, megawatts: float | None, percentiles: tuple[float, ...]
) -> None:
    capacity = register.loc[register["technology"] == technology, "capacity_kw"].astype(float)
    assert len(capacity) == count
    if megawatts is not None:
        assert capacity.sum() / 1000 == pytest.approx(megawatts, rel=0.005)
    assert capacity.quantile([0.25, 0.5, 0.75, 0.95]).tolist() == pytest.approx(percentiles, rel=0.02)
    assert capacity.min() > 0
    assert capacity.max() <= (2 if technology == "Micro CHP" else 5000)


def test_ids_are_unique_digits(register: pd.DataFrame) -> None:
    assert len(register) == register["fit_id"].nunique() == 40_194
    assert register["fit_id"].str.fullmatch(r"[1-9]\d{0,11}").all()


def test_the_two_real_sites(register: pd.DataFrame) -> None:
    sites = register.set_index("fit_id")
    columns = ["technology", "capacity_kw", "outward_code", "local_authority", "commissioned_date"]
    assert sites.loc["4004", columns].tolist() == ["Wind", 500.0, "RG17", "West Berkshire", date(2012, 1, 12)]
    assert sites.loc["1585", columns].tolist() == ["Wind", 335.0, "YO17", "Ryedale", date(2013, 7, 4)]


def test_one_large_wind_site_in_berkshire(register: pd.DataFrame) -> None:
    large = register[(register["technology"] == "Wind") & (register["capacity_kw"].astype(float) >= 100)]
    assert large.loc[large["postcode_area"].isin(["RG", "SL"]), "fit_id"].tolist() == ["4004"]
    assert not large[large["outward_code"].isna()]["local_authority"].isin(["West Berkshire", "Slough"]).any()


def test_places_exist_and_agree(register: pd.DataFrame) -> None:
    codes = load_outward_codes().set_index("outward_code")
    located = register[register["outward_code"].notna()]
    assert located["outward_code"].map(lambda code: POSTCODE_PATTERN.fullmatch(code) is not None).all()
    expected = codes.loc[located["outward_code"]]
    assert (located["local_authority"].to_numpy() == expected["register_authority"].to_numpy()).all()
    assert (located["region"].to_numpy() == expected["region"].to_numpy()).all()
    assert (located["postcode_area"].to_numpy() == expected["postcode_area"].to_numpy()).all()
    assert 200 < register["outward_code"].isna().sum() < 400
    assert register.loc[register["outward_code"].isna(), "postcode_area"].isna().all()


def test_dates_lie_in_the_scheme(register: pd.DataFrame) -> None:
    commissioned, applied = register["commissioned_date"], register["application_date"].dropna()
    assert commissioned.min() >= date(2010, 4, 1)
    assert 50 < (commissioned > date(2019, 3, 31)).sum() < 300
    assert applied.min() >= date(2010, 4, 1)
    assert applied.max() <= date(2019, 3, 31)
    solar = pd.to_datetime(commissioned[register["technology"] == "Photovoltaic"]).dt.year.value_counts()
    assert {2011, 2012, 2014, 2015} == set(solar.head(4).index)


def test_tariff_descriptions_have_ofgems_shape(register: pd.DataFrame) -> None:
    assert register["tariff_description"].str.fullmatch(r"[A-Za-z ]+ \([^)]+\)-20\d\d/\d\d( - [HML])?").all()
    assert register["tariff_code"].str.fullmatch(r"(PV|WD|HY|AD|CHP)/[\d.]+-[\d.]+/\d\d[HML]?-[1-4]").all()


def test_same_seed_same_register(register: pd.DataFrame) -> None:
    assert hashlib.sha256(register.to_csv(index=False).encode()).hexdigest() == GOLDEN_SHA256


@pytest.mark.usefixtures("stand_in_warehouse")
def test_the_table_says_what_it_is() -> None:
    with connect() as connection:
        query = "SELECT comment FROM duckdb_tables() WHERE table_name = 'installations'"
        assert "STAND-IN" in connection.execute(query).fetchall()[0][0]
        sources = connection.execute("SELECT DISTINCT source FROM installations").fetchall()
    assert sources == [(standin.SOURCE,)]
