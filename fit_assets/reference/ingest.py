"""Ofgem's Feed-in Tariff Installation Report into the table ``installations``: what its rows mean.

A row that cannot be used is kept in ``rejected_rows`` with file, line and reason, so that rows read = installations
+ domestic rows left out + rejected rows; a file that cannot be used stops the build, and the old tables stay.
Each distinct text of a column is read once, in Python; DuckDB does what concerns every row.
"""

from __future__ import annotations

import gc
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.filters import TECHNOLOGIES
from fit_assets.reference import standin
from fit_assets.reference.crosswalk import load_local_authorities
from fit_assets.reference.editions import COLUMN_NAMES, IngestError, key, read_file, report_files
from fit_assets.reference.warehouse import Built, NewTable, replace_tables

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

SOURCE = "Ofgem"
SOURCE_DERIVED_ID = "Ofgem, FIT id derived"
DESCRIPTION = "Ofgem's Feed-in Tariff Installation Report, from the files in data/ofgem/."

TECHNOLOGY_NAMES = {
    **{key(name): name for name in TECHNOLOGIES},
    **dict.fromkeys(
        ("photovoltaics", "solarpv", "solarphotovoltaic", "solarphotovoltaics", "pv", "solar"), "Photovoltaic"
    ),
    **dict.fromkeys(("onshorewind", "windturbine", "windpower"), "Wind"),
    **dict.fromkeys(("hydroelectric", "hydroelectricity", "hydropower"), "Hydro"),
    **dict.fromkeys(("ad", "anaerobicdigester"), "Anaerobic digestion"),
    **dict.fromkeys(("microchppilot", "mchp", "chp", "microcombinedheatandpower"), "Micro CHP"),
}
LARGEST_KW = 5000.0
BLANKS = frozenset({"", "unknown", "null", "none", "nan", "na", "n/a", "#n/a", "not available", "not known", "-"})
_OUTWARD = re.compile(r"([A-Z]{1,2}[0-9][0-9A-Z]?)( ?[0-9][A-Z]{2})?")
_CAPACITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(k|m)?(?:w|wp)?", re.IGNORECASE)
_SLASHED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?!\d)")
_NAMED_MONTH = re.compile(r"(\d{1,2})[ -]([A-Za-z]{3})[a-z]*[ ,-]+(\d{4}|\d{2})(?!\d)")
_ISO = re.compile(r"(\d{4})([-/.]?)(\d{2})\2(\d{2})(?!\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EXCEL_EPOCH = date(1899, 12, 30)

REJECTED_COLUMNS = {"file": "VARCHAR", "line": "BIGINT", "reason": "VARCHAR", "content": "VARCHAR"}


@dataclass(frozen=True)
class Register:
    """The register as read.

    ``installations`` (a frame or an Arrow table) has the columns of ``standin.COLUMNS``, ``rejected`` those of
    ``REJECTED_COLUMNS``; ``facts`` are counts worth showing.
    """

    installations: pd.DataFrame | pa.Table
    source: str
    rejected: pd.DataFrame | pa.Table
    facts: dict[str, Any] = field(default_factory=dict)


def build_installations(seed: int = standin.DEFAULT_SEED) -> Built:
    """Write the tables ``installations`` and ``rejected_rows``: from Ofgem's files, else the stand-in.

    Raises:
        IngestError: a file that cannot be used; both tables stay as they were.
    """
    register = load_register(seed)
    comment = standin.DESCRIPTION if register.source == standin.SOURCE else DESCRIPTION
    built, _ = replace_tables(
        NewTable(
            "installations",
            register.installations,
            columns=standin.COLUMNS,
            comment=comment,
            extras={"source": comment, **register.facts},
        ),
        NewTable("rejected_rows", register.rejected, columns=REJECTED_COLUMNS),
    )
    return built


def load_register(seed: int = standin.DEFAULT_SEED) -> Register:
    """Ofgem's register where its files are in ``data/ofgem/``, else the stand-in."""
    import pandas as pd

    if report_files(settings.ofgem_dir()):
        return read_reports(settings.ofgem_dir(), include_domestic=settings.include_domestic())
    rows = standin.build_register(seed)
    facts = {"rows_read": len(rows), "domestic_left_out": 0, "rejected_rows": 0}
    return Register(rows, standin.SOURCE, pd.DataFrame(columns=list(REJECTED_COLUMNS)), facts)


def read_reports(folder: Path, *, include_domestic: bool = False) -> Register:
    """Read all report files of a folder.

    Domestic rows are counted and left out, unless wanted. Where an edition has no FIT ID, or an extension shares
    its parent's, one of twelve digits starting with 9 is derived from the row's content, the same at each reading; the
    column ``source`` says so. A row that stands twice under one FIT ID is taken once.

    Raises:
        IngestError: no report file, no header row, a column missing, or a file that is not what its name says.
    """
    import duckdb

    files = report_files(folder)
    if not files:
        raise IngestError(f"{folder} has no .xlsx or .csv file; put Ofgem's Installation Report there")
    with duckdb.connect() as db:
        db.execute("SET threads = 2; SET enable_progress_bar = false")
        without_table = _stage(db, files)
        _translate_columns(db)
        db.execute(_ROWS_SQL)
        db.execute(_TAKEN_SQL, {"include_domestic": include_domestic})
        db.execute(_SHARED_SQL)
        _derive_ids(db)
        installations = db.sql(_INSTALLATIONS_SQL).to_arrow_table()
        rejected = db.sql(_REJECTED_SQL).to_arrow_table()
        facts = {
            "files": [file.name for file in files],
            "sheets_without_table": without_table,
            "domestic_included": include_domestic,
            **_counts(db),
            "rejected_rows": rejected.num_rows,
            "rejected_by_reason": dict(db.execute(_REASONS_SQL).fetchall()),
            "rejected_sample": rejected.slice(0, 10).to_pylist(),
        }
    return Register(installations, SOURCE, rejected, facts)


def _stage(db: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> list[str]:
    """All rows as text into the table ``raw``; gives back the sheets that hold no table."""
    texts = ", ".join(f"{name} VARCHAR" for name in COLUMN_NAMES)
    db.execute(f"CREATE TABLE raw (file VARCHAR, line BIGINT, overlong BOOLEAN, {texts})")
    without_table = []
    # Millions of lists of text and no cycle among them: looking for cycles took a third of the time of reading.
    collects = gc.isenabled()
    gc.disable()
    try:
        for batch in chain.from_iterable(map(read_file, files)):
            if batch.rows is None:
                without_table.append(batch.label)
                continue
            db.register("batch", batch.rows)
            db.execute("INSERT INTO raw SELECT * FROM batch")
            db.unregister("batch")
    finally:
        if collects:
            gc.enable()
    return without_table


def _translate_columns(db: duckdb.DuckDBPyConnection) -> None:
    """For each column of text a table ``{column}_read``: what each of its distinct texts means."""
    councils = load_local_authorities()

    def name_among(column: str) -> Callable[[str], str | None]:
        known = {key(name): name for name in councils[column]}
        return lambda text: known.get(key(text)) or _plain(text)

    readers: dict[str, tuple[Callable[[str], Any], str]] = {
        "technology": (lambda text: TECHNOLOGY_NAMES.get(key(text)), "VARCHAR"),
        "installed_kw": (_capacity, "DOUBLE"),
        "declared_kw": (_capacity, "DOUBLE"),
        "outward_code": (_outward_code, "VARCHAR"),
        "local_authority": (name_among("name"), "VARCHAR"),
        "region": (name_among("region"), "VARCHAR"),
        "country": (name_among("country"), "VARCHAR"),
        **dict.fromkeys(
            ("tariff_code", "tariff_description", "installation_type", "export_status", "extension"),
            (_plain, "VARCHAR"),
        ),
    }
    for column, (read, kind) in readers.items():
        texts = [text for (text,) in db.execute(f"SELECT DISTINCT {column} FROM raw").fetchall()]
        _keep_readings(db, column, {"text": texts, "value": [read(text) for text in texts]}, kind)
    for column in ("commissioned_date", "application_date"):
        # 01/02/2012 means what the other dates of its file say.
        dates = db.execute(f"SELECT DISTINCT file, {column} FROM raw").fetchall()
        month_first = _files_with_months_first(db)
        days = [_read_date(text, file in month_first) for file, text in dates]
        columns = {"file": [file for file, _ in dates], "text": [text for _, text in dates], "value": days}
        _keep_readings(db, column, columns, "DATE")


def _keep_readings(db: duckdb.DuckDBPyConnection, column: str, readings: dict[str, list[Any]], kind: str) -> None:
    import pyarrow as pa

    types = {"VARCHAR": pa.string(), "DOUBLE": pa.float64(), "DATE": pa.date32()}
    schema = pa.schema([(name, types[kind] if name == "value" else pa.string()) for name in readings])
    db.register("readings", pa.table(readings, schema=schema))
    db.execute(f"CREATE TABLE {column}_read AS SELECT * FROM readings")
    db.unregister("readings")


def _files_with_months_first(db: duckdb.DuckDBPyConnection) -> set[str]:
    """Files in which some date has its month first and none has its day first."""
    seconds: set[str] = set()
    firsts: set[str] = set()
    dates = "SELECT DISTINCT file, {} FROM raw"
    both = f"{dates.format('commissioned_date')} UNION {dates.format('application_date')}"
    for file, text in db.execute(both).fetchall():
        if found := _SLASHED.match(text):
            if int(found.group(1)) > 12:
                seconds.add(file)
            if int(found.group(2)) > 12:
                firsts.add(file)
    return firsts - seconds


# Every staged row with its values and, where it cannot be used, the first reason why.
_ROWS_SQL = f"""
CREATE TABLE read_rows AS
SELECT
    raw.rowid AS position, raw.file, raw.line,
    ltrim(regexp_extract(raw.fit_id, '^(?:FIT)?[ -]*([0-9]{{1,12}})(?:[.]0*)?$', 1, 'i'), '0') AS id_digits,
    nullif(id_digits, '') AS fit_id,
    technology_read.value AS technology,
    coalesce(installed_kw_read.value, declared_kw_read.value) AS capacity_kw,
    outward_code_read.value AS outward_code,
    regexp_extract(outward_code_read.value, '^[A-Z]+') AS postcode_area,
    local_authority_read.value AS local_authority,
    -- Regions are English; the other nations stand for themselves, as the newer editions have it.
    coalesce(region_read.value, CASE WHEN country_read.value IN ('Scotland', 'Wales') THEN country_read.value END)
        AS region,
    country_read.value AS country,
    commissioned_date_read.value AS commissioned_date,
    application_date_read.value AS application_date,
    tariff_code_read.value AS tariff_code,
    tariff_description_read.value AS tariff_description,
    installation_type_read.value AS installation_type,
    export_status_read.value AS export_status,
    lower(left(coalesce(extension_read.value, ''), 1)) IN ('y', 't', '1') AS is_extension,
    starts_with(lower(coalesce(installation_type_read.value, '')), 'domestic') AS is_domestic,
    coalesce(nullif(raw.installed_kw, ''), raw.declared_kw) AS capacity_text,
    CASE
        WHEN raw.overlong THEN 'more cells than the header has columns'
        WHEN regexp_full_match(lower(raw.technology), '{COLUMN_NAMES["technology"]}') THEN 'the header again'
        WHEN technology_read.value IS NULL THEN 'technology not of the scheme: ' || raw.technology
        WHEN capacity_kw IS NULL THEN 'capacity is no number: ' || capacity_text
        WHEN NOT (capacity_kw > 0 AND capacity_kw <= {LARGEST_KW})
            THEN 'capacity outside 0 to 5,000 kW: ' || capacity_text
        WHEN commissioned_date_read.value IS NULL THEN 'commissioning date not readable: ' || raw.commissioned_date
        WHEN installation_type_read.value IS NULL THEN 'no installation type'
        WHEN id_digits = '' AND lower(raw.fit_id) NOT IN ({", ".join(f"'{blank}'" for blank in sorted(BLANKS))})
            THEN 'FIT ID is no number: ' || raw.fit_id
        WHEN country_read.value = 'Northern Ireland' THEN 'outside Great Britain'
    END AS reason
FROM raw
{
    "".join(
        f"JOIN {name}_read ON {name}_read.text = raw.{name} "
        + (f"AND {name}_read.file = raw.file " if name.endswith("date") else "")
        for name in COLUMN_NAMES
        if name != "fit_id"
    )
}
"""

_CONTENT = [name for name in standin.COLUMNS if name not in ("fit_id", "source")]

_TAKEN_SQL = """
CREATE TABLE taken AS SELECT * FROM read_rows WHERE reason IS NULL AND ($include_domestic OR NOT is_domestic)
"""

# Rows that share their FIT ID with another one: the first keeps it, extensions come after what they extend.
_SHARED_SQL = f"""
CREATE TABLE shared AS
SELECT position, is_extension, nth, CASE
    WHEN copy > 1 THEN 'the same row again: FIT ID ' || fit_id || ' stands in ' || place
    WHEN nth > 1 AND NOT is_extension THEN 'FIT ID with other content: ' || fit_id || ' stands in ' || place
    END AS reason
FROM (
    SELECT
        position, fit_id, is_extension,
        row_number() OVER (PARTITION BY fit_id ORDER BY is_extension, position) AS nth,
        row_number() OVER (PARTITION BY fit_id, is_extension, {", ".join(_CONTENT)} ORDER BY position) AS copy,
        first_value(file || ', line ' || line) OVER (PARTITION BY fit_id ORDER BY is_extension, position) AS place
    FROM taken
    WHERE fit_id IN (SELECT fit_id FROM taken GROUP BY fit_id HAVING count(*) > 1)
)
"""

_WITHOUT_ID_SQL = f"""
SELECT position, concat_ws('|', {", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in ("fit_id", *_CONTENT))})
FROM taken LEFT JOIN shared USING (position)
WHERE fit_id IS NULL OR (shared.nth > 1 AND shared.reason IS NULL)
ORDER BY ALL
"""

_INSTALLATIONS_SQL = f"""
SELECT
    coalesce(derived.fit_id, taken.fit_id) AS fit_id, {", ".join(_CONTENT)},
    CASE WHEN derived.fit_id IS NULL THEN '{SOURCE}' ELSE '{SOURCE_DERIVED_ID}' END AS source
FROM taken LEFT JOIN derived USING (position)
WHERE position NOT IN (SELECT position FROM shared WHERE reason IS NOT NULL)
ORDER BY position
"""

_REASONED = """(
    SELECT position, reason FROM read_rows WHERE reason IS NOT NULL
    UNION ALL SELECT position, reason FROM shared WHERE reason IS NOT NULL
)"""

_REJECTED_SQL = f"""
SELECT file, line, reason, left(concat_ws('|', {", ".join(COLUMN_NAMES)}), 300) AS content
FROM {_REASONED} JOIN raw ON raw.rowid = position ORDER BY position
"""

_REASONS_SQL = f"SELECT split_part(reason, ':', 1) AS kind, count(*) FROM {_REASONED} GROUP BY ALL ORDER BY ALL"


def _counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    counts = {
        "rows_read": "SELECT count(*) FROM raw",
        "domestic_rows": "SELECT count(*) FROM read_rows WHERE reason IS NULL AND is_domestic",
        "domestic_left_out": "SELECT (SELECT count(*) FROM read_rows WHERE reason IS NULL) - count(*) FROM taken",
        "derived_fit_ids": "SELECT count(*) FROM derived",
        "without_postcode": f"SELECT count(*) FROM ({_INSTALLATIONS_SQL}) WHERE outward_code IS NULL",
    }
    return {name: db.execute(sql).fetchall()[0][0] for name, sql in counts.items()}


def _derive_ids(db: duckdb.DuckDBPyConnection) -> None:
    """The table ``derived``: an id by position, for rows without one of their own."""
    import pyarrow as pa

    rows = db.execute(_WITHOUT_ID_SQL).fetchall()
    taken = {fit_id for (fit_id,) in db.execute("SELECT fit_id FROM taken WHERE fit_id LIKE '9___________'").fetchall()}
    ids = list(_derived_ids((content for _, content in rows), taken))
    columns = {"position": pa.array([row[0] for row in rows], pa.int64()), "fit_id": pa.array(ids, pa.string())}
    db.register("ids", pa.table(columns))
    db.execute("CREATE TABLE derived AS SELECT * FROM ids")
    db.unregister("ids")


def _derived_ids(contents: Iterable[str], taken: set[str]) -> Iterator[str]:
    """Twelve digits from the content of a row; equal rows are told apart by their order."""
    seen: Counter[str] = Counter()
    for content in contents:
        while True:
            digest = hashlib.sha256(f"{content}#{seen[content]}".encode()).hexdigest()
            seen[content] += 1
            fit_id = f"9{int(digest, 16) % 10**11:011d}"
            if fit_id not in taken:
                break
        taken.add(fit_id)
        yield fit_id


def _plain(text: str) -> str | None:
    """The text with single blanks; None for what stands for nothing."""
    plain = " ".join(text.split())
    return None if plain.lower() in BLANKS else plain


def _capacity(text: str) -> float | None:
    """kW from ``500``, ``1,234.5``, ``3,68`` (as in continental files), ``500 kW`` or ``0.5 MW``."""
    text = "".join(text.split())
    if re.match(r"\d{1,3}(,\d{3})+(?!\d)", text):
        text = text.replace(",", "")
    found = _CAPACITY.fullmatch(re.sub(r"^(\d+),(\d{1,2})(?!\d)", r"\1.\2", text))
    if not found:
        return None
    return float(found.group(1)) * (1000 if (found.group(2) or "").lower() == "m" else 1)


def _outward_code(text: str) -> str | None:
    found = _OUTWARD.fullmatch(" ".join(text.upper().split()))
    return found.group(1) if found else None


def _read_date(text: str, month_first: bool) -> date | None:
    """A day from ``dd/mm/yyyy hh:mm``, ``yyyy-mm-dd``, ``12-Jan-2012`` or Excel's day number; None for others.

    A number above 12 is the day wherever it stands. Years of two digits are of this century.
    """
    try:
        if found := _ISO.match(text):
            return date(int(found.group(1)), int(found.group(3)), int(found.group(4)))
        if found := _SLASHED.match(text):
            first, second, year = map(int, found.groups())
            if second > 12 or (month_first and first <= 12):
                first, second = second, first
            return date(year if year > 99 else 2000 + year, second, first)
        if found := _NAMED_MONTH.match(text):
            day, month, year = int(found.group(1)), _MONTHS.index(found.group(2).lower()) + 1, int(found.group(3))
            return date(year if year > 99 else 2000 + year, month, day)
        if re.fullmatch(r"[34]\d{4}(\.\d+)?", text):
            return _EXCEL_EPOCH + timedelta(days=int(float(text)))
    except ValueError:
        return None
    return None
