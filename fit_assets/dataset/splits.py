"""Train, validation and test: nothing in one may repeat, or nearly repeat, what is in another.

The test split takes whole *combinations* (the shape of a gold object without its numbers, years and ids), so
that training and validation never see them. Questions that are near copies of each other stay on one side:
they are tied together first, and only whole bundles are dealt out, so no repair is needed afterwards.
Out-of-scope questions have one combination in common; they are split 80/10/10 on top, near copies together.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process, utils

from fit_assets.dataset.examples import Example
from fit_assets.dataset.generator import OUT_OF_SCOPE
from fit_assets.training.prompt import normalise_question

TEST_SHARE = VALIDATION_SHARE = 0.1

# Two questions are near copies from this similarity on (0 to 100: indel ratio of their sorted words). Below it
# two short questions differ in a word that carries meaning: "wind in devon", "hydro in devon".
NEAR_COPY_RATIO = 90.0

_STOP_WORDS = frozenset(
    (
        *("a", "an", "all", "and", "any", "are", "at", "be", "can", "could", "did", "do", "does", "for", "from", "get"),
        *("give", "got", "has", "have", "hey", "hi", "i", "im", "in", "is", "it", "its", "just", "list", "me", "my"),
        *("need", "now", "of", "ok", "okay", "on", "our", "please", "pls", "plz", "right", "see", "show", "so", "some"),
        *("tell", "thanks", "that", "the", "there", "these", "they", "this", "those", "to", "um", "us", "want", "we"),
        *("what", "whats", "which", "who", "will", "with", "would", "you", "your"),
    )
)


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
    a model must learn at all, stay in train. Validation has the mix of complexities and categories of train.

    Raises:
        SplitError: too few different combinations or questions.
    """
    rng = random.Random(f"{seed}:split")
    inside = [example for example in examples if example.category != OUT_OF_SCOPE]
    outside = [example for example in examples if example.category == OUT_OF_SCOPE]
    copies = _copies([example.q for example in inside])

    test = _deal_test(inside, copies, rng)
    rest = [index for index in range(len(inside)) if index not in test]
    # A near copy of a test question is in test too (its whole bundle is); ties among the rest matter here.
    validation = _deal(
        inside,
        _bundles(rest, copies, [None] * len(inside)),
        _shares([(inside[index].complexity, inside[index].category) for index in rest], _tenth(len(inside))),
        lambda example: (example.complexity, example.category),
        rng,
        "validation",
    )
    outside_copies = _copies([example.q for example in outside])
    outside_test, outside_validation = _deal_outside(outside, outside_copies, rng)

    def gather(chosen: set[int], chosen_outside: set[int]) -> list[Example]:
        part = [inside[index] for index in sorted(chosen)] + [outside[index] for index in sorted(chosen_outside)]
        rng.shuffle(part)
        return part

    train = set(rest) - validation
    outside_train = set(range(len(outside))) - outside_test - outside_validation
    return Splits(gather(train, outside_train), gather(validation, outside_validation), gather(test, outside_test))


def is_near_copy(first: str, second: str) -> bool:
    """Whether two questions say the same in (nearly) the same words: numbers count as words, order does not."""
    a, b = _sorted_words(first), _sorted_words(second)
    return _content(first) == _content(second) or fuzz.ratio(a, b) >= NEAR_COPY_RATIO


def find_leaks(first: Iterable[Example | str], second: Iterable[Example | str]) -> list[Leak]:
    """Every pair of an identical or nearly identical question across two sets, the worst first."""
    left, right = ([item.q if isinstance(item, Example) else item for item in part] for part in (first, second))
    texts = [*left, *right]
    leaks = []
    for one, other, similarity in _near_pairs(texts):
        if (one < len(left)) != (other < len(left)):
            a, b = sorted((one, other))
            same = normalise_question(texts[a]) == normalise_question(texts[b])
            leaks.append(Leak(texts[a], texts[b], "identical" if same else "near copy", similarity))
    return sorted(leaks, key=lambda leak: (leak.reason != "identical", -leak.similarity, leak.first, leak.second))


def find_shared_combinations(first: Iterable[Example], second: Iterable[Example]) -> list[str]:
    """Combinations of in-scope examples that occur in both sets; empty between train and test."""
    left, right = (
        {example.combination for example in part if example.category != OUT_OF_SCOPE} for part in (first, second)
    )
    return sorted(left & right)


# --- dealing ----------------------------------------------------------------------------------------------------


def _deal_test(examples: Sequence[Example], copies: Sequence[int], rng: random.Random) -> set[int]:
    """Whole combinations, with every near copy's combination, until each category has its share."""
    bundles = _bundles(range(len(examples)), copies, [example.combination for example in examples])
    wanted = _shares([example.category for example in examples], _tenth(len(examples)))
    return _deal(examples, bundles, wanted, lambda example: example.category, rng, "test")


