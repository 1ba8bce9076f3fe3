"""Misspelt, misheard and stuck words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fit_assets.language import vocabulary
from fit_assets.language.reading import read
from fit_assets.language.vocabulary import mend
from fit_assets.places import load_gazetteer


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hwo many solr farms", "how many solar farms"),
        ("wich turbins are undr 50kw", "which turbines are under 50kw"),
        ("exactly500kw", "exactly 500kw"),
        ("smallest5 turbines since2012", "smallest 5 turbines since 2012"),
        ("over fifty killer watts", "over fifty kilowatts"),
        ("wind under for years", "wind under four years"),
        ("biogas in leads and whales", "biogas in leeds and wales"),
        ("what leads to more solar", "what leads to more solar"),
        ("chnge the capacity", "change the capacity"),
        ("solar frm in wales", "solar farm in wales"),
    ],
)
def test_words_are_put_right(typed: str, meant: str) -> None:
    assert mend(typed, frozenset()) == meant


@pytest.mark.parametrize("text", ["wind in rg17", "hydro ph15 8aa", "solar in yo31", "ev charging", "co2 in sk9"])
def test_what_is_right_stays(text: str) -> None:
    assert mend(text, frozenset()) == text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("solr 50kwto100kw", "solar 50kw to 100kw"),
        ("hydroin wick", "hydro in §§§§"),
        ("windfarms1.5mwor more", "windfarms 1.5mw or more"),
        ("hydro up2 60kw", "hydro up to 60kw"),
    ],
)
def test_stuck_words_are_taken_apart(typed: str, text: str) -> None:
    assert " ".join(read(typed, load_gazetteer()).text.split()) == text


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FIT_ASSETS_DATA", str(tmp_path))
    vocabulary._technology.cache_clear()
    yield tmp_path
    vocabulary._technology.cache_clear()


def test_a_row_of_a_file_is_a_word_for_a_technology(data: Path) -> None:
    (data / "technology_words.csv").write_text("technology,words\nHydro,Beck-wheel turbines\n", "utf-8")
    found = vocabulary.find_technologies("beck wheel turbines and solar")
    assert [(match.technology, match.start, match.end) for match in found] == [
        ("Hydro", 0, 19),
        ("Photovoltaic", 24, 29),
    ]


@pytest.mark.parametrize("row", ["Water,beck wheels", "Hydro,", "Hydro"])
def test_a_row_that_names_no_technology_is_refused_with_its_number(data: Path, row: str) -> None:
    (data / "technology_words.csv").write_text(f"technology,words\n{row}\n", "utf-8")
    with pytest.raises(vocabulary.VocabularyError, match=r"row 2: .* write one of Wind, "):
        vocabulary.find_technologies("wind")
