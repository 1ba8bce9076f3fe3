"""A stand-in for Ofgem's register, for as long as nobody has put the real report into ``data/ofgem/``.

No row of it is an installation, but for two: FIT 4004 and FIT 1585 are as in the real register. Everything
else is drawn at random so that the known aggregates hold: number and megawatts of each technology, the
percentiles of capacity, one single wind site of 100 kW or more in the postcode areas RG and SL. Outward codes
exist and lie in their council; sites spread over the country like ``data/standin_geography.csv`` says (wind:
sites of 15 kW and more by postcode area, counted in the real register, OGL v3; other technologies:
rounded shares by region, an estimate). Years, installation types and export status are plausible, no more.
"""

from __future__ import annotations

import bisect
import csv
import math
import random
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.reference.crosswalk import load_outward_codes
from fit_assets.reference.tariffs import RateTable, load_rates

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "stand-in"
DESCRIPTION = (
    "STAND-IN register: generated to match the known aggregates of Ofgem's report, no row but FIT 4004 and FIT 1585 "
    "is real. Put Ofgem's report files into data/ofgem/ to answer from the real register."
)
DEFAULT_SEED = 20190331

COLUMNS = {
    "fit_id": "VARCHAR",
    "technology": "VARCHAR",
    "capacity_kw": "DOUBLE",
    "outward_code": "VARCHAR",
    "postcode_area": "VARCHAR",
    "local_authority": "VARCHAR",
    "region": "VARCHAR",
    "country": "VARCHAR",
    "commissioned_date": "DATE",
    "application_date": "DATE",
    "tariff_code": "VARCHAR",
    "tariff_description": "VARCHAR",
    "installation_type": "VARCHAR",
    "export_status": "VARCHAR",
    "source": "VARCHAR",
}

# Facts of the real register (Ofgem, OGL v3): id, kW, outward code, council, region, commissioned.
REAL_SITES = (
    ("4004", 500.0, "RG17", "West Berkshire", "South East", date(2012, 1, 12)),
    ("1585", 335.0, "YO17", "Ryedale", "Yorkshire and The Humber", date(2013, 7, 4)),
)

SCHEME_END = date(2019, 3, 31)
LARGEST_FIT_ID = 870_000
SHARE_WITHOUT_POSTCODE = 0.007
SHARE_ACCREDITED_LATE = 0.003
MARKS = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)  # quantiles at which capacities are known
FEWEST_POSTCODES = 30  # below: outward codes of large users and boxes, where nothing stands
# FIT 4004 is the one wind site of this size in these areas.
ONE_LARGE_WIND_SITE_IN = ("RG", "SL")
LARGE_WIND_KW = 100.0


@dataclass(frozen=True)
class Profile:
    """What is known of one technology: number, total (MW), capacity (kW) at 0, 25, 50, 75, 95, 100 %.

    ``years`` are relative numbers commissioned in 2010 (from April), 2011 … 2019 (to March); ``common_kw`` are
    sizes that sites come in.
    """

    technology: str
    count: int
    total_mw: float | None
    knots_kw: tuple[float, float, float, float, float, float]
    years: tuple[float, ...]
    common_kw: tuple[float, ...]
    prefix: str
    upper_bend: float = 1.0  # above 1: the sites between the 75 % and 95 % marks lean to the smaller side


