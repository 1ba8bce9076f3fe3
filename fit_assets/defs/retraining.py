"""When to retrain: what is new, what is under way, and what became of the attempts so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus

from fit_assets import settings
from fit_assets.defs.jobs import build_all, retrain_job
from fit_assets.defs.production import last_look
from fit_assets.evaluation import thresholds

BATCH_TAG = "fit_assets/feedback_batch"

IN_FLIGHT = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
# How much longer the pause is after each failure.
_GROWTH = 4


@dataclass(frozen=True)
class Need:
    """Why to retrain: ``trigger`` is ``feedback`` or ``weekly``; ``batch`` is the same as long as the need is."""

    trigger: str
    batch: str
    new: int
    reason: str


def need(new: int, watermark: datetime | None, production: int | None) -> Need | str:
    """The need for a retraining, or why there is none, with the counts.

    Args:
        new: corrected questions since the last registration.
        watermark: when the newest correction came that the last registered version has seen.
        production: the version in production.
    """
    threshold = settings.feedback_volume(thresholds.FEEDBACK_VOLUME)
    since = watermark.isoformat(timespec="seconds") if watermark else "the beginning"
    start = watermark.isoformat() if watermark else "start"
    counted = f"{new} of {threshold} new corrected questions since {since}"
    if new >= threshold:
        return Need("feedback", f"{start}/{new // threshold}", new, counted)
    look = last_look()
    if look and look["retrain"] and look["version"] == production and new:
        return Need("weekly", f"{start}/weekly/{look['at']}", new, look["summary"])
    return counted


def training_in_flight(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """A run that trains and has not ended: two would write the same files."""
    for run in instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT)):
        chosen = run.asset_selection or ()
        if run.job_name in (retrain_job.name, build_all.name) or dg.AssetKey("lora_adapter") in chosen:
            return run
    return None


def attempts(instance: dg.DagsterInstance, batch: str) -> Sequence[dg.DagsterRun]:
    """The runs for a batch, the newest first."""
    return instance.get_runs(dg.RunsFilter(tags={BATCH_TAG: batch}))


def pause_after(instance: dg.DagsterInstance, failed: Sequence[dg.DagsterRun]) -> timedelta:
    """How long to wait still until the next attempt."""
    pause = timedelta(minutes=settings.retry_minutes() * _GROWTH ** (len(failed) - 1))
    record = instance.get_run_record_by_id(failed[0].run_id)
    ended = record.end_time or record.update_timestamp.timestamp() if record else 0.0
    return datetime.fromtimestamp(ended, UTC) + pause - datetime.now(UTC)


def refusal(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Why a gate refused a run's candidate; None where the run failed otherwise, so that trying again may help."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
        verdict = entry.get_dagster_event().asset_check_evaluation_data
        if verdict.blocking and not verdict.passed and verdict.severity == dg.AssetCheckSeverity.ERROR:
            return f"{verdict.asset_key.to_user_string()}.{verdict.check_name}: {verdict.description}"
    return None
