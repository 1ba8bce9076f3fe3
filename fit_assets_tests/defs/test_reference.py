"""The reference assets on a small report: what they show, and what makes them be made again."""

import csv
from pathlib import Path

import dagster as dg
import pytest

from fit_assets import settings
from fit_assets.defs import reference

HEADER = "FIT ID,PostCode,Technology,Installed capacity,Commissioning date,Installation Type,Country,Local Authority"
ROWS = (
    "4004,RG17,Wind,500,12/01/2012,Community,England,West Berkshire",
    "1,RG14,Wind,50,12/01/2012,Domestic,England,West Berkshire",
    "2,OX11,Wind,50,12/01/2012,Community,England,South Oxfordshire",
    "3,RG9,Hydro,80,12/01/2013,Community,England,South Oxfordshire",
    "4,RG9,Hydro,none,12/01/2013,Community,England,South Oxfordshire",
)


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = tmp_path / "data"
    (data / "ofgem").mkdir(parents=True)
    for file in settings.data_dir().glob("*.*"):
        (data / file.name).write_bytes(file.read_bytes())
    with (data / "ofgem" / "part 1.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(line.split(",") for line in (HEADER, *ROWS))
    monkeypatch.setenv("FIT_ASSETS_DATA", str(data))
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("FIT_ASSETS_DOMESTIC", raising=False)
    return data


def test_the_domestic_setting_makes_the_register_again(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = [reference.places, reference.installations, reference.outward_codes, reference.place_coverage]

    def made() -> dict[str, dict[str, dg.MetadataValue]]:
        result = dg.materialize(assets)
        events = result.get_asset_materialization_events()
        return {event.asset_key.to_user_string(): dict(event.materialization.metadata) for event in events}

    first = made()
    register = {name: value.value for name, value in first["installations"].items()}
    assert (register["rows_read"], register["domestic_left_out"], register["rejected_rows"]) == (5, 1, 1)
    assert register["rejected_by_reason"] == {"capacity is no number": 1}
    assert {"capacity_by_technology", "capacity_by_region", "capacity_by_year"} <= register.keys()
    assert {"by_place", "recall_and_precision", "median_recall"} <= first["place_coverage"].keys()
    assert first["outward_codes"]["compared_rows"].value == 3
    assert reference.rows_accounted_for()[0]
    for name, shown in first.items():
        schema = shown["dagster/column_schema"].value
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns if not column.description] == [], name

    assert made()["installations"]["reused"].value is True
    monkeypatch.setenv("FIT_ASSETS_DOMESTIC", "1")
    again = made()
    assert again["installations"]["reused"].value is False
    assert again["installations"]["dagster/row_count"].value == 4
    assert again["place_coverage"]["reused"].value is False
