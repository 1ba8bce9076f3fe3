"""Ofgem's Feed-in Tariff Installation Report, as its editions write it, into the table ``installations``.

Files lie in ``data/ofgem/`` (``.xlsx`` or ``.csv``, any number of parts). The header row is found by the names
of its columns, whatever stands above it. A row that cannot be used is kept in ``rejected_rows`` with file, line
and reason; a file that cannot be used stops the build, and the old table stays.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.reference import standin
from fit_assets.reference.crosswalk import load_local_authorities
from fit_assets.reference.warehouse import Built, replace_table

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "Ofgem"
SOURCE_DERIVED_ID = "Ofgem, FIT id derived"
DESCRIPTION = "Ofgem's Feed-in Tariff Installation Report, from the files in data/ofgem/."

# Column names of all editions, reduced to letters and digits. The first name at hand wins.
EDITION_NAMES: dict[str, tuple[str, ...]] = {
    "fit_id": ("fitid", "fitinstallationid"),
    "outward_code": ("postcode", "postcodedistrict", "outwardcode"),
    "technology": ("technology", "technologytype"),
    "capacity_kw": ("installedcapacity", "totalinstalledcapacity", "installedcapacitykw", "declarednetcapacity"),
    "application_date": ("applicationdate",),
    "commissioned_date": ("commissioningdate", "commissioneddate", "datecommissioned"),
    "tariff_code": ("tariffcode",),
    "tariff_description": ("tariffdescription",),
    "installation_type": ("installationtype",),
    "export_status": ("exportstatus",),
    "country": ("installationcountry", "country"),
    "local_authority": ("localauthority",),
    "region": ("governmentofficeregion", "region"),
    "extension": ("extensionyn", "extension"),
}
REQUIRED = ("technology", "capacity_kw", "commissioned_date", "installation_type", "outward_code")
HEADER_WITHIN_ROWS = 40

TECHNOLOGY_NAMES = {
    "photovoltaic": "Photovoltaic",
    "photovoltaics": "Photovoltaic",
    "solarpv": "Photovoltaic",
    "solarphotovoltaic": "Photovoltaic",
    "pv": "Photovoltaic",
    "wind": "Wind",
    "hydro": "Hydro",
    "hydroelectric": "Hydro",
    "anaerobicdigestion": "Anaerobic digestion",
    "ad": "Anaerobic digestion",
    "microchp": "Micro CHP",
    "microchppilot": "Micro CHP",
    "chp": "Micro CHP",
}
LARGEST_KW = 5000.0
BLANKS = frozenset({"", "unknown", "null", "none", "nan", "na", "n/a", "#n/a", "not available", "-"})
_OUTWARD = re.compile(r"([A-Z]{1,2}[0-9][0-9A-Z]?)( ?[0-9][A-Z]{2})?")
_SLASHED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\b")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})\b")
_EXCEL_EPOCH = date(1899, 12, 30)

REJECTED_COLUMNS = {"file": "VARCHAR", "line": "BIGINT", "reason": "VARCHAR", "content": "VARCHAR"}


class IngestError(ValueError):
    """A report file that cannot be used; the message names file, row and mend."""


@dataclass(frozen=True)
class Register:
    """The register as read.

    ``frame`` has the columns of ``standin.COLUMNS``; ``rejected`` those of ``REJECTED_COLUMNS``; ``facts`` are
    counts worth showing.
    """

    frame: pd.DataFrame
    source: str
    rejected: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


def build_installations(seed: int = standin.DEFAULT_SEED) -> Built:
    """Write the tables ``installations`` and ``rejected_rows``: from Ofgem's files, else the stand-in.

    Raises:
        IngestError: a file that cannot be used; both tables stay as they were.
    """
    register = load_register(seed)
    rejected = replace_table("rejected_rows", register.rejected, columns=REJECTED_COLUMNS)
    comment = standin.DESCRIPTION if register.source == standin.SOURCE else DESCRIPTION
    reasons = Counter(_kind_of(reason) for reason in register.rejected["reason"])
    extras = {
        "source": comment,
        **register.facts,
        "rejected_rows": rejected.rows,
        "rejected_by_reason": dict(sorted(reasons.items())),
        "rejected_sample": register.rejected.head(10).to_dict("records"),
    }
    return replace_table("installations", register.frame, columns=standin.COLUMNS, comment=comment, extras=extras)


def load_register(seed: int = standin.DEFAULT_SEED) -> Register:
    """Ofgem's register where its files are in ``data/ofgem/``, else the stand-in."""
    import pandas as pd

    if report_files(settings.ofgem_dir()):
        return read_reports(settings.ofgem_dir(), include_domestic=settings.include_domestic())
    return Register(standin.build_register(seed), standin.SOURCE, pd.DataFrame(columns=list(REJECTED_COLUMNS)))