# Counts, megawatts and percentiles: Ofgem's report, non-domestic rows. Years of wind: shares counted in the real
# register; of the others: an estimate (photovoltaics with its rushes before the cuts of 2012 and 2015/16).
PROFILES = (
    Profile(
        "Photovoltaic",
        35_617,
        2_244,
        (0.5, 3.92, 10, 40, 150, 5000),
        (2, 17, 15, 8, 14, 24, 8, 4, 5, 3),
        (2, 3, 3.92, 4, 5, 6, 8, 9.9, 10, 12, 15, 20, 25, 30, 40, 49.9, 50, 75, 100, 150, 250, 500, 1000, 5000),
        "PV",
    ),
    Profile(
        "Wind",
        3_206,
        729,
        (1, 15, 80, 330, 700, 5000),
        (4.5, 8.6, 30.7, 9, 21.8, 15.2, 8.3, 1, 0.5, 0.3),
        (5, 6, 10, 11, 15, 20, 50, 55, 80, 100, 225, 250, 330, 500, 800, 900, 1500, 5000),
        "WD",
    ),
    Profile(
        "Hydro",
        895,
        262,
        (0.5, 45, 99, 400, 1355, 5000),
        (4, 10, 12, 13, 18, 19, 15, 5, 3, 1),
        (5, 10, 11, 15, 25, 50, 75, 99, 100, 250, 400, 500, 1000, 1500, 2000),
        "HY",
        upper_bend=1.6,
    ),
    Profile(
        "Anaerobic digestion",
        438,
        300,
        (10, 249, 499, 600, 2378, 5000),
        (1, 5, 9, 14, 26, 22, 14, 5, 3, 1),
        (60, 100, 190, 249, 250, 495, 499, 500, 600, 1000, 1500, 2400),
        "AD",
    ),
    Profile("Micro CHP", 38, None, (1, 1.5, 2, 2, 2, 2), (20, 35, 20, 12, 8, 5, 0, 0, 0, 0), (1, 1.5, 2), "CHP"),
)

INSTALLATION_TYPES = (("Non Domestic (Commercial)", 68), ("Non Domestic (Industrial)", 12), ("Community", 20))


def build_register(seed: int = DEFAULT_SEED) -> pd.DataFrame:
    """The stand-in's 40,194 rows, the same for the same seed; columns as in ``COLUMNS``, dates as ``date``."""
    import pandas as pd

    rng = random.Random(seed)
    geography, rates = _Geography(), load_rates()
    rows: list[dict[str, Any]] = []
    for profile in PROFILES:
        capacities = _capacities(profile)
        if profile.technology == "Wind":
            for _, capacity, *_rest in REAL_SITES:
                capacities.pop(min(range(len(capacities)), key=lambda index: abs(capacities[index] - capacity)))
        rng.shuffle(capacities)
        rows += [_row(rng, profile, capacity, geography, rates) for capacity in capacities]
    rows.sort(key=lambda row: row["commissioned_date"])

    taken = {int(fit_id) for fit_id, *_ in REAL_SITES}
    free = [number for number in rng.sample(range(100, LARGEST_FIT_ID), len(rows) + len(taken)) if number not in taken]
    for row, number in zip(rows, sorted(free[: len(rows)]), strict=True):
        row["fit_id"] = str(number)
    rows += [_real_row(rates, *site) for site in REAL_SITES]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def tariff_name(rates: RateTable, technology: str, capacity_kw: float, eligible: date, rating: str) -> tuple[str, str]:
    """Tariff code and description in Ofgem's shape, such as ``PV/10-50/09L-3``, ``PV (>10-<=50kW)-2018/19 - L``."""
    prefix = next(profile.prefix for profile in PROFILES if profile.technology == technology)
    name = "PV" if technology == "Photovoltaic" else technology
    rate = rates.find(technology, capacity_kw, eligible, rating=rating)
    low, high = (rate.capacity_above_kw, rate.capacity_to_kw) if rate else (0.0, 5000.0)
    band = f">{low:g}-<={high:g}kW" if low else f"<={high:g}kW"
    if rate and rate.pv_type == "Retrofit":
        band += ", retrofit"
    first = eligible.year if eligible.month >= 4 else eligible.year - 1
    letter = rate.rating[0] if rate and rate.rating else ""
    quarter = (eligible.month - 4) % 12 // 3 + 1
    code = f"{prefix}/{low:g}-{high:g}/{first - 2009:02d}{letter}-{quarter}"
    description = f"{name} ({band})-{first}/{(first + 1) % 100:02d}" + (f" - {letter}" if letter else "")
    return code, description


