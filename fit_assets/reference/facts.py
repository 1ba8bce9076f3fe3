"""What follows from a row of the register: end of the tariff, years left, rate, yearly yield and revenue.

Tariff lifetime (Ofgem, FIT guidance): 20 years from commissioning; photovoltaics with an eligibility date
before 1 August 2012, 25 years; Micro CHP, 10 years.

Yearly generation is capacity (kW) x 8,760 h x capacity factor; yearly revenue is that times the generation
tariff of 2020/21 (no export payments, which depend on a contract the register does not show). The capacity
factors of the whole country in ``data/capacity_factors.csv`` are ten-year means of DESNZ's load factors (Energy Trends
6.1), those of regions rounded estimates that have not been checked against published tables.
Nothing here is rounded: figures are rounded where they are shown.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from fit_assets import settings
from fit_assets.filters import TECHNOLOGIES
from fit_assets.places import load_gazetteer
from fit_assets.reference.tariffs import Kind, TariffRate, tariff_for
from fit_assets.reference.warehouse import Built, connect, replace_table

HOURS_A_YEAR = 8760
DAYS_A_YEAR = 365.25
LIFETIME_YEARS = 20
LIFETIME_YEARS_EARLY_PV = 25
LIFETIME_YEARS_MICRO_CHP = 10
EARLY_PV_BEFORE = date(2012, 8, 1)
SCHEME_START = date(2010, 4, 1)
# Sites that ran before this day came over from the Renewables Obligation, at a rate of their own (FITs Order 2010).
MIGRATED_BEFORE = date(2009, 7, 15)


class CapacityFactorError(ValueError):
    """The file of capacity factors has a row that cannot be used; the message names file, row and mend."""


@dataclass(frozen=True)
class InstallationFacts:
    """The facts of one installation as of one day; None where the register or Ofgem's table is silent."""

    tariff_end: date
    fit_remaining_years: float
    tariff: TariffRate | None
    generation_kwh: float
    generation_regional_kwh: float
    revenue_gbp: float | None
    revenue_regional_gbp: float | None


def facts_for(
    technology: str,
    capacity_kw: float,
    commissioned: date,
    as_of: date,
    *,
    eligible: date | None = None,
    region: str | None = None,
    pv_type: str | None = None,
    rating: str | None = None,
) -> InstallationFacts:
    """The facts of one installation: the formulas in plain Python, which the table's SQL must equal.

    Args:
        technology: as the contract spells it.
        capacity_kw: total installed capacity.
        commissioned: day of commissioning.
        as_of: the day that years left count from.
        eligible: eligibility date where it is not the day of commissioning.
        region: for the regional capacity factor; None or a region without one takes the national factor.
        pv_type: see :func:`fit_assets.reference.tariffs.tariff_for`.
        rating: see there.
    """
    eligible = max(eligible or commissioned, SCHEME_START)
    kind: Kind = "ro_migrated" if commissioned < MIGRATED_BEFORE else "generation"
    tariff = tariff_for(technology, capacity_kw, eligible, pv_type=pv_type, rating=rating, kind=kind)
    end = tariff_end(technology, commissioned, eligible)
    national = capacity_kw * HOURS_A_YEAR * capacity_factor(technology)
    regional = capacity_kw * HOURS_A_YEAR * capacity_factor(technology, region)
    pounds = None if tariff is None else tariff.pence_per_kwh / 100
    return InstallationFacts(
        tariff_end=end,
        fit_remaining_years=years_left(end, as_of),
        tariff=tariff,
        generation_kwh=national,
        generation_regional_kwh=regional,
        revenue_gbp=None if pounds is None else national * pounds,
        revenue_regional_gbp=None if pounds is None else regional * pounds,
    )


def tariff_end(technology: str, commissioned: date, eligible: date | None = None) -> date:
    """The day on which the tariff ends: commissioning plus the lifetime (29 February may become the 28th)."""
    years = LIFETIME_YEARS
    if technology == "Micro CHP":
        years = LIFETIME_YEARS_MICRO_CHP
    elif technology == "Photovoltaic" and (eligible or commissioned) < EARLY_PV_BEFORE:
        years = LIFETIME_YEARS_EARLY_PV
    try:
        return commissioned.replace(year=commissioned.year + years)
    except ValueError:
        return commissioned.replace(year=commissioned.year + years, day=28)


def years_left(end: date, as_of: date) -> float:
    """Years from ``as_of`` to the end of the tariff, in years of 365.25 days; 0 when it has ended."""
    return max(0.0, (end - as_of).days / DAYS_A_YEAR)


def capacity_factor(technology: str, region: str | None = None) -> float:
    """Share of the hours of a year at full load; the region's where there is one, else the national one."""
    factors = load_capacity_factors()
    return factors.get((technology, region or ""), factors[(technology, "")])


