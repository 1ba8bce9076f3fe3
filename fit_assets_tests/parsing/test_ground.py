from __future__ import annotations

import json
from typing import Any

import pytest

from fit_assets import settings
from fit_assets.filters import QueryFilters
from fit_assets.parsing.ground import ground, ungrounded
from fit_assets.places import fill_patterns

YORKSHIRE = ["YO", "HU", "DN", "HD", "WF", "LS", "BD"]


def grounded(question: str, written: dict[str, Any]) -> dict[str, Any]:
    return ground(question, QueryFilters.parse(written))[0].to_dict()


@pytest.mark.parametrize(
    ("question", "written", "right"),
    [
        # Patterns are the gazetteer's.
        ("wind in berks", {"location": "Berkshire"}, {"location": "Berkshire", "postcode_patterns": ["RG", "SL"]}),
        (
            "wind in berks",
            {"location": "Berkshire", "postcode_patterns": ["RG", "OX"]},
            {"location": "Berkshire", "postcode_patterns": ["RG", "SL"]},
        ),
        ("sites in Yorkshire", {"postcode_patterns": YORKSHIRE}, {
            "location": "Yorkshire", "postcode_patterns": YORKSHIRE,
        }),
        # The question's own postcodes go before the place's.
        ("solar in Reading RG2", {"location": "Reading"}, {"location": "Reading", "postcode_patterns": ["RG2"]}),
        ("solar in RG2", {"postcode_patterns": ["RG20"]}, {"postcode_patterns": ["RG2"]}),
        # A name by its alias, in another case, misspelt, or another place altogether.
        ("hydro in the highlands", {"location": "highlands"}, {
            "location": "Highland", "postcode_patterns": ["IV", "PH", "KW"],
        }),
        ("wind in devon", {"location": "Devn"}, {"location": "Devon", "postcode_patterns": ["EX", "TQ", "PL"]}),
        ("wind in devon", {"location": "Dorset"}, {"location": "Devon", "postcode_patterns": ["EX", "TQ", "PL"]}),
        # Nothing asks for everything.
        ("email me the results", {}, {"query_type": "unsupported"}),
        ("show me the lot", {}, {}),
        ("wind in devon", {}, {"location": "Devon", "postcode_patterns": ["EX", "TQ", "PL"]}),
        ("devon or cornwall", {"locations": ["Devon", "Cornwal"]}, {"locations": ["Devon", "Cornwall"]}),
        # A place that nobody knows stays, without patterns.
        ("wind in little snoring", {"location": "little snoring", "postcode_patterns": ["NR"]}, {
            "location": "Little Snoring",
        }),
        # Units and numbers are the question's.
        ("over 1MW", {"capacity_min_kw": 1}, {"capacity_min_kw": 1000}),
        ("over half a megawatt", {"capacity_min_kw": 5000}, {"capacity_min_kw": 500}),
        ("exactly 75 kW", {"capacity_min_kw": 750, "capacity_max_kw": 750}, {
            "capacity_min_kw": 75, "capacity_max_kw": 75,
        }),
        ("1MW to 5MW", {"capacity_min_kw": 100, "capacity_max_kw": 50}, None),
        ("from 1 to 5 MW", {"capacity_min_kw": 10, "capacity_max_kw": 50}, {
            "capacity_min_kw": 1000, "capacity_max_kw": 5000,
        }),
        ("details of FIT 1585", {"fit_id": "1558"}, {"fit_id": "1585"}),
        # What is right stays.
        ("around 500kW wind", {"capacity_min_kw": 450, "capacity_max_kw": 550}, {
            "capacity_min_kw": 450, "capacity_max_kw": 550,
        }),
        ("large wind over 100kW", {"capacity_min_kw": 500}, {"capacity_min_kw": 500}),
        ("wind in Newbury, Berkshire", {"location": "Newbury", "postcode_patterns": ["RG"]}, {
            "location": "Newbury", "postcode_patterns": ["RG"],
        }),
        ("FIT 4004 in Berkshire", {"fit_id": "4004"}, {"fit_id": "4004"}),
        ("the weather in Leeds", {"query_type": "unsupported"}, {"query_type": "unsupported"}),
        ("wind farms outside Wales", {"technology": "Wind"}, {"technology": "Wind"}),
    ],
)  # fmt: skip
def test_what_can_be_looked_up_is(question: str, written: dict[str, Any], right: dict[str, Any] | None) -> None:
    if right is None:  # bounds the wrong way round never reach grounding
        with pytest.raises(ValueError, match="swap them"):
            QueryFilters.parse(written)
        return
    assert grounded(question, written) == right


