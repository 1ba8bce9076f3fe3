"""What is told beside a question, and what is taken back in it."""

from __future__ import annotations

import pytest

from fit_assets.language.background import background
from fit_assets.language.corrections import taken_back
from fit_assets.language.reading import read
from fit_assets.parsing.regex_parser import RegexParser
from fit_assets.places import load_gazetteer


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("I'm in Dundee till Friday. Wind over 100 kW in Angus please.", "wind over 100 kw in please."),
        ("we sell insurance, so solar in fife", "so solar in"),
        ("solar in fife, for our tax adviser?", "solar in ?"),
        ("We only want those from 2015. Solar in Fife.", "we only want those from 2015. solar in ."),
        ("I'm in Fife. Any hydro?", "i'm in . any hydro?"),
        ("Land agent, thirty years in, no time. Solar in Fife", "solar in"),
        ("I've lived here for a decade, so hydro in Fife", "so hydro in"),
    ],
)
def test_what_is_told_is_left_out(question: str, kept: str) -> None:
    text = read(question, load_gazetteer()).text.replace("§", " ")
    assert " ".join(text.replace(",", " ").split()) == kept


def test_nothing_is_background_where_nothing_is_searched() -> None:
    assert background("i grew up here. my house is small.", [], lambda text: False) == []


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        ("Tell me a joke. No, seriously: any hydro in Wales?", {"location": "Wales", "technology": "Hydro"}),
        ("We fly back from Dublin early. Biogas near Bath?", {"location": "Bath", "technology": "Anaerobic digestion"}),
        (
            "Batteries are what I sell, so who do I ring. Solar in Kent",
            {"location": "Kent", "technology": "Photovoltaic"},
        ),
        # What is asked last is the question, or one more.
        ("How many solar farms are in Kent? And how many in Ireland?", {"query_type": "unsupported"}),
        ("Wind in Fife. What is the SEG rate?", {"query_type": "unsupported"}),
        ("I live in Leeds and have 4 kW on the roof. What SEG rate would I get?", {"query_type": "unsupported"}),
        ("What's the weather in Leeds? I'm baking for the turbine's crew", {"query_type": "unsupported"}),
    ],
)
def test_another_topic_in_a_sentence_of_its_own_is_no_reason_to_refuse(
    question: str, filters: dict[str, object]
) -> None:
    answer = RegexParser().parse(question).filters
    assert answer is not None
    assert {key: value for key, value in answer.to_dict().items() if key != "postcode_patterns"} == filters


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        (
            "Hi, my dad's farm near Tiverton got a turbine in 2012 and I'm curious: how many wind sites in Kent?",
            {"aggregation": "count", "location": "Kent", "query_type": "aggregation", "technology": "Wind"},
        ),
        (
            "Thanks for yesterday's figures on hydro! Today I only need wind in Fife",
            {"location": "Fife", "technology": "Wind"},
        ),
        ("It's pouring here in Leeds, so hydro. What's in Fife?", {"location": "Fife", "technology": "Hydro"}),
        ("Forget what I asked about digesters. Hydro in Fife.", {"location": "Fife", "technology": "Hydro"}),
        (
            "Hello, tariff ending before 2030. Wind in Fife.",
            {"fit_expiry_year_max": 2029, "location": "Fife", "technology": "Wind"},
        ),
        ("Hi, solar in Fife. Wind too.", {"location": "Fife", "technologies": ["Photovoltaic", "Wind"]}),
        ("Kent's done, cheers. Next: hydro in Fife", {"location": "Fife", "technology": "Hydro"}),
        ("I've a client who's got 12 turbines in Kent. He'd like some in Fife: wind sites", {"location": "Fife"}),
        ("The lab sits in Kent, and the boss sent this. Our office is in Bath: wind in Fife?", {"location": "Fife"}),
        ("wind in Fife over 10 kW. Kind regards, Elin", {"location": "Fife", "capacity_min_kw": 10}),
        (
            "It's Ann, the one who asked about 3 MW. Today: solar between 20 and 80 kW in Fife",
            {"capacity_min_kw": 20, "capacity_max_kw": 80, "location": "Fife"},
        ),
        ("ending within 18 months: solar, Fife", {"fit_remaining_max_years": 1.5, "location": "Fife"}),
        # Behind the question as well.
        ("Could you find wind in Fife? She's had the Kent list since May and liked it.", {"location": "Fife"}),
        ("Please send wind in Fife, min. 1.5 MW. The 3 MW floor no longer applies.", {"capacity_min_kw": 1500}),
        ("How much hydro is there in Fife? My aunt says fifty megawatts.", {"aggregation": "sum_capacity"}),
        ("wind in Fife over 10 kW please. It's for a pilot who doesn't care about averages.", {"capacity_min_kw": 10}),
        ("Which turbines are in Fife? We looked at Kent and Devon last year.", {"location": "Fife"}),
        ("We own two roofs in Kent, 50 kW each. Which solar is there in Fife?", {"location": "Fife"}),
        ("Spoke to Mr Fox, who's had a turbine since 2010. What's the newest wind in Fife?", {"location": "Fife"}),
        ("Top 5 turbines in Fife by size, please. We put up our pair of 11 kW ones in 2011.", {"limit": 5}),
        ("Can I have wind in Fife? The mail about solar in Kent can go in the bin.", {"technology": "Wind"}),
        ("My brother, who wouldn't ask: are there turbines on Islay, or hydro?", {"location": "Islay"}),
        ("The Kent people want one total, so what is the solar capacity in Fife?", {"location": "Fife"}),
        ("We are interested in wind in Fife. They also said a minimum of 250 kW.", {"capacity_min_kw": 250}),
        # What is theirs is asked about, what they say is meant, what they plan is an intent.
        ("What is the FIT rate for wind? We own a 100 kW turbine.", {"capacity_min_kw": 100}),
        (
            "Find wind in Fife over 10 kW. Rob says it must expire before 2030.",
            {"fit_expiry_year_max": 2029, "capacity_min_kw": 10},
        ),
        (
            "wind in Fife over 10 kW? We plan to repower it.",
            {"query_intent": "repowering_opportunities", "capacity_min_kw": 10},
        ),
        ("wind over 500 kW in Fife, but it has to be under 2 MW", {"capacity_min_kw": 500, "capacity_max_kw": 2000}),
        ("Find wind over 1 MW. Thanks. Fife only", {"capacity_min_kw": 1000, "location": "Fife"}),
        # What the question does not name again is asked for all the same.
        ("we have 500 kW in mind, so wind in Fife?", {"capacity_min_kw": 500, "location": "Fife"}),
        ("my farm is in Fife, so where is the nearest hydro?", {"location": "Fife", "technology": "Hydro"}),
    ],
)
def test_what_is_named_in_passing_is_no_filter(question: str, filters: dict[str, object]) -> None:
    parsed = RegexParser().parse(question).filters
    assert parsed is not None
    found = parsed.to_dict()
    assert found.get("locations") is None
    assert {key: found.get(key) for key in filters} == filters
    assert "commissioned_year_min" not in found
    assert ("capacity_min_kw" in found) == ("capacity_min_kw" in filters or "capacity_max_kw" in filters)


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        ("turbines up to fifty no sixty kilowatts", {"capacity_max_kw": 60, "technology": "Wind"}),
        ("wind in Kent over 200 kW... make that 400", {"capacity_min_kw": 400, "location": "Kent"}),
        ("wind in Kent, no sorry, Essex over 10 kW", {"capacity_min_kw": 10, "location": "Essex"}),
        ("wind in Fife between 10 and 20 kW, no, sorry, 10 and 25 kW", {"capacity_max_kw": 25, "capacity_min_kw": 10}),
        ("wind commissioned 2012 in Fife, sorry 2013", {"commissioned_year_min": 2013, "location": "Fife"}),
        ("first I said 10 kW, then 15, we settled on 20 kW as the minimum. AD in Fife", {"capacity_min_kw": 20}),
        ("we dropped the 2 MW plan and it's 75 kW at most now. Hydro in Fife", {"capacity_max_kw": 75}),
        ("disregard the mail about 10 kW, we need 150 kW, as a minimum, for wind in Fife", {"capacity_min_kw": 150}),
        ("scrap what i said about hydro in kent what we need is wind in fife", {"location": "Fife"}),
        ("it began as hydro in Kent, and as of today it's wind in Fife", {"location": "Fife", "technology": "Wind"}),
        ("Sorry: it was Fife I meant, not Kent. Wind over 100 kW there?", {"location": "Fife", "technology": "Wind"}),
        ("first I wanted Kent, then Devon, but it has to be Fife. Wind please", {"location": "Fife"}),
        ("wind in Fife from 2016 on, rather than 2014", {"commissioned_year_min": 2016}),
        ("could it be wind in Fife, instead of the hydro?", {"technology": "Wind"}),
        ("the bank doesn't want Kent any more, they need wind in Fife", {"location": "Fife"}),
        ("wind in Kent... actually forget Kent, make it Fife, over 10 kW", {"location": "Fife", "capacity_min_kw": 10}),
        ("not 1 MW any more, turbines of 2 megs and up", {"capacity_min_kw": 2000, "technology": "Wind"}),
        ("First I thought we needed wind in Kent, but it's solar - so solar in Fife", {"technology": "Photovoltaic"}),
        ("no hydro. So forget the hydro of this morning - now it's AD in Fife", {"technology": "Anaerobic digestion"}),
        (
            "everything over 10 kW in Fife, except solar, because Rob has the solar",
            {"technology": None, "location": "Fife"},
        ),
        ("We aren't looking at Kent. Wind in Fife", {"location": "Fife"}),
        ("Kent has dropped out after the vote. Wind in Fife", {"location": "Fife", "technology": "Wind"}),
        ("wind in Kent and Essex, sorry to trouble you", {"locations": ["Kent", "Essex"]}),
    ],
)
def test_what_is_taken_back_is_no_filter(question: str, filters: dict[str, object]) -> None:
    parsed = RegexParser().parse(question).filters
    assert parsed is not None
    assert {key: parsed.to_dict().get(key) for key in filters} == filters


def test_a_correction_replaces_the_nearest_of_its_kind() -> None:
    text = "kent and essex, i mean fife"
    named = [("place", 0, 4), ("place", 9, 14), ("place", 23, 27)]
    assert taken_back(text, named, text) == [(9, 23)]
    assert taken_back(text, [*named[:2], ("size", 23, 27)], text) == []


def test_what_is_dropped_is_dropped_by_its_name() -> None:
    written = "bath or kent? kent has dropped out, bath and fife"
    named = [("place", 0, 4), ("place", 8, 12), ("place", 14, 18), ("place", 36, 40), ("place", 45, 49)]
    text = written.replace("bath", "§§§§").replace("kent", "§§§§").replace("fife", "§§§§")
    assert taken_back(text, named, written) == [(8, 12), (14, 18)]