def load_capacity_factors() -> dict[tuple[str, str], float]:
    """Capacity factor by technology and region; region ``""`` is Great Britain.

    Raises:
        CapacityFactorError: a row that cannot be used, or a technology without a national factor.
    """
    path = settings.data_dir() / "capacity_factors.csv"
    return _load_capacity_factors(path, path.stat().st_mtime_ns)


def build_installation_facts(as_of: date) -> Built:
    """Write the table ``installation_facts``: one row for each installation, as of a given day.

    Columns: fit_id, as_of, eligibility_date, tariff_end, fit_remaining_years, repowering_window (expired,
    immediate up to 2 years left, urgent up to 5, optimal up to 10, later), tariff_p_kwh, tariff_band_above_kw,
    tariff_band_to_kw, tariff_from, tariff_to, tariff_source, capacity_factor, capacity_factor_regional,
    generation_kwh, generation_regional_kwh, revenue_gbp, revenue_regional_gbp (a year).

    The eligibility date is the latest of commissioning, application and 1 April 2010; where the row's tariff
    description names a tariff year ("-2011/12"), the day of that year nearest to it. The description's band
    (">10-<=50kW"), rating ("- L") and installation type ("retrofit", "new build", "standalone") decide as well, where
    it has them: an extension is paid by the band of the whole site. Where the description is silent on band, year or
    rating, the tariff code's (``PV/10-50/09L-3``, year 1 being 2010/11) are taken.
    """
    factors = load_capacity_factors()
    values = ", ".join(
        f"(${name}_technology, ${name}_region, ${name}_factor)" for name in (f"f{i}" for i in range(len(factors)))
    )
    params: dict[str, object] = {"as_of": as_of}
    for index, ((technology, region), factor) in enumerate(factors.items()):
        params |= {f"f{index}_technology": technology, f"f{index}_region": region, f"f{index}_factor": factor}
    # Checked first, so that a missing table is named instead of a failed SELECT.
    with connect(needs=("installations", "tariff_rates")):
        pass
    built = replace_table(
        "installation_facts",
        _FACTS_SQL.format(factors=values),
        params=params,
        comment=f"As of {as_of.isoformat()}; revenue at generation tariffs of 2020/21, typical capacity factors.",
    )
    with connect() as connection:
        without = connection.execute("SELECT count(*) FROM installation_facts WHERE tariff_p_kwh IS NULL").fetchall()
    return Built(built.table, built.rows, built.digest, {"as_of": as_of.isoformat(), "without_tariff": without[0][0]})


def build_places() -> Built:
    """Write the table ``places``: name, kind, patterns and aliases of the gazetteer (lists of text)."""
    import pandas as pd

    gazetteer = load_gazetteer()
    rows = [(place.name, place.kind, list(place.patterns), list(place.aliases)) for place in gazetteer.places]
    columns = {"name": "VARCHAR", "kind": "VARCHAR", "patterns": "VARCHAR[]", "aliases": "VARCHAR[]"}
    frame = pd.DataFrame(rows, columns=list(columns))
    by_kind = frame["kind"].value_counts().sort_index().to_dict()
    return replace_table("places", frame, columns=columns, extras={"by_kind": by_kind})


