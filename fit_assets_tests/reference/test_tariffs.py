import shutil
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from fit_assets import settings
from fit_assets.reference.tariffs import TariffError, build_tariff_rates, load_rates, tariff_for

WORKBOOK = settings.PROJECT_ROOT.parent / "shared" / "data" / "ofgem_fit_tariff_table_2010_2020.xlsx"


@pytest.mark.parametrize(
    ("technology", "capacity", "day", "options", "pence"),
    [
        ("Wind", 500, date(2012, 1, 12), {}, 25.12),  # FIT 4004
        ("Wind", 335, date(2013, 7, 4), {}, 21.35),  # FIT 1585
        ("Photovoltaic", 4, date(2013, 7, 12), {}, 17.61),  # the example on the workbook's first sheet
        ("Photovoltaic", 4, date(2011, 6, 1), {}, 55.36),
        ("Photovoltaic", 4, date(2011, 6, 1), {"pv_type": "New Build"}, 48.29),
        ("Photovoltaic", 100, date(2019, 2, 1), {"rating": "Lower"}, 0.15),
        ("Photovoltaic", 300, date(2019, 2, 1), {"rating": "Lower"}, 1.36),
        ("Wind", 100, date(2011, 4, 1), {}, 32.31),
        ("Wind", 100.0005, date(2011, 4, 1), {}, 25.12),  # above 100 kW starts the next band
        ("Hydro", 200, date(2015, 1, 1), {"kind": "ro_migrated"}, 12.08),
        ("Wind", 200, date(2012, 12, 1), {"kind": "export"}, 5.5),
        ("Photovoltaic", 200, date(2012, 7, 31), {"kind": "export"}, 3.9),
    ],
)
def test_rates_checked_by_hand(
    technology: str, capacity: float, day: date, options: dict[str, str], pence: float
) -> None:
    rate = tariff_for(technology, capacity, day, **options)  # type: ignore[arg-type]
    assert rate is not None
    assert rate.pence_per_kwh == pence


@pytest.mark.parametrize(
    ("technology", "capacity", "day"),
    [
        ("Wind", 5000.01, date(2012, 1, 1)),
        ("Micro CHP", 2.1, date(2012, 1, 1)),
        ("Wind", 10, date(2010, 3, 31)),
        ("Heat pump", 10, date(2012, 1, 1)),
        ("Wind", 0, date(2012, 1, 1)),
    ],
)
def test_no_rate_outside_the_scheme(technology: str, capacity: float, day: date) -> None:
    assert tariff_for(technology, capacity, day) is None


@pytest.mark.skipif(not WORKBOOK.exists(), reason=f"needs Ofgem's workbook at {WORKBOOK}")
def test_every_row_of_ofgems_workbook() -> None:
    book = openpyxl.load_workbook(WORKBOOK, read_only=True, data_only=True)
    checked = 0
    for sheet in book.worksheets[2:]:
        rows = sheet.iter_rows(values_only=True)
        header = [str(cell).strip() for cell in next(rows)]
        price = next(name for name in header if name == "Tariff" or "VALUE" in name)
        for cells in rows:
            if cells[0] is None:
                continue
            row = dict(zip(header, cells, strict=True))
            start, end = row["Tariff Start Date"], row["Tariff End Date"]
            days = [date(2015, 1, 1)]
            if isinstance(start, datetime):
                days = [start.date(), min(end, datetime(2019, 3, 31)).date()]
            name = str(row["Technology Type"]).capitalize()
            technology = {"Micro chp": "Micro CHP"}.get(name, name)
            for capacity in (row["Minimum Capacity (kW)"] or 0.001, row["Maximum Capacity (kW)"]):
                for day in days:
                    found = tariff_for(
                        technology,
                        capacity,
                        day,
                        pv_type=_given(row["Solar PV Installation  Type"]),
                        rating=_given(row.get("Energy Efficiency Requirement rating")),
                        kind="ro_migrated" if sheet.title == "RO Migrated" else "generation",
                    )
                    assert found is not None, row
                    assert found.pence_per_kwh == pytest.approx(row[price]), row
            checked += 1
    assert checked == 943 == sum(rate.kind != "export" for rate in load_rates().rates)


@pytest.mark.usefixtures("empty_warehouse")
def test_the_table_holds_all_rates_with_their_source() -> None:
    built = build_tariff_rates()
    assert built.rows == 953
    assert built.digest == build_tariff_rates().digest
    assert "OGL v3" in built.extras["source"]


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        (3, "generation,Wind,,,x,100,2010-04-01,2011-03-31,1.0,s", r"tariff_rates.csv, row 3: .*correct the row"),
        (3, "generation,Wind,,,100,50,2010-04-01,2011-03-31,1.0,s", "row 3: the band must grow"),
        (3, "feed,Wind,,,0,50,2010-04-01,2011-03-31,1.0,s", "row 3: kind must be"),
        (3, None, "rows 2 and 3 claim the same installations"),
    ],
)
def test_a_bad_row_is_named(
    line: int, replacement: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (settings.data_dir() / "tariff_rates.csv").read_text().splitlines()
    lines[line - 1] = replacement or lines[line - 2]
    (tmp_path / "tariff_rates.csv").write_text("\n".join(lines))
    monkeypatch.setenv("FIT_ASSETS_DATA", str(tmp_path))
    with pytest.raises(TariffError, match=message):
        load_rates()


def test_an_edited_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(settings.data_dir() / "tariff_rates.csv", tmp_path)
    monkeypatch.setenv("FIT_ASSETS_DATA", str(tmp_path))
    assert load_rates().rates
    path = tmp_path / "tariff_rates.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:3]))
    assert len(load_rates().rates) == 2


def _given(value: object) -> str | None:
    return None if value in (None, "N/A") else str(value)
