from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fit_assets.language.numbers import digits_of, quantities


@pytest.mark.parametrize(
    ("text", "kw"),
    [
        ("1.5MW", [1500]),
        ("0.5 mw", [500]),
        (".25 megawatts", [250]),
        ("1,500 kW", [1500]),
        ("1,5 MW", [1500]),
        ("12,000kw", [12000]),
        ("100 kWp", [100]),
        ("500kWe to 1.2 MWe", [500, 1200]),
        ("kWp = 4 to 10", [4, 10]),
        ("never made a watt", []),
        ("500kw+", [500]),
        ("500+ kw", [500]),
        ("2 gw", [2_000_000]),
        ("250 watts", [0.25]),
        ("2 megs", [2000]),
        ("half a meg", [500]),
        ("half a megawatt", [500]),
        ("a megawatt", [1000]),
        ("quarter of a megawatt", [250]),
        ("three quarters of a MW", [750]),
        ("1/2 mw", [500]),
        ("one and a half megawatts", [1500]),
        ("2 and a half MW", [2500]),
        ("a megawatt and a half", [1500]),
        ("a hundred kilowatts", [100]),
        ("two hundred and fifty kilowatts", [250]),
        ("one thousand two hundred kw", [1200]),
        ("twenty-five kw", [25]),
        ("a couple of megawatts", [2000]),
        ("1-5MW", [1000, 5000]),
        ("1MW to 5MW", [1000, 5000]),
        ("100 to 250 kW", [100, 250]),
        ("100kW-1.5MW", [100, 1500]),
        ("500 to 1MW", [500, 1000]),
        ("between 2000 and 3000 kw", [2000, 3000]),
        ("2000-3000 kw", [2000, 3000]),
        ("between one and two megawatts", [1000, 2000]),
        ("between one hundred and two hundred kilowatts", [100, 200]),
    ],
)
def test_capacities_are_kilowatts(text: str, kw: list[float]) -> None:
    assert [(quantity.value, quantity.kind) for quantity in quantities(text)] == [(value, "kw") for value in kw]


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("5 years", [5]),
        ("7yrs", [7]),
        ("18 months", [1.5]),
        ("six months", [0.5]),
        ("a year", [1]),
        ("the next year", [1]),
        ("a year and a half", [1.5]),
        ("two and a half years", [2.5]),
        ("between 3 and 6 years", [3, 6]),
        ("12-18 months", [1, 1.5]),
        ("10+ years", [10]),
    ],
)
def test_durations_are_decimal_years(text: str, years: list[float]) -> None:
    assert [(quantity.value, quantity.kind) for quantity in quantities(text)] == [(value, "years") for value in years]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("built in 2013", [(2013, "year")]),
        ("2010 to 2012", [(2010, "year"), (2012, "year")]),
        ("2010-12", [(2010, "year"), (2012, "year")]),
        ("the 2012/13 tariff", [(2012, "year"), (2013, "year")]),
        ("twenty fifteen", [(2015, "year")]),
        ("two thousand and eleven", [(2011, "year")]),
        ("since 2012 and 500kw", [(2012, "year"), (500, "kw")]),
        ("fit id 1585", [(1585, "fit_id")]),
        ("FIT 2012", [(2012, "fit_id")]),
        ("fit no. 12", [(12, "fit_id")]),
        ("#4004", [(4004, "fit_id")]),
        ("installation 51877", [(51877, "fit_id")]),
        ("fit one three oh seven two", [(13072, "fit_id")]),
        ("fit two seven double four one", [(27441, "fit_id")]),
        ("fit 500kw", [(500, "kw")]),
        ("top ten", [(10, "number")]),
        ("the 12 largest", [(12, "number")]),
    ],
)
def test_years_ids_and_plain_numbers(text: str, expected: list[tuple[float, str]]) -> None:
    assert [(quantity.value, quantity.kind) for quantity in quantities(text)] == expected


@pytest.mark.parametrize("text", ["rg17 wind", "50kwh", "£500", "3.2p/kwh", "12%", "500x", "abc123", ""])
def test_what_is_no_number_of_ours(text: str) -> None:
    assert quantities(text) == []


def test_spans_are_the_words_the_number_was_read_from() -> None:
    text = "wind over one and a half megawatts since 2012"
    assert [text[q.start : q.end] for q in quantities(text)] == ["one and a half megawatts", "2012"]


def test_digits_of_a_spelled_fit_id() -> None:
    assert digits_of("one three oh seven two") == "13072"
    assert digits_of("two seven double four treble one") == "2744111"
    assert digits_of("13,072") == "13072"


_ALPHABET = "0123456789.,-+/ akmgwyearsonehalfdtu⁄£%#"


@given(st.text(_ALPHABET, max_size=60) | st.text(max_size=40))
def test_any_text_gives_numbers_in_order_without_overlap(text: str) -> None:
    found = quantities(text)
    ends = [0, *(quantity.end for quantity in found)]
    assert all(end <= quantity.start < quantity.end for end, quantity in zip(ends, found, strict=False))
    assert all(quantity.value >= 0 for quantity in found)
