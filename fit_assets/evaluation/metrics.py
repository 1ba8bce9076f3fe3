"""The contract's metrics, each with its count and 95 % interval; slices; and confusion by field.

Everything here is a pure function of :class:`Prediction` records: which parser made them, and whether a
warehouse was there to compare answers, is the business of ``evaluate.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

from fit_assets.evaluation.intervals import clustered_share, wilson
from fit_assets.evaluation.thresholds import METRIC_TARGETS, Target
from fit_assets.filters import FILTER_KEYS, QueryFilters

# What a question can constrain: the kinds that `combined_query_success` and the slice by constraints count.
CONSTRAINT_KEYS: Mapping[str, frozenset[str]] = {
    "technology": frozenset({"technology", "technologies"}),
    "capacity": frozenset({"capacity_min_kw", "capacity_max_kw"}),
    "place": frozenset({"location", "locations", "postcode_patterns"}),
    "time": frozenset(
        {
            "commissioned_year_min",
            "commissioned_year_max",
            "fit_remaining_min_years",
            "fit_remaining_max_years",
            "fit_expiry_year_min",
            "fit_expiry_year_max",
        }
    ),
}

# Shares of something unwanted.
LOWER_IS_BETTER = frozenset({"false_refusals", "ungrounded"})


@dataclass(frozen=True)
class Prediction:
    """One question with its gold filters and what a parser made of it.

    ``predicted`` is None where the answer was no valid object (``error`` says why). ``same_answer`` says whether
    gold and prediction bring the same rows or figures; None where it was not measured. ``ungrounded`` are
    the keys of the prediction whose values no word of the question licenses; None where it was not measured.
    ``confidence`` is the probability that the parser gave its answer, None where it tells none. ``labels`` are further
    dimensions to slice by, each with this question's label.
    """

    question: str
    gold: QueryFilters
    predicted: QueryFilters | None
    latency_ms: float = 0.0
    parser: str = ""
    text: str = ""
    error: str | None = None
    category: str = ""
    complexity: str = ""
    tags: tuple[str, ...] = ()
    same_answer: bool | None = None
    ungrounded: tuple[str, ...] | None = None
    confidence: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def correct(self) -> bool:
        """Whether the object equals gold, lists compared as sets."""
        return self.predicted is not None and self.predicted.same_as(self.gold)

    @property
    def differences(self) -> list[tuple[str, Any, Any]]:
        """(key, gold value, predicted value) of every key that differs, None for an absent one."""
        gold, predicted = self.gold.to_dict(), self.predicted.to_dict() if self.predicted else {}
        wrong = {key for key, _ in self.gold.pairs() ^ (self.predicted.pairs() if self.predicted else frozenset())}
        return [(key, gold.get(key), predicted.get(key)) for key in sorted(wrong)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; unknown and empty labels left out."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        plain |= {
            "gold": self.gold.to_dict(),
            "predicted": None if self.predicted is None else self.predicted.to_dict(),
            "latency_ms": round(self.latency_ms, 3),
            "tags": list(self.tags),
            "ungrounded": None if self.ungrounded is None else list(self.ungrounded),
            "labels": dict(self.labels),
        }
        if not self.labels:
            del plain["labels"]
        return {key: value for key, value in plain.items() if key == "predicted" or value not in (None, "")}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Prediction:
        """The inverse of :meth:`to_dict`."""
        predicted, ungrounded = plain.get("predicted"), plain.get("ungrounded")
        values = dict(plain) | {
            "gold": QueryFilters.parse(plain["gold"]),
            "predicted": None if predicted is None else QueryFilters.parse(predicted),
            "tags": tuple(plain.get("tags", ())),
            "ungrounded": None if ungrounded is None else tuple(ungrounded),
        }
        return cls(**values)


@dataclass(frozen=True)
class Metric:
    """A share between 0 and 1 over ``n`` observations with its 95 % interval; all None where ``n`` is 0."""

    name: str
    value: float | None
    n: int
    low: float | None
    high: float | None

    @property
    def target(self) -> Target | None:
        """The mission's target, where it names one."""
        return METRIC_TARGETS.get(self.name)

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is no target or nothing was measured."""
        return None if self.target is None or self.value is None else self.target.met_by(self.value)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the target as text."""
        return asdict(self) | {"target": str(self.target) if self.target else None, "met": self.met}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Metric:
        """The inverse of :meth:`to_dict`."""
        return cls(**{one.name: plain[one.name] for one in fields(cls)})

    def __str__(self) -> str:
        """``93.1 % (90.4 to 95.1, n = 450)``."""
        if self.value is None or self.low is None or self.high is None:
            return "not measured"
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f}, n = {self.n:,})"


Metrics = dict[str, Metric]


@dataclass(frozen=True)
class FieldConfusion:
    """How often one key was right, left out, put in without need, or given another value."""

    key: str
    right: int
    missing: int
    spurious: int
    wrong: int

    @property
    def errors(self) -> int:
        """Questions on which this key is not as in gold."""
        return self.missing + self.spurious + self.wrong


def constraints(filters: QueryFilters) -> frozenset[str]:
    """Which of technology, capacity, place and time the filters constrain."""
    keys = filters.to_dict().keys()
    return frozenset(kind for kind, members in CONSTRAINT_KEYS.items() if members & keys)


