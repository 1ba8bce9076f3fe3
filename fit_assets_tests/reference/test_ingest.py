from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from fit_assets.reference import standin
from fit_assets.reference.ingest import (
    SOURCE,
    SOURCE_DERIVED_ID,
    IngestError,
    build_installations,
    load_register,
    read_reports,
)
from fit_assets.reference.warehouse import connect, table_digest

LATER_NAMES = (
    "FIT ID,Extension (Y/N),PostCode ,Technology,Installed capacity,Declared net capacity,Application date,"
    "Commissioning date,MCS issue date,Export status,TariffCode,Tariff Description,Installation Type,"
    "Installation Country,Local Authority,Government Office Region,Constituency,Accreditation Route"
)
OLDER_NAMES = (
    "Postcode,Technology,Installed capacity,Declared net capacity,Application date,Commissioning date,Export status,"
    "Tariff code,Tariff description,Installation type,Country,Local authority,Government office region"
)
LATER, OLDER = LATER_NAMES.split(","), OLDER_NAMES.split(",")
TITLE = [["Feed-in Tariff Installation Report"], ["Part 1"], [], ["Published by Ofgem"]]

WIND = {
    "FIT ID": "4004",
    "PostCode ": "RG17 ",
    "Technology": "Wind",
    "Installed capacity": "500",
    "Commissioning date": "12/01/2012 00:00",
    "Application date": "12/01/2012 00:00",
    "Tariff Description": "Wind (>100-<=500kW)-2011/12",
    "Installation Type": "Non Domestic (Commercial)",
    "Installation Country": "England",
    "Local Authority": "West Berkshire",
    "Government Office Region": "South East",
}


def later(**changes: str) -> list[str]:
    row = WIND | {name.replace("_", " "): value for name, value in changes.items()}
    return [row.get(name, "") for name in LATER]


def rows_of(folder: Path, **options: bool) -> pd.DataFrame:
    """The installations of a folder; every row that was read is one of them, left out as domestic, or rejected."""
    register = read_reports(folder, **options)
    facts = register.facts
    rejected = len(register.rejected)
    assert facts["rows_read"] == len(register.installations) + facts["domestic_left_out"] + rejected
    assert sum(facts["rejected_by_reason"].values()) == facts["rejected_rows"] == rejected
    return register.installations.to_pandas()


def refused(folder: Path) -> list[tuple[str, int, str]]:
    """File, line and reason of the rejected rows."""
    return [(row["file"], row["line"], row["reason"]) for row in read_reports(folder).rejected.to_pylist()]


@pytest.fixture
def folder(tmp_path: Path, empty_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data/ofgem, with the project's other data beside it."""
    from fit_assets import settings

    for file in settings.data_dir().glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("FIT_ASSETS_DATA", str(tmp_path))
    monkeypatch.delenv("FIT_ASSETS_DOMESTIC", raising=False)
    ofgem = tmp_path / "ofgem"
    ofgem.mkdir()
    return ofgem


def write_csv(path: Path, rows: Sequence[Sequence[Any]], encoding: str = "utf-8") -> None:
    import csv

    with path.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream).writerows(rows)


def write_excel(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)


@pytest.mark.parametrize("write", [write_csv, write_excel])
def test_a_part_with_four_rows_of_title(write: Callable[..., None], folder: Path) -> None:
    name = "part 1.csv" if write is write_csv else "part 1.xlsx"
    write(folder / name, [*TITLE, LATER, later(), later(FIT_ID="77", Technology="Hydro"), []])
    frame = rows_of(folder)
    assert frame["fit_id"].tolist() == ["4004", "77"]
    row = frame.iloc[0]
    assert (row["outward_code"], row["postcode_area"], row["capacity_kw"]) == ("RG17", "RG", 500.0)
    assert row["commissioned_date"] == date(2012, 1, 12)
    assert (row["local_authority"], row["country"], row["source"]) == ("West Berkshire", "England", SOURCE)
    assert refused(folder) == []


