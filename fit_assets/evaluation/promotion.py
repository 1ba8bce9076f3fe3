"""The promotion rule: when a candidate takes the place of the version in production.

Both are asked the same three sets of questions: the frozen test split, the natural questions, and corrections that
neither was trained on. The candidate is promoted when

1. over all of them together it answers more questions right than production does,
2. on no set it is shown to be worse, nor loses more than a point where the intervals cannot tell, and
3. no slice of a set loses more than a point (and more than two questions, since any training changes so many).

"Shown" means that the 95 % interval of the paired difference lies below zero. Rule 1 keeps a row of candidates, each a
little worse within its interval, from walking downhill. A set without questions decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fit_assets.evaluation.evaluate import Report
from fit_assets.evaluation.intervals import paired_difference
from fit_assets.evaluation.metrics import Metrics
from fit_assets.evaluation.thresholds import PROMOTION_MAX_LOSS, PROMOTION_SLICE_QUESTIONS

# Shares of whole questions have rounding errors in their last digits.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Standing:
    """Candidate and production on one set of questions; ``difference`` is candidate minus production with interval."""

    questions: str
    n: int
    production: float
    candidate: float
    gained: int
    lost: int
    difference: tuple[float, float, float]

    def __str__(self) -> str:
        """``natural questions: 95.4 % → 96.0 % of 350 (+0.6 points, -1.1 to +2.3; 5 gained, 3 lost)``."""
        points, low, high = (100 * value for value in self.difference)
        return (
            f"{self.questions}: {100 * self.production:.1f} % → {100 * self.candidate:.1f} % of {self.n:,} "
            f"({points:+.1f} points, {low:+.1f} to {high:+.1f}; {self.gained} gained, {self.lost} lost)"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and why not, a sentence each; empty where it is promoted."""

    promote: bool
    reasons: tuple[str, ...]
    standings: tuple[Standing, ...]

    @property
    def summary(self) -> str:
        """One line for a list of versions."""
        return "; ".join(self.reasons) or "; ".join(map(str, self.standings))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def decide(pairs: Mapping[str, tuple[Report, Report]]) -> Verdict:
    """Hold a candidate against production.

    Args:
        pairs: reports of production and of the candidate on the same questions, by what the questions are called.

    Raises:
        ValueError: the two reports of a pair are on different questions.
    """
    standings = tuple(
        _standing(name, production, candidate)
        for name, (production, candidate) in pairs.items()
        if production.predictions or candidate.predictions
    )
    reasons = []
    gained = sum(standing.gained for standing in standings)
    lost = sum(standing.lost for standing in standings)
    if gained <= lost:
        asked = sum(standing.n for standing in standings)
        right = f"{lost - gained} fewer right answers" if gained < lost else "as many right answers"
        reasons.append(
            f"it is no better than production: {right} to {asked:,} questions ({gained} gained, {lost} lost)"
        )
    for standing in standings:
        points, _, high = standing.difference
        if high < 0:
            reasons.append(f"it is shown to be worse on {standing}")
        elif points < -PROMOTION_MAX_LOSS - _ROUNDING:
            reasons.append(f"it loses more than {100 * PROMOTION_MAX_LOSS:g} point on {standing}")
    for name, (production, candidate) in pairs.items():
        reasons.extend(f"{name}, {loss}" for loss in _slice_losses(production, candidate))
    return Verdict(not reasons, tuple(reasons), standings)


def _standing(name: str, production: Report, candidate: Report) -> Standing:
    if production.questions_digest != candidate.questions_digest:
        raise ValueError(f"{name}: production and candidate were asked different questions; measure both again")
    pairs = [(p.correct, c.correct) for p, c in zip(production.predictions, candidate.predictions, strict=True)]
    lost, gained = pairs.count((True, False)), pairs.count((False, True))
    both, n = pairs.count((True, True)), len(pairs)
    difference = paired_difference(both, lost, gained, n - both - lost - gained)
    return Standing(name, n, (both + lost) / n, (both + gained) / n, gained, lost, difference)


def _slice_losses(production: Report, candidate: Report) -> Iterator[str]:
    for dimension, slices in production.slices.items():
        for label, before in slices.items():
            right, n = _right(before)
            left, _ = _right(candidate.slices[dimension][label])
            lost = right - left
            if lost > PROMOTION_SLICE_QUESTIONS and lost > PROMOTION_MAX_LOSS * n + _ROUNDING:
                yield (
                    f"{dimension} {label}: {right} → {left} of {n} right ({-100 * lost / n:+.1f} points; a slice may "
                    f"lose {100 * PROMOTION_MAX_LOSS:g} point, or {PROMOTION_SLICE_QUESTIONS} questions)"
                )


def _right(metrics: Metrics) -> tuple[int, int]:
    accuracy = metrics["parsing_accuracy"]
    return round((accuracy.value or 0.0) * accuracy.n), accuracy.n