class _Geography:
    """Draws an outward code for a technology; keeps the running sums of the weights."""

    def __init__(self) -> None:
        codes = load_outward_codes()
        codes = codes[codes["postcodes"] >= FEWEST_POSTCODES].reset_index(drop=True)
        self.rows: list[dict[Any, Any]] = codes.to_dict("records")
        self.spacing = _spacing_km(codes["easting"].to_numpy(), codes["northing"].to_numpy())
        self.weights: dict[tuple[str, str], dict[str, float]] = {}
        with (settings.data_dir() / "standin_geography.csv").open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                level = self.weights.setdefault((row["technology"], row["level"]), {})
                level[row["name"]] = float(row["weight"])
        self._sums: dict[tuple[str, bool], list[float]] = {}

    def draw(self, rng: random.Random, technology: str, capacity_kw: float) -> dict[Any, Any]:
        large_wind = technology == "Wind" and capacity_kw >= LARGE_WIND_KW
        key = (technology, large_wind)
        if key not in self._sums:
            self._sums[key] = list(accumulate(self._weigh(technology, large_wind)))
        sums = self._sums[key]
        return self.rows[bisect.bisect_right(sums, rng.random() * sums[-1])]

    def _weigh(self, technology: str, large_wind: bool) -> list[float]:
        """A group (postcode area or region) shares its weight among its outward codes by how rural they are."""
        level = "postcode_area" if (technology, "postcode_area") in self.weights else "region"
        groups = self.weights[(technology, level)]
        emphasis = self.weights.get((technology, "emphasis"), {})
        local = []
        for row, spacing in zip(self.rows, self.spacing, strict=True):
            share = (
                math.sqrt(row["postcodes"]) * spacing**0.3 if technology in ("Photovoltaic", "Micro CHP") else spacing
            )
            barred = large_wind and row["postcode_area"] in ONE_LARGE_WIND_SITE_IN
            local.append(0.0 if barred else share * emphasis.get(row["postcode_area"], 1.0))
        totals: dict[str, float] = {}
        for row, share in zip(self.rows, local, strict=True):
            totals[row[level]] = totals.get(row[level], 0.0) + share
        return [
            groups.get(row[level], 0.0) * share / (totals[row[level]] or 1.0)
            for row, share in zip(self.rows, local, strict=True)
        ]


def _row(
    rng: random.Random, profile: Profile, capacity: float, geography: _Geography, rates: RateTable
) -> dict[str, Any]:
    place = geography.draw(rng, profile.technology, capacity)
    commissioned = _commissioned(rng, profile)
    small = profile.technology in ("Photovoltaic", "Micro CHP") or (profile.technology == "Wind" and capacity <= 50)
    # Small sites register with a licensee afterwards, larger ones apply to Ofgem, often beforehand.
    applied = commissioned + timedelta(days=rng.randint(0, 60) if small else rng.randint(-180, 60))
    applied = max(min(applied, SCHEME_END), date(2010, 4, 1))
    rating = rng.choices(("Higher", "Middle", "Lower"), (72, 18, 10))[0]
    located = rng.random() >= SHARE_WITHOUT_POSTCODE
    named = located or rng.random() < 0.3
    return _record(
        rates,
        fit_id="",
        technology=profile.technology,
        capacity=capacity,
        outward=place["outward_code"] if located else None,
        council=(place["register_authority"], place["region"], place["country"]) if named else (None, None, None),
        commissioned=commissioned,
        applied=applied,
        rating=rating,
        installation_type=rng.choices(
            [name for name, _ in INSTALLATION_TYPES], [weight for _, weight in INSTALLATION_TYPES]
        )[0],
        export="Export (Deemed)" if capacity <= 30 else rng.choices(_EXPORT_ABOVE_30_KW, (60, 30, 10))[0],
    )


_EXPORT_ABOVE_30_KW = ("Export (Standard)", "Export (Negotiated)", "No Export")