def test_excel_cells_with_types(folder: Path) -> None:
    row: list[Any] = later()
    row[LATER.index("FIT ID")] = 4004
    row[LATER.index("Installed capacity")] = 500.0
    row[LATER.index("Commissioning date")] = datetime(2012, 1, 12)
    row[LATER.index("Application date")] = 40920  # Excel's number of 12 January 2012
    write_excel(folder / "a.xlsx", [*TITLE, LATER, row])
    found = rows_of(folder).iloc[0]
    assert (found["fit_id"], found["capacity_kw"]) == ("4004", 500.0)
    assert found["commissioned_date"] == found["application_date"] == date(2012, 1, 12)


def test_an_older_edition_without_ids_gets_stable_ones(folder: Path) -> None:
    base = [
        "YO17",
        "Wind",
        "335",
        "335",
        "04/07/2013",
        "04/07/2013",
        "",
        "",
        "",
        "Community",
        "England",
        "Ryedale",
        "Y",
    ]
    other = ["EH1", "Photovoltaic", "4", "4", "2013-07-05", "2013-07-04", "", "", "", "Community", "Scotland", "", ""]
    write_csv(folder / "old.csv", [OLDER, base, base, other])
    first = rows_of(folder)
    assert first["fit_id"].is_unique
    assert first["fit_id"].str.fullmatch(r"9\d{11}").all()
    assert set(first["source"]) == {SOURCE_DERIVED_ID}
    assert first.iloc[2]["region"] == "Scotland"
    (folder / "old.csv").unlink()
    write_csv(folder / "again.csv", [[], OLDER, other, base, base])
    assert set(rows_of(folder)["fit_id"]) == set(first["fit_id"])


def test_domestic_rows_are_set_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(folder / "a.csv", [LATER, later(), later(FIT_ID="5", Installation_Type="Domestic")])
    register = load_register()
    assert register.installations["fit_id"].to_pylist() == ["4004"]
    assert (register.facts["rows_read"], register.facts["domestic_left_out"]) == (2, 1)
    monkeypatch.setenv("FIT_ASSETS_DOMESTIC", "1")
    assert load_register().installations["fit_id"].to_pylist() == ["4004", "5"]
    assert rows_of(folder, include_domestic=True)["fit_id"].tolist() == ["4004", "5"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Technology": "Heat pump"}, "technology not of the scheme: Heat pump"),
        ({"Installed_capacity": "lots"}, "capacity is no number: lots"),
        ({"Installed_capacity": "0"}, "capacity outside 0 to 5,000 kW: 0"),
        ({"Installed_capacity": "5000.5"}, "capacity outside 0 to 5,000 kW: 5000.5"),
        ({"Commissioning_date": "31/02/2012"}, "commissioning date not readable: 31/02/2012"),
        ({"Commissioning_date": ""}, "commissioning date not readable: "),
        ({"Installation_Type": ""}, "no installation type"),
        ({"FIT_ID": "A17"}, "FIT ID is no number: A17"),
        ({"Installation_Country": "Northern Ireland"}, "outside Great Britain"),
        ({"Technology": "Technology"}, "the header again"),
        ({"FIT_ID": "4004"}, "the same row again: FIT ID 4004 stands in a.csv, line 6"),
        ({"FIT_ID": "4004", "Installed_capacity": "50"}, "FIT ID with other content: 4004 stands in a.csv, line 6"),
    ],
)
def test_no_row_is_lost_in_silence(changes: dict[str, str], reason: str, folder: Path) -> None:
    write_csv(folder / "a.csv", [*TITLE, LATER, later(), later(**({"FIT_ID": "8"} | changes))])
    assert rows_of(folder)["fit_id"].tolist() == ["4004"]
    assert refused(folder) == [("a.csv", 7, reason)]
    built = build_installations()
    assert built.extras["rejected_rows"] == 1
    with connect() as connection:
        assert connection.execute("SELECT line, reason FROM rejected_rows").fetchall() == [(7, reason)]


def test_extensions_get_an_id_of_their_own(folder: Path) -> None:
    extension = later(Installed_capacity="100")
    extension[LATER.index("Extension (Y/N)")] = "Y"
    write_csv(folder / "a.csv", [LATER, later(), extension])
    frame = rows_of(folder)
    assert frame["capacity_kw"].tolist() == [500.0, 100.0]
    assert frame["fit_id"].is_unique
    assert frame["source"].tolist() == [SOURCE, SOURCE_DERIVED_ID]


