"""The contract's section "How words become values", phrase by phrase, against the slots that word it."""

import random

import pytest

from fit_assets.dataset import slots as say
from fit_assets.dataset import spoken
from fit_assets.dataset.generator import GeneratorConfig, generate
from fit_assets.dataset.phrases import load_phrases
from fit_assets.places import load_gazetteer


@pytest.fixture(scope="module")
def book():
    return load_phrases()


def _many(draw, number=60):
    return [draw(random.Random(seed)) for seed in range(number)]


def _texts(book, file, section):
    return {phrase.text for phrase in book.lines(file, section)}


# (file, section, phrases that must stand there, phrases that must not)
SECTIONS = [
    ("capacity", "min post", {"over {n}", "at least {n}", "{n}+", "> {n}", "more than {n}", "no less than {n}"},
     {"under {n}", "up to {n}"}),
    ("capacity", "max post", {"under {n}", "up to {n}", "at most {n}", "< {n}", "no more than {n}", "not over {n}"},
     {"over {n}", "at least {n}"}),
    ("capacity", "min tail", {"nothing under {n}"}, {"nothing over {n}"}),
    ("capacity", "max tail", {"nothing over {n}"}, {"nothing under {n}"}),
    ("capacity", "between post", {"between {a} and {b}", "{a}-{b}", "{a} to {b}"}, set()),
    ("capacity", "exact post", {"exactly {n}"}, {"around {n}"}),
    ("capacity", "around post", {"around {n}", "about {n}", "roughly {n}"}, {"exactly {n}"}),
    ("commissioned", "since post", {"since {y}", "from {y} onwards"}, {"after {y}"}),
    ("commissioned", "after post", {"after {y}", "built after {y}"}, {"since {y}"}),
    ("commissioned", "before post", {"before {y}"}, {"by {y}"}),
    ("commissioned", "by post", {"by {y}", "up to {y}"}, {"before {y}"}),
    ("remaining", "within post", {"expiring within {d}"}, {"with more than {d} left"}),
    ("remaining", "more post", {"with more than {d} left", "with {n}+ years left"}, {"with less than {d} left"}),
    ("remaining", "soon pre", {"expiring", "urgent"}, {"expired", "immediate"}),
    ("remaining", "expired pre", {"expired"}, {"expiring"}),
    ("Hydro", "plural", {"water turbines"}, {"wind turbines"}),
    ("Wind", "plural", {"wind turbines", "turbines"}, {"water turbines"}),
    ("Anaerobic digestion", "mod", {"AD", "biogas", "digester"}, set()),
    ("Micro CHP", "mod", {"CHP", "cogeneration"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("file", "section", "present", "absent"), SECTIONS)
def test_sections_hold_what_they_mean(book, file, section, present, absent):
    texts = _texts(book, file, section) if file.islower() else _texts(book, "technology", f"{file} {section}")
    assert present <= texts
    assert not absent & texts


def test_no_wording_stands_under_two_opposite_meanings(book):
    for file, kinds in (
        ("capacity", ("min", "max", "between", "exact", "around")),
        ("commissioned", ("in", "since", "after", "before", "by", "between")),
        ("expiry", ("in", "since", "after", "before", "by", "between")),
        ("remaining", ("within", "more", "between", "soon", "immediate", "optimal", "expired")),
        ("size", ("small", "medium", "large")),
        ("intent", ("repowering", "ppa", "acquisition")),
    ):
        owners: dict[str, str] = {}
        for kind in kinds:
            for phrases in book.forms(file, kind).values():
                for phrase in phrases:
                    assert owners.setdefault(phrase.text, kind) == kind, (file, phrase.text, kind)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("min", 1, None), ("max", None, 1), ("exact", 1, 1), ("around", 0.9, 1.1)],
)
def test_capacity_bounds_follow_their_kind(book, kind, low, high):
    for slot in _many(lambda rng: say.capacity(rng, book, kind)):
        bounds = slot.gold
        assert ("capacity_min_kw" in bounds) is (low is not None)
        assert ("capacity_max_kw" in bounds) is (high is not None)
        if low and high:
            middle = (bounds["capacity_min_kw"] + bounds["capacity_max_kw"]) / 2
            assert bounds["capacity_min_kw"] == pytest.approx(middle * low)
            assert bounds["capacity_max_kw"] == pytest.approx(middle * high)


@pytest.mark.parametrize(
    ("kind", "gold"),
    [
        ("small", {"capacity_max_kw": 50}),
        ("medium", {"capacity_min_kw": 50, "capacity_max_kw": 500}),
        ("large", {"capacity_min_kw": 500}),
    ],
)
def test_sizes(book, kind, gold):
    assert say.size(random.Random(0), book, kind).gold == gold


