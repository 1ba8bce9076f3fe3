"""What each part of the served parser is good for: the same questions with each part switched off in turn.

    python -m benchmarks.parts --questions data/questions/dev.jsonl --count 150

Right answers, valid objects and median time of the packaged model: as served, and without the rules' reading, without
the refusal that is weighed against it, without grounding, without tokens that go through unsampled (those that the
grammar forces, and the patterns of a known place), and without anything (plain decoding). ``ratio`` is the median time
divided by that of the parser as served. The variants answer each question in turn.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fit_assets.evaluation.evaluate import load_questions
from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.gguf_parser import GgufParser, _Answer, _Draft
from fit_assets.parsing.regex_parser import RegexParser
from fit_assets.parsing.registry import candidate_gguf


class WithoutRefusal(GgufParser):
    """The model refuses only where its own reading does."""

    def _refusal(self, question: str, draft: _Draft) -> _Answer | None:
        return None


class WithoutGrounding(GgufParser):
    """What the model wrote is taken as it is."""

    def _grounded(self, question: str, filters: QueryFilters) -> tuple[QueryFilters, tuple[str, ...]]:
        return filters, ()


class WithoutForcing(GgufParser):
    """Every token is a step of its own."""

    def _pattern_tokens(self, question: str, so_far: list[int], written: bytes) -> list[int]:
        return []

    def _constrained_answer(self, question: str, bar: float = float("-inf")) -> _Answer:
        matcher_of = self._grammar.matcher
        self._grammar.matcher = lambda: _Unforced(matcher_of())  # type: ignore[method-assign]
        try:
            return super()._constrained_answer(question, bar)
        finally:
            self._grammar.matcher = matcher_of  # type: ignore[method-assign]


class _Unforced:
    """A grammar's matcher that names no token as the only one."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def compute_ff_tokens(self) -> list[int]:
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._matcher, name)


def variants(gguf: Path) -> dict[str, Callable[[], GgufParser]]:
    """The parsers by what is switched off."""
    return {
        "as served": lambda: GgufParser(gguf, rules=RegexParser()),
        "without the rules' reading": lambda: GgufParser(gguf),
        "without the weighed refusal": lambda: WithoutRefusal(gguf, rules=RegexParser()),
        "without grounding": lambda: WithoutGrounding(gguf, rules=RegexParser()),
        "without rules and grounding": lambda: WithoutGrounding(gguf),
        "without rules and forced tokens": lambda: WithoutForcing(gguf),
        "plain decoding": lambda: GgufParser(gguf, constrained=False),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--questions", type=Path, default=Path("data/questions/dev.jsonl"))
    options.add_argument("--count", type=int, default=150)
    options.add_argument("--gguf", type=Path, default=None, help="default: what was packaged last")
    given = options.parse_args()
    questions = load_questions(given.questions)
    questions = random.Random(1).sample(questions, min(given.count, len(questions)))
    parsers = {name: make() for name, make in variants(given.gguf or candidate_gguf()).items()}
    answers: dict[str, list[ParseResult]] = {name: [] for name in parsers}
    for done, question in enumerate(questions, 1):
        for name, parser in parsers.items():
            answers[name].append(parser.parse(question.q))
        if done % 25 == 0:
            print(f"{done} of {len(questions)} questions", flush=True)

    middle = {name: statistics.median(one.latency_ms for one in given) for name, given in answers.items()}
    print(f"\n{'':34}{'right':>8}{'valid':>8}{'p50':>10}{'ratio':>8}")
    for name, given_answers in answers.items():
        right = sum(
            one.filters is not None and one.filters.same_as(question.gold)
            for one, question in zip(given_answers, questions, strict=True)
        )
        valid = sum(one.filters is not None for one in given_answers)
        print(
            f"{name:34}{right / len(questions):8.1%}{valid / len(questions):8.1%}"
            f"{middle[name]:7.0f} ms{middle[name] / middle['as served']:8.2f}"
        )


if __name__ == "__main__":
    main()
