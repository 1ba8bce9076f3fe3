"""Every threshold of the program, once: metric targets, release gates, alerts, and what starts a retraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType


@dataclass(frozen=True)
class Target:
    """A target for a share between 0 and 1: at least ``bound``, or more than it where ``strict``."""

    bound: float
    strict: bool = True

    def met_by(self, value: float) -> bool:
        """Whether a measured share reaches the target."""
        return value > self.bound if self.strict else value >= self.bound

    def __str__(self) -> str:
        """As the contract writes it: ``> 95 %`` or ``100 %``."""
        return f"{'> ' if self.strict else ''}{self.bound:.0%}".replace("%", " %")


# The mission's metrics and targets (the contract's table "Metrics"). A release does not hang on them alone:
# what stops a release are the gates below.
METRIC_TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "json_validity": Target(1.00, strict=False),
        "parsing_accuracy": Target(0.95),
        "field_accuracy": Target(0.98),
        "postcode_mapping": Target(0.99),
        "capacity_parsing": Target(0.97),
        "combined_query_success": Target(0.90),
        "execution_accuracy": Target(0.95),
        "critical_tests": Target(1.00, strict=False),
    }
)

# Release gates.
RELEASE_PARSING_ACCURACY = Target(0.90, strict=False)
"""The packaged default model, on the generated test split."""

PACKAGED_MAX_LOSS = 0.02
"""How much parsing accuracy the packaged model may lose against the adapter it was made of (absolute)."""

# Promotion to production (evaluation/promotion.py says how they are used).
PROMOTION_MAX_LOSS = 0.01
"""How much parsing accuracy a candidate may lose against production on a slice, or, where the intervals cannot tell, on
a set of questions (absolute)."""

PROMOTION_SLICE_QUESTIONS = 2
"""Right answers that a slice may lose whatever its size: so many change with any training, by chance."""

RECENT_FEEDBACK = 200
"""Held-out corrections, the newest, that a candidate and production are asked."""

WEEKLY_PARSING_ACCURACY = Target(0.95, strict=False)
"""The weekly re-evaluation of what is in production; below it a retraining is due."""

WEEKLY_QUESTIONS = 20
"""Judged questions that the weekly re-evaluation needs for a verdict."""

# What counts as a result in statistics.
SIGNIFICANCE = 0.05
"""Two-sided level of every test; intervals are 95 % intervals."""

AB_QUESTIONS = 1_000
"""Questions that an A/B comparison should have, so that a difference of 3 points can be seen."""

# Retraining.
FEEDBACK_VOLUME = 100
"""New corrected questions that start a retraining."""

RETRAINING_SHARE = 0.16
"""Steps of a retraining, as a share of a full training's: a quarter is the most that it may cost."""

RETRIES = 3
"""How often a retraining that failed is tried again; then a person is told."""

DISK_FREE_BYTES = 5_000_000_000
"""Room that should be left on the disk: a training of the default model with its checkpoints and packages."""

# Serving.
ALERT_SUCCESS_RATE = 0.95
ALERT_SUCCESS_WINDOW = timedelta(minutes=5)
ALERT_P99_MS = 500.0
ALERT_MODEL_ERRORS = 10
ALERT_MODEL_ERRORS_WINDOW = timedelta(hours=1)

SLOW_QUERY_MS = 500.0
"""From this latency on a question is listed in ``slow_queries``."""

SUCCESS_SAMPLE_PERCENT = 10
"""Share of the answered questions that ``success_sample`` shows for review."""