def test_two_bounds_on_one_side_give_the_stricter(book):
    large = say.size(random.Random(0), book, "large")
    assert say.merge([large, say.Slot("capacity", {"capacity_min_kw": 1000}, {})])["capacity_min_kw"] == 1000
    assert say.merge([large, say.Slot("capacity", {"capacity_min_kw": 100}, {})])["capacity_min_kw"] == 500
    small = say.size(random.Random(0), book, "small")
    assert say.merge([small, say.Slot("capacity", {"capacity_max_kw": 30}, {})])["capacity_max_kw"] == 30


@pytest.mark.parametrize("draw", [say.commissioned, say.expiry])
def test_years(book, draw):
    for kind, low, high in (
        ("in", 0, 0), ("since", 0, None), ("after", 1, None), ("before", None, -1), ("by", None, 0),
    ):  # fmt: skip
        for slot in _many(lambda rng, kind=kind: draw(rng, book, kind)):
            year = int(slot.values["y"][0])
            ends = {key.rsplit("_", 1)[1]: value for key, value in slot.gold.items()}
            assert ends == {end: year + shift for end, shift in (("min", low), ("max", high)) if shift is not None}, (
                kind,
                year,
            )


def test_years_left(book):
    fixed = {"soon": {"max": 5}, "immediate": {"max": 2}, "optimal": {"min": 5, "max": 10}, "expired": {"max": 0}}
    for kind, bounds in fixed.items():
        gold = say.remaining(random.Random(1), book, kind).gold
        assert gold == {f"fit_remaining_{end}_years": years for end, years in bounds.items()}
    for kind, end in (("within", "max"), ("more", "min")):
        for slot in _many(lambda rng, kind=kind: say.remaining(rng, book, kind)):
            years = slot.gold[f"fit_remaining_{end}_years"]
            assert len(slot.gold) == 1
            assert slot.values.get("n", (str(years),)) == (str(years),)
    assert {"18 months", "1.5 years"} <= set(spoken.durations(1.5))
    assert {"a couple of years", "2 years", "24 months"} <= set(spoken.durations(2))


@pytest.mark.parametrize(
    ("which", "years"), [("repowering_opportunities", 10), ("ppa_opportunities", 5), ("acquisition_targets", None)]
)
def test_intents_have_their_default_unless_the_question_says(book, which, years):
    slot = say.intent(random.Random(0), book, which)
    gold = {"query_intent": which} | ({"fit_remaining_max_years": years} if years else {})
    assert say.merge([slot]) == gold
    stated = say.Slot("remaining", {"fit_remaining_max_years": 3}, {})
    assert say.merge([slot, stated]) == {"query_intent": which, "fit_remaining_max_years": 3}
    ends = say.Slot("expiry", {"fit_expiry_year_max": 2031}, {})
    assert say.merge([slot, ends]) == {"query_intent": which, "fit_expiry_year_max": 2031}


@pytest.mark.parametrize(("kind", "limit"), [("one", 1), ("many", 10), ("order", None)])
def test_rankings(book, kind, limit):
    for slot in _many(lambda rng: say.ranking(rng, book, kind)):
        assert slot.gold.get("limit") == limit
    for slot in _many(lambda rng: say.ranking(rng, book, "n")):
        assert str(slot.gold["limit"]) in slot.values["n"]


def test_highest_earning_is_a_ranking_alone():
    for example in generate(GeneratorConfig(seed=9, size=300)):
        if example.gold.get("sort_by") == "revenue_desc":
            assert "include_revenue" not in example.gold


def test_a_place_is_what_is_written(book):
    gazetteer = load_gazetteer()
    for slot in _many(lambda rng: say.place(rng, book, gazetteer, "known"), 200):
        found = gazetteer.get(slot.values["bare"][0])
        assert found is not None
        assert found.name == slot.gold["location"]
        assert slot.gold["postcode_patterns"] == list(found.patterns)
    for slot in _many(lambda rng: say.place(rng, book, gazetteer, "unknown"), 200):
        assert slot.gold.keys() == {"location"}
        assert gazetteer.get(slot.gold["location"]) is None
    for slot in _many(lambda rng: say.place(rng, book, gazetteer, "both"), 100):
        assert slot.gold["postcode_patterns"] == [slot.values["code"][0]]
    for slot in _many(lambda rng: say.place(rng, book, gazetteer, "several"), 100):
        assert slot.gold.keys() == {"locations"}


def test_full_postcodes_give_their_outward_code(book):
    gazetteer = load_gazetteer()
    for slot in _many(lambda rng: say.place(rng, book, gazetteer, "postcode"), 300):
        text = slot.values["p"][0].upper()
        assert all(text.startswith(p) or f" {p}" in text or f"/{p}" in text for p in slot.gold["postcode_patterns"])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("stow-on-the-wold", "Stow-on-the-Wold"),
        ("ISLE OF MUCK", "Isle of Muck"),
        ("chapel st leonards", "Chapel St Leonards"),
        ("robin hood's bay", "Robin Hood's Bay"),
        ("the lizard", "The Lizard"),
    ],
)
def test_title_case(written, name):
    assert say.title_case(written) == name
