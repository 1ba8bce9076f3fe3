"""Train, validation and test: nothing in one may repeat, or nearly repeat, what is in another.

The test split takes whole *combinations* (the shape of a gold object without its numbers, years and ids), so
that training and validation never see them. Questions that are near copies of each other stay on one side:
they are tied together first, and only whole bundles are dealt out, so no repair is needed afterwards. So do a natural
question and its variants.
Out-of-scope questions have one combination in common; they are split by the same tenths on top.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fit_assets.dataset.examples import Example
from fit_assets.dataset.generator import OUT_OF_SCOPE
from fit_assets.dataset.near_copies import is_near_copy, near_pairs
from fit_assets.language.text import normalise_question

__all__ = ["Leak", "SplitError", "Splits", "find_leaks", "find_shared_combinations", "is_near_copy", "split"]

TEST_SHARE = VALIDATION_SHARE = 0.1
# A bundle above this share of a split is what a model must learn at all: it stays in train, unless a small data set
# cannot be split so, however it is shuffled: then twice, at last four times this share.
_LARGEST_BUNDLE = 1 / 50
_LARGER = (1, 2, 4)
_SHUFFLES = 10
# Seen this often, a place's postcode areas were known in 98 % of questions (see the generator).
_EXAMPLES_OF_A_PLACE = 3


class SplitError(ValueError):
    """The examples cannot be split without a leak; the message says what is missing."""


@dataclass(frozen=True)
class Splits:
    """The three parts; in-scope and out-of-scope examples together, shuffled."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


@dataclass(frozen=True)
class Leak:
    """Two questions that should not stand in different splits, and why (``identical``, ``near copy``)."""

    first: str
    second: str
    reason: str
    similarity: float


def split(examples: Sequence[Example], seed: int = 17) -> Splits:
    """Deal the examples out: of N in-scope ones N/10 are test, N/10 validation, the rest train.

    Test takes each category's share from combinations that occur nowhere else; the common combinations, which
    a model must learn at all, stay in train. Validation has train's mix of categories and, where there are enough of
    each, complexities.

    Raises:
        SplitError: too few different combinations or questions.
    """
    rng = random.Random(f"{seed}:split")
    pairs = near_pairs([example.q for example in examples])
    combinations = [None if example.category == OUT_OF_SCOPE else example.combination for example in examples]
    sources = [example.source or None for example in examples]
    everything = list(range(len(examples)))

    places = [example.gold.get("location") if "postcode_patterns" in example.gold else None for example in examples]
    left = Counter(filter(None, places))
    labels: list[Hashable] = [example.category for example in examples]
    wanted = _shares(labels, examples, TEST_SHARE)
    test = _deal(_bundles(everything, pairs, combinations, sources), labels, wanted, places, left, rng, "test")

    # A near copy of a test question is in test as well: what is left is tied only among itself.
    rest = [index for index in everything if index not in test]
    bundles = _bundles(rest, pairs, sources)

    def validation_by(labels: Sequence[Hashable]) -> set[int]:
        wanted = _shares([labels[index] for index in rest], examples, VALIDATION_SHARE)
        return _deal(bundles, labels, wanted, places, left, rng, "validation")

    try:
        validation = validation_by([(example.complexity, example.category) for example in examples])
    except SplitError:  # a small data set has few complex questions of some categories
        validation = validation_by([example.category for example in examples])

    def gather(chosen: Iterable[int]) -> list[Example]:
        part = [examples[index] for index in chosen]
        rng.shuffle(part)
        return part

    return Splits(
        gather(index for index in rest if index not in validation), gather(sorted(validation)), gather(sorted(test))
    )


def find_leaks(first: Iterable[Example | str], second: Iterable[Example | str]) -> list[Leak]:
    """Every pair of an identical or nearly identical question across two sets, the worst first."""
    left, right = ([item.q if isinstance(item, Example) else item for item in part] for part in (first, second))
    texts = [*left, *right]
    leaks = []
    for one, other, similarity in near_pairs(texts):
        if one < len(left) <= other:
            same = normalise_question(texts[one]) == normalise_question(texts[other])
            leaks.append(Leak(texts[one], texts[other], "identical" if same else "near copy", similarity))
    return sorted(leaks, key=lambda leak: (leak.reason != "identical", -leak.similarity, leak.first, leak.second))


def find_shared_combinations(first: Iterable[Example], second: Iterable[Example]) -> list[str]:
    """Combinations of in-scope examples that occur in both sets; empty between train and test."""
    left, right = (
        {example.combination for example in part if example.category != OUT_OF_SCOPE} for part in (first, second)
    )
    return sorted(left & right)


