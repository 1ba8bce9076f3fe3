"""The files of Ofgem's report, whatever their edition, as rows of text under the names of our columns.

Nothing is judged here: a row comes with its file and line, and :mod:`fit_assets.reference.ingest` says what it means.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# What a column of Ofgem's is called, reduced to lower-case letters and digits; of two that match, the left one counts.
COLUMN_NAMES: dict[str, str] = {
    "fit_id": r"(unique)?(fit)?(installation|accreditation|generator)?(id|ref|reference)?"
    r"(id|identifier|number|no|num|ref|reference)",
    "outward_code": r"(installation)?(postcode|postalcode)(district|outward|outwardcode|outcode|area|sector)?"
    r"|outwardcode|outcode",
    "technology": r"(installation)?tech(nology)?(type|name)?",
    "installed_kw": r"(total)?(installed|installation)?capacity(k|m)?w?p?|tic(k|m)?w?",
    "declared_kw": r"(declared)?net(installed)?capacity(k|m)?w?|dnc(k|m)?w?",
    "application_date": r"application(received|submitted)?date|(date(of)?)?appli(cation|ed)(on)?",
    "commissioned_date": r"(date(of)?)?commission(ing|ed)?(date|on)?",
    "tariff_code": r"(fit)?tariff(code|ref|reference)",
    "tariff_description": r"(fit)?tariff(description|desc|name|band)?",
    "installation_type": r"(installation|site|property)(type|category)|typeofinstallation",
    "export_status": r"export(status|type)?",
    "country": r"(installation)?(country|nation)(name)?",
    "local_authority": r"local(authority|auth)(district|area)?(name)?|council|lad(name)?",
    "region": r"(government(office)?)?region(name)?|gor|governmentoffice(region)?",
    "extension": r"(is)?extension(yn|yesno|flag)?",
}
# Without one column of each of these a file is not taken.
NEEDED: tuple[tuple[str, ...], ...] = (
    ("technology",),
    ("installed_kw", "declared_kw"),
    ("commissioned_date",),
    ("installation_type",),
    ("outward_code", "local_authority"),
)
HEADER_WITHIN_ROWS = 100
BATCH_ROWS = 20_000
_DELIMITERS = ",;\t|"

Row = tuple[int, Sequence[Any]]


class IngestError(ValueError):
    """A report file that cannot be used; the message names file, row and mend."""


class _NoHeader(ValueError):
    """No header row; the text says why."""


@dataclass(frozen=True)
class Batch:
    """Some rows of one table of a file.

    ``rows`` has ``file``, ``line``, ``overlong`` (cells beyond the header's last column) and all of
    ``COLUMN_NAMES`` as text; None stands for a sheet that holds no table, such as a cover page.
    """

    label: str
    rows: pa.Table | None


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


def read_file(file: Path) -> Iterator[Batch]:
    """All rows below the header, of every sheet that has one.

    Raises:
        IngestError: not what its name says, or no header row in it.
    """
    if file.suffix.lower() == ".csv":
        with file.open(encoding=_encoding(file), errors="replace", newline="") as stream:
            try:
                yield from _batches(file.name, _csv_rows(stream, file), str.strip)
            except _NoHeader as error:
                raise IngestError(f"{file}{error}") from error
        return
    empty: list[str] = []
    sheets = list(_excel_sheets(file))
    for title, rows in sheets:
        label = f"{file.name}, sheet {title}" if len(sheets) > 1 else file.name
        try:
            yield from _batches(label, rows, _text)
        except _NoHeader as error:
            empty.append(str(error))
            yield Batch(label, None)
    if len(empty) == len(sheets):
        # A header that lacks a column says more than a sheet without one.
        raise IngestError(f"{file}{next((reason for reason in empty if reason.startswith(', row')), empty[0])}")


def key(text: str) -> str:
    """Letters and digits alone, in lower case: names that differ in blanks, case or signs are the same."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _batches(label: str, rows: Iterator[Row], text_of: Callable[[Any], str]) -> Iterator[Batch]:
    import pyarrow as pa

    positions, width, in_megawatts = _find_header(rows)
    text = pa.string()
    schema = pa.schema(
        [("file", text), ("line", pa.int64()), ("overlong", pa.bool_()), *((name, text) for name in COLUMN_NAMES)]
    )
    while batch := list(islice(rows, BATCH_ROWS)):
        cells = list(zip_longest(*(cells for _, cells in batch), fillvalue=""))
        beyond = zip_longest(*cells[width:], fillvalue="") if len(cells) > width else None
        columns: dict[str, Any] = {
            "file": [label] * len(batch),
            "line": [line for line, _ in batch],
            "overlong": [any(map(text_of, extra)) for extra in beyond] if beyond else [False] * len(batch),
        }
        for name in COLUMN_NAMES:
            position = positions.get(name, width)
            known = position < width and position < len(cells)
            columns[name] = list(map(text_of, cells[position])) if known else [""] * len(batch)
            if name in in_megawatts:
                columns[name] = [cell and f"{cell} MW" for cell in columns[name]]
        yield Batch(label, pa.table(columns, schema=schema))


def _find_header(rows: Iterator[Row]) -> tuple[dict[str, int], int, set[str]]:
    """Position of each known column, number of columns, columns in MW; leaves ``rows`` below the header."""
    lacking = ""
    above: list[str] = []
    for line, cells in islice(rows, HEADER_WITHIN_ROWS):
        names = [_text(cell) for cell in cells]
        # Merged cells: a name, or its beginning, may stand in the row above.
        two_rows = list(zip_longest(above, names, fillvalue=""))
        filled = [below or upper for upper, below in two_rows]
        joined = [f"{upper} {below}" for upper, below in two_rows]
        for candidate in (names, filled, joined):
            found = _positions(candidate)
            if not {"technology", "installed_kw"} <= set(found) and not {"technology", "declared_kw"} <= set(found):
                continue
            missing = [group for group in NEEDED if not set(group) & set(found)]
            if not missing:
                megawatts = {
                    name
                    for name in ("installed_kw", "declared_kw")
                    if key(candidate[found.get(name, 0)]).endswith("mw")
                }
                return found, len(candidate), megawatts & set(found)
            lacking = f", row {line}: the header lacks a column ({'; '.join(' or '.join(group) for group in missing)})"
        above = names
    raise _NoHeader(
        f"{lacking}; add or rename it"
        if lacking
        else f": no header row with Technology and Installed capacity in the first {HEADER_WITHIN_ROWS} rows; "
        "is this Ofgem's Installation Report? Remove it or put the original file there"
    )


def _positions(names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        plain = key(name)
        for column, pattern in COLUMN_NAMES.items():
            if plain and column not in found and re.fullmatch(pattern, plain):
                found[column] = index
                break
    return found


def _encoding(file: Path) -> str:
    """Unicode with or without its mark, else the code page with which Excel saves CSV on Windows."""
    content = file.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if content.startswith(b"PK") or b"\0" in content[:4096]:
        raise IngestError(f"{file}: this is no CSV text; give an Excel file the ending .xlsx, or save it as CSV")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _csv_rows(stream: Any, file: Path) -> Iterator[Row]:
    sample = stream.read(65_536)
    stream.seek(0)
    delimiter = max(_DELIMITERS, key=sample.count)
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in stream:
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    usual = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise IngestError(
                f"{file}, row {reader.line_num}: {error}; correct the row or save the file again"
            ) from error
        if len(taken) > 1 and usual and _has_swallowed_rows(taken, delimiter, usual):
            # A quotation mark that nobody closed must not hide the rows below it.
            first = reader.line_num - len(taken) + 1
            yield from (
                (line, next(csv.reader([text], delimiter=delimiter))) for line, text in enumerate(taken, start=first)
            )
        elif any(cells):
            yield reader.line_num, cells
            usual = len(cells) if len(cells) >= len(NEEDED) else usual
        taken.clear()


def _has_swallowed_rows(lines: Iterable[str], delimiter: str, usual: int) -> bool:
    """Whether one of the lines below the first is a whole row by itself."""
    return any(len(next(csv.reader([line], delimiter=delimiter), ())) >= usual for line in islice(lines, 1, None))


def _excel_sheets(file: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(file)
    except (CalamineError, OSError) as error:
        raise IngestError(f"{file}: cannot be read as an Excel file ({error}); download or save it again") from error
    for title in book.sheet_names:
        yield title, _sheet_rows(book, title, file)


def _sheet_rows(book: Any, title: str, file: Path) -> Iterator[Row]:
    from python_calamine import CalamineError

    try:
        # The sheet is read when its first row is asked for, so that only one is in memory at a time.
        for line, cells in enumerate(book.get_sheet_by_name(title).iter_rows(), start=1):
            if any(cell != "" for cell in cells):
                yield line, cells
    except CalamineError as error:
        raise IngestError(f"{file}, sheet {title}: cannot be read ({error}); save the file again") from error


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
