import json
import random
from pathlib import Path

import pytest

from fit_assets.dataset.examples import ExampleError
from fit_assets.dataset.natural import Seed, Variations, category_of, load_seeds
from fit_assets.dataset.phrases import load_phrases
from fit_assets.filters import QueryFilters
from fit_assets.parsing.regex_parser import RegexParser
from fit_assets.places import Place, fill_patterns, load_gazetteer

GAZETTEER = load_gazetteer()
VARIATIONS = Variations(load_phrases(), GAZETTEER)
COUNTY = GAZETTEER.get("Rutland")


def seed(question: str) -> Seed:
    """A question that the rules read, with what they read as its gold."""
    gold = RegexParser().parse(question).filters.to_dict()
    return Seed(question, gold, category_of(gold), "natural 1")


def variants(one: Seed, tries: int = 40) -> list[tuple[str, dict]]:
    rng = random.Random(5)

    def place() -> Place:
        return rng.choice(GAZETTEER.places)

    return [varied for _ in range(tries) if (varied := VARIATIONS.vary(one, rng, place))]


@pytest.mark.parametrize(
    "question",
    [
        "any wind farms near Kendal over 250kW?",
        "hydro in perthshire between 0.5 and 2 MW since 2013",
        "solar or AD, Norfolk & Suffolk, 1,500 kW and up",
        "turbines around 300 kW in the TD area",
        "repowering sites in Fife with under 6 years left",
        "AD in Somerset expiring within 18 months",
        "pv ending between 2034 and 2036 in Kent",
        "top 15 chp sites in Leeds",
        "what rate does fit id 4821 get",
        "hydro nr Lochgilphead",
    ],
)
def test_a_variant_is_another_question_that_means_its_gold(question: str) -> None:
    one = seed(question)
    made = variants(one)
    assert len(made) > 10
    assert all(text.lower() != question.lower() for text, _ in made)
    for text, gold in made:
        assert RegexParser().parse(text).filters.pairs() == QueryFilters.parse(gold).pairs(), text
    assert {key for _, gold in made for key in gold} <= set(one.gold) | {"postcode_patterns"}


def test_numbers_places_and_technologies_are_all_exchanged() -> None:
    made = variants(seed("any wind farms near Kendal over 250kW?"), 60)
    assert len({gold["location"] for _, gold in made}) > 10
    assert len({gold["capacity_min_kw"] for _, gold in made}) > 10
    assert {gold["technology"] for _, gold in made} >= {"Wind", "Photovoltaic", "Hydro"}


def test_about_keeps_its_margin() -> None:
    for text, gold in variants(seed("turbines around 300 kW in Fife")):
        middle = (gold["capacity_min_kw"] + gold["capacity_max_kw"]) / 2
        assert gold["capacity_min_kw"] == pytest.approx(0.9 * middle), text


def test_what_has_no_values_has_no_variants() -> None:
    assert variants(Seed("hello is anyone there", {"query_type": "unsupported"}, "out_of_scope", "natural 1")) == []


def test_letter_case_is_kept() -> None:
    assert all(text == text.lower() for text, _ in variants(seed("wind in devon over 2mw")))


@pytest.mark.parametrize(
    ("gold", "category"),
    [
        ({"query_type": "unsupported"}, "out_of_scope"),
        ({"fit_id": "1585"}, "fit_rate"),
        (
            {"query_type": "comparison", "technologies": ["Wind", "Hydro"], "query_intent": "ppa_opportunities"},
            "comparisons",
        ),
        ({"query_type": "aggregation", "aggregation": "count", "location": "Devon"}, "location_mapping"),
        ({"query_type": "aggregation", "aggregation": "count", "group_by": "region"}, "aggregations"),
        ({"query_type": "aggregation", "aggregation": "count", "technology": "Wind"}, "aggregations"),
        ({"fit_remaining_max_years": 5}, "business_queries"),
        ({"include_revenue": True, "technology": "Wind"}, "regional_calculations"),
        ({"technology": "Wind", "location": "Devon"}, "location_mapping"),
        ({"technology": "Wind", "capacity_min_kw": 5}, "capacity_filtering"),
        ({"location": "Devon", "capacity_min_kw": 5}, "combined"),
        ({"capacity_min_kw": 5}, "capacity_filtering"),
        ({"technology": "Wind", "sort_by": "capacity_desc"}, "basic_technology"),
    ],
)
def test_categories(gold: dict, category: str) -> None:
    assert category_of(gold) == category


def test_seeds_are_read_with_their_patterns(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps({"q": "wind  in berks", "gold": {"technology": "Wind", "location": "Berkshire"}}) + "\n")
    (one,) = load_seeds(file, GAZETTEER)
    assert one.q == "wind in berks"
    assert one.gold == fill_patterns({"technology": "Wind", "location": "Berkshire"})


@pytest.mark.parametrize(
    "line", ["{", '{"q": "x"}', '{"q": 1, "gold": {}}', '{"q": "x", "gold": {"technology": "Sun"}}']
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(f'{{"q": "x", "gold": {{}}}}\n{line}\n')
    with pytest.raises(ExampleError, match=r"train\.jsonl, line 2"):
        load_seeds(file, GAZETTEER)
