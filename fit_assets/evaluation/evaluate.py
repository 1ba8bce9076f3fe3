"""Ask a parser every question of a set and report how it did."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fit_assets.artifacts import digest_of_value, write_text
from fit_assets.evaluation.critical import CriticalResult, run_critical_tests
from fit_assets.evaluation.execution import AnswerComparer
from fit_assets.evaluation.intervals import percentile
from fit_assets.evaluation.metrics import (
    LOWER_IS_BETTER,
    FieldConfusion,
    Metric,
    Metrics,
    Prediction,
    confusion_by_field,
    score,
    score_slices,
    share,
)
from fit_assets.filters import FilterError, QueryFilters, canonical_text
from fit_assets.parsing.base import Parser, ParseResult
from fit_assets.parsing.ground import ungrounded
from fit_assets.places import fill_patterns

_BATCH = 128


class QuestionsError(ValueError):
    """A file of questions that cannot be used; the message names file, line and the mend."""


@dataclass(frozen=True)
class Question:
    """A question with its gold filters and the labels by which results are sliced."""

    q: str
    gold: QueryFilters
    category: str = ""
    complexity: str = ""
    combination: str = ""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """Percentiles of the time that one question took, in milliseconds."""

    n: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Report:
    """What a parser made of a set of questions; every figure is computed from the predictions."""

    parser: str
    predictions: tuple[Prediction, ...]
    critical: tuple[CriticalResult, ...] = field(default=())

    @cached_property
    def metrics(self) -> Metrics:
        """The contract's metrics by name; ``critical_tests`` among them where they were asked.

        Those four are all there are, no sample of more: their interval is the share itself.
        """
        passed = share("critical_tests", (result.passed for result in self.critical))
        passed = replace(passed, low=passed.value, high=passed.value)
        return score(self.predictions) | ({passed.name: passed} if self.critical else {})

    @cached_property
    def slices(self) -> dict[str, dict[str, Metrics]]:
        """Metrics by category, complexity, number of constraints, tag and the questions' own labels."""
        return score_slices(self.predictions)

    @cached_property
    def confusion(self) -> list[FieldConfusion]:
        """Errors by key, the most first."""
        return confusion_by_field(self.predictions)

    @cached_property
    def latency(self) -> Latency | None:
        """Percentiles over all questions; None for no questions."""
        times = [prediction.latency_ms for prediction in self.predictions]
        if not times:
            return None
        p50, p95, p99 = (round(percentile(times, percent), 3) for percent in (50, 95, 99))
        return Latency(len(times), round(sum(times) / len(times), 3), p50, p95, p99)

    @property
    def questions_digest(self) -> str:
        """SHA-256 (hex) of the questions and their gold: two reports with the same one can be compared."""
        return digest_of_value([[p.question, p.gold.canonical()] for p in self.predictions])

    def value(self, metric: str) -> float | None:
        """The value of one metric; None where it was not measured."""
        return self.metrics[metric].value if metric in self.metrics else None

    def figures(self) -> dict[str, float]:
        """All measured figures by name, flat: for MLflow and for plots over time (shares, and ``latency_…_ms``)."""
        figures = {name: metric.value for name, metric in self.metrics.items() if metric.value is not None}
        if self.latency:
            figures |= {f"latency_{p}_ms": getattr(self.latency, f"{p}_ms") for p in ("p50", "p95", "p99")}
        return figures

    def samples(self, limit: int = 20) -> list[dict[str, Any]]:
        """A table of predictions: the worst first, then right ones; the same rows in every run."""
        worst_first = sorted(self.predictions, key=lambda p: (p.correct, -len(p.differences)))
        return [
            {
                "question": p.question,
                "gold": p.gold.canonical(),
                "predicted": p.predicted.canonical() if p.predicted else f"{p.error or 'no answer'}: {p.text}".strip(),
                "correct": p.correct,
                "category": p.category,
            }
            for p in worst_first[:limit]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values: figures first, then every prediction."""
        return {
            "parser": self.parser,
            "questions": len(self.predictions),
            "questions_digest": self.questions_digest,
            "metrics": _plain(self.metrics),
            "latency": self.latency.__dict__ if self.latency else None,
            "critical": [result.to_dict() for result in self.critical],
            "confusion": [row.__dict__ for row in self.confusion],
            "slices": {
                dimension: {label: _plain(metrics) for label, metrics in by_label.items()}
                for dimension, by_label in self.slices.items()
            },
            "predictions": [prediction.to_dict() for prediction in self.predictions],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Report:
        """The inverse of :meth:`to_dict`; the figures are computed again from the predictions."""
        return cls(
            plain["parser"],
            tuple(map(Prediction.from_dict, plain["predictions"])),
            tuple(map(CriticalResult.from_dict, plain["critical"])),
        )

    def save(self, path: Path) -> None:
        """Write the report as JSON; a failure leaves the old file."""
        write_text(path, json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a saved report.

        Raises:
            OSError: the file is not there.
            ValueError: it is not a report; the message names it.
        """
        try:
            return cls.from_dict(json.loads(path.read_text("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a saved evaluation report ({error!r}); evaluate again") from error

    def to_markdown(self, samples: int = 10) -> str:
        """The report for people: metrics against their targets, slices, errors by field, the worst answers."""
        return "\n\n".join(_markdown(self, samples)) + "\n"


def load_questions(path: Path) -> list[Question]:
    """Read questions: one JSON object a line with ``q`` and ``gold``.

    ``category``, ``complexity``, ``combination`` and ``tags`` (or ``slice``; a text or a list) may stand
    beside. Where gold has a ``location`` but no ``postcode_patterns``, they are filled from the gazetteer.

    Raises:
        QuestionsError: no such file, no questions in it, or a line that is not as above.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsError(f"{path}: cannot be read as UTF-8 text ({error}); name a JSONL file") from error
    questions = [_question(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not questions:
        raise QuestionsError(f'{path}: holds no questions; write one {{"q": …, "gold": {{…}}}} a line')
    return questions


def evaluate_parser(
    parser: Parser,
    questions: Sequence[Question],
    progress: bool | Callable[[int, int], None] = True,
    comparer: AnswerComparer | None = None,
    critical: Parser | None = None,
) -> Report:
    """Ask every question, compare with gold, run the critical tests.

    Args:
        parser: any parser.
        questions: see :func:`load_questions`.
        progress: True for lines on standard error, or a function that is told (done, all) after each batch.
        comparer: runs filters for ``execution_accuracy``; by default on the warehouse, and not at all without one.
        critical: who is asked the four critical questions (default ``parser``).
    """
    comparer = comparer or AnswerComparer()
    report_progress = _print_progress(parser.name) if progress is True else progress or (lambda done, total: None)
    predictions: list[Prediction] = []
    for start in range(0, len(questions), _BATCH):
        batch = questions[start : start + _BATCH]
        answers = parser.parse_batch([question.q for question in batch])
        predictions.extend(
            _prediction(question, answer, comparer) for question, answer in zip(batch, answers, strict=True)
        )
        report_progress(len(predictions), len(questions))
    return Report(parser.name, tuple(predictions), tuple(run_critical_tests(critical or parser)))


def _prediction(question: Question, answer: ParseResult, comparer: AnswerComparer) -> Prediction:
    return Prediction(
        question=question.q,
        gold=question.gold,
        predicted=answer.filters,
        latency_ms=answer.latency_ms,
        parser=answer.parser,
        text=answer.text,
        error=answer.error,
        category=question.category,
        complexity=question.complexity,
        tags=question.tags,
        labels=question.labels,
        confidence=answer.confidence,
        same_answer=comparer.same(question.gold, answer.filters),
        ungrounded=None if answer.filters is None else tuple(ungrounded(question.q, answer.filters)),
    )


def _question(path: Path, number: int, line: str) -> Question:
    where = f"{path}, line {number}"
    try:
        content = json.loads(line)
    except json.JSONDecodeError as error:
        raise QuestionsError(f"{where}: not valid JSON ({error}); write one object a line") from error
    if not isinstance(content, dict) or not isinstance(content.get("q"), str) or not content["q"].strip():
        raise QuestionsError(f'{where}: has no question; write {{"q": "…", "gold": {{…}}}}')
    if not isinstance(content.get("gold"), dict):
        raise QuestionsError(f'{where}: has no gold object; add the filters that are right as "gold"')
    try:
        gold = fill_patterns(QueryFilters.parse(content["gold"]))
    except FilterError as error:
        raise QuestionsError(f"{where}: gold breaks the contract: {error}") from error
    tags = content.get("tags") or content.get("slice") or ()
    return Question(
        q=content["q"],
        gold=gold,
        category=str(content.get("category") or ""),
        complexity=str(content.get("complexity") or ""),
        combination=str(content.get("combination") or ""),
        tags=(tags,) if isinstance(tags, str) else tuple(map(str, tags)),
    )


def _print_progress(name: str) -> Callable[[int, int], None]:
    """A line on standard error for every tenth of the questions."""
    printed = 0

    def report(done: int, total: int) -> None:
        nonlocal printed
        if done * 10 // total > printed:
            printed = done * 10 // total
            print(f"evaluating {name}: {done} of {total} questions", file=sys.stderr, flush=True)

    return report


def _plain(metrics: Metrics) -> dict[str, Any]:
    return {name: metric.to_dict() for name, metric in metrics.items()}


def _markdown(report: Report, samples: int) -> Iterator[str]:
    yield f"## Parser `{report.parser}` on {len(report.predictions):,} questions"
    yield _table(
        ["metric", "value (95 % interval)", "target", "met"],
        [
            [f"`{m.name}`" + (" (lower is better)" if m.name in LOWER_IS_BETTER else ""), str(m), *_target(m)]
            for m in report.metrics.values()
        ],
    )
    if report.latency:
        times = report.latency
        yield f"Latency: p50 {times.p50_ms:.0f} ms, p95 {times.p95_ms:.0f} ms, p99 {times.p99_ms:.0f} ms."
    for result in report.critical:
        if not result.passed:
            yield f"**Critical test failed**: “{result.question}”: {result.reason}"
    for dimension, by_label in report.slices.items():
        yield f"### By {dimension}"
        shown = ("parsing_accuracy", "field_accuracy", "execution_accuracy")
        yield _table(
            [dimension, *shown],
            [[label, *(str(metrics[name]) for name in shown)] for label, metrics in by_label.items()],
        )
    wrong = [row for row in report.confusion if row.errors]
    if wrong:
        yield "### Errors by field"
        yield _table(
            ["key", "right", "missing", "spurious", "wrong value"],
            [[f"`{row.key}`", *map(str, (row.right, row.missing, row.spurious, row.wrong))] for row in wrong],
        )
    failures = [p for p in report.predictions if not p.correct]
    if failures and samples:
        yield "### Worst answers"
        yield _table(
            ["question", "gold", "answer", "error"],
            [
                [p.question, *_differing(p), p.error or ""]
                for p in sorted(failures, key=lambda p: -len(p.differences))[:samples]
            ],
        )


def _differing(prediction: Prediction) -> tuple[str, str]:
    """Gold's and the prediction's side of what differs."""
    gold = {key: value for key, value, _ in prediction.differences if value is not None}
    predicted = {key: value for key, _, value in prediction.differences if value is not None}
    return f"`{canonical_text(gold)}`", f"`{canonical_text(predicted)}`"


def _target(metric: Metric) -> tuple[str, str]:
    met = {True: "yes", False: "**no**", None: ""}[metric.met]
    return (str(metric.target) if metric.target else "", met)


def _table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *map(line, rows)])
