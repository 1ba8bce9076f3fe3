"""The hand-written questions are what every parser is judged by: their gold must hold by the contract."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rapidfuzz import fuzz, process, utils

from fit_assets import settings
from fit_assets.dataset.examples import Example
from fit_assets.dataset.natural import load_seeds
from fit_assets.dataset.rules import check_rules, describe
from fit_assets.dataset.splits import find_leaks
from fit_assets.filters import QueryFilters
from fit_assets.places import load_gazetteer

PARTS = ("dev", "test")
CATEGORIES = {"search", "fit_rate", "fit_id", "aggregation", "comparison", "business", "ranking", "unsupported"}
TRAITS = {
    "abbreviation",
    "breakdown",
    "dictated",
    "full_sentence",
    "hard_negative",
    "keywords",
    "non_native",
    "number_words",
    "odd_order",
    "partial",
    "postcode",
    "regional",
    "revenue",
    "terse",
    "typo",
    "units",
    "unknown_place",
}
NEAR_COPY = 90  # rapidfuzz token_sort_ratio from which two questions count as one


def load(part: str) -> list[dict[str, Any]]:
    path: Path = settings.PROJECT_ROOT / "data" / "questions" / f"{part}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


QUESTIONS = {part: load(part) for part in PARTS}
EVERY = [pytest.param(row, id=f"{part}-{number}") for part in PARTS for number, row in enumerate(QUESTIONS[part], 1)]


def place_names(gold: dict[str, Any]) -> list[str]:
    return [gold["location"]] if "location" in gold else gold.get("locations", [])


@pytest.mark.parametrize("row", EVERY)
def test_line_is_a_question_with_gold_by_the_contract(row: dict[str, Any]) -> None:
    assert set(row) == {"q", "gold", "slice", "author"}
    assert row["q"].strip() == row["q"] != ""
    assert row["author"]
    assert QueryFilters.parse(row["gold"]).to_dict() == dict(sorted(row["gold"].items()))
    category, *traits = row["slice"]
    assert category in CATEGORIES
    assert set(traits) <= CATEGORIES | TRAITS


@pytest.mark.parametrize("row", EVERY)
def test_places_are_canonical_or_marked_as_unknown(row: dict[str, Any]) -> None:
    for name in place_names(row["gold"]):
        place = load_gazetteer().get(name)
        if place is not None:
            assert place.name == name
        else:
            assert "unknown_place" in row["slice"], f"{name!r} is not in the gazetteer"


@pytest.mark.parametrize("row", EVERY)
def test_postcode_patterns_stand_only_where_the_question_names_them(row: dict[str, Any]) -> None:
    words = re.findall(r"[A-Z0-9]+", row["q"].upper())
    for pattern in row["gold"].get("postcode_patterns", []):
        assert pattern in words


@pytest.mark.parametrize("row", EVERY)
def test_category_agrees_with_gold(row: dict[str, Any]) -> None:
    """The first slice is the category that metrics are broken down by."""
    gold, category = row["gold"], row["slice"][0]
    query_type = gold.get("query_type")
    assert (category == "unsupported") == (query_type == "unsupported")
    assert (category == "fit_rate") == (query_type == "fit_rate")
    assert (category == "comparison") == (query_type == "comparison")
    if category == "fit_id":
        assert "fit_id" in gold
    if category == "aggregation":
        assert query_type == "aggregation"
    if category == "business":
        assert "query_intent" in gold
    if category == "ranking":
        assert "sort_by" in gold
    if category == "search":
        assert not {"query_type", "query_intent", "sort_by", "fit_id"} & set(gold)


def test_no_near_copies_within_or_between_the_files() -> None:
    texts = [row["q"] for part in PARTS for row in QUESTIONS[part]]
    scores = process.cdist(texts, texts, scorer=fuzz.token_sort_ratio, processor=utils.default_process)
    pairs = itertools.combinations(range(len(texts)), 2)
    copies = [(texts[one], texts[other]) for one, other in pairs if scores[one, other] >= NEAR_COPY]
    assert copies == []


def test_what_is_learnt_from_holds_and_nearly_copies_nothing_measured() -> None:
    seeds = load_seeds(settings.questions_dir() / "train.jsonl", load_gazetteer())
    measured = [row["q"] for part in PARTS for row in QUESTIONS[part]]
    assert len(seeds) > 600
    assert find_leaks([seed.q for seed in seeds], measured) == []


def test_what_is_learnt_from_keeps_the_data_rules() -> None:
    seeds = load_seeds(settings.questions_dir() / "train.jsonl", load_gazetteer())
    examples = [Example.of(seed.q, seed.gold, "") for seed in seeds if seed.gold]
    broken = {rule: describe(found, examples) for rule, found in check_rules(examples).items() if found}
    assert broken == {}


def test_no_number_of_an_installation_stands_in_both_files() -> None:
    numbers = [{row["gold"]["fit_id"] for row in QUESTIONS[part] if "fit_id" in row["gold"]} for part in PARTS]
    assert numbers[0] & numbers[1] == set()


@pytest.mark.parametrize("part", PARTS)
def test_every_key_and_category_is_asked_for(part: str) -> None:
    keys = {key for row in QUESTIONS[part] for key in row["gold"]}
    assert keys == set(QueryFilters.model_fields)
    assert {row["slice"][0] for row in QUESTIONS[part]} == CATEGORIES
    assert len({row["author"] for row in QUESTIONS[part]}) >= 12


def test_readme_states_the_sizes() -> None:
    readme = (settings.PROJECT_ROOT / "data" / "questions" / "README.md").read_text(encoding="utf-8")
    counts = {part: Counter(row["slice"][0] for row in QUESTIONS[part]) for part in PARTS}
    for category in CATEGORIES:
        assert f"| {category} | {counts['dev'][category]} | {counts['test'][category]} |" in readme
    assert f"| all | {len(QUESTIONS['dev'])} | {len(QUESTIONS['test'])} |" in readme