def report_files(folder: Path) -> list[Path]:
    """The report files in a folder, by name; lock files of office programs are passed over.

    Raises:
        IngestError: an ``.xls`` file, the format of before 2007.
    """
    files = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith(("~$", ".")))
    old = [path for path in files if path.suffix.lower() == ".xls"]
    if old:
        raise IngestError(f"{old[0]}: the old Excel format cannot be read; save it as .xlsx or .csv")
    return [path for path in files if path.suffix.lower() in (".xlsx", ".csv")]


def read_reports(folder: Path, *, include_domestic: bool = False) -> Register:
    """Read all report files of a folder.

    Domestic rows are counted and left out, unless wanted. Where an edition has no FIT ID, or an extension shares
    its parent's, one of twelve digits starting with 9 is derived from the row's content, the same at each reading; the
    column ``source`` says so. A row that stands twice is taken once.

    Raises:
        IngestError: no report file, no header row, a column missing, or a file that is not what its name says.
    """
    import pandas as pd

    files = report_files(folder)
    if not files:
        raise IngestError(f"{folder} has no .xlsx or .csv file; put Ofgem's Installation Report there")
    cleaned, rejected, facts = [], [], Counter[str]()
    for file in files:
        raw = _read_file(file)
        rows, refused = _clean(raw, file)
        facts["rows_read"] += len(raw)
        rejected.append(refused)
        domestic = rows["installation_type"].str.lower() == "domestic"
        facts["domestic_rows"] += int(domestic.sum())
        cleaned.append(rows if include_domestic else rows[~domestic])
    frame, twice = _with_ids(pd.concat(cleaned, ignore_index=True))
    rejected.append(twice)
    facts["derived_fit_ids"] = int((frame["source"] == SOURCE_DERIVED_ID).sum())
    facts["without_postcode"] = int(frame["outward_code"].isna().sum())
    return Register(
        frame[list(standin.COLUMNS)],
        SOURCE,
        pd.concat(rejected, ignore_index=True)[list(REJECTED_COLUMNS)],
        {"files": [file.name for file in files], "domestic_included": include_domestic, **facts},
    )


def _read_file(file: Path) -> pd.DataFrame:
    """All rows below the header as text, with the known columns only; ``line`` is the row in the file."""
    import pandas as pd

    lines = _csv_lines(file) if file.suffix.lower() == ".csv" else _excel_lines(file)
    positions, width = _find_header(lines, file)
    columns: dict[str, list[str]] = {name: [] for name in positions}
    numbers, overlong = [], []
    for number, cells in lines:
        if not any(cells):
            continue
        numbers.append(number)
        overlong.append(any(cells[width:]))
        for name, position in positions.items():
            columns[name].append(cells[position] if position < len(cells) else "")
    frame = pd.DataFrame({name: columns.get(name, [""] * len(numbers)) for name in EDITION_NAMES}, dtype=object)
    frame["line"], frame["overlong"] = numbers, overlong
    return frame


def _find_header(lines: Iterator[tuple[int, list[str]]], file: Path) -> tuple[dict[str, int], int]:
    """Position of each known column, and the number of columns; leaves ``lines`` below the header."""
    for number, cells in lines:
        keys = [_key(cell) for cell in cells]
        found = {
            name: keys.index(match)
            for name, names in EDITION_NAMES.items()
            if (match := next((key for key in names if key in keys), None)) is not None
        }
        if {"technology", "capacity_kw"} <= set(found):
            missing = [name for name in REQUIRED if name not in found]
            if missing:
                expected = "; ".join(f"{name}: {' or '.join(EDITION_NAMES[name])}" for name in missing)
                raise IngestError(f"{file}, row {number}: the header lacks a column ({expected}); add or rename it")
            return found, len(keys)
        if number >= HEADER_WITHIN_ROWS:
            break
    raise IngestError(
        f"{file}: no header row with Technology and Installed capacity in the first {HEADER_WITHIN_ROWS} rows; "
        "is this Ofgem's Installation Report? Remove it or put the original file there"
    )


