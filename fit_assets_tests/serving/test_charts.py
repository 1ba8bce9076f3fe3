from __future__ import annotations

from typing import Any

from fit_assets.reference.answer import Answer
from fit_assets.serving import charts


def found(columns: list[str], *rows: tuple[Any, ...]) -> Answer:
    return Answer(columns, [dict(zip(columns, row, strict=True)) for row in rows], "", [], "", [], len(rows))


def test_the_first_column_that_tells_rows_apart_makes_the_bars() -> None:
    columns = ["fit_id", "technology", "region"]
    rows = (("1", "Wind", "Wales"), ("2", "Hydro", "Wales"), ("3", "Wind", "Wales"))
    assert charts.bars(found(columns, *rows)) == {
        "by": "technology",
        "figure": "installations",
        "bars": [("Wind", 2), ("Hydro", 1)],
        "left_out": 0,
    }
    assert charts.bars(found(columns, rows[0])) is None
    assert charts.bars(found(columns, rows[0], rows[2])) is None


def test_a_comparison_by_two_things_has_both_in_its_labels() -> None:
    drawn = charts.bars(
        found(
            ["place", "technology", "installations"], ("Devon", "Wind", 3), ("Kent", "Wind", None), (None, "Hydro", 1)
        )
    )
    assert drawn is not None
    assert drawn["bars"] == [("Devon · Wind", 3), ("Kent · Wind", 0), ("not stated · Hydro", 1)]


def test_bars_that_are_too_many_are_counted() -> None:
    drawn = charts.bars(found(["region", "installations"], *((f"R{number}", number) for number in range(20))))
    assert drawn is not None
    assert (len(drawn["bars"]), drawn["left_out"]) == (charts.MAX_BARS, 20 - charts.MAX_BARS)


def test_tariffs_have_no_bars() -> None:
    assert charts.bars(found(["technology", "pence_per_kwh"], ("Wind", 4.0), ("Hydro", 5.0))) is None


def test_dots_are_by_outward_code_in_kilometres_and_unknown_codes_are_left_out() -> None:
    rows = [
        {"outward_code": "RG17", "capacity_kw": 500.0},
        {"outward_code": "RG17", "capacity_kw": 10.0},
        {"outward_code": "ZZ99", "capacity_kw": 1.0},
        {"outward_code": None, "capacity_kw": 1.0},
        {"installations": 3},
    ]
    [(code, east, north, count, kilowatts)] = charts.dots(rows)
    assert (code, count, kilowatts) == ("RG17", 2, 510.0)
    assert 420 < east < 450
    assert 160 < north < 185
