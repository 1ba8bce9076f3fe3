"""What every parser is and returns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fit_assets.filters import QueryFilters, json_schema


@dataclass(frozen=True)
class ParseResult:
    """One parsed question.

    ``filters`` is None exactly where ``error`` says why; ``text`` is what a model wrote, before any check
    (the canonical text for parsers without a model); ``parser`` names who answered, which behind a router may
    be the fallback; ``confidence`` is the probability that the model gave its own text, None where unknown;
    ``notes`` are sentences for the user (a word that was ignored, a place that is not known). Behind a router
    ``model_error`` says why the model failed where the fallback answered in its place, and ``cached`` that the
    answer was kept from an earlier time.
    """

    question: str
    filters: QueryFilters | None
    parser: str
    latency_ms: float
    text: str = ""
    error: str | None = None
    confidence: float | None = None
    notes: tuple[str, ...] = field(default=())
    model_error: str | None = None
    cached: bool = False


class Parser(Protocol):
    """Turns questions into filters. Parsers never raise for a question, however odd: they return an error."""

    @property
    def name(self) -> str:
        """``regex``, ``gguf``, ``raw``, ``ollama`` or ``adapter``."""
        ...

    def parse(self, question: str) -> ParseResult:
        """Parse one question."""
        ...

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order."""
        ...


# Tokens of the longest circle that is looked for.
_CIRCLE = 12


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Whether a model's answer goes round in circles: it will not end, and no valid answer does so."""
    tail = list(tokens[-2 * _CIRCLE :])
    return len(tail) == 2 * _CIRCLE and any(tail[period:] == tail[:-period] for period in range(1, _CIRCLE + 1))


def contract_grammar(start: str = "filters") -> str:
    """The contract's schema as a grammar for llguidance: canonical text only, keys in sorted order, no spaces.

    ``start`` is a Lark expression over ``filters``, for what a tokenizer puts in front.
    """
    from llguidance import LLMatcher

    schema = json.dumps(json_schema() | {"x-guidance": {"whitespace_flexible": False}})
    return str(LLMatcher.grammar_from_lark(f"start: {start}\nfilters: %json {schema}"))