def _deal_outside(examples: Sequence[Example], copies: Sequence[int], rng: random.Random) -> tuple[set[int], set[int]]:
    many = _tenth(len(examples))
    everything = range(len(examples))
    test = _deal(
        examples, _bundles(everything, copies, [None] * len(examples)), {OUT_OF_SCOPE: many}, _category, rng, "test"
    )
    rest = [index for index in everything if index not in test]
    bundles = _bundles(rest, copies, [None] * len(examples))
    return test, _deal(examples, bundles, {OUT_OF_SCOPE: many}, _category, rng, "validation")


def _deal(
    examples: Sequence[Example],
    bundles: list[list[int]],
    wanted: dict[Hashable, int],
    label: object,
    rng: random.Random,
    name: str,
) -> set[int]:
    """Take whole bundles at random until every label has exactly the wanted number."""
    assert callable(label)
    need = Counter(wanted)
    # A bundle that is a big part of its label is what the model must learn: it stays in train.
    largest = max(1, sum(wanted.values()) // 50)
    able = [bundle for bundle in bundles if len(bundle) <= largest]
    rng.shuffle(able)
    able.sort(key=lambda bundle: len(bundle) == 1)  # the single ones last: they fill what is left exactly
    half = {key: max(1, value // 2) for key, value in need.items()}
    chosen: set[int] = set()
    for bundle in able:
        labels = Counter(label(examples[index]) for index in bundle)
        single = len(bundle) == 1
        if all(need[key] >= many and (single or need[key] > half[key]) for key, many in labels.items()):
            chosen.update(bundle)
            need -= labels
    if sum(need.values()):
        missing = ", ".join(f"{count} of {key}" for key, count in sorted(need.items(), key=str))
        raise SplitError(
            f"{name}: {missing} missing, the examples are too much alike; "
            "add phrases to data/phrases or generate more examples"
        )
    return chosen


def _category(example: Example) -> str:
    return example.category


def _tenth(number: int) -> int:
    return round(number * TEST_SHARE)


def _shares(labels: Sequence[Hashable], total: int) -> dict[Hashable, int]:
    """``total`` dealt to the labels in proportion to how often they occur (largest remainder)."""
    counts = Counter(labels)
    exact = {label: total * count / len(labels) for label, count in sorted(counts.items(), key=str)}
    shares = {label: int(value) for label, value in exact.items()}
    for label in sorted(exact, key=lambda label: shares[label] - exact[label])[: total - sum(shares.values())]:
        shares[label] += 1
    return shares


def _bundles(indices: Iterable[int], copies: Sequence[int], tied: Sequence[str | None]) -> list[list[int]]:
    """Indices that must stay together: near copies of each other, and those with the same ``tied`` value."""
    indices = list(indices)
    parents: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for index in indices:
        parents[root(index)] = root(("copies", copies[index]))
        if tied[index] is not None:
            parents[root(index)] = root(("tied", tied[index]))
    bundles = defaultdict(list)
    for index in indices:
        bundles[root(index)].append(index)
    return list(bundles.values())


# --- near copies ------------------------------------------------------------------------------------------------


def _copies(questions: Sequence[str]) -> list[int]:
    """For each question the number of its family of near copies (the chain of them, not only the pair)."""
    family = list(range(len(questions)))

    def root(index: int) -> int:
        while family[index] != index:
            family[index] = family[family[index]]
            index = family[index]
        return index

    for one, other, _ in _near_pairs(questions):
        family[root(one)] = root(other)
    return [root(index) for index in range(len(questions))]


def _near_pairs(questions: Sequence[str]) -> list[tuple[int, int, float]]:
    """All pairs of near copies: positions and similarity (100 for the same content words)."""
    words = [_sorted_words(question) for question in questions]
    pairs: dict[tuple[int, int], float] = {}
    by_length = sorted(range(len(words)), key=lambda index: len(words[index]))
    lengths = [len(words[index]) for index in by_length]
    texts = [words[index] for index in by_length]
    end = 0
    # The indel ratio of texts of lengths m <= n is at most 200 m / (m + n): only near lengths are compared.
    for position, text in enumerate(texts):
        reach = lengths[position] * (200 / NEAR_COPY_RATIO - 1)
        end = max(end, position + 1)
        while end < len(texts) and lengths[end] <= reach:
            end += 1
        for _, similarity, offset in process.extract_iter(
            text, texts[position + 1 : end], scorer=fuzz.ratio, score_cutoff=NEAR_COPY_RATIO
        ):
            one, other = sorted((by_length[position], by_length[position + 1 + offset]))
            pairs[one, other] = similarity
    same_content = defaultdict(list)
    for index, question in enumerate(questions):
        same_content[_content(question)].append(index)
    for group in same_content.values():
        for number, one in enumerate(group):
            for other in group[number + 1 :]:
                pairs[one, other] = 100.0
    return [(one, other, similarity) for (one, other), similarity in sorted(pairs.items())]


def _sorted_words(question: str) -> str:
    return " ".join(sorted(utils.default_process(normalise_question(question)).split()))


def _content(question: str) -> tuple[str, ...]:
    """The words that carry meaning, sorted; all of them where none does."""
    words = re.findall(r"[a-z0-9.<>]+", normalise_question(question).replace("'", ""))
    return tuple(sorted(word.strip(".") for word in words if word.strip(".") not in _STOP_WORDS)) or tuple(words)
