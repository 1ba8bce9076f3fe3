"""How fast and in how much memory a report of Ofgem's full size is read, against plain pandas and openpyxl.

    python -m benchmarks.ingest --rows 870000 --kinds csv xlsx

It writes a report of three parts in Ofgem's layout (four rows of title, header in row 5, 95 % domestic rows, blanks and
odd rows among them) and reads it in a process of its own each time, so that memory peaks are apart. The baselines only
load the cells: pandas.read_csv and openpyxl's read-only mode. CPU seconds count all threads; wall time depends on what
else the machine does. ``--keep FOLDER`` keeps the files for the next time.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

_HEADER = (
    "FIT ID,Extension (Y/N),PostCode ,Technology,Installed capacity,Declared net capacity,Application date,"
    "Commissioning date,MCS issue date,Export status,TariffCode,Tariff Description,Installation Type,"
    "Installation Country,Local Authority,Government Office Region,Constituency,Accreditation Route,MPAN Prefix,"
    "Community/school category,LLSOA Code,MLSOA Code"
)
HEADER = _HEADER.split(",")
TITLE: list[list[str]] = [["Feed-in Tariff Installation Report"], ["Part {part} of 3"], ["Published by Ofgem"], []]
PARTS = 3
LIMITS = {"csv": 20.0, "xlsx": 120.0}  # seconds for 870,000 rows on two cores
MEMORY_LIMIT_MB = 2_000


def report_rows(count: int, seed: int = 1) -> Iterator[list[str]]:
    """Rows as Ofgem writes them; one in a thousand cannot be used."""
    from fit_assets.reference.crosswalk import load_outward_codes

    places = load_outward_codes()[["outward_code", "register_authority", "region", "country"]].values.tolist()
    rng = random.Random(seed)
    first = date(2010, 4, 1)
    days = [(first + timedelta(days=day)).strftime("%d/%m/%Y 00:00") for day in range(3_280)]
    for fit_id in range(1, count + 1):
        code, council, region, country = places[int(rng.random() * len(places))]
        day = days[int(rng.random() * len(days))]
        domestic = rng.random() < 0.95
        capacity = f"{rng.choice((2.1, 3.68, 3.92, 4) if domestic else (10, 30, 49.9, 50)):g}"
        yield [
            str(fit_id),
            "N",
            "" if rng.random() < 0.005 else f"{code} ",
            "Photovoltaic" if rng.random() > 0.001 else "Heat pump",
            capacity,
            capacity,
            day,
            day,
            day,
            "Export (Deemed)",
            "PV/0-4/02-1" if domestic else "PV/10-50/02-1",
            "PV (<=4kW, retrofit)-2011/12" if domestic else "PV (>10-<=50kW)-2011/12",
            "Domestic" if domestic else "Non Domestic (Commercial)",
            country,
            council,
            region,
            "Some Constituency",
            "MCS",
            "22",
            "",
            "E01014370",
            "E02003023",
        ]


def write_report(folder: Path, rows: int, kind: str) -> None:
    """A report of three parts, with their titles above the header."""
    cells = report_rows(rows)
    for part in range(1, PARTS + 1):
        path = folder / f"Feed-in Tariff Installation Report Part {part}.{kind}"
        size = rows // PARTS + (part <= rows % PARTS)
        table = [[cell.format(part=part) for cell in row] for row in TITLE] + [HEADER]
        (write_csv if kind == "csv" else write_excel)(path, table, (next(cells) for _ in range(size)))


def write_csv(path: Path, head: list[list[str]], rows: Iterator[list[str]]) -> None:
    with path.open("w", newline="", encoding="cp1252") as stream:
        writer = csv.writer(stream)
        writer.writerows(head)
        writer.writerows(rows)


def write_excel(path: Path, head: list[list[str]], rows: Iterator[list[str]]) -> None:
    """Excel's XML by hand, texts in the shared table as Excel keeps them: openpyxl takes minutes for so many cells."""
    texts: dict[str, int] = {}
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    content = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = {0, 4, 5}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{main}"><sheetData>'.encode())
            for line, row in enumerate((*head, *rows), start=1):
                cells = "".join(
                    f'<c r="{chr(65 + index)}{line}"><v>{cell}</v></c>'
                    if index in numbers and line > len(head)
                    else f'<c r="{chr(65 + index)}{line}" t="s"><v>{texts.setdefault(cell, len(texts))}</v></c>'
                    for index, cell in enumerate(row)
                    if cell
                )
                sheet.write(f'<row r="{line}">{cells}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{main}">{shared}</sst>')
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
            '<sheet name="Report" sheetId="1" r:id="rId1"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="rId1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="rId2" Type="{relations}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="rId1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{content}.sheet.main+xml"/>'
            f'<Override PartName="/xl/sharedStrings.xml" ContentType="{content}.sharedStrings+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{content}.worksheet+xml"/></Types>',
        )


def read_as_fit_assets(folder: Path, kind: str) -> dict[str, int]:
    """The table written to a warehouse of its own, as the asset does it."""
    from fit_assets.reference import ingest, standin
    from fit_assets.reference.warehouse import NewTable, replace_tables

    register = ingest.read_reports(folder)
    replace_tables(
        NewTable("installations", register.installations, columns=standin.COLUMNS),
        NewTable("rejected_rows", register.rejected, columns=ingest.REJECTED_COLUMNS),
    )
    return {
        name: register.facts[name] for name in ("rows_read", "domestic_left_out", "rejected_rows", "without_postcode")
    }