def _real_row(
    rates: RateTable, fit_id: str, capacity: float, outward: str, council: str, region: str, commissioned: date
) -> dict[str, Any]:
    return _record(
        rates,
        fit_id=fit_id,
        technology="Wind",
        capacity=capacity,
        outward=outward,
        council=(council, region, "England"),
        commissioned=commissioned,
        applied=None,
        rating="Higher",
        installation_type="Non Domestic (Commercial)",
        export="Export (Standard)",
    )


def _record(
    rates: RateTable,
    *,
    fit_id: str,
    technology: str,
    capacity: float,
    outward: str | None,
    council: tuple[str | None, str | None, str | None],
    commissioned: date,
    applied: date | None,
    rating: str,
    installation_type: str,
    export: str,
) -> dict[str, Any]:
    eligible = min(max(commissioned, applied or commissioned), SCHEME_END)
    code, description = tariff_name(rates, technology, capacity, eligible, rating)
    return {
        "fit_id": fit_id,
        "technology": technology,
        "capacity_kw": capacity,
        "outward_code": outward,
        "postcode_area": _area(outward),
        "local_authority": council[0],
        "region": council[1],
        "country": council[2],
        "commissioned_date": commissioned,
        "application_date": applied,
        "tariff_code": code,
        "tariff_description": description,
        "installation_type": installation_type,
        "export_status": export,
        "source": SOURCE,
    }


def _area(outward: str | None) -> str | None:
    return None if outward is None else outward[: 2 if outward[1].isalpha() else 1]


def _commissioned(rng: random.Random, profile: Profile) -> date:
    if rng.random() < SHARE_ACCREDITED_LATE and profile.technology != "Micro CHP":
        return SCHEME_END + timedelta(days=rng.randint(1, 600))
    year = rng.choices(range(2010, 2020), profile.years)[0]
    first = date(2010, 4, 1) if year == 2010 else date(year, 1, 1)
    last = min(date(year, 12, 31), SCHEME_END)
    return first + timedelta(days=rng.randint(0, (last - first).days))


def _capacities(profile: Profile) -> list[float]:
    """Capacities (kW) at evenly spaced quantiles; the bend of the top 5 % is found that gives the total."""
    quantiles = [(index + 0.5) / profile.count for index in range(profile.count)]
    body = [_capacity_at(profile, quantile, 1.0) for quantile in quantiles if quantile < MARKS[-2]]
    top = quantiles[len(body) :]
    wanted = math.inf if profile.total_mw is None else profile.total_mw * 1000 - sum(body)
    low, high = 0.02, 50.0  # a larger bend means fewer very large sites
    for _ in range(40):
        bend = math.sqrt(low * high)
        if sum(_capacity_at(profile, quantile, bend) for quantile in top) > wanted:
            low = bend
        else:
            high = bend
    return body + [_capacity_at(profile, quantile, math.sqrt(low * high)) for quantile in top]


def _capacity_at(profile: Profile, quantile: float, bend: float) -> float:
    """Log-linear between the knots, the last two segments bent; within 3 % of a common size, that size."""
    knots = profile.knots_kw
    segment = bisect.bisect_right(MARKS, quantile) - 1
    part = (quantile - MARKS[segment]) / (MARKS[segment + 1] - MARKS[segment])
    if segment == len(MARKS) - 2:
        part **= bend
    elif segment == len(MARKS) - 3:
        part **= profile.upper_bend
    capacity = round(knots[segment] * (knots[segment + 1] / knots[segment]) ** part, 2)
    nearest = min(profile.common_kw, key=lambda size: abs(size - capacity))
    return float(nearest) if abs(nearest - capacity) <= 0.03 * capacity else capacity


def _spacing_km(easting: Any, northing: Any) -> list[float]:
    """Distance of each outward code to its nearest neighbour, 0.5 to 15 km: small in towns."""
    import numpy as np

    distances = np.hypot(easting[:, None] - easting[None, :], northing[:, None] - northing[None, :]).astype("float32")
    np.fill_diagonal(distances, np.inf)
    return [float(value) for value in np.clip(distances.min(axis=1) / 1000, 0.5, 15)]