def test_blanks_and_odd_postcodes(folder: Path) -> None:
    rows = [
        later(FIT_ID=str(index), **{"PostCode_": code})
        for index, code in enumerate(["", "Unknown", "rg17", "RG17 0AB", "EC1A", "123"], start=1)
    ]
    write_csv(folder / "a.csv", [LATER, *rows])
    codes = rows_of(folder)["outward_code"].tolist()
    assert [code if isinstance(code, str) else None for code in codes] == [None, None, "RG17", "RG17", "EC1A", None]


def test_months_stand_first_only_where_the_column_proves_it(folder: Path) -> None:
    write_csv(
        folder / "a.csv", [LATER, later(FIT_ID="1", Commissioning_date="01/02/2012", Application_date="03/25/2012")]
    )
    assert rows_of(folder).iloc[0]["commissioned_date"] == date(2012, 1, 2)
    write_csv(folder / "a.csv", [LATER, later(FIT_ID="1", Commissioning_date="01/02/2012", Application_date="")])
    assert rows_of(folder).iloc[0]["commissioned_date"] == date(2012, 2, 1)


def test_windows_encoding_and_capital_headers(folder: Path) -> None:
    header = [name.upper() for name in LATER]
    write_csv(folder / "a.csv", [header, later(Local_Authority="Ynys Môn")], encoding="cp1252")
    assert rows_of(folder).iloc[0]["local_authority"] == "Ynys Môn"


def test_several_parts_make_one_register(folder: Path) -> None:
    write_csv(folder / "part1.csv", [*TITLE, LATER, later()])
    write_excel(folder / "part2.xlsx", [*TITLE, LATER, later(FIT_ID="9")])
    (folder / "README.md").write_text("not a report")
    register = load_register()
    assert sorted(register.installations["fit_id"].to_pylist()) == ["4004", "9"]
    assert register.facts["files"] == ["part1.csv", "part2.xlsx"]


def _no_header(path: Path) -> None:
    path.write_text("a,b\n1,2\n")


def _no_capacity(path: Path) -> None:
    write_csv(path, [[name for name in LATER if name != "Commissioning date"], later()])


def _excel_named_csv(path: Path) -> None:
    write_excel(path.with_suffix(".xlsx"), [LATER])
    path.with_suffix(".xlsx").rename(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_header, "b.csv: no header row with Technology and Installed capacity"),
        (_no_capacity, "b.csv, row 1: the header lacks a column .commissioned_date"),
        (_excel_named_csv, "b.csv: this is no CSV text; give an Excel file the ending .xlsx"),
    ],
)
def test_a_bad_file_is_named_and_the_old_table_stays(spoil: Callable[[Path], None], message: str, folder: Path) -> None:
    write_csv(folder / "a.csv", [LATER, later()])
    old = build_installations()
    spoil(folder / "b.csv")
    with pytest.raises(IngestError, match=message):
        build_installations()
    assert table_digest("installations") == old.digest


def test_a_broken_excel_file_and_the_old_format(folder: Path) -> None:
    (folder / "a.xlsx").write_bytes(b"PK\x03\x04 half a download")
    with pytest.raises(IngestError, match=r"a.xlsx: cannot be read as an Excel file"):
        read_reports(folder)
    (folder / "a.xlsx").rename(folder / "a.xls")
    with pytest.raises(IngestError, match=r"a.xls: the old Excel format"):
        read_reports(folder)


def test_without_files_the_stand_in_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = pd.DataFrame([dict.fromkeys(standin.COLUMNS) | {"fit_id": "1", "source": standin.SOURCE}], dtype=object)
    monkeypatch.setattr(standin, "build_register", lambda seed: tiny)
    built = build_installations()
    assert built.rows == 1
    assert "STAND-IN" in built.extras["source"]
    write_csv(folder / "a.csv", [LATER, later()])
    assert "Ofgem's Feed-in Tariff" in build_installations().extras["source"]