@pytest.mark.parametrize(
    ("question", "written", "keys"),
    [
        ("wind over 100kW in Kent since 2013", {"capacity_min_kw": 100, "commissioned_year_min": 2013}, []),
        ("wind after 2013", {"commissioned_year_min": 2014}, []),
        ("wind after 2013", {"commissioned_year_min": 2012, "commissioned_year_max": 2018}, ["commissioned_year_max"]),
        ("wind in Kent", {"capacity_min_kw": 500}, ["capacity_min_kw"]),
        ("big wind", {"capacity_min_kw": 500}, []),
        ("about 500kW", {"capacity_max_kw": 550, "capacity_min_kw": 450}, []),
        ("wind", {"technology": "Photovoltaic"}, ["technology"]),
        ("wnid", {"technology": "Wind"}, []),
        ("wind", {"location": "Kent", "postcode_patterns": ["ME"]}, ["location", "postcode_patterns"]),
        ("wind in ME4", {"postcode_patterns": ["ME4"]}, []),
        ("FIT 4004", {"fit_id": "4004"}, []),
        ("FIT 4004", {"fit_id": "4005"}, ["fit_id"]),
        ("top 7 wind", {"limit": 7, "sort_by": "capacity_desc"}, []),
        ("the oldest hydro", {"limit": 10, "sort_by": "commissioned_asc"}, []),
        ("hydro, oldest first", {"limit": 10, "sort_by": "commissioned_asc"}, ["limit"]),
        ("biggest sites to smallest", {"limit": 1, "sort_by": "capacity_desc"}, ["limit"]),
        ("top 7 wind", {"limit": 8, "sort_by": "capacity_desc"}, ["limit"]),
        ("expiring wind", {"fit_remaining_max_years": 5}, []),
        ("18 months left", {"fit_remaining_max_years": 1.5}, []),
        ("wind", {"fit_remaining_max_years": 5}, ["fit_remaining_max_years"]),
    ],
)
def test_ungrounded_names_the_keys_nothing_licenses(question: str, written: dict[str, Any], keys: list[str]) -> None:
    assert ungrounded(question, QueryFilters.parse(written)) == keys


def test_notes_name_what_is_doubtful_and_what_is_ignored() -> None:
    filters = QueryFilters.parse({"technology": "Hydro", "locations": ["Kent", "Surrey"]})
    _, notes = ground("wind over 300kW in Kent, Surrey and Essex", filters)
    assert any("technology Hydro" in note for note in notes)
    assert any("300kw" in note for note in notes)
    assert any("Essex" in note for note in notes)
    assert not any("Surrey was not used" in note for note in notes)


def test_an_exclusion_is_named_in_a_note() -> None:
    _, notes = ground("wind outside Wales", QueryFilters.parse({"technology": "Wind"}))
    assert any("outside Wales" in note for note in notes)


def test_gold_filters_of_the_hand_written_questions_stay_as_they_are() -> None:
    path = settings.questions_dir() / "dev.jsonl"
    for line in path.read_text("utf-8").splitlines():
        content = json.loads(line)
        gold = fill_patterns(QueryFilters.parse(content["gold"]))
        answer, _ = ground(content["q"], gold)
        assert answer.same_as(gold), content["q"]


@pytest.mark.parametrize(
    ("question", "written", "left"),
    [
        ("wind", {"technology": "Wind", "capacity_min_kw": 100}, {"technology": "Wind"}),
        ("wind", {"technology": "Wind", "location": "Kent", "postcode_patterns": ["ME"]}, {"technology": "Wind"}),
        ("wind", {"technology": "Wind", "fit_expiry_year_max": 2030}, {"technology": "Wind"}),
        ("0xÿ 33", {"postcode_patterns": ["AB"]}, {"query_type": "unsupported"}),
        ("0xÿ", {"fit_id": "147"}, {"query_type": "unsupported"}),
    ],
)
def test_a_value_from_nowhere_does_not_appear(question: str, written: dict[str, Any], left: dict[str, Any]) -> None:
    answer, notes = ground(question, QueryFilters.parse(written))
    assert answer.to_dict() == left
    assert any("nothing in the question says so" in note for note in notes)
