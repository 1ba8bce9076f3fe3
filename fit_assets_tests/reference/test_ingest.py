import csv
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from fit_assets import settings
from fit_assets.reference import standin
from fit_assets.reference.editions import IngestError, key
from fit_assets.reference.ingest import (
    SOURCE,
    SOURCE_DERIVED_ID,
    _capacity,
    _read_date,
    build_installations,
    load_register,
    read_reports,
)
from fit_assets.reference.warehouse import connect, table_digest

WIND_REGISTER = settings.PROJECT_ROOT.parent / "shared" / "data" / "wind_register.csv"

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
    for file in settings.data_dir().glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("FIT_ASSETS_DATA", str(tmp_path))
    monkeypatch.delenv("FIT_ASSETS_DOMESTIC", raising=False)
    ofgem = tmp_path / "ofgem"
    ofgem.mkdir()
    return ofgem


def write_csv(path: Path, rows: Sequence[Sequence[Any]], encoding: str = "utf-8") -> None:
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


def test_an_extension_before_its_parent_leaves_the_parent_its_id(folder: Path) -> None:
    extension = later(Installed_capacity="100")
    extension[LATER.index("Extension (Y/N)")] = "Yes"
    write_csv(folder / "a.csv", [LATER, extension, later(), extension])
    frame = rows_of(folder).set_index("capacity_kw")
    assert frame.loc[500.0, ["fit_id", "source"]].tolist() == ["4004", SOURCE]
    assert frame.loc[100.0, "source"] == SOURCE_DERIVED_ID
    assert refused(folder) == [("a.csv", 4, "the same row again: FIT ID 4004 stands in a.csv, line 3")]


@pytest.mark.parametrize(
    ("text", "kilowatts"),
    [("1,234.5", 1234.5), ("500 kW", 500.0), ("0.5 MW", 500.0), ("3,68", 3.68), (".5", 0.5), ("500kWp", 500.0)],
)
def test_capacities_in_many_spellings(text: str, kilowatts: float) -> None:
    assert _capacity(text) == kilowatts


@pytest.mark.parametrize("text", ["", "lots", "1.2.3", "-5", "5 GW", "1,23,4"])
def test_what_is_no_capacity(text: str) -> None:
    assert _capacity(text) is None


@pytest.mark.parametrize(
    ("text", "month_first", "day"),
    [
        ("12/01/2012 14:30", False, date(2012, 1, 12)),
        ("01/12/2012", True, date(2012, 1, 12)),
        ("25/12/2012", True, date(2012, 12, 25)),
        ("12/25/2012", False, date(2012, 12, 25)),
        ("12.1.12", False, date(2012, 1, 12)),
        ("2012-01-12T00:00:00", False, date(2012, 1, 12)),
        ("20120112", False, date(2012, 1, 12)),
        ("12-Jan-2012", False, date(2012, 1, 12)),
        ("12 January 12", False, date(2012, 1, 12)),
        ("40920", False, date(2012, 1, 12)),
        ("40920.5", False, date(2012, 1, 12)),
        ("31/02/2012", False, None),
        ("12/01/201", False, None),
        ("soon", False, None),
    ],
)
def test_dates_in_many_spellings(text: str, month_first: bool, day: date | None) -> None:
    assert _read_date(text, month_first) == day


RENAMED = (
    "Accreditation Number;Post Code;Technology Type;Total Installed Capacity (MW);Date Commissioned;Site Notes;"
    "Installation Category;Nation;Local Authority District;GOR;Postal Code District"
)


def _later_csv(folder: Path, rows: list[dict[str, str]]) -> None:
    parts = [
        later(
            FIT_ID=row["fit_id"],
            PostCode_=f"{row['outward_code']} ",
            Installed_capacity=row["capacity_kw"],
            Commissioning_date=date.fromisoformat(row["commissioned_date"]).strftime("%d/%m/%Y %H:%M"),
            Installation_Country=row["country"],
            Local_Authority=row["local_authority"],
            Government_Office_Region=row["region"],
        )
        for row in rows
    ]
    for part in range(3):
        write_csv(folder / f"part {part}.csv", [*TITLE, LATER, *parts[part::3]], encoding="utf-8-sig")


def _older_excel(folder: Path, rows: list[dict[str, str]]) -> None:
    """A cover page, no ids, the net capacity alone, Excel's day numbers, two sheets of data."""
    book = openpyxl.Workbook()
    book.active.title = "Cover"
    book.active.append(["Feed-in Tariff Installation Report", "Notes"])
    for part in range(2):
        sheet = book.create_sheet(f"Part {part}")
        for line in [*TITLE, [], [], OLDER]:
            sheet.append(line)
        for row in rows[part::2]:
            day = (date.fromisoformat(row["commissioned_date"]) - date(1899, 12, 30)).days
            place = [row["country"], row["local_authority"].upper(), row["region"]]
            code, capacity = row["outward_code"].lower(), float(row["capacity_kw"])
            sheet.append([code, " wind ", None, capacity, None, day, "", "", "", "Community", *place])
    book.save(folder / "old.xlsx")