def _csv_lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    content = file.read_bytes()
    if content[:2] == b"PK" or b"\0" in content[:4096]:
        raise IngestError(f"{file}: this is no CSV text; give an Excel file the ending .xlsx, or save it as CSV")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # how Excel saves CSV on Windows
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise IngestError(
                f"{file}, row {reader.line_num}: {error}; correct the row or save the file again"
            ) from error
        yield reader.line_num, [cell.strip() for cell in cells]


def _excel_lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except Exception as error:  # zip, XML and key errors alike: whatever is wrong with the file
        raise IngestError(f"{file}: cannot be read as an Excel file ({error}); download or save it again") from error
    try:
        for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
            yield number, [_cell_text(cell) for cell in row]
    finally:
        book.close()


def _cell_text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _clean(raw: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Usable rows with their values in our form, and the rejected rows."""
    import pandas as pd

    month_first = _months_stand_first([*raw["commissioned_date"], *raw["application_date"]])
    rows = pd.DataFrame({"line": raw["line"]})
    rows["file"] = file.name
    rows["fit_id"] = _mapped(raw["fit_id"], lambda text: text if text.isdigit() else None)
    rows["technology"] = _mapped(raw["technology"], lambda text: TECHNOLOGY_NAMES.get(_key(text)))
    rows["capacity_kw"] = pd.to_numeric(raw["capacity_kw"].str.replace(",", ""), errors="coerce").astype("float64")
    rows["outward_code"] = _mapped(raw["outward_code"], _outward_code)
    rows["postcode_area"] = _mapped(rows["outward_code"], lambda code: re.match("[A-Z]+", code).group())  # type: ignore[union-attr]
    for name in ("commissioned_date", "application_date"):
        rows[name] = _mapped(raw[name], lambda text: _read_date(text, month_first))
    for name in ("tariff_code", "tariff_description", "installation_type", "export_status", "extension"):
        rows[name] = _mapped(raw[name], _text)
    councils, regions, countries = _known_names()
    rows["local_authority"] = _mapped(raw["local_authority"], lambda text: councils.get(_key(text)) or _text(text))
    rows["region"] = _mapped(raw["region"], lambda text: regions.get(_key(text)) or _text(text))
    rows["country"] = _mapped(raw["country"], lambda text: countries.get(_key(text)) or _text(text))
    # Regions are English; the other nations stand for themselves, as the newer editions have it.
    elsewhere = rows["region"].isna() & rows["country"].isin(["Scotland", "Wales"])
    rows.loc[elsewhere, "region"] = rows.loc[elsewhere, "country"]

    reasons = pd.Series("", index=raw.index)

    def reject(bad: pd.Series[bool], reason: pd.Series[str] | str) -> None:
        chosen = bad & (reasons == "")
        reasons[chosen] = reason if isinstance(reason, str) else reason[chosen]

    reject(raw["overlong"].astype(bool), "more cells than the header has columns")
    reject(rows["technology"].isna(), "technology not of the scheme: " + raw["technology"].astype(str))
    reject(rows["capacity_kw"].isna(), "capacity is no number: " + raw["capacity_kw"].astype(str))
    outside = ~rows["capacity_kw"].between(0, LARGEST_KW, inclusive="right")
    reject(outside, "capacity outside 0 to 5,000 kW: " + raw["capacity_kw"].astype(str))
    reject(rows["commissioned_date"].isna(), "commissioning date not readable: " + raw["commissioned_date"].astype(str))
    reject(rows["installation_type"].isna(), "no installation type")
    has_id = raw["fit_id"].map(_text).notna()
    reject(has_id & rows["fit_id"].isna(), "FIT ID is no number: " + raw["fit_id"].astype(str))
    reject(rows["country"] == "Northern Ireland", "outside Great Britain")
    bad = reasons != ""
    content = ["|".join(cells)[:300] for cells in raw.loc[bad, list(EDITION_NAMES)].to_numpy().tolist()]
    refused = pd.DataFrame(
        {"file": file.name, "line": raw.loc[bad, "line"], "reason": reasons[bad], "content": content},
        columns=list(REJECTED_COLUMNS),
    )
    return rows[~bad], refused


def _with_ids(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every row with a FIT id of its own; rows that repeat another one are given back as rejected."""
    import pandas as pd

    rows = rows.copy()
    content = [name for name in standin.COLUMNS if name not in ("fit_id", "source")]
    repeated = rows["fit_id"].notna() & rows.duplicated(["fit_id", *content])
    shared = rows["fit_id"].notna() & rows.duplicated("fit_id") & ~repeated
    extension = shared & rows["extension"].fillna("").str.upper().str.startswith("Y")
    refused = rows[repeated | (shared & ~extension)]
    rejected = pd.DataFrame(
        {
            "file": refused["file"],
            "line": refused["line"],
            "reason": ["FIT ID stands twice: " + str(fit_id) for fit_id in refused["fit_id"]],
            "content": refused["tariff_description"],
        },
        columns=list(REJECTED_COLUMNS),
    )
    rows = rows.drop(refused.index)
    missing = rows["fit_id"].isna() | extension.reindex(rows.index)
    rows["source"] = missing.map({True: SOURCE_DERIVED_ID, False: SOURCE})
    taken = set(rows.loc[~missing, "fit_id"])
    rows.loc[missing, "fit_id"] = list(_derived_ids(rows.loc[missing, ["fit_id", *content]].to_numpy().tolist(), taken))
    return rows, rejected


def _derived_ids(rows: Iterable[Sequence[Any]], taken: set[str]) -> Iterator[str]:
    """Twelve digits from the content of a row; equal rows are told apart by their order."""
    seen: Counter[str] = Counter()
    for row in rows:
        text = "|".join("" if value is None or value != value else str(value) for value in row)
        while True:
            digest = hashlib.sha256(f"{text}#{seen[text]}".encode()).hexdigest()
            seen[text] += 1
            fit_id = f"9{int(digest, 16) % 10**11:011d}"
            if fit_id not in taken:
                break
        taken.add(fit_id)
        yield fit_id


def _mapped(values: pd.Series[Any], read: Any) -> pd.Series[Any]:
    """``read`` of each distinct text once; None for blanks."""
    import pandas as pd

    results = {text: read(text) if isinstance(text, str) and _text(text) else None for text in values.unique()}
    return pd.Series([results[text] for text in values], index=values.index, dtype=object)


def _text(value: str) -> str | None:
    plain = " ".join(value.split())
    return None if plain.lower() in BLANKS else plain


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _outward_code(text: str) -> str | None:
    found = _OUTWARD.fullmatch(" ".join(text.upper().split()))
    return found.group(1) if found else None


def _months_stand_first(texts: Iterable[str]) -> bool:
    """Whether 01/02/2012 is 2 January: only where some date says so and none speaks against it."""
    months_second = months_first = False
    for text in set(texts):
        found = _SLASHED.match(text)
        if found:
            months_second |= int(found.group(1)) > 12
            months_first |= int(found.group(2)) > 12
    return months_first and not months_second


def _read_date(text: str, month_first: bool) -> date | None:
    """A day from ``dd/mm/yyyy hh:mm``, ``yyyy-mm-dd`` or Excel's day number; None where it is none of them."""
    try:
        if iso := _ISO.match(text):
            return date(*map(int, iso.groups()))
        if slashed := _SLASHED.match(text):
            first, second, year = map(int, slashed.groups())
            return date(year, first, second) if month_first else date(year, second, first)
        if re.fullmatch(r"[34]\d{4}(\.\d+)?", text):
            return _EXCEL_EPOCH + timedelta(days=int(float(text)))
    except ValueError:
        return None
    return None


def _known_names() -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    table = load_local_authorities()
    return tuple({_key(name): name for name in table[column].unique()} for column in ("name", "region", "country"))  # type: ignore[return-value]


def _kind_of(reason: str) -> str:
    return reason.split(":")[0]
