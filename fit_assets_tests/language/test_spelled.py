"""What is spelled aloud."""

from __future__ import annotations

import pytest

from fit_assets.language.reading import read
from fit_assets.language.spelled import spelled_together
from fit_assets.places import load_gazetteer


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("pee aitch fifteen hydro", "ph15 hydro"),
        ("solar near york thats why oh thirty one", "solar near york thats yo31"),
        ("turbines in the kay double u area", "turbines in the kw area"),
        ("solar in ess why twenty three", "solar in sy23"),
        ("panels in tee are four", "panels in tr4"),
        ("gee 51 wind", "g51 wind"),
        ("wind in ar gee one seven", "wind in rg17"),
        ("pee vee in the postcode area d g", "pv in the postcode area dg"),
        ("micro see h p", "micro chp"),
        ("turbines in s y twenty three", "turbines in sy23"),
        ("over fifty k w fifteen sites", "over fifty k w fifteen sites"),
    ],
)
def test_letters_are_put_together(said: str, meant: str) -> None:
    assert spelled_together(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        "how many are there",
        "what you are after",
        "where are five turbines",
        "why are you asking",
        "em 50 kw sites",
        "what's a 20 kw roof",
    ],
)
def test_words_are_no_letters(said: str) -> None:
    assert spelled_together(said) == said


def test_they_are_read_as_postcodes() -> None:
    assert read("wind in the kay double u area", load_gazetteer()).patterns == ["KW"]
    assert read("list the wind in ay bee fifty three", load_gazetteer()).patterns == ["AB53"]
