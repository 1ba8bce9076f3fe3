"""Whether a parser's confidence tells right answers from wrong ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from fit_assets.evaluation.metrics import Metric, Prediction, share

# Where confidence is cut into bins: a model that copies what is said is nearly sure of almost everything.
_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True)
class Bin:
    """The answers with a confidence from ``low`` to below ``high``: its mean, and how many are right."""

    low: float
    high: float
    mean_confidence: float
    right: Metric


@dataclass(frozen=True)
class Calibration:
    """How confidence and right answers go together.

    ``auroc`` is the chance that a right answer has the higher confidence of a right and a wrong one (0.5: it tells
    nothing; None where all are right or all wrong). ``kept`` are (share of questions, share of right answers among
    them) when only the most confident are answered: what a threshold for the fallback buys.
    """

    bins: tuple[Bin, ...]
    auroc: float | None
    kept: tuple[tuple[float, float], ...]


def calibration(predictions: Sequence[Prediction]) -> Calibration | None:
    """Calibration over the predictions that state a confidence; None where none does.

    AUROC after Fawcett, "An introduction to ROC analysis" (2006), by scikit-learn.
    """
    told = [(p.confidence, p.correct) for p in predictions if p.confidence is not None]
    if not told:
        return None
    bins = []
    for low, high in itertools.pairwise(_EDGES):
        inside = [(sure, right) for sure, right in told if low <= sure < high or (high == 1.0 == sure)]
        if inside:
            mean = sum(sure for sure, _ in inside) / len(inside)
            bins.append(Bin(low, high, mean, share("right", (right for _, right in inside))))
    return Calibration(tuple(bins), _auroc(told), _kept(told))


def _auroc(told: Sequence[tuple[float, bool]]) -> float | None:
    from sklearn.metrics import roc_auc_score

    if len({right for _, right in told}) < 2:
        return None
    return float(roc_auc_score([right for _, right in told], [sure for sure, _ in told]))


def _kept(told: Sequence[tuple[float, bool]]) -> tuple[tuple[float, float], ...]:
    right, curve = 0, []
    for count, (_, correct) in enumerate(sorted(told, key=lambda one: -one[0]), start=1):
        right += correct
        curve.append((count / len(told), right / count))
    return tuple(curve)
