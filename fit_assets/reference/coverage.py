"""What the gazetteer's postcode patterns catch and miss, measured against the register's own councils.

Of the rows that have both an outward code and a place: *recall* is the share of a place's rows that its patterns find,
*precision* the share of the rows found that lie in the place. A nation or region is told by the row's own column, a
council area, city or county by the row's council; ``data/place_councils.csv`` says which councils make a county. Towns,
landscapes and most historic counties have no council of their own: those are not measured, and are counted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.places import Gazetteer, Place, load_gazetteer
from fit_assets.reference.crosswalk import load_local_authorities, load_outward_codes, register_names
from fit_assets.reference.editions import key
from fit_assets.reference.warehouse import Built, connect, replace_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "place": "VARCHAR",
    "kind": "VARCHAR",
    "patterns": "VARCHAR",
    "rows_in_place": "BIGINT",
    "rows_found": "BIGINT",
    "rows_found_in_place": "BIGINT",
    "recall": "DOUBLE",
    "precision": "DOUBLE",
    "also_includes": "VARCHAR",
    "misses": "VARCHAR",
}
CROSSWALK_COLUMNS = {
    "outward_code": "VARCHAR",
    "postcode_area": "VARCHAR",
    "local_authority": "VARCHAR",
    "register_authority": "VARCHAR",
    "share": "DOUBLE",
    "region": "VARCHAR",
    "country": "VARCHAR",
    "easting": "BIGINT",
    "northing": "BIGINT",
    "postcodes": "BIGINT",
}
NAMED = 4  # councils named among those included or missed


def load_place_councils() -> dict[str, tuple[str, ...]]:
    """Councils of today by place, for places that do not bear their council's name."""
    path = settings.data_dir() / "place_councils.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["place"]: tuple(row["councils"].split(";")) for row in csv.DictReader(stream)}


def build_place_coverage() -> Built:
    """Write the table ``place_coverage`` from the tables ``installations`` and the gazetteer.

    Raises:
        WarehouseError: no table ``installations``.
    """
    with connect(needs=("installations",)) as connection:
        spread = connection.execute(_SPREAD_SQL).df()
    gazetteer = load_gazetteer()
    table = measure_places(spread, gazetteer)
    measured = table[table["rows_in_place"] > 0]
    extras: dict[str, Any] = {
        "places": len(gazetteer.places),
        "places_without_council_of_their_own": len(gazetteer.places) - len(table),
        "measured_places": len(measured),
    }
    if len(measured):
        hits = measured["rows_found_in_place"].sum()
        extras |= {
            "recall_of_all_rows": float(hits / measured["rows_in_place"].sum()),
            "precision_of_all_rows": float(hits / measured["rows_found"].sum()),
            "median_recall": float(measured["recall"].median()),
            "median_precision": float(measured["precision"].median()),
        }
    return replace_table("place_coverage", table, columns=COLUMNS, extras=extras)


def measure_places(spread: pd.DataFrame, gazetteer: Gazetteer) -> pd.DataFrame:
    """Recall and precision of each place that the register can tell; columns as in ``COLUMNS``.

    Args:
        spread: number of rows (``count``) by ``outward_code``, ``postcode_area``, ``local_authority``, ``region``
            and ``country``; rows without an outward code or without any of the others are left out before.
        gazetteer: the places.
    """
    import pandas as pd

    councils, table = load_place_councils(), load_local_authorities()
    known = {key(name): name for name in table["name"]}
    keys = {column: spread[column].fillna("").map(key) for column in ("local_authority", "region", "country")}
    rows = []
    for place in gazetteer.places:
        names = _names_in_register(place, councils, known)
        if names is None:
            continue
        column = {"nation": "country", "region": "region"}.get(place.kind, "local_authority")
        inside = keys[column].isin(names)
        found = spread["postcode_area"].isin(place.patterns) | spread["outward_code"].isin(place.patterns)
        total, hits, both = (int(spread.loc[chosen, "count"].sum()) for chosen in (inside, found, inside & found))
        rows.append(
            {
                "place": place.name,
                "kind": place.kind,
                "patterns": ", ".join(place.patterns),
                "rows_in_place": total,
                "rows_found": hits,
                "rows_found_in_place": both,
                "recall": both / total if total else None,
                "precision": both / hits if hits else None,
                "also_includes": _most(spread[found & ~inside]),
                "misses": _most(spread[inside & ~found]),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def build_outward_code_table() -> Built:
    """Write the table ``outward_codes``, the crosswalk, and count where the register disagrees with it.

    The council counts as agreeing where it is the one with most of the code's postcodes, by its name of today or that
    of the district that the register still uses.

    Raises:
        WarehouseError: no table ``installations``.
    """
    crosswalk = load_outward_codes()
    with connect(needs=("installations",)) as connection:
        spread = connection.execute(_SPREAD_SQL).df()
    built = replace_table("outward_codes", crosswalk[list(CROSSWALK_COLUMNS)], columns=CROSSWALK_COLUMNS)
    return Built(built.table, built.rows, built.digest, agreement(spread, crosswalk))


def agreement(spread: pd.DataFrame, crosswalk: pd.DataFrame) -> dict[str, Any]:
    """How many rows have another nation, region or council than their outward code, and the most frequent of them."""
    joined = spread.merge(crosswalk, on="outward_code", how="left", suffixes=("", "_expected"))
    unknown = joined["country_expected"].isna()
    counted: dict[str, Any] = {
        "compared_rows": int(joined["count"].sum()),
        "unknown_outward_codes": int(joined.loc[unknown, "count"].sum()),
    }
    for column in ("country", "region", "local_authority"):
        own, expected = joined[column].fillna("").map(key), joined[f"{column}_expected"].fillna("").map(key)
        differs = (own != "") & (own != expected) & ~unknown
        if column == "local_authority":
            differs &= own != joined["register_authority"].fillna("").map(key)
        counted[f"other_{column}"] = int(joined.loc[differs, "count"].sum())
        names = ["outward_code", column, f"{column}_expected"]
        pairs = joined[differs].groupby(names, as_index=False)[["count"]].sum()
        most = pairs.sort_values("count", ascending=False, kind="stable").head(10)
        counted[f"other_{column}_sample"] = [
            dict(zip(("outward_code", "register", "crosswalk", "rows"), row, strict=True))
            for row in most.to_numpy().tolist()
        ]
    return counted


_SPREAD_SQL = """
SELECT outward_code, postcode_area, local_authority, region, country, count(*) AS count
FROM installations
WHERE outward_code IS NOT NULL AND coalesce(local_authority, region, country) IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""


def _names_in_register(
    place: Place, councils: Mapping[str, tuple[str, ...]], known: Mapping[str, str]
) -> frozenset[str] | None:
    """Keys of what the register calls the place; None where it has no name for it."""
    if place.kind in ("nation", "region"):
        return frozenset({key(place.name)})
    today = councils.get(place.name) or tuple(
        known[key(name)] for name in (place.name, *place.aliases) if key(name) in known
    )
    names = frozenset(key(name) for council in today for name in register_names(council))
    return names or None


def _most(spread: pd.DataFrame) -> str:
    counts = spread.groupby("local_authority")["count"].sum().sort_values(ascending=False, kind="stable")
    named = ", ".join(f"{name} {count:,}" for name, count in counts.head(NAMED).items())
    others = len(counts) - NAMED
    return f"{named} and {others} more" if others > 0 else named
