"""When two questions are near copies of each other, and a quick search for them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from fit_assets.language.text import normalise_question

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
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?|[<>~]")


def is_near_copy(first: str, second: str) -> bool:
    """Whether two questions say the same in (nearly) the same words.

    That is: the same words once the stop words are gone, or sorted words with a similarity of
    ``NEAR_COPY_RATIO`` or more. Case, punctuation and word order do not matter; numbers are words.
    """
    index = NearCopyIndex()
    index.add(first)
    return bool(index.near(second))


def near_pairs(questions: Sequence[str]) -> list[tuple[int, int, float]]:
    """All pairs of near copies: the positions (lower first) and the similarity (100 for the same content words)."""
    index = NearCopyIndex()
    pairs = []
    for position, question in enumerate(questions):
        pairs += [(other, position, similarity) for other, similarity in index.near(question)]
        index.add(question)
    return sorted(pairs)


@dataclass
class NearCopyIndex:
    """Questions seen so far, numbered in the order in which they were added."""

    _number: int = 0
    _by_length: dict[int, tuple[list[str], list[int]]] = field(default_factory=lambda: defaultdict(lambda: ([], [])))
    _by_content: dict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, question: str) -> int:
        """Keep a question; returns its number."""
        words = _words(question)
        text = " ".join(words)
        texts, numbers = self._by_length[len(text)]
        texts.append(text)
        numbers.append(self._number)
        self._by_content[_content(words)].append(self._number)
        self._number += 1
        return self._number - 1

    def near(self, question: str) -> list[tuple[int, float]]:
        """Number and similarity of every question that this one is a near copy of, by number."""
        words = _words(question)
        text = " ".join(words)
        found = dict.fromkeys(self._by_content.get(_content(words), ()), 100.0)
        # Texts of lengths m <= n are at most 200 m / (m + n) alike: only near lengths need a look.
        reach = 200 / NEAR_COPY_RATIO - 1
        for length in range(int(len(text) / reach), int(len(text) * reach) + 1):
            if length in self._by_length:
                texts, numbers = self._by_length[length]
                for _, similarity, position in process.extract_iter(
                    text, texts, scorer=fuzz.ratio, score_cutoff=NEAR_COPY_RATIO
                ):
                    found.setdefault(numbers[position], similarity)
        return sorted(found.items())


def _words(question: str) -> list[str]:
    return sorted(_WORD.findall(normalise_question(question).replace("'", "")))


def _content(words: Sequence[str]) -> tuple[str, ...]:
    """The words that carry meaning; all of them where none does."""
    return tuple(word for word in words if word not in _STOP_WORDS) or tuple(words)
