import csv

import pytest

from fit_assets import settings
from fit_assets.filters import POSTCODE_PATTERN
from fit_assets.reference.crosswalk import WITHDRAWN, load_local_authorities, load_outward_codes, register_names

WIND_REGISTER = settings.PROJECT_ROOT.parent / "shared" / "data" / "wind_register.csv"


def test_councils_are_those_of_great_britain() -> None:
    councils = load_local_authorities()
    today = councils[councils["code"] != ""]
    assert len(today) == today["code"].nunique() == today["name"].nunique() == 350
    assert today["country"].value_counts().to_dict() == {"England": 296, "Scotland": 32, "Wales": 22}
    assert set(councils.loc[councils["country"] == "England", "region"]) == {
        "North East",
        "North West",
        "Yorkshire and The Humber",
        "East Midlands",
        "West Midlands",
        "East of England",
        "London",
        "South East",
        "South West",
    }
    assert set(councils["successor"]) - {""} <= set(today["name"])


def test_outward_codes_are_whole() -> None:
    codes = load_outward_codes()
    assert codes["outward_code"].is_unique
    assert codes["outward_code"].map(lambda code: POSTCODE_PATTERN.fullmatch(code) is not None).all()
    assert codes.notna().all(axis=None)
    assert codes["share"].between(0.1, 1).all()
    assert not set(codes["outward_code"]) & WITHDRAWN
    by_code = codes.set_index("outward_code")
    assert by_code.loc["RG17", "local_authority"] == "West Berkshire"
    assert by_code.loc["YO17", ["local_authority", "register_authority"]].tolist() == ["North Yorkshire", "Ryedale"]
    assert by_code.loc["KW15", "country"] == "Scotland"


def test_merged_councils_are_known_by_their_districts() -> None:
    assert "Ryedale" in register_names("North Yorkshire")
    assert register_names("Devon") == ("Devon",)


@pytest.mark.skipif(not WIND_REGISTER.exists(), reason=f"needs the real wind register at {WIND_REGISTER}")
def test_agreement_with_the_real_register() -> None:
    codes = load_outward_codes().set_index("outward_code")
    with WIND_REGISTER.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["outward_code"]]
    assert {row["outward_code"] for row in rows} <= set(codes.index)
    regions = sum(codes["region"][row["outward_code"]] == row["region"] for row in rows)
    councils = sum(
        codes["register_authority"][row["outward_code"]] == row["local_authority"].replace("- ", ", ") for row in rows
    )
    assert regions / len(rows) > 0.99
    assert councils / len(rows) > 0.88
