"""How serving is doing: a pure function of the query log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from fit_assets.evaluation.intervals import percentile
from fit_assets.evaluation.thresholds import (
    ALERT_MODEL_ERRORS,
    ALERT_MODEL_ERRORS_WINDOW,
    ALERT_P99_MS,
    ALERT_SUCCESS_RATE,
    ALERT_SUCCESS_WINDOW,
)
from fit_assets.serving.query_log import FAILURES

Status = Literal["ok", "alert", "no-traffic"]


@dataclass(frozen=True)
class Health:
    """The state of serving; figures are None where nobody asked in their window.

    ``queries_5m`` questions in the last five minutes, ``success_rate_5m`` the share of them that did not fail,
    ``p99_5m`` milliseconds, ``model_errors_1h`` failures of the model in the last hour, fallback or not.
    """

    status: Status
    alerts: list[str]
    queries_5m: int
    success_rate_5m: float | None
    p99_5m: float | None
    model_errors_1h: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def health(
    log: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    success_rate: float = ALERT_SUCCESS_RATE,
    p99_ms: float = ALERT_P99_MS,
    model_errors: int = ALERT_MODEL_ERRORS,
) -> Health:
    """Judge the log of the last hour.

    An answer with no rows and a refusal of a question out of scope are successes. Entries later than ``now``
    do not count.

    Args:
        log: entries as :func:`fit_assets.serving.query_log.read_log` gives them, in any order.
        now: the moment to judge from, with a time zone.
        success_rate: below this share of successes in five minutes: alert.
        p99_ms: above this 99th percentile (nearest rank) in five minutes: alert.
        model_errors: more than so many model errors in an hour: alert.
    """
    recent = [entry for entry in log if now - ALERT_SUCCESS_WINDOW < entry["timestamp"] <= now]
    errors = sum(
        bool(entry.get("model_error")) for entry in log if now - ALERT_MODEL_ERRORS_WINDOW < entry["timestamp"] <= now
    )
    rate = sum(entry["outcome"] not in FAILURES for entry in recent) / len(recent) if recent else None
    p99 = percentile([entry["latency_ms"] for entry in recent], 99) if recent else None
    alerts = []
    if rate is not None and rate < success_rate:
        alerts.append(
            f"success rate {rate:.1%} over {len(recent)} questions in 5 minutes, below {success_rate:.0%}: "
            "see the view failed_queries"
        )
    if p99 is not None and p99 > p99_ms:
        alerts.append(f"p99 latency {p99:.0f} ms in 5 minutes, above {p99_ms:.0f} ms: see the view slow_queries")
    if errors > model_errors:
        alerts.append(f"{errors} model errors in the last hour, more than {model_errors}: is the model file in order?")
    status: Status = "alert" if alerts else "ok" if recent else "no-traffic"
    return Health(status, alerts, len(recent), rate, p99, errors)
