"""Group ``reference``: the tables that questions are about, in DuckDB."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from fit_assets import artifacts, settings
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    about,
    check_result,
    picture,
    place_digest,
    source_digest,
    table_of,
)
from fit_assets.reference.columns import COLUMN_NOTES

if TYPE_CHECKING:
    from fit_assets.reference.warehouse import Built

GROUP = "reference"

PLACES_CODE = source_digest("places.py", "reference/facts.py")
REGISTER_CODE = source_digest(
    *(f"reference/{name}.py" for name in ("ingest", "editions", "standin", "crosswalk", "tariffs"))
)
COVERAGE_CODE = source_digest("reference/coverage.py", "reference/crosswalk.py", "places.py")
TARIFF_CODE = source_digest("reference/tariffs.py")
FACTS_CODE = source_digest("reference/facts.py", "reference/tariffs.py")

REGISTER_FILES = (
    "outward_codes.csv",
    "local_authorities.csv",
    "former_districts.csv",
    "standin_geography.csv",
    "tariff_rates.csv",
)

# Ofgem's non-domestic register: rows and installed MW by technology.
KNOWN_TOTALS = {
    "Photovoltaic": (35_617, 2_244),
    "Wind": (3_206, 729),
    "Hydro": (895, 262),
    "Anaerobic digestion": (438, 300),
    "Micro CHP": (38, None),
}
# Two installations as they really are: id, kW, outward code.
KNOWN_INSTALLATIONS = {"4004": (500.0, "RG17", "Wind"), "1585": (335.0, "YO17", "Wind")}
SCHEME_CEILING_KW, MICRO_CHP_CEILING_KW = 5_000, 2
LARGEST_SHARE_NOWHERE = 0.02
SCHEME_START, SCHEME_CLOSED = date(2010, 4, 1), date(2020, 3, 31)

FIXED_PLACES = {"Yorkshire": ("YO", "HU", "DN", "HD", "WF", "LS", "BD"), "Berkshire": ("RG", "SL")}


def reference_table(
    table: str, inputs: Mapping[str, Any], build: Callable[[], "Built"], *, force: bool
) -> dg.MaterializeResult[None]:
    """Build a table, unless the warehouse holds the very one that was built of these inputs."""
    from fit_assets.reference.warehouse import Built

    note = table_note(table)
    inputs = json.loads(json.dumps(dict(inputs), default=str))
    known = read_note(table)
    reused = not force and known.get("inputs") == inputs and known.get("digest") == digest_in_warehouse(table)
    if reused:
        built = Built(table, known["rows"], known["digest"], known["extras"])
    else:
        built = build()
        content = {"digest": built.digest, "inputs": inputs, "rows": built.rows, "extras": built.extras}
        artifacts.write_text(note, json.dumps(content, indent=1, default=str) + "\n")
    path = settings.warehouse_path()
    columns, sample = describe(table)
    metadata = about(path, built.digest, reused, table=table, sample=table_of(sample), **in_metadata(built.extras))
    metadata |= {
        "dagster/row_count": built.rows,
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, kind, COLUMN_NOTES.get(name)) for name, kind in columns]
        ),
        "dagster/table_name": f"warehouse.main.{table}",
    }
    return dg.MaterializeResult(data_version=dg.DataVersion(built.digest), metadata=metadata)


def table_note(table: str) -> Path:
    """What a table was built of, beside the warehouse."""
    return settings.var_dir() / "reference" / f"{table}.json"


def read_note(table: str) -> dict[str, Any]:
    """The note on a table; empty where there is none that can be read."""
    try:
        content = json.loads(table_note(table).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def digest_in_warehouse(table: str) -> str | None:
    """The digest of the table as it is now; None where there is none."""
    from fit_assets.reference.warehouse import WarehouseError, table_digest

    try:
        return table_digest(table)
    except WarehouseError:
        return None


def describe(table: str, rows: int = 8) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
    """Columns with their types, and the first rows."""
    from fit_assets.reference.warehouse import connect

    with connect(needs=(table,)) as connection:
        columns = [(row[0], row[1]) for row in connection.execute(f'DESCRIBE "{table}"').fetchall()]
        first = connection.execute(f'SELECT * FROM "{table}" ORDER BY ALL LIMIT {rows}').fetchall()
    return columns, [dict(zip((name for name, _ in columns), row, strict=True)) for row in first]


def in_metadata(extras: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a build as metadata: plain values as they are, everything else as JSON."""
    return {
        key: value
        if isinstance(value, str | int | float | bool)
        else dg.MetadataValue.json(json.loads(json.dumps(value, default=str)))
        for key, value in extras.items()
    }


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "csv"},
    owners=OWNERS,
    code_version=PLACES_CODE,
    pool="duckdb_write",
)
def places(config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """The gazetteer: every place that a question may name, with its kind, aliases and postcode patterns."""
    from fit_assets.reference.facts import build_places

    inputs = {"data": place_digest(), "code": PLACES_CODE}
    return reference_table("places", inputs, build_places, force=config.force)


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "excel"},
    owners=OWNERS,
    code_version=REGISTER_CODE,
    pool="duckdb_write",
)
def installations(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """The non-domestic installations of the scheme: Ofgem's report files, or a stand-in register until they are there.

    Which of the two it is stands in the table's column ``source`` and in the metadata.
    """
    from fit_assets.evaluation import plots
    from fit_assets.reference.editions import report_files
    from fit_assets.reference.ingest import build_installations
    from fit_assets.reference.warehouse import connect

    files = report_files(settings.ofgem_dir())
    context.log.info("reading %s", ", ".join(file.name for file in files) or "no report of Ofgem's: the stand-in it is")
    inputs = {
        "ofgem": {file.name: artifacts.digest_of(file) for file in files},
        "domestic": settings.include_domestic(),
        "data": {name: artifacts.digest_of(settings.data_dir() / name) for name in REGISTER_FILES},
        "code": REGISTER_CODE,
    }
    result = reference_table("installations", inputs, build_installations, force=config.force)
    with connect(needs=("installations",)) as connection:
        frame = connection.execute(
            "SELECT region, technology, year(commissioned_date) AS commissioned_year, sum(capacity_kw) AS capacity_kw, "
            "count(*) AS installations FROM installations GROUP BY ALL ORDER BY ALL"
        ).df()
    drawn = (plots.capacity_by_technology, plots.capacity_by_region, plots.capacity_by_year)
    return result._replace(
        metadata={**(result.metadata or {}), **{plot.__name__: picture(plot(frame), "MW") for plot in drawn}}
    )


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "csv"},
    owners=OWNERS,
    code_version=TARIFF_CODE,
    pool="duckdb_write",
)
def tariff_rates(config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """Ofgem's published generation and export tariffs by technology, capacity and eligibility date."""
    from fit_assets.reference.tariffs import build_tariff_rates

    inputs = {"data": artifacts.digest_of(settings.data_dir() / "tariff_rates.csv"), "code": TARIFF_CODE}
    return reference_table("tariff_rates", inputs, build_tariff_rates, force=config.force)


@dg.asset(
    deps=[installations, tariff_rates],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=FACTS_CODE,
    pool="duckdb_write",
)
def installation_facts(config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """What follows for each installation: tariff end, years left as of today, tariff, yearly yield and revenue."""
    from fit_assets.reference.facts import build_installation_facts

    as_of = settings.as_of()
    inputs = {
        "installations": digest_in_warehouse("installations"),
        "tariff_rates": digest_in_warehouse("tariff_rates"),
        "capacity_factors": artifacts.digest_of(settings.data_dir() / "capacity_factors.csv"),
        "as_of": as_of,
        "code": FACTS_CODE,
    }
    return reference_table("installation_facts", inputs, lambda: build_installation_facts(as_of), force=config.force)


@dg.asset(
    deps=[installations],
    group_name=GROUP,
    kinds={"duckdb", "csv"},
    owners=OWNERS,
    code_version=COVERAGE_CODE,
    pool="duckdb_write",
)
def outward_codes(config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """The crosswalk from outward codes to council, region and nation; where the register disagrees is counted."""
    from fit_assets.reference.coverage import build_outward_code_table

    names = ("outward_codes.csv", "local_authorities.csv", "former_districts.csv")
    inputs = {
        "installations": digest_in_warehouse("installations"),
        "data": {name: artifacts.digest_of(settings.data_dir() / name) for name in names},
        "code": COVERAGE_CODE,
    }
    return reference_table("outward_codes", inputs, build_outward_code_table, force=config.force)


@dg.asset(
    deps=[installations, places],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=COVERAGE_CODE,
    pool="duckdb_write",
)
def place_coverage(config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """What the postcode patterns of each place include and miss, measured against the register's own councils."""
    from fit_assets.evaluation import plots
    from fit_assets.reference.coverage import build_place_coverage
    from fit_assets.reference.warehouse import connect

    inputs = {
        "installations": digest_in_warehouse("installations"),
        "places": place_digest(),
        "councils": artifacts.digest_of(settings.data_dir() / "place_councils.csv"),
        "code": COVERAGE_CODE,
    }
    result = reference_table("place_coverage", inputs, build_place_coverage, force=config.force)
    with connect(needs=("place_coverage",)) as connection:
        table = connection.execute(
            "SELECT place, recall, precision, patterns, misses, also_includes, rows_in_place, rows_found, "
            "rows_found_in_place, kind FROM place_coverage ORDER BY least(recall, precision), place"
        ).df()
    plain = table.astype(object).where(table.notna(), None)
    rows = [dict(zip(plain.columns, row, strict=True)) for row in plain.to_numpy().tolist()]
    shown = {"by_place": table_of(rows), "recall_and_precision": picture(plots.place_coverage(table), "coverage")}
    return result._replace(metadata={**(result.metadata or {}), **shown})


def _ask(sql: str, *needs: str) -> list[tuple[Any, ...]]:
    from fit_assets.reference.warehouse import connect

    with connect(needs=needs) as connection:
        return connection.execute(sql).fetchall()


def _register_specs() -> Iterator[dg.AssetCheckSpec]:
    for name, description in {
        "known_totals": "Rows and megawatts of each technology are those that Ofgem's register is known to have.",
        "unique_fit_ids": "No FIT id stands twice.",
        "rows_accounted_for": "Rows read are installations, domestic rows left out, or rejected with a reason.",
        "capacity_in_range": "Every capacity is above 0 and not above the scheme's 5 MW; 2 kW for Micro CHP.",
        "postcode_shape": "Every outward code has the shape of one and belongs to its postcode area.",
        "located": "At most 2 % of the rows have neither an outward code nor a council, region or nation.",
        "dates_inside_scheme": "No application before the scheme began or after it closed; no row without a date.",
        "known_installations": "FIT 4004 and FIT 1585 are as they really are.",
        "one_wind_site_in_berkshire": "Wind of 100 kW or more in RG or SL is FIT 4004 and no other.",
    }.items():
        yield dg.AssetCheckSpec(name, asset="installations", description=description)


@dg.multi_asset_check(specs=[*_register_specs()], can_subset=True)
def installations_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """What is known of the register, whoever made it."""
    for key in sorted(context.selected_asset_check_keys):
        passed, description = REGISTER_RULES[key.name]()
        yield check_result(key.name, "installations", passed, description, severity=dg.AssetCheckSeverity.ERROR)


def known_totals() -> tuple[bool, str]:
    """Counts as known, megawatts within one per cent."""
    found = {
        technology: (count, kilowatts / 1000)
        for technology, count, kilowatts in _ask(
            "SELECT technology, count(*), sum(capacity_kw) FROM installations "
            "WHERE NOT starts_with(lower(coalesce(installation_type, '')), 'domestic') GROUP BY ALL",
            "installations",
        )
    }
    wrong = [
        f"{technology}: {found.get(technology, (0, 0.0))[0]:,} rows, {found.get(technology, (0, 0.0))[1]:,.0f} MW"
        for technology, (count, megawatts) in KNOWN_TOTALS.items()
        if technology not in found
        or found[technology][0] != count
        or (megawatts is not None and abs(found[technology][1] - megawatts) > 0.01 * megawatts)
    ]
    wrong += [f"{technology} is no technology of the scheme" for technology in sorted(set(found) - set(KNOWN_TOTALS))]
    total = sum(count for count, _ in found.values())
    return not wrong, "; ".join(wrong) or f"{total:,} rows, {sum(mw for _, mw in found.values()):,.0f} MW"


def unique_fit_ids() -> tuple[bool, str]:
    """Ids that stand twice."""
    twice = _ask("SELECT fit_id FROM installations GROUP BY fit_id HAVING count(*) > 1 ORDER BY 1", "installations")
    return not twice, f"{len(twice)} stand twice" + (f", {twice[0][0]} among them" if twice else "")


def rows_accounted_for() -> tuple[bool, str]:
    """The balance of the last reading."""
    facts = read_note("installations").get("extras", {})
    ((kept, rejected),) = _ask(
        "SELECT (SELECT count(*) FROM installations), (SELECT count(*) FROM rejected_rows)",
        "installations",
        "rejected_rows",
    )
    read, domestic = facts.get("rows_read"), facts.get("domestic_left_out")
    sentence = f"{read} rows read = {kept} installations + {domestic} domestic rows left out + {rejected} rejected"
    return read is not None and read == kept + domestic + rejected, sentence


def capacity_in_range() -> tuple[bool, str]:
    """Lowest and highest capacity."""
    ((low, high, missing, micro),) = _ask(
        "SELECT min(capacity_kw), max(capacity_kw), count(*) - count(capacity_kw), "
        "max(capacity_kw) FILTER (technology = 'Micro CHP') FROM installations",
        "installations",
    )
    passed = missing == 0 and low is not None and low > 0 and high <= SCHEME_CEILING_KW
    passed = passed and (micro is None or micro <= MICRO_CHP_CEILING_KW)
    return passed, f"{low} to {high} kW, {missing} without; Micro CHP up to {micro} kW"


def postcode_shape() -> tuple[bool, str]:
    """Outward codes that are none."""
    wrong = _ask(
        "SELECT outward_code FROM installations WHERE outward_code IS NOT NULL AND NOT coalesce("
        "regexp_full_match(outward_code, '[A-Z]{1,2}[0-9][0-9A-Z]?') "
        "AND regexp_extract(outward_code, '^[A-Z]+') = postcode_area, FALSE) ORDER BY 1",
        "installations",
    )
    return not wrong, f"{len(wrong)} are none" + (f", {wrong[0][0]} among them" if wrong else "")


def located() -> tuple[bool, str]:
    """Rows that no place can find."""
    ((without_code, nowhere, total),) = _ask(
        "SELECT count(*) - count(outward_code), "
        "count(*) - count(coalesce(outward_code, local_authority, region, country)), count(*) FROM installations",
        "installations",
    )
    return (
        nowhere <= LARGEST_SHARE_NOWHERE * total,
        f"{without_code:,} of {total:,} rows without an outward code, {nowhere:,} of them without any place",
    )


def dates_inside_scheme() -> tuple[bool, str]:
    """Applications from 1 April 2010 to 31 March 2020 (extensions of the deadline), commissioned by then."""
    ((first, last, missing),) = _ask(
        "SELECT min(application_date), max(application_date), count(*) - count(commissioned_date) FROM installations",
        "installations",
    )
    passed = missing == 0 and first >= SCHEME_START and last <= SCHEME_CLOSED
    return passed, f"applications from {first} to {last}, {missing} rows without a date of commissioning"


def known_installations() -> tuple[bool, str]:
    """FIT 4004 and FIT 1585."""
    found = {
        row[0]: row[1:]
        for row in _ask(
            "SELECT fit_id, capacity_kw, outward_code, technology FROM installations WHERE fit_id IN ('4004', '1585')",
            "installations",
        )
    }
    return found == KNOWN_INSTALLATIONS, "; ".join(f"FIT {key}: {value}" for key, value in sorted(found.items()))


def one_wind_site_in_berkshire() -> tuple[bool, str]:
    """The first critical question has one row for an answer."""
    found = _ask(
        "SELECT fit_id FROM installations WHERE technology = 'Wind' AND capacity_kw >= 100 "
        "AND postcode_area IN ('RG', 'SL') ORDER BY fit_id",
        "installations",
    )
    return found == [("4004",)], f"found {', '.join(row[0] for row in found) or 'none'}"


REGISTER_RULES: dict[str, Callable[[], tuple[bool, str]]] = {
    rule.__name__: rule
    for rule in (
        known_totals,
        unique_fit_ids,
        rows_accounted_for,
        capacity_in_range,
        postcode_shape,
        located,
        dates_inside_scheme,
        known_installations,
        one_wind_site_in_berkshire,
    )
}


@dg.asset_check(asset=places)
def fixed_places() -> dg.AssetCheckResult:
    """Yorkshire and Berkshire have exactly the postcode areas that the mission fixes."""
    from fit_assets.places import load_gazetteer

    gazetteer = load_gazetteer()
    found = {name: gazetteer.patterns_for(name) or () for name in FIXED_PLACES}
    passed = all(set(found[name]) == set(patterns) for name, patterns in FIXED_PLACES.items())
    description = "; ".join(f"{name}: {', '.join(patterns)}" for name, patterns in found.items())
    return check_result("fixed_places", "places", passed, description, severity=dg.AssetCheckSeverity.ERROR)


@dg.asset_check(asset=installation_facts)
def every_installation_has_facts() -> dg.AssetCheckResult:
    """One row of facts for each installation, each with the day on which its tariff ends."""
    ((missing, without_end),) = _ask(
        "SELECT (SELECT count(*) FROM installations ANTI JOIN installation_facts USING (fit_id)), "
        "(SELECT count(*) FROM installation_facts WHERE tariff_end IS NULL)",
        "installations",
        "installation_facts",
    )
    return check_result(
        "every_installation_has_facts",
        "installation_facts",
        missing == 0 and without_end == 0,
        f"{missing} installations without facts, {without_end} without the end of their tariff",
        severity=dg.AssetCheckSeverity.ERROR,
    )
