"""Ofgem's Feed-in Tariffs: the published table, and the rate that one installation gets.

``data/tariff_rates.csv`` carries over every figure of Ofgem's "Feed-in Tariff: RPI Adjusted Tariffs from
1 April 2020 - 31 March 2021" (published 31 January 2020, Open Government Licence v3): generation tariffs by
eligibility date, the rates of installations migrated from the Renewables Obligation, and export tariffs.
Rates are pence per kWh in 2020/21 money. Two changes of form only: a band that starts at 100.001 kW is
written as "above 100 kW", and an open end is an empty date. Ofgem's export sheet ends one period on 30 July
2012 and starts the next on 1 August; 31 July is given to the first.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal

from fit_assets import settings
from fit_assets.reference.warehouse import Built, replace_table

SOURCE = "Ofgem, Feed-in Tariff: RPI Adjusted Tariffs 1 April 2020 to 31 March 2021 (OGL v3)"

PvType = Literal["Standard", "Retrofit", "New Build", "Standalone"]
Rating = Literal["Higher", "Middle", "Lower"]
Kind = Literal["generation", "export", "ro_migrated"]

COLUMNS = {
    "kind": "VARCHAR",
    "technology": "VARCHAR",
    "pv_type": "VARCHAR",
    "rating": "VARCHAR",
    "capacity_above_kw": "DOUBLE",
    "capacity_to_kw": "DOUBLE",
    "eligible_from": "DATE",
    "eligible_to": "DATE",
    "pence_per_kwh": "DOUBLE",
    "source": "VARCHAR",
}


class TariffError(ValueError):
    """The file of tariff rates has a row that cannot be used; the message names file, row and mend."""


@dataclass(frozen=True)
class TariffRate:
    """One row of the published table.

    The band is above ``capacity_above_kw`` (not included; 0 kW means from nothing) up to ``capacity_to_kw``
    (included); the period includes both days, None being open. ``pv_type`` and ``rating`` are None where the
    table makes no difference.
    """

    kind: Kind
    technology: str
    pv_type: str | None
    rating: str | None
    capacity_above_kw: float
    capacity_to_kw: float
    eligible_from: date | None
    eligible_to: date | None
    pence_per_kwh: float
    source: str

    def covers(self, capacity_kw: float, eligibility_date: date) -> bool:
        """Whether capacity (kW) and date lie in band and period."""
        return (
            self.capacity_above_kw < capacity_kw <= self.capacity_to_kw
            and (self.eligible_from is None or self.eligible_from <= eligibility_date)
            and (self.eligible_to is None or eligibility_date <= self.eligible_to)
        )


class RateTable:
    """The published rates, for many look-ups in a row."""

    def __init__(self, rates: Iterable[TariffRate]) -> None:
        """Keep the rates in their order and by technology."""
        self.rates = tuple(rates)
        self._groups: dict[tuple[str, str], list[TariffRate]] = {}
        for rate in self.rates:
            self._groups.setdefault((rate.kind, rate.technology), []).append(rate)

    def find(
        self,
        technology: str,
        capacity_kw: float,
        eligibility_date: date,
        *,
        pv_type: str | None = None,
        rating: str | None = None,
        kind: Kind = "generation",
    ) -> TariffRate | None:
        """The rate for one installation: see :func:`tariff_for`."""
        if technology == "Photovoltaic" and kind == "generation":
            pv_type = pv_type or default_pv_type(capacity_kw)
            rating = rating or "Higher"
        for rate in self._groups.get((kind, technology), ()):
            if (
                rate.pv_type in (pv_type, None)
                and rate.rating in (rating, None)
                and rate.covers(capacity_kw, eligibility_date)
            ):
                return rate
        return None


def tariff_for(
    technology: str,
    capacity_kw: float,
    eligibility_date: date,
    *,
    pv_type: str | None = None,
    rating: str | None = None,
    kind: Kind = "generation",
) -> TariffRate | None:
    """The published rate for one installation, or None where the scheme had none.

    Args:
        technology: as the contract spells it.
        capacity_kw: total installed capacity.
        eligibility_date: the day that decides the rate, usually that of commissioning or application,
            whichever is later.
        pv_type: photovoltaics only; by default ``Retrofit`` up to 4 kW, for a building that stood already, and
            ``Standard`` above.
        rating: photovoltaics since April 2012 only; by default ``Higher``, the rate without the reductions for
            owners of more than 25 sites (``Middle``) or buildings below energy class D (``Lower``).
        kind: ``generation``, ``export`` or ``ro_migrated``.
    """
    return load_rates().find(technology, capacity_kw, eligibility_date, pv_type=pv_type, rating=rating, kind=kind)


def default_pv_type(capacity_kw: float) -> PvType:
    """The installation type that is assumed where a row does not say: see :func:`tariff_for`."""
    return "Retrofit" if capacity_kw <= 4 else "Standard"


def load_rates() -> RateTable:
    """``data/tariff_rates.csv``; read again when the file changes.

    Raises:
        TariffError: a row that cannot be read, or two rows that claim the same installation.
    """
    path = settings.data_dir() / "tariff_rates.csv"
    return _load_rates(path, path.stat().st_mtime_ns)


def build_tariff_rates() -> Built:
    """Write the table ``tariff_rates``: the columns of :class:`TariffRate`."""
    import pandas as pd

    rates = load_rates().rates
    frame = pd.DataFrame([rate.__dict__ for rate in rates], columns=list(COLUMNS))
    extras = {"source": SOURCE, "by_kind": frame["kind"].value_counts().sort_index().to_dict()}
    return replace_table("tariff_rates", frame.astype(object), columns=COLUMNS, comment=SOURCE, extras=extras)


@lru_cache(maxsize=4)
def _load_rates(path: Path, _changed: int) -> RateTable:
    rates = []
    with path.open(newline="", encoding="utf-8") as stream:
        for line, row in enumerate(csv.DictReader(stream), start=2):
            try:
                rates.append(_read_rate(row))
            except (KeyError, ValueError, TypeError) as error:
                raise TariffError(f"{path}, row {line}: {error}; correct the row or restore the file") from error
    _refuse_overlaps(path, rates)
    return RateTable(rates)


def _read_rate(row: dict[str, str]) -> TariffRate:
    if row["kind"] not in ("generation", "export", "ro_migrated"):
        raise ValueError(f"kind must be generation, export or ro_migrated, not {row['kind']!r}")
    above, to = float(row["capacity_above_kw"]), float(row["capacity_to_kw"])
    start, end = _day(row["eligible_from"]), _day(row["eligible_to"])
    pence = float(row["pence_per_kwh"])
    if not 0 <= above < to or pence < 0 or (start and end and start > end):
        raise ValueError("the band must grow, the period too, and the rate must not be negative")
    return TariffRate(
        kind=row["kind"],  # type: ignore[arg-type]
        technology=row["technology"],
        pv_type=row["pv_type"] or None,
        rating=row["rating"] or None,
        capacity_above_kw=above,
        capacity_to_kw=to,
        eligible_from=start,
        eligible_to=end,
        pence_per_kwh=pence,
        source=f"{SOURCE}, sheet {row['sheet']}",
    )


def _refuse_overlaps(path: Path, rates: list[TariffRate]) -> None:
    groups: dict[tuple[str | None, ...], list[tuple[int, TariffRate]]] = {}
    for line, rate in enumerate(rates, start=2):
        group = groups.setdefault((rate.kind, rate.technology, rate.pv_type, rate.rating), [])
        for other_line, other in group:
            bands_meet = rate.capacity_above_kw < other.capacity_to_kw and other.capacity_above_kw < rate.capacity_to_kw
            starts, ends = (rate.eligible_from or date.min), (rate.eligible_to or date.max)
            periods_meet = starts <= (other.eligible_to or date.max) and (other.eligible_from or date.min) <= ends
            if bands_meet and periods_meet:
                raise TariffError(f"{path}, rows {other_line} and {line} claim the same installations; remove one")
        group.append((line, rate))


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
