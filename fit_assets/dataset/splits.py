"""Train, validation and test: no question and no near copy stands in two of them.

What belongs together is never parted: questions that are near copies of each other form a unit, and for the test
split all examples of one combination of filters do too, so that the test holds combinations that training never
saw. Units are then dealt out until every split has exactly its size.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from fit_assets.dataset.examples import Example
from fit_assets.training.prompt import normalise_question

VALIDATION_SHARE = TEST_SHARE = 0.1
OUT_OF_SCOPE = "out_of_scope"

# Two questions are near copies from this similarity (0 to 100) of their sorted words: a plural, a typo, another digit.
NEAR_COPY_RATIO = 93
_STOP_WORDS = frozenset(
    [
        "a",
        "all",
        "an",
        "and",
        "any",
        "are",
        "at",
        "can",
        "could",
        "do",
        "does",
        "for",
        "from",
        "get",
        "give",
        "have",
        "i",
        "in",
        "is",
        "list",
        "me",
        "my",
        "of",
        "on",
        "please",
        "pls",
        "show",
        "sites",
        "some",
        "tell",
        "that",
        "the",
        "there",
        "to",
        "us",
        "want",
        "we",
        "what",
        "which",
        "with",
        "would",
        "you",
        "your",
    ]
)


class SplitError(ValueError):
    """Examples that cannot be split as asked; the message says what to change."""


@dataclass(frozen=True)
class Splits:
    """The three splits; each example stands in exactly one."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


@dataclass(frozen=True)
class Leak:
    """Two questions of different splits that are the same, or nearly."""

    first: str
    second: str
    similarity: float


def split(examples: Sequence[Example], seed: int = 17) -> Splits:
    """Deal examples out: 80 % train, 10 % validation, 10 % test, each share exact.

    In-scope and out-of-scope examples are counted apart (3,600/450/450 of 4,500, and 160/20/20 of 200). The test
    split takes its share of every category, in combinations that occur nowhere else (out-of-scope questions have
    only one combination and are exempt); validation takes its share of every category and complexity.

    Raises:
        SplitError: too few distinct questions or combinations.
    """
    copies = _near_copies([example.q for example in examples])
    in_scope = [index for index, example in enumerate(examples) if example.category != OUT_OF_SCOPE]
    outside = [index for index, example in enumerate(examples) if example.category == OUT_OF_SCOPE]
    by_copy = _units(range(len(examples)), copies)
    combined = copies + _chains(in_scope, lambda index: examples[index].combination)
    rng = random.Random(f"splits/{seed}")

    def category(index: int) -> str:
        return examples[index].category

    def stratum(index: int) -> str:
        return f"{examples[index].category}/{examples[index].complexity}"

    def out_of_scope_units(exclude: set[int]) -> list[list[int]]:
        return [unit for unit in by_copy if set(unit) <= set(outside) - exclude]

    apart = set(outside)
    test_units = [unit for unit in _units(range(len(examples)), combined) if not apart & set(unit)]
    test = _deal(test_units, category, _shares(map(category, in_scope), TEST_SHARE), rng)
    test += _deal(out_of_scope_units(set()), category, _shares(map(category, outside), TEST_SHARE), rng)
    taken = set(test)

    validation_units = [unit for unit in by_copy if not (apart | taken) & set(unit)]
    shares = _shares((stratum(index) for index in in_scope if index not in taken), VALIDATION_SHARE / (1 - TEST_SHARE))
    validation = _deal(validation_units, stratum, shares, rng)
    validation += _deal(out_of_scope_units(taken), category, _shares(map(category, outside), VALIDATION_SHARE), rng)
    taken |= set(validation)
    train = [index for index in range(len(examples)) if index not in taken]

    def picked(indices: Iterable[int]) -> list[Example]:
        return [examples[index] for index in sorted(indices)]

    return Splits(picked(train), picked(validation), picked(test))


