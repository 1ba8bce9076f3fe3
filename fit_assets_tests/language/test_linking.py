import json

import pytest

from fit_assets.language.linking import MAX_LINKED_CHARS, linked_values
from fit_assets.places import Gazetteer, Place, load_gazetteer


@pytest.mark.parametrize(
    ("question", "values"),
    [
        ("wind sites over 100kw in berkshire", '"Wind" "Berkshire":["RG","SL"]'),
        ("berks wind of 1.5MW or more", '"Berkshire":["RG","SL"] "Wind" 1500 kW'),
        ("water turbines, half a meg", '"Hydro" 500 kW'),
        ("between 0.5 and 1,5 MW of pv", '500 kW 1500 kW "Photovoltaic"'),
        ("solar around 500kW", '"Photovoltaic" 450-550 kW'),
        ("solar of 2,000 kW", '"Photovoltaic" 2000 kW'),
        ("ad with 18 months left", '"Anaerobic digestion" 1.5 years'),
        ("about 8 years left", "7.2-8.8 years"),
        ("built in twenty twelve", "2012"),
        ("about 2012", ""),
        ("top ten chp", '10 "Micro CHP"'),
        ("fit id one five eight five", "1585"),
        ("fit 4004", ""),
        ("what is at RG17 0AB", '["RG17"]'),
        ("hydro not in wales", '"Hydro"'),
        ("wind or turbines", '"Wind"'),
        ("solar in france", 'abroad "Photovoltaic"'),
        ("solar in england", '"Photovoltaic" "England":["…"]'),
        ("solar in llanrhaeadr", '"Photovoltaic"'),
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
        if place.name != "England" and f'"{place.name}"' in linked:
            assert json.dumps(list(place.patterns), separators=(",", ":")) in linked, place.name


def test_the_given_gazetteer_decides() -> None:
    ours = Gazetteer([Place("Atlantis", "town", ("ZZ",), ("the sunken city",))])
    assert linked_values("wind in the sunken city", ours) == '"Wind" "Atlantis":["ZZ"]'


def test_no_more_than_fits() -> None:
    gazetteer = load_gazetteer()
    names = [place.name for place in gazetteer.places if place.kind == "county"][:20]
    linked = linked_values(", ".join(names), gazetteer)
    assert 300 < len(linked) <= MAX_LINKED_CHARS
    assert linked.endswith("]")  # whole values only