def _deal(
    bundles: list[list[int]],
    labels: Sequence[Hashable],
    wanted: Mapping[Hashable, int],
    places: Sequence[str | None],
    left: Counter[str],
    rng: random.Random,
    name: str,
) -> set[int]:
    """Take whole bundles at random until every label has exactly the wanted number.

    As long as others do, no bundle is taken that leaves too few examples of a place to learn its postcode areas from;
    ``left`` is how many each place has, and is counted down.
    """
    need: Counter[Hashable] = Counter()
    for times, _ in itertools.product(_LARGER, range(_SHUFFLES)):
        largest = max(1, int(times * sum(wanted.values()) * _LARGEST_BUNDLE))
        able = [bundle for bundle in bundles if len(bundle) <= largest]
        rng.shuffle(able)
        chosen, need = _drawn(able, labels, wanted, places, left)
        if not need:
            left -= Counter(place for index in chosen if (place := places[index]))
            return chosen
    missing = ", ".join(f"{number} of {label}" for label, number in sorted(need.items(), key=str))
    raise SplitError(
        f"{name}: {missing} missing, the examples are too much alike; "
        "add phrases to data/phrases or generate other examples"
    )


def _drawn(
    able: Sequence[list[int]],
    labels: Sequence[Hashable],
    wanted: Mapping[Hashable, int],
    places: Sequence[str | None],
    left: Mapping[str, int],
) -> tuple[set[int], Counter[Hashable]]:
    """Whole bundles in their order, as far as they go: the examples chosen, and how many of each label are missing."""
    left = Counter(left)
    several, single = ([bundle for bundle in able if (len(bundle) > 1) is many] for many in (True, False))
    # Bundles of several leave room for up to half of a label: the single ones fill it to the exact number.
    singles = Counter(labels[bundle[0]] for bundle in single)
    room = {label: min(number // 2, singles[label]) for label, number in wanted.items()}
    need = Counter(wanted)
    chosen: set[int] = set()
    turns: list[tuple[list[list[int]], Mapping[Hashable, int]]] = [(several, room), (single, {}), (several, {})]
    for floor, (turn, keep) in itertools.product((_EXAMPLES_OF_A_PLACE, 0), turns):
        for bundle in turn:
            takes = Counter(labels[index] for index in bundle)
            named = Counter(place for index in bundle if (place := places[index]))
            if (
                chosen.isdisjoint(bundle)
                and all(need[key] - many >= keep.get(key, 0) for key, many in takes.items())
                and all(left[place] - many >= floor for place, many in named.items())
            ):
                chosen.update(bundle)
                need -= takes
                left -= named
    return chosen, need


def _shares(labels: Sequence[Hashable], examples: Sequence[Example], share: float) -> dict[Hashable, int]:
    """The share of the in-scope and of the out-of-scope examples, dealt to their labels by largest remainder."""
    outside = sum(example.category == OUT_OF_SCOPE for example in examples)

    def is_outside(label: Hashable) -> bool:
        return label == OUT_OF_SCOPE or (isinstance(label, tuple) and OUT_OF_SCOPE in label)

    shares: dict[Hashable, int] = {}
    for belongs, number in ((is_outside, outside), (lambda label: not is_outside(label), len(examples) - outside)):
        shares |= _largest_remainder(Counter(filter(belongs, labels)), round(number * share))
    return shares


def _largest_remainder(counts: Mapping[Hashable, int], total: int) -> dict[Hashable, int]:
    if not counts:
        return {}
    everything = sum(counts.values())
    exact = {label: total * count / everything for label, count in sorted(counts.items(), key=str)}
    shares = {label: int(value) for label, value in exact.items()}
    for label in sorted(exact, key=lambda label: shares[label] - exact[label])[: total - sum(shares.values())]:
        shares[label] += 1
    return shares


def _bundles(
    indices: Sequence[int], pairs: Iterable[tuple[int, int, float]], *tied: Sequence[str | None]
) -> list[list[int]]:
    """Indices that must stay together: chains of near copies, and those with the same value in one of ``tied``."""
    parents = {index: index for index in indices}

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for values in tied:
        first_with: dict[str, int] = {}
        for index in indices:
            if (value := values[index]) is not None:
                parents[root(index)] = root(first_with.setdefault(value, index))
    for one, other, _ in pairs:
        if one in parents and other in parents:
            parents[root(one)] = root(other)
    bundles = defaultdict(list)
    for index in indices:
        bundles[root(index)].append(index)
    return list(bundles.values())
