"""Each rule finds the error that was planted for it, and the capacity reader agrees with the contract."""

import pytest

from fit_assets.dataset import spoken
from fit_assets.dataset.examples import Example
from fit_assets.dataset.rules import RULES, capacities_in, check_rules


def _example(q, **gold):
    return Example.of(q, gold, "combined")


GOOD = [
    _example("wind sites over 100kw in berkshire", technology="Wind", capacity_min_kw=100, location="Berkshire",
             postcode_patterns=["RG", "SL"]),
    _example("solar around 1 MW near RG17 9AB", technology="Photovoltaic", capacity_min_kw=900, capacity_max_kw=1100,
             postcode_patterns=["RG17"]),
    _example("hydro in Skelthwaite RG17", technology="Hydro", location="Skelthwaite", postcode_patterns=["RG17"]),
    _example("large AD, 1-5MW", technology="Anaerobic digestion", capacity_min_kw=1000, capacity_max_kw=5000),
]  # fmt: skip

PLANTED = [
    ("technology_spelling", _example("solar", technology="Solar PV")),
    ("technology_spelling", _example("solar or wind", technologies=["Wind", "solar"])),
    ("postcode_accuracy", _example("wind in yorkshire", location="Yorkshire", postcode_patterns=["YO", "HU"])),
    ("postcode_accuracy", _example("wind in berkshire", location="Berkshire")),
    ("postcode_accuracy", _example("wind in Skelthwaite", location="Skelthwaite", postcode_patterns=["RG"])),
    ("postcode_accuracy", _example("wind in devon", postcode_patterns=["EX"])),
    ("capacities_in_kw", _example("wind over 100 MW", capacity_min_kw=100)),
    ("capacities_in_kw", _example("wind over 1.5mw", capacity_min_kw=1.5)),
    ("capacities_in_kw", _example("wind around 500kw", capacity_min_kw=400)),
    ("capacities_in_kw", _example("1-5 MW", capacity_min_kw=100, capacity_max_kw=5000)),
    ("capacities_in_kw", _example("wind farms", capacity_min_kw=500)),
    ("valid_json", _example("wind", technology="Wind", aggregation="count")),
    ("valid_json", _example("wind", technology=None)),
    ("valid_json", _example("hello")),
    ("field_names", _example("wind over 5kw", min_capacity=5)),
]


def test_good_examples_pass():
    assert not any(check_rules(GOOD).values())


@pytest.mark.parametrize(("rule", "bad"), PLANTED, ids=[f"{rule}:{bad.q}" for rule, bad in PLANTED])
def test_planted_errors_are_found(rule, bad):
    violations = RULES[rule]([*GOOD, bad])
    assert [(one.index, one.rule) for one in violations][:1] == [(len(GOOD), rule)]
    assert violations[0].message


def test_yorkshire_is_exact():
    patterns = ["YO", "HU", "DN", "HD", "WF", "LS", "BD"]
    assert not RULES["postcode_accuracy"]([_example("yorks", location="Yorkshire", postcode_patterns=patterns)])
    assert RULES["postcode_accuracy"]([_example("yorks", location="Yorkshire", postcode_patterns=[*patterns, "S"])])


@pytest.mark.parametrize(
    ("question", "kw"),
    [
        ("over 100kW", {100}),
        ("over 1,500 kW", {1500}),
        (".5MW", {500}),
        ("half a megawatt", {500}),
        ("at least a quarter of a megawatt", {250}),
        ("three quarters of a meg", {750}),
        ("one and a half megawatts", {1500}),
        ("a megawatt and a half", {1500}),
        ("two megs", {2000}),
        ("bigger then 4 megawats", {4000}),
        ("a half-megawatt turbine", {500}),
        ("two point five megawatts", {2500}),
        ("a megawatt", {1000}),
        ("500 k w", {500}),
        ("2 mega watts", {2000}),
        ("~500kW", {450, 500, 550}),
        ("small", {50}),
        ("medium-sized", {50, 500}),
        ("over5kw", {5}),
        ("> 500", {500}),
    ],
)
def test_capacities_are_read_from_words(question, kw):
    assert capacities_in(question) == kw


@pytest.mark.parametrize("kw", [3.68, 5, 20, 50, 99.5, 100, 137, 250, 500, 750, 900, 1000, 1250, 1500, 2500, 7000])
def test_every_spoken_capacity_is_read_back(kw):
    for text in spoken.kilowatts(kw) + (spoken.megawatts(kw) if spoken.says_megawatts(kw) else []):
        assert kw in capacities_in(f"wind farms over {text} in devon"), text