def read_plainly(folder: Path, kind: str) -> dict[str, int]:
    """All cells and nothing more: pandas.read_csv, or openpyxl's read-only mode."""
    count = 0
    for path in sorted(folder.glob(f"*.{kind}")):
        if kind == "csv":
            import pandas as pd

            count += len(pd.read_csv(path, skiprows=len(TITLE), dtype=str, encoding="cp1252"))
        else:
            import openpyxl

            sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
            count += sum(1 for _ in sheet.iter_rows(values_only=True)) - len(TITLE) - 1
    return {"rows_read": count}


QUERIES: tuple[dict[str, Any], ...] = (
    {"technology": "Wind", "capacity_min_kw": 100, "postcode_patterns": ["RG", "SL"]},
    {"technology": "Photovoltaic", "location": "Devon", "commissioned_year_min": 2012, "commissioned_year_max": 2014},
    {"query_type": "aggregation", "aggregation": "count", "group_by": "region"},
    {"query_type": "comparison", "technologies": ["Wind", "Photovoltaic"], "location": "Yorkshire"},
    {"technology": "Hydro", "sort_by": "capacity_desc", "limit": 10},
    {"technology": "Photovoltaic", "fit_remaining_max_years": 5, "include_revenue": True},
)


def ask(folder: Path, kind: str) -> dict[str, float]:
    """Answers over the whole report, domestic rows included: median and longest milliseconds of ``QUERIES``."""
    from fit_assets.reference import facts, ingest, standin, tariffs
    from fit_assets.reference.answer import answer
    from fit_assets.reference.warehouse import NewTable, replace_tables

    register = ingest.read_reports(folder, include_domestic=True)
    replace_tables(NewTable("installations", register.installations, columns=standin.COLUMNS))
    tariffs.build_tariff_rates()
    day = date(2026, 1, 1)
    facts.build_installation_facts(day)
    times = []
    for query in QUERIES * 3:
        start = time.perf_counter()
        answer(query, as_of=day, limit=100)
        times.append((time.perf_counter() - start) * 1000)
    return {"installations": len(register.installations), "median_ms": median(times), "longest_ms": max(times)}


READERS: dict[str, Callable[[Path, str], Mapping[str, float]]] = {
    "fit_assets": read_as_fit_assets,
    "baseline": read_plainly,
    "ask": ask,
}


def measure(reader: str, folder: Path, kind: str) -> dict[str, float]:
    """Run one reader in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--read", reader, "--kinds", kind, "--keep", str(folder)]
    with tempfile.TemporaryDirectory() as var:
        environment = os.environ | {"FIT_ASSETS_VAR": var}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _read_here(reader: str, folder: Path, kind: str) -> None:
    started = time.perf_counter()
    facts = READERS[reader](folder, kind)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "wall_s": time.perf_counter() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    print(json.dumps({**figures, **facts}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=870_000)
    parser.add_argument("--kinds", nargs="+", choices=("csv", "xlsx"), default=["csv", "xlsx"])
    parser.add_argument("--keep", type=Path, help="folder of the generated files, used again where they are there")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--read", choices=tuple(READERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        _read_here(options.read, options.keep, options.kinds[0])
        return
    with tempfile.TemporaryDirectory() as scratch:
        for kind in options.kinds:
            folder = (options.keep or Path(scratch)) / f"{kind}-{options.rows}"
            folder.mkdir(parents=True, exist_ok=True)
            if len(list(folder.glob(f"*.{kind}"))) < PARTS:
                write_report(folder, options.rows, kind)
            size = sum(path.stat().st_size for path in folder.glob(f"*.{kind}")) / 1e6
            ours = measure("fit_assets", folder, kind)
            print(f"{kind}, {options.rows:,} rows, {size:,.0f} MB in {PARTS} parts")
            print(_line("fit_assets: read, judged, written", ours))
            print("    " + ", ".join(f"{name} {ours[name]:,.0f}" for name in ours if not name.endswith(("_s", "_mb"))))
            if not options.no_baseline:
                plain = measure("baseline", folder, kind)
                name = "pandas.read_csv" if kind == "csv" else "openpyxl, read-only"
                print(_line(f"{name}: cells only", plain))
                print(f"    ratio of CPU time {ours['cpu_s'] / plain['cpu_s']:.2f} (below 1: less than the baseline)")
            if kind == "csv":
                asked = measure("ask", folder, kind)
                print(
                    f"    answers over {asked['installations']:,.0f} rows, domestic ones too: median "
                    f"{asked['median_ms']:.0f} ms, longest {asked['longest_ms']:.0f} ms of {len(QUERIES)} questions"
                )
            share = options.rows / 870_000
            kept = ours["cpu_s"] <= LIMITS[kind] * share and ours["peak_mb"] <= MEMORY_LIMIT_MB
            print(f"    limit {LIMITS[kind] * share:.1f} s, {MEMORY_LIMIT_MB:,} MB: {'kept' if kept else 'NOT kept'}")


def _line(name: str, figures: dict[str, float]) -> str:
    return (
        f"    {name}: {figures['cpu_s']:.1f} s CPU, {figures['wall_s']:.1f} s wall, peak {figures['peak_mb']:,.0f} MB"
    )


if __name__ == "__main__":
    main()