def share(name: str, outcomes: Iterable[bool]) -> Metric:
    """The share of true outcomes, with Wilson's interval."""
    values = list(outcomes)
    if not values:
        return Metric(name, None, 0, None, None)
    right = sum(values)
    return Metric(name, right / len(values), len(values), *wilson(right, len(values)))


def score(predictions: Sequence[Prediction]) -> Metrics:
    """Every metric of the contract but ``critical_tests``, and the three that guard against wrong trust.

    Beyond the contract: ``out_of_scope_recall`` (gold is unsupported and so is the answer), ``false_refusals``
    (gold is a real query and the answer is unsupported), ``ungrounded`` (valid answers with at least one value
    that the question does not license).
    """
    supported = [p for p in predictions if p.gold.query_type != "unsupported"]
    unsupported = [p for p in predictions if p.gold.query_type == "unsupported"]
    metrics = [
        share("json_validity", (p.predicted is not None for p in predictions)),
        share("parsing_accuracy", (p.correct for p in predictions)),
        _field_accuracy(predictions),
        share("postcode_mapping", (_same_patterns(p) for p in predictions if p.gold.postcode_patterns)),
        share("capacity_parsing", (_same_bounds(p) for p in predictions if "capacity" in constraints(p.gold))),
        share("combined_query_success", (p.correct for p in predictions if len(constraints(p.gold)) >= 2)),
        share("execution_accuracy", (p.same_answer for p in predictions if p.same_answer is not None)),
        share("out_of_scope_recall", (_refused(p) for p in unsupported)),
        share("false_refusals", (_refused(p) for p in supported)),
        share("ungrounded", (bool(p.ungrounded) for p in predictions if p.ungrounded is not None)),
    ]
    return {metric.name: metric for metric in metrics}


def score_slices(predictions: Sequence[Prediction]) -> dict[str, dict[str, Metrics]]:
    """All metrics by ``category``, ``complexity``, number of ``constraints``, ``tag`` and the predictions' own
    dimensions, labels sorted.

    A question with several tags counts in each of them; one without a label of a dimension counts in none.
    """
    labels: dict[str, Callable[[Prediction], Iterable[str]]] = {
        "category": lambda p: [p.category] if p.category else [],
        "complexity": lambda p: [p.complexity] if p.complexity else [],
        "constraints": lambda p: [str(len(constraints(p.gold)))],
        "tag": lambda p: p.tags,
    }
    for dimension in sorted({dimension for prediction in predictions for dimension in prediction.labels}):
        labels[dimension] = partial(_own_label, dimension)
    result = {}
    for dimension, labels_of in labels.items():
        members: defaultdict[str, list[Prediction]] = defaultdict(list)
        for prediction in predictions:
            for label in labels_of(prediction):
                members[label].append(prediction)
        if members:
            result[dimension] = {label: score(members[label]) for label in sorted(members)}
    return result


def _own_label(dimension: str, prediction: Prediction) -> list[str]:
    return [prediction.labels[dimension]] if dimension in prediction.labels else []


def confusion_by_field(predictions: Sequence[Prediction]) -> list[FieldConfusion]:
    """One row for each key that gold or a prediction uses, the most errors first."""
    counts: dict[str, list[int]] = {key: [0, 0, 0, 0] for key in FILTER_KEYS}
    for prediction in predictions:
        gold = dict(prediction.gold.pairs())
        predicted = dict(prediction.predicted.pairs()) if prediction.predicted else {}
        for key in gold.keys() | predicted.keys():
            if key not in predicted:
                kind = 1
            elif key not in gold:
                kind = 2
            else:
                kind = 0 if gold[key] == predicted[key] else 3
            counts[key][kind] += 1
    rows = [FieldConfusion(key, *numbers) for key, numbers in counts.items() if any(numbers)]
    return sorted(rows, key=lambda row: (-row.errors, row.key))


def _field_accuracy(predictions: Sequence[Prediction]) -> Metric:
    """Micro-F1 of the (key, value) pairs; ``n`` counts gold's pairs, the interval is over questions.

    F1 = 2 TP / (gold pairs + predicted pairs) is a share of sums, so the interval is that of
    :func:`~fit_assets.evaluation.intervals.clustered_share` with a question as the cluster.
    """
    parts, wholes, n = [], [], 0
    for prediction in predictions:
        gold = prediction.gold.pairs()
        predicted = prediction.predicted.pairs() if prediction.predicted else frozenset()
        parts.append(2 * len(gold & predicted))
        wholes.append(len(gold) + len(predicted))
        n += len(gold)
    if not sum(wholes):
        return Metric("field_accuracy", None, 0, None, None)
    return Metric("field_accuracy", *_value_n_interval(clustered_share(parts, wholes), n))


def _value_n_interval(measured: tuple[float, float, float], n: int) -> tuple[float, int, float, float]:
    value, low, high = measured
    return value, n, low, high


def _same_patterns(prediction: Prediction) -> bool:
    gold, predicted = prediction.gold.postcode_patterns, prediction.predicted and prediction.predicted.postcode_patterns
    return set(gold or ()) == set(predicted or ())


def _same_bounds(prediction: Prediction) -> bool:
    gold, predicted = prediction.gold, prediction.predicted
    return predicted is not None and (gold.capacity_min_kw, gold.capacity_max_kw) == (
        predicted.capacity_min_kw,
        predicted.capacity_max_kw,
    )


def _refused(prediction: Prediction) -> bool:
    return prediction.predicted is not None and prediction.predicted.query_type == "unsupported"
