"""Quotas, determinism, and gold objects that are valid, canonical and clean by the five rules."""

import random
from collections import Counter

import pytest

from fit_assets.dataset.examples import ExampleError, complexity_of, read_jsonl, write_jsonl
from fit_assets.dataset.generator import CATEGORIES, GeneratorConfig, GeneratorError, generate, quotas
from fit_assets.dataset.noise import NoiseConfig
from fit_assets.dataset.rules import check_rules, describe
from fit_assets.filters import FILTER_KEYS, QueryFilters, canonical_text
from fit_assets.language.text import normalise_question
from fit_assets.places import fill_patterns, load_gazetteer


def test_quotas_are_exact(examples):
    counts = Counter(example.category for example in examples)
    assert dict(counts) == CATEGORIES | {"out_of_scope": 400}
    assert sum(CATEGORIES.values()) == 4500


@pytest.mark.parametrize("size", [1, 7, 90, 2000, 4500, 9001])
def test_quotas_scale_by_largest_remainder(size):
    counts = quotas(size)
    assert sum(counts.values()) == size
    assert all(abs(counts[name] - share * size / 4500) < 1 for name, share in CATEGORIES.items())


def test_size_below_one_is_refused():
    with pytest.raises(GeneratorError, match="at least 1"):
        quotas(0)


def test_same_seed_same_examples_other_seed_others():
    first = generate(GeneratorConfig(seed=5, size=120))
    assert first == generate(GeneratorConfig(seed=5, size=120))
    other = {example.q for example in generate(GeneratorConfig(seed=6, size=120)) if not example.source}
    assert len(other & {example.q for example in first}) < 10


def test_no_question_stands_twice(examples):
    questions = [normalise_question(example.q) for example in examples]
    assert len(set(questions)) == len(questions)


def test_every_gold_is_canonical_with_its_patterns(examples):
    for example in examples:
        filters = QueryFilters.parse(canonical_text(example.gold))
        assert filters.to_dict() == example.gold
        if filters.location is None or filters.postcode_patterns is None:
            assert fill_patterns(filters) == filters, example


def test_the_five_rules_hold(examples):
    for name, violations in check_rules(examples).items():
        assert not violations, f"{name}\n{describe(violations, examples)}"


def test_every_key_and_choice_of_the_contract_occurs(examples):
    keys = Counter(key for example in examples for key in example.gold)
    assert set(keys) == set(FILTER_KEYS)
    assert min(keys.values()) >= 25, keys
    for key, least in (("sort_by", 6), ("group_by", 6), ("aggregation", 5), ("query_intent", 3), ("technology", 5)):
        values = Counter(example.gold[key] for example in examples if key in example.gold)
        assert len(values) == least, (key, values)
        assert min(values.values()) >= 8, (key, values)


def test_questions_are_worded_in_many_ways(examples):
    openings = Counter(" ".join(normalise_question(example.q).split()[:2]) for example in examples)
    assert len(openings) > 1500
    assert openings.most_common(1)[0][1] < len(examples) * 0.03


def test_unknown_places_are_copied_as_written_in_title_case(examples):
    gazetteer = load_gazetteer()
    unknown = [e for e in examples if "location" in e.gold and gazetteer.get(e.gold["location"]) is None]
    assert len(unknown) > 150
    for example in unknown:
        assert normalise_question(example.gold["location"]) in normalise_question(example.q), example


def test_long_pattern_lists_are_rare_but_present(examples):
    long = [example for example in examples if len(example.gold.get("postcode_patterns", ())) > 20]
    assert 0 < len(long) < len(examples) * 0.03


def test_noise_free_data_has_no_noise():
    clean = generate(GeneratorConfig(seed=3, size=200, noise=NoiseConfig(scale=0.0)))
    noisy = generate(GeneratorConfig(seed=3, size=200))
    assert [example.q for example in clean] != [example.q for example in noisy]


def test_out_of_scope_can_be_left_out():
    assert all(e.gold != {"query_type": "unsupported"} for e in generate(GeneratorConfig(size=60, out_of_scope=0)))


def test_complexity():
    assert complexity_of({"technology": "Wind", "capacity_min_kw": 5}) == "simple"
    assert complexity_of({"technology": "Wind", "capacity_min_kw": 5, "location": "Devon"}) == "complex"
    assert complexity_of({"technology": "Wind", "fit_remaining_max_years": 5}) == "business"


def test_jsonl_round_trip(tmp_path, examples):
    path = tmp_path / "deep" / "examples.jsonl"
    some = random.Random(0).sample(examples, 50)
    write_jsonl(path, some)
    assert read_jsonl(path) == some
    assert not list(tmp_path.rglob("*.partial"))


def test_a_failed_write_leaves_the_old_file(tmp_path, examples):
    path = tmp_path / "examples.jsonl"
    write_jsonl(path, examples[:3])

    def broken():
        yield examples[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_jsonl(path, broken())
    assert read_jsonl(path) == examples[:3]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "line",
    ['{"q": "wind"}', "nonsense", '{"q": "wind", "gold": {"technologi": "Wind"}}', '{"q": "", "gold": {}}', "[1]"],
)
def test_bad_lines_are_named(tmp_path, line):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"q": "wind", "gold": {"technology": "Wind"}}\n' + line + "\n")
    with pytest.raises(ExampleError, match=r"bad\.jsonl, line 2"):
        read_jsonl(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ExampleError, match="no such file"):
        read_jsonl(tmp_path / "none.jsonl")
