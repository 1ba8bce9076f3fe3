"""Which corrected questions are held out: never trained on, so that what was learnt from the others can be measured."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from fit_assets.language.text import normalise_question

ONE_IN = 5
# So many questions that are near copies of each other, or a twentieth of all, are what people ask again and again:
# they are learnt, all of them.
_LARGEST_BUNDLE, _LARGEST_SHARE = 3, 20


def held_out(questions: Sequence[str]) -> set[str]:
    """About a fifth of the questions, chosen by the text of the oldest among its near copies; these go with it.

    A question stays on its side as others come in, so that no version is measured on what an earlier one has learnt.

    Args:
        questions: all of them, oldest first.
    """
    from fit_assets.dataset.near_copies import near_pairs

    oldest = list(range(len(questions)))
    for first, second, _ in near_pairs(questions):
        low, high = sorted((oldest[first], oldest[second]))
        oldest = [low if root == high else root for root in oldest]
    bundles: defaultdict[int, list[str]] = defaultdict(list)
    for root, question in zip(oldest, questions, strict=True):
        bundles[root].append(question)
    largest = max(_LARGEST_BUNDLE, len(questions) // _LARGEST_SHARE)
    chosen = [bundle for bundle in bundles.values() if len(bundle) <= largest and _is_chosen(bundle[0])]
    return {question for bundle in chosen for question in bundle}


def _is_chosen(question: str) -> bool:
    digest = hashlib.sha256(normalise_question(question).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % ONE_IN == 0
