import json

import pytest

from fit_assets.language.linking import MAX_LINKED_CHARS, linked_values
from fit_assets.places import Gazetteer, Place, load_gazetteer


@pytest.mark.parametrize(
    ("question", "values"),
    [
        (
            "wind sites over 100kw in berkshire",
            '{"capacity_min_kw":100,"location":"Berkshire","postcode_patterns":["RG","SL"],"technology":"Wind"}',
        ),
        ("berks, 1.5MW or more", '{"capacity_min_kw":1500,"location":"Berkshire","postcode_patterns":["RG","SL"]}'),
        ("water turbines, half a meg", '{"capacity_max_kw":500,"capacity_min_kw":500,"technology":"Hydro"}'),
        (
            "between 0.5 and 1,5 MW of pv",
            '{"capacity_max_kw":1500,"capacity_min_kw":500,"technology":"Photovoltaic"}',
        ),
        ("around 500kW", '{"capacity_max_kw":550,"capacity_min_kw":450}'),
        ("large wind", '{"capacity_min_kw":500,"technology":"Wind"}'),
        ("ad with 18 months left", '{"fit_remaining_max_years":1.5,"technology":"Anaerobic digestion"}'),
        ("built after twenty twelve", '{"commissioned_year_min":2013}'),
        ("expiring before 2031", '{"fit_expiry_year_max":2030}'),
        ("top ten chp", '{"technology":"Micro CHP"} 10'),
        ("top 10 chp", '{"technology":"Micro CHP"}'),
        ("fit id one five eight five", '{"fit_id":"1585"}'),
        ("fit 4004", '{"fit_id":"4004"}'),
        ("what is at RG17 0AB", '{"postcode_patterns":["RG17"]}'),
        ("hydro not in wales", '{"technology":"Hydro"}'),
        ("wind or turbines", '{"technology":"Wind"}'),
        ("wind or hydro", '{"technologies":["Wind","Hydro"]}'),
        ("solar in france", '{"technology":"Photovoltaic"} abroad'),
        ("solar in llanrhaeadr", '{"location":"Llanrhaeadr","technology":"Photovoltaic"}'),
        ("expired hydro", '{"fit_remaining_max_years":0,"technology":"Hydro"}'),
        (
            "wind in the optimal window",
            '{"fit_remaining_max_years":10,"fit_remaining_min_years":5,"technology":"Wind"}',
        ),
        ("urgent ppa candidates", '{"fit_remaining_max_years":5}'),
        ("repowering candidates", '{"fit_remaining_max_years":10}'),
        ("repowering candidates with 3 years left", '{"fit_remaining_max_years":3}'),
        ("repowering candidates ending in 2031", '{"fit_expiry_year_max":2031,"fit_expiry_year_min":2031}'),
        ("wind farms expiring first", '{"technology":"Wind"}'),
        (
            "tariff rate for wind from 2011",
            '{"commissioned_year_max":2011,"commissioned_year_min":2011,"technology":"Wind"}',
        ),
        ("wind from 2011", '{"commissioned_year_min":2011,"technology":"Wind"}'),
        ("heat pumps over 10 kW", '{"capacity_min_kw":10} other technology'),
        ("cfd price for wind", '{"technology":"Wind"} other scheme'),
        ("everything", ""),
        ("", ""),
    ],
)
def test_what_is_looked_up(question: str, values: str) -> None:
    assert linked_values(question, load_gazetteer()) == values


def test_every_place_is_linked_as_the_answer_writes_it() -> None:
    gazetteer = load_gazetteer()
    for place in gazetteer.places:
        linked = linked_values(f"pv in {place.name}", gazetteer)
        if f'"{place.name}"' in linked:
            assert json.loads(linked)["postcode_patterns"] == list(place.patterns), place.name


def test_the_given_gazetteer_decides() -> None:
    ours = Gazetteer([Place("Atlantis", "town", ("ZZ",), ("the sunken city",))])
    linked = '{"location":"Atlantis","postcode_patterns":["ZZ"],"technology":"Wind"}'
    assert linked_values("wind in the sunken city", ours) == linked


def test_no_more_than_fits() -> None:
    gazetteer = load_gazetteer()
    names = [place.name for place in gazetteer.places if place.kind == "county"][:20]
    linked = linked_values("wind and pv over 500 kW in " + ", ".join(names), gazetteer)
    assert len(linked) <= MAX_LINKED_CHARS
    assert json.loads(linked)["technologies"] == ["Wind", "Photovoltaic"]  # whole values only


def test_the_longest_list_of_areas_is_linked_whole() -> None:
    linked = json.loads(linked_values("solar in england over 50kW since 2012", load_gazetteer()))
    assert len(linked["postcode_patterns"]) == 100
