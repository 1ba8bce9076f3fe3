"""The router: one parser answers, a second one in its place when the first fails; repeated questions are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fit_assets.parsing.base import Parser, ParseResult
from fit_assets.parsing.cache import AnswerCache, MemoryCache


class Router:
    """Asks ``primary``, and ``fallback`` where that fails; safe for use by several threads.

    A failure is an error, no filters, an exception, or (with ``min_confidence``) a confidence below it. The answer
    then carries a note that says so, and ``ParseResult.parser`` names who answered. Answers of ``primary`` are kept
    in ``cache``; answers of ``fallback`` are not, since they are cheap and the primary may recover.
    """

    def __init__(
        self,
        primary: Parser,
        fallback: Parser,
        min_confidence: float | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        """Route between two parsers.

        Args:
            primary: who is asked first.
            fallback: who answers where the primary fails.
            min_confidence: a probability from 0 to 1, None for no such limit.
            cache: what keeps the primary's answers (default: this process).
        """
        self.primary = primary
        self.fallback = fallback
        self._min_confidence = min_confidence or 0.0
        self.cache: AnswerCache = MemoryCache() if cache is None else cache

    @property
    def name(self) -> str:
        """``auto``."""
        return "auto"

    def parse(self, question: str) -> ParseResult:
        """Parse one question."""
        return self.parse_batch([question])[0]

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order; the primary sees those that it has not answered yet in one batch."""
        answers: list[ParseResult | None] = [self._remembered(question) for question in questions]
        unanswered = [index for index, answer in enumerate(answers) if answer is None]
        asked = [questions[index] for index in unanswered]
        for index, answer in zip(unanswered, self._ask_primary(asked), strict=True):
            reason = self._failure(answer)
            if reason is None and isinstance(answer, ParseResult):
                self.cache.put(answer)
                answers[index] = answer
            else:
                answers[index] = self._ask_fallback(questions[index], answer, reason or "no answer")
        return [answer for answer in answers if answer is not None]

    def _ask_primary(self, questions: list[str]) -> Sequence[ParseResult | Exception]:
        """An answer or an exception for each question; one bad question does not spoil the batch."""
        try:
            answers = self.primary.parse_batch(questions) if questions else []
            if len(answers) == len(questions):
                return answers
        except Exception as error:
            if len(questions) == 1:
                return [error]
        return [_guarded(self.primary.parse, question) for question in questions]

    def _failure(self, answer: ParseResult | Exception) -> str | None:
        """Why an answer of the primary does not do; None where it does."""
        if isinstance(answer, Exception):
            return str(answer) or type(answer).__name__
        if answer.error is not None or answer.filters is None:
            return answer.error or "it gave no filters"
        if answer.confidence is not None and answer.confidence < self._min_confidence:
            return f"its confidence {answer.confidence:.2f} is below {self._min_confidence:.2f}"
        return None

    def _ask_fallback(self, question: str, failed: ParseResult | Exception, reason: str) -> ParseResult:
        answer = _guarded(self.fallback.parse, question)
        if isinstance(answer, Exception):
            answer = ParseResult(question, None, self.fallback.name, 0.0, error=f"{type(answer).__name__}: {answer}")
        spent = failed.latency_ms if isinstance(failed, ParseResult) else 0.0
        note = f"answered by {answer.parser}, since {self.primary.name} could not: {reason}"
        unsure = isinstance(failed, ParseResult) and failed.filters is not None
        return replace(
            answer,
            latency_ms=answer.latency_ms + spent,
            notes=(*answer.notes, note),
            model_error=None if unsure else reason,
        )

    def _remembered(self, question: str) -> ParseResult | None:
        start = time.perf_counter()
        answer = self.cache.get(question)
        if answer is None:
            return None
        return replace(answer, question=question, latency_ms=(time.perf_counter() - start) * 1000, cached=True)


def _guarded(parse: Callable[[str], ParseResult], question: str) -> ParseResult | Exception:
    try:
        return parse(question)
    except Exception as error:  # whatever a parser does, the router answers
        return error
