import csv

import pandas as pd
import pytest

from fit_assets import settings
from fit_assets.places import load_gazetteer
from fit_assets.reference.coverage import agreement, load_place_councils, measure_places
from fit_assets.reference.crosswalk import load_local_authorities, load_outward_codes

WIND_REGISTER = settings.PROJECT_ROOT.parent / "shared" / "data" / "wind_register.csv"
COLUMNS = ["outward_code", "postcode_area", "local_authority", "region", "country", "count"]


def test_every_english_district_is_in_one_county() -> None:
    councils, table = load_place_councils(), load_local_authorities()
    counties = [place.name for place in load_gazetteer().places if place.kind == "county"]
    named = [council for county in counties for council in councils[county]]
    today = table[(table["country"] == "England") & (table["code"] != "") & (table["region"] != "London")]
    # The metropolitan county of the West Midlands bears the region's name, and is no place of its own.
    west_midlands = {"Birmingham", "Coventry", "Dudley", "Sandwell", "Solihull", "Walsall", "Wolverhampton"}
    assert len(named) == len(set(named))
    assert set(named) | west_midlands == set(today["name"])
    assert {council for names in councils.values() for council in names} <= set(table["name"])
    assert set(councils) <= {place.name for place in load_gazetteer().places}


def test_berkshire_by_hand() -> None:
    spread = pd.DataFrame(
        [
            ("RG17", "RG", "West Berkshire", "South East", "England", 6),
            ("OX12", "OX", "West Berkshire", "South East", "England", 2),
            ("RG9", "RG", "South Oxfordshire", "South East", "England", 3),
            ("SL1", "SL", "Slough", "South East", "England", 1),
            ("YO17", "YO", "Ryedale", "Yorkshire and The Humber", "England", 5),
        ],
        columns=COLUMNS,
    )
    rows = measure_places(spread, load_gazetteer()).set_index("place")
    berkshire = rows.loc["Berkshire"]
    assert (berkshire["rows_in_place"], berkshire["rows_found"], berkshire["rows_found_in_place"]) == (9, 10, 7)
    assert (berkshire["recall"], berkshire["precision"]) == (pytest.approx(7 / 9), 0.7)
    assert (berkshire["also_includes"], berkshire["misses"]) == ("South Oxfordshire 3", "West Berkshire 2")
    # Ryedale is a former district of today's council of North Yorkshire.
    assert (rows.loc["North Yorkshire", "rows_in_place"], rows.loc["Yorkshire", "recall"]) == (5, 1.0)
    assert rows.loc["South East", "rows_in_place"] == 12
    assert rows.loc["England", "rows_in_place"] == 17
    assert "Dartmoor" not in rows.index


def test_disagreements_are_counted() -> None:
    spread = pd.DataFrame(
        [
            ("RG17", "RG", "West Berkshire", "South East", "England", 6),
            ("YO17", "YO", "Ryedale", "Yorkshire and The Humber", "England", 5),
            ("YO17", "YO", "North Yorkshire", "Yorkshire and The Humber", "England", 1),
            ("YO17", "YO", "Leeds", None, "Wales", 2),
            ("ZZ99", "ZZ", "Leeds", None, None, 4),
        ],
        columns=COLUMNS,
    )
    counted = agreement(spread, load_outward_codes())
    assert (counted["compared_rows"], counted["unknown_outward_codes"]) == (18, 4)
    assert (counted["other_country"], counted["other_region"], counted["other_local_authority"]) == (2, 0, 2)
    assert counted["other_local_authority_sample"] == [
        {"outward_code": "YO17", "register": "Leeds", "crosswalk": "North Yorkshire", "rows": 2}
    ]


@pytest.mark.skipif(not WIND_REGISTER.exists(), reason=f"needs the real wind register at {WIND_REGISTER}")
def test_on_the_real_wind_register() -> None:
    with WIND_REGISTER.open(newline="", encoding="utf-8") as stream:
        rows = pd.DataFrame([row for row in csv.DictReader(stream) if row["outward_code"]])
    rows["postcode_area"] = rows["outward_code"].str.extract("^([A-Z]+)", expand=False)
    spread = rows.groupby(COLUMNS[:-1]).size().rename("count").reset_index()
    places = measure_places(spread, load_gazetteer())
    measured = places[places["rows_in_place"] >= 20]
    assert len(measured) > 60
    assert measured["recall"].median() > 0.9
    # Wind stands where postcode areas are wide: half of what an area finds lies in the next county.
    assert 0.4 < measured["precision"].median() < 0.6
    assert places[places["place"].isin(["Scotland", "Wales", "England"])]["recall"].min() > 0.99