def _renamed_columns(folder: Path, rows: list[dict[str, str]]) -> None:
    """Names of no edition seen, another order, semicolons, megawatts, months first, UTF-16 as Excel writes it."""
    lines = [RENAMED] + [
        ";".join(
            [
                f"FIT{row['fit_id']:>08}",
                f"{row['outward_code']} 1AA" if row["outward_code"] else "",
                "Onshore Wind",
                f"{float(row['capacity_kw']) / 1000:.6f}",
                date.fromisoformat(row["commissioned_date"]).strftime("%m/%d/%Y"),
                "well kept",
                "Non-Domestic (Commercial)",
                row["country"],
                row["local_authority"],
                row["region"],
                "",
            ]
        )
        for row in rows
    ]
    (folder / "new.csv").write_text("\r\n".join(lines), encoding="utf-16")


@pytest.mark.skipif(not WIND_REGISTER.exists(), reason=f"needs the real wind register at {WIND_REGISTER}")
@pytest.mark.parametrize("write", [_later_csv, _older_excel, _renamed_columns])
def test_real_rows_in_other_editions(write: Callable[[Path, list[dict[str, str]]], None], folder: Path) -> None:
    with WIND_REGISTER.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if int(row["fit_id"]) % 9 == 0 or not row["outward_code"]]
    write(folder, rows)
    frame = rows_of(folder)
    assert refused(folder) == []
    assert frame["fit_id"].is_unique
    found = sorted(
        (round(row.capacity_kw, 6), row.outward_code or "", row.commissioned_date, key(row.local_authority or ""))
        for row in frame.astype(object).where(frame.notna(), None).itertuples()
    )
    expected = sorted(
        (
            float(row["capacity_kw"]),
            row["outward_code"],
            date.fromisoformat(row["commissioned_date"]),
            key(row["local_authority"].replace("Unknown", "")),
        )
        for row in rows
    )
    assert found == expected
    if write is not _older_excel:
        assert set(frame["fit_id"]) == {row["fit_id"] for row in rows}
    else:
        assert read_reports(folder).facts["sheets_without_table"] == ["old.xlsx, sheet Cover"]


def test_an_open_quotation_mark_hides_no_row(folder: Path) -> None:
    lines = [",".join(later(FIT_ID=str(number))) for number in range(1, 6)]
    lines[1] = lines[1].replace("West Berkshire", '"West Berkshire')
    lines[3] = lines[3].replace("West Berkshire", '"West Berkshire"')
    (folder / "a.csv").write_text("\n".join([",".join(LATER), *lines]))
    assert {"1", "3", "4", "5"} <= set(rows_of(folder)["fit_id"])


def test_a_header_over_two_rows_of_merged_cells(folder: Path) -> None:
    upper = [name if index % 2 else "" for index, name in enumerate(LATER)]
    lower = ["" if index % 2 else name for index, name in enumerate(LATER)]
    write_excel(folder / "a.xlsx", [*TITLE, upper, lower, later()])
    assert rows_of(folder)["fit_id"].tolist() == ["4004"]


def test_a_folder_of_sheets_without_a_table(folder: Path) -> None:
    write_excel(folder / "a.xlsx", [["Notes"], ["Nothing here"]])
    with pytest.raises(IngestError, match=r"a.xlsx: no header row"):
        read_reports(folder)


def test_a_header_of_two_rows_is_read_as_one(folder: Path) -> None:
    upper = ["", "Installation", "", "", "Installation", "Local"]
    lower = ["Technology", "PostCode", "Installed capacity", "Commissioning date", "Type", "authority"]
    row = ["Wind", "RG17", "500", "12/01/2012", "Community", "West Berkshire"]
    write_excel(folder / "a.xlsx", [*TITLE, upper, lower, row])
    found = rows_of(folder).iloc[0]
    assert (found["installation_type"], found["local_authority"]) == ("Community", "West Berkshire")


@pytest.mark.parametrize("name", ["FIT Ref No", "FIT Reference Number", "Unique FIT ID", "Installation ID number"])
def test_the_identifier_under_other_names(name: str, folder: Path) -> None:
    write_csv(folder / "a.csv", [[name if column == "FIT ID" else column for column in LATER], later()])
    assert rows_of(folder)["fit_id"].tolist() == ["4004"]


def test_a_sheet_that_lacks_a_column_is_named_before_a_cover_page(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["A cover page with a long title that says nothing of any column whatever"])
    sheet = book.create_sheet("Part 1")
    sheet.append([name for name in LATER if name != "Installation Type"])
    book.save(folder / "a.xlsx")
    with pytest.raises(IngestError, match=r"row 1: the header lacks a column \(installation_type\)"):
        read_reports(folder)
