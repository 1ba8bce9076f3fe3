"""What the page draws of an answer: bars, and dots on a map of Great Britain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from fit_assets.reference.answer import Answer

MAX_BARS = 14

# The first of these columns that tells rows of a search apart.
_GROUPS = ("region", "local_authority", "technology")
_FIGURES = ("installations", "total_capacity_kw", "average_capacity_kw", "smallest_capacity_kw", "largest_capacity_kw")


@lru_cache(maxsize=1)
def outward_centroids() -> dict[str, tuple[int, int]]:
    """Outward code -> easting and northing in kilometres (British National Grid)."""
    from fit_assets.reference.crosswalk import load_outward_codes

    table = load_outward_codes()
    return {
        str(code): (round(east / 1000), round(north / 1000))
        for code, east, north in zip(table["outward_code"], table["easting"], table["northing"], strict=True)
        if east == east and north == north
    }


def bars(found: Answer) -> dict[str, Any] | None:
    """Bars of the rows: the figure of a breakdown, or the number of installations where the rows are installations.

    Returns:
        ``by`` and ``figure`` (column names) and ``bars`` ([label, value] each), or None where there is nothing to
        compare.
    """
    if len(found.rows) < 2:
        return None
    figure = next((name for name in _FIGURES if name in found.columns), None)
    if figure is not None and "fit_id" not in found.columns:
        labels = found.columns[: found.columns.index(figure)]
        if not labels:
            return None
        drawn = [(" · ".join(_label(row[name]) for name in labels), row[figure] or 0) for row in found.rows]
        return {"by": " and ".join(labels), "figure": figure, "bars": drawn[:MAX_BARS], "left_out": _left(drawn)}
    for column in _GROUPS:
        if "fit_id" not in found.columns or column not in found.columns:
            continue
        counts: defaultdict[str, int] = defaultdict(int)
        for row in found.rows:
            counts[_label(row[column])] += 1
        if len(counts) > 1:
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            return {"by": column, "figure": "installations", "bars": ranked[:MAX_BARS], "left_out": _left(ranked)}
    return None


def dots(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int, int, float]]:
    """Installations by outward code, most first: code, easting and northing in km, how many, capacity in kW."""
    counts: defaultdict[str, int] = defaultdict(int)
    capacity: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        if code := row.get("outward_code"):
            counts[code] += 1
            capacity[code] += row.get("capacity_kw") or 0.0
    centroids = outward_centroids()
    return [
        (code, *centroids[code], count, round(capacity[code], 1))
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if code in centroids
    ]


def _label(value: Any) -> str:
    return "not stated" if value is None else str(value)


def _left(drawn: Sequence[Any]) -> int:
    return max(0, len(drawn) - MAX_BARS)
