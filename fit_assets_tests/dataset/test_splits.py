"""The splits have exact sizes, and nothing leaks between them."""

from collections import Counter

import pytest

from fit_assets.dataset.examples import Example
from fit_assets.dataset.generator import CATEGORIES, GeneratorConfig, generate
from fit_assets.dataset.splits import (
    SplitError,
    find_leaks,
    find_shared_combinations,
    is_near_copy,
    split,
)
from fit_assets.defs.dataset import natural_questions


@pytest.fixture(scope="module")
def splits(examples):
    return split(examples)


def _inside(part):
    return [example for example in part if example.category != "out_of_scope"]


def test_sizes_are_exact(examples, splits):
    assert [len(_inside(part)) for part in (splits.train, splits.validation, splits.test)] == [3600, 450, 450]
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [3920, 490, 490]
    everything = splits.train + splits.validation + splits.test
    assert sorted(example.q for example in everything) == sorted(example.q for example in examples)


@pytest.mark.parametrize("size", [200, 600])
def test_other_sizes_keep_the_ratio(size):
    parts = split(generate(GeneratorConfig(seed=2, size=size)))
    assert [len(_inside(part)) for part in (parts.train, parts.validation, parts.test)] == [
        size * 8 // 10,
        size // 10,
        size // 10,
    ]


def test_a_small_set_of_natural_questions_can_be_split():
    """Its few complex questions of one kind are much alike: larger bundles are dealt, by category alone."""
    parts = split(generate(GeneratorConfig(seed=17, size=1_000), natural_questions()), seed=17)
    assert [len(_inside(part)) for part in (parts.train, parts.validation, parts.test)] == [800, 100, 100]
    assert find_leaks(parts.train + parts.validation, parts.test) == []


def test_nothing_leaks(splits):
    assert find_leaks(splits.train, splits.test) == []
    assert find_leaks(splits.train, splits.validation) == []
    assert find_leaks(splits.validation, splits.test) == []


def test_test_combinations_are_new_and_of_every_category(splits):
    assert find_shared_combinations(splits.train + splits.validation, splits.test) == []
    counts = Counter(example.category for example in _inside(splits.test))
    assert counts == {name: share // 10 for name, share in CATEGORIES.items()}


def test_validation_has_the_mix_of_train(splits):
    train, validation = (Counter(e.complexity for e in _inside(p)) for p in (splits.train, splits.validation))
    for complexity in ("simple", "complex", "business"):
        assert abs(train[complexity] / 3600 - validation[complexity] / 450) < 0.02


def test_same_seed_same_splits_other_seed_others(examples, splits):
    assert split(examples) == splits
    assert split(examples, seed=99).test != splits.test


def test_planted_leaks_are_found(splits):
    copy = splits.test[0]
    near = Example.of("please " + splits.test[1].q + "?", {"technology": "Wind"}, "combined")
    found = {(leak.reason, leak.second) for leak in find_leaks([*splits.train, copy, near], splits.test)}
    assert {("identical", copy.q), ("near copy", splits.test[1].q)} <= found


def test_planted_shared_combination_is_found(splits):
    assert find_shared_combinations([*splits.train, _inside(splits.test)[0]], splits.test)


@pytest.mark.parametrize(
    ("first", "second", "near"),
    [
        ("wind sites in devon", "Wind sites in Devon?", True),
        ("wind sites in devon", "show me all the wind sites in devon please", True),
        ("solar over 100kw in kent", "in kent solar over 100kw", True),
        ("how many hydro schemes are there in north wales", "how many hydro scheme are there in north wales", True),
        ("wind sites in devon", "hydro sites in devon", False),
        ("wind in devon", "wind in dorset", False),
        ("solar over 100kw", "solar under 100kw", False),
        ("solar over 100kw", "solar over 2mw", False),
        ("what is the fit rate for 1585", "details of 1585", False),
    ],
)
def test_near_copies(first, second, near):
    assert is_near_copy(first, second) is near
    assert bool(find_leaks([first], [second])) is near


def test_examples_too_much_alike_are_refused():
    same = [Example.of(f"wind farm number {n}", {"technology": "Wind"}, "basic_technology") for n in range(100)]
    with pytest.raises(SplitError, match="too much alike"):
        split(same)
