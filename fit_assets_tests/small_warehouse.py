"""A warehouse of four installations, for tests that only want something to find."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fit_assets.reference.facts import build_installation_facts
from fit_assets.reference.standin import COLUMNS
from fit_assets.reference.tariffs import build_tariff_rates
from fit_assets.reference.warehouse import replace_table


def small_warehouse(folder: Path) -> Path:
    """Build it in a var folder; returns the folder."""
    rows = [
        _installation("4004", "Wind", 500.0, "RG17", "West Berkshire", "South East", date(2012, 1, 12)),
        _installation("1585", "Wind", 335.0, "YO17", "Ryedale", "Yorkshire and The Humber", date(2013, 7, 4)),
        _installation("7001", "Hydro", 80.0, "EX20", "West Devon", "South West", date(2014, 5, 1)),
        _installation("7002", "Photovoltaic", 40.0, "TQ9", "South Hams", "South West", date(2011, 9, 9)),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIT_ASSETS_VAR", str(folder))
        replace_table("installations", pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), columns=COLUMNS)
        build_tariff_rates()
        build_installation_facts(date(2025, 1, 1))
    return folder


def _installation(
    fit_id: str, technology: str, capacity_kw: float, outward: str, council: str, region: str, commissioned: date
) -> dict[str, Any]:
    return {
        "fit_id": fit_id,
        "technology": technology,
        "capacity_kw": capacity_kw,
        "outward_code": outward,
        "postcode_area": outward.rstrip("0123456789"),
        "local_authority": council,
        "region": region,
        "country": "England",
        "commissioned_date": commissioned,
        "application_date": commissioned,
        "tariff_code": None,
        "tariff_description": None,
        "installation_type": "Non Domestic (Commercial)",
        "export_status": None,
        "source": "test",
    }
