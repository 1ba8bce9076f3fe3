"""A/B: two reports over the same questions, compared question by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fit_assets.evaluation.evaluate import Question, Report, evaluate_parser
from fit_assets.evaluation.execution import AnswerComparer
from fit_assets.evaluation.intervals import mcnemar, median_interval, paired_difference, percentile
from fit_assets.evaluation.metrics import Metric, share
from fit_assets.evaluation.thresholds import SIGNIFICANCE
from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import Parser


@dataclass(frozen=True)
class Comparison:
    """How B did beside A on the same questions.

    ``difference`` is B's parsing accuracy minus A's with its 95 % interval (Newcombe's method 10), ``p_value``
    McNemar's exact test; ``same_results`` is the share of questions on which both bring the same rows or figures
    (where no warehouse was there: the same filters); ``latency_difference_ms`` is the median of B minus A
    on each question with its 95 % interval.
    """

    a: str
    b: str
    n: int
    success_a: Metric
    success_b: Metric
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: tuple[float, float, float]
    p_value: float
    same_results: Metric
    median_ms_a: float
    median_ms_b: float
    latency_difference_ms: tuple[float, float, float]

    @property
    def better(self) -> str | None:
        """The name of the arm that is shown to be better; None where no difference is shown."""
        if self.p_value >= SIGNIFICANCE:
            return None
        return self.b if self.only_b > self.only_a else self.a

    @property
    def verdict(self) -> str:
        """One sentence: which arm is better in right answers, by how much, and what it costs in time."""
        points, low, high = (100 * value for value in self.difference)
        evidence = f"{points:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}, p = {self.p_value:.3g}"
        if self.better:
            other = self.a if self.better == self.b else self.b
            result = f"{self.better} answers more questions right than {other}"
        else:
            result = f"no difference in right answers between {self.a} and {self.b} is shown"
        slower, slower_low, slower_high = self.latency_difference_ms
        if slower_low <= 0 <= slower_high:
            pace = "no difference in time is shown"
        else:
            pace = f"{self.b} takes {abs(slower):,.0f} ms {'more' if slower > 0 else 'less'} a question (median)"
        return f"On {self.n:,} questions {result} ({self.b} minus {self.a}: {evidence}); {pace}."

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with ``better`` and ``verdict``."""
        return asdict(self) | {
            "success_a": self.success_a.to_dict(),
            "success_b": self.success_b.to_dict(),
            "same_results": self.same_results.to_dict(),
            "better": self.better,
            "verdict": self.verdict,
        }


def compare(
    a: Report, b: Report, comparer: AnswerComparer | None = None, names: tuple[str, str] | None = None
) -> Comparison:
    """Compare two reports over the same questions in the same order.

    Args:
        a: the report of the arm that is there (production, say).
        b: the report of the arm that challenges it.
        comparer: runs filters to see whether answers agree; by default on the warehouse, if there is one.
        names: what to call the arms; by default the parsers' names.

    Raises:
        ValueError: the reports are over different questions, or over none.
    """
    if a.questions_digest != b.questions_digest:
        raise ValueError(
            f"cannot compare {a.parser} ({len(a.predictions)} questions) with {b.parser} ({len(b.predictions)}): "
            "their questions or gold differ; evaluate both on the same file"
        )
    if not a.predictions:
        raise ValueError("cannot compare two reports without questions")
    name_a, name_b = names or ((a.parser, b.parser) if a.parser != b.parser else (f"{a.parser} A", f"{b.parser} B"))
    comparer = comparer or AnswerComparer()
    pairs = list(zip(a.predictions, b.predictions, strict=True))
    both = sum(p.correct and q.correct for p, q in pairs)
    only_a = sum(p.correct and not q.correct for p, q in pairs)
    only_b = sum(q.correct and not p.correct for p, q in pairs)
    neither = len(pairs) - both - only_a - only_b
    return Comparison(
        a=name_a,
        b=name_b,
        n=len(pairs),
        success_a=share("parsing_accuracy", (p.correct for p, _ in pairs)),
        success_b=share("parsing_accuracy", (q.correct for _, q in pairs)),
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        difference=paired_difference(both, only_a, only_b, neither),
        p_value=mcnemar(only_a, only_b),
        same_results=share("same_results", (_same_result(p.predicted, q.predicted, comparer) for p, q in pairs)),
        median_ms_a=percentile([p.latency_ms for p, _ in pairs], 50),
        median_ms_b=percentile([q.latency_ms for _, q in pairs], 50),
        latency_difference_ms=median_interval([q.latency_ms - p.latency_ms for p, q in pairs]),
    )


def compare_parsers(
    a: Parser, b: Parser, questions: Sequence[Question], comparer: AnswerComparer | None = None
) -> tuple[Comparison, Report, Report]:
    """Ask both parsers the same questions, one after the other, and compare; the reports come along."""
    comparer = comparer or AnswerComparer()
    report_a, report_b = (evaluate_parser(parser, questions, comparer=comparer) for parser in (a, b))
    return compare(report_a, report_b, comparer), report_a, report_b


def accuracy_loss(reference: Report, challenger: Report) -> float:
    """How much parsing accuracy the challenger loses against the reference (absolute; negative for a gain).

    Over the questions that both were asked: plain decoding may have been asked a part of them.

    Raises:
        ValueError: they have no question in common.
    """
    before = {one.question: one.correct for one in reference.predictions}
    after = {one.question: one.correct for one in challenger.predictions if one.question in before}
    if not after:
        raise ValueError("they have no question in common; evaluate both on the same split")
    return sum(before[question] - correct for question, correct in after.items()) / len(after)


def _same_result(a: QueryFilters | None, b: QueryFilters | None, comparer: AnswerComparer) -> bool:
    if a is None or b is None:
        return a is b
    same = comparer.same(a, b)
    return a.same_as(b) if same is None else same