# Upper bound of the band in kW, tariff year, rating.
_CODE = "^[A-Z]+/[0-9.]+-([0-9.]+)/([0-9][0-9])([HML]?)"
# The constants above stand in the text as literals; a test compares every row with facts_for().
_FACTS_SQL = f"""
WITH factors(technology, region, factor) AS (VALUES {{factors}}),
described AS (
    SELECT *, rowid AS position,
        CASE WHEN commissioned_date IS NOT NULL
             THEN greatest(commissioned_date, coalesce(application_date, commissioned_date),
                           DATE '{SCHEME_START.isoformat()}') END AS later_date,
        coalesce(
            try_cast(regexp_extract(tariff_description, '-(20[0-9][0-9])/[0-9][0-9]', 1) AS INTEGER),
            2009 + try_cast(regexp_extract(tariff_code, '{_CODE}', 2) AS INTEGER)
        ) AS tariff_year,
        coalesce(
            try_cast(regexp_extract(tariff_description, '<= ?([0-9.]+) ?kW', 1) AS DOUBLE),
            try_cast(regexp_extract(tariff_code, '{_CODE}', 1) AS DOUBLE),
            capacity_kw
        ) AS tariff_kw,
        lower(coalesce(tariff_description, '')) AS words,
        CASE coalesce(
                nullif(regexp_extract(tariff_description, '- ?([HML])$', 1), ''),
                regexp_extract(tariff_code, '{_CODE}', 3))
            WHEN 'M' THEN 'Middle' WHEN 'L' THEN 'Lower' ELSE 'Higher' END AS rating
    FROM installations
),
dated AS (
    SELECT *,
        CASE WHEN tariff_year IS NULL OR later_date IS NULL THEN later_date
             ELSE greatest(least(later_date, make_date(tariff_year + 1, 3, 31)), make_date(tariff_year, 4, 1))
        END AS eligibility_date,
        CASE WHEN technology <> 'Photovoltaic' THEN NULL
             WHEN contains(words, 'standalone') OR contains(words, 'stand alone') THEN 'Standalone'
             WHEN contains(words, 'new build') THEN 'New Build'
             WHEN contains(words, 'retro') OR tariff_kw <= 4 THEN 'Retrofit'
             ELSE 'Standard' END AS pv_type
    FROM described
),
ended AS (
    SELECT *,
        CAST(commissioned_date + to_years(CASE
            WHEN technology = 'Micro CHP' THEN {LIFETIME_YEARS_MICRO_CHP}
            WHEN technology = 'Photovoltaic' AND eligibility_date < DATE '{EARLY_PV_BEFORE.isoformat()}'
                THEN {LIFETIME_YEARS_EARLY_PV}
            ELSE {LIFETIME_YEARS} END) AS DATE) AS tariff_end
    FROM dated
),
counted AS (
    SELECT *,
        greatest(0.0, date_diff('day', CAST($as_of AS DATE), tariff_end) / {DAYS_A_YEAR}) AS fit_remaining_years
    FROM ended
)
SELECT
    i.fit_id,
    CAST($as_of AS DATE) AS as_of,
    i.eligibility_date,
    i.tariff_end,
    i.fit_remaining_years,
    CASE WHEN i.fit_remaining_years IS NULL THEN NULL
         WHEN i.fit_remaining_years <= 0 THEN 'expired'
         WHEN i.fit_remaining_years <= 2 THEN 'immediate'
         WHEN i.fit_remaining_years <= 5 THEN 'urgent'
         WHEN i.fit_remaining_years <= 10 THEN 'optimal'
         ELSE 'later' END AS repowering_window,
    r.pence_per_kwh AS tariff_p_kwh,
    r.capacity_above_kw AS tariff_band_above_kw,
    r.capacity_to_kw AS tariff_band_to_kw,
    r.eligible_from AS tariff_from,
    r.eligible_to AS tariff_to,
    r.source AS tariff_source,
    CAST(n.factor AS DOUBLE) AS capacity_factor,
    CAST(coalesce(l.factor, n.factor) AS DOUBLE) AS capacity_factor_regional,
    i.capacity_kw * {HOURS_A_YEAR} * capacity_factor AS generation_kwh,
    i.capacity_kw * {HOURS_A_YEAR} * capacity_factor_regional AS generation_regional_kwh,
    generation_kwh * (r.pence_per_kwh / 100) AS revenue_gbp,
    generation_regional_kwh * (r.pence_per_kwh / 100) AS revenue_regional_gbp
FROM counted AS i
LEFT JOIN factors AS n ON n.technology = i.technology AND n.region = ''
LEFT JOIN factors AS l ON l.technology = i.technology AND l.region = i.region AND l.region <> ''
LEFT JOIN tariff_rates AS r
    ON r.kind = CASE WHEN i.commissioned_date < DATE '{MIGRATED_BEFORE.isoformat()}' OR contains(i.words, 'migrat')
                     THEN 'ro_migrated' ELSE 'generation' END
    AND r.technology = i.technology
    AND (r.pv_type IS NULL OR r.pv_type = i.pv_type)
    AND (r.rating IS NULL OR r.rating = i.rating)
    AND i.tariff_kw > r.capacity_above_kw AND i.tariff_kw <= r.capacity_to_kw
    AND i.eligibility_date >= coalesce(r.eligible_from, DATE '0001-01-01')
    AND i.eligibility_date <= coalesce(r.eligible_to, DATE '9999-12-31')
-- Row beside row with the installations: queries need no join then.
ORDER BY i.position
"""


@lru_cache(maxsize=4)
def _load_capacity_factors(path: Path, _changed: int) -> dict[tuple[str, str], float]:
    factors: dict[tuple[str, str], float] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for line, row in enumerate(csv.DictReader(stream), start=2):
            try:
                key, factor = (row["technology"], row["region"]), float(row["capacity_factor"])
                if key[0] not in TECHNOLOGIES or not 0 < factor < 1 or not row["source"] or key in factors:
                    raise ValueError("needs a technology of the contract, a factor between 0 and 1, a source, once")
            except (KeyError, ValueError, TypeError) as error:
                raise CapacityFactorError(f"{path}, row {line}: {error}; correct the row") from error
            factors[key] = factor
    missing = [technology for technology in TECHNOLOGIES if (technology, "") not in factors]
    if missing:
        raise CapacityFactorError(f"{path}: add a row with an empty region for {', '.join(missing)}")
    return factors