def find_leaks(first: Sequence[Example], second: Sequence[Example]) -> list[Leak]:
    """Questions of the second list that stand in the first one, or nearly; most similar first."""
    a, b = [_key(example.q) for example in first], [_key(example.q) for example in second]
    leaks = [Leak(first[row].q, second[column].q, ratio) for row, column, ratio in _similar(a, b)]
    by_words = {_content(example.q): example.q for example in first}
    seen = {(leak.first, leak.second) for leak in leaks}
    for example in second:
        twin = by_words.get(_content(example.q))
        if twin is not None and _content(example.q) and (twin, example.q) not in seen:
            leaks.append(Leak(twin, example.q, fuzz.ratio(_key(twin), _key(example.q))))
    return sorted(leaks, key=lambda leak: -leak.similarity)


def is_near_copy(first: str, second: str) -> bool:
    """Whether two questions are the same but for word order, a letter or digit, or words without a meaning."""
    content = _content(first)
    return (bool(content) and content == _content(second)) or fuzz.ratio(_key(first), _key(second)) >= NEAR_COPY_RATIO


def _words(question: str) -> list[str]:
    return re.findall(r"[a-z0-9.]+", normalise_question(question))


def _key(question: str) -> str:
    return " ".join(sorted(_words(question)))


def _content(question: str) -> tuple[str, ...]:
    return tuple(sorted(word for word in _words(question) if word not in _STOP_WORDS))


def _similar(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, float]]:
    """(row, column, similarity) of all pairs from the threshold up, in blocks that keep the matrix small."""
    found = []
    for start in range(0, len(a), 1000):
        matrix = process.cdist(a[start : start + 1000], b, scorer=fuzz.ratio, score_cutoff=NEAR_COPY_RATIO, workers=-1)
        rows, columns = matrix.nonzero()
        found += [
            (start + int(row), int(column), float(matrix[row, column]))
            for row, column in zip(rows, columns, strict=True)
        ]
    return found


def _near_copies(questions: Sequence[str]) -> list[tuple[int, int]]:
    keys = [_key(question) for question in questions]
    pairs = [(row, column) for row, column, _ in _similar(keys, keys) if row < column]
    with_content = [index for index, question in enumerate(questions) if _content(question)]
    return pairs + _chains(with_content, lambda index: _content(questions[index]))


def _chains(indices: Iterable[int], key: Callable[[int], Hashable]) -> list[tuple[int, int]]:
    """Pairs that chain together all indices of one key."""
    last: dict[Hashable, int] = {}
    pairs = []
    for index in indices:
        if key(index) in last:
            pairs.append((last[key(index)], index))
        last[key(index)] = index
    return pairs


def _units(indices: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected components, in order of their first index."""
    parent = list(indices)

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    units: dict[int, list[int]] = {}
    for index in indices:
        units.setdefault(root(index), []).append(index)
    return list(units.values())


def _shares(keys: Iterable[str], share: float) -> Counter[str]:
    """How many of each key make the share; the total is exact, by largest remainders."""
    counts = Counter(keys)
    exact = {key: count * share for key, count in sorted(counts.items())}
    shares = Counter({key: int(value) for key, value in exact.items()})
    missing = round(sum(exact.values())) - sum(shares.values())
    for key in sorted(exact, key=lambda key: exact[key] - int(exact[key]), reverse=True)[:missing]:
        shares[key] += 1
    return shares


def _deal(
    units: Sequence[Sequence[int]], key: Callable[[int], str], quotas: Counter[str], rng: random.Random
) -> list[int]:
    """Whole units whose keys fill the quotas exactly in total, and each quota as nearly as the units allow."""
    open_quotas = Counter(quotas)
    order = list(units)
    rng.shuffle(order)
    order.sort(key=len, reverse=True)  # stable: big units while there is room, single ones to fill up
    dealt: list[int] = []
    left = []
    for unit in order:
        needs = Counter(key(index) for index in unit)
        if all(4 * needs[name] <= quotas[name] or needs[name] == 1 for name in needs) and needs <= open_quotas:
            open_quotas -= needs
            dealt += unit
        else:
            left.append(unit)
    missing = sum(quotas.values()) - len(dealt)
    for unit in left:
        if len(unit) <= missing:
            dealt += unit
            missing -= len(unit)
    if missing:
        raise SplitError(
            f"{missing} of {sum(quotas.values())} places stay empty: too few distinct questions or combinations; "
            "generate more examples or add phrases"
        )
    return dealt
