"""What runs when something has happened: enough corrections, or trouble in serving."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus

from fit_assets import settings
from fit_assets.defs.jobs import monitoring_job, retrain_job
from fit_assets.evaluation import thresholds

MAX_ATTEMPTS = 3
BATCH_TAG = "fit_assets/feedback_batch"

IN_FLIGHT = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=retrain_job,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def feedback_volume_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Retrain once enough corrected questions have come in since the last registered version.

    What a version was trained on is known from the registry, not from a cursor: a run that failed leaves the
    corrections waiting, and is tried again, at most three times for the same batch. The run key is made of the
    watermark, the batch and the attempt, so that the same state never launches two runs.
    """
    from fit_assets.serving.feedback import count_since

    threshold = settings.feedback_volume(thresholds.FEEDBACK_VOLUME)
    # The registry is asked only when it can matter: importing MLflow takes seconds.
    if (total := count_since(None)) < threshold:
        return dg.SkipReason(f"{total} of {threshold} corrected questions; none of them can be enough yet")
    watermark = last_watermark()
    new = count_since(watermark)
    since = watermark.isoformat(timespec="seconds") if watermark else "the beginning"
    if new < threshold:
        return dg.SkipReason(f"{new} of {threshold} new corrected questions since {since}")

    running = context.instance.get_runs(dg.RunsFilter(job_name=retrain_job.name, statuses=IN_FLIGHT), limit=1)
    if running:
        return dg.SkipReason(f"{new} new corrected questions, but run {running[0].run_id[:8]} is in flight")

    batch = f"{watermark.isoformat() if watermark else 'start'}/{new // threshold}"
    earlier = context.instance.get_runs(dg.RunsFilter(tags={BATCH_TAG: batch}))
    if any(run.status == DagsterRunStatus.SUCCESS for run in earlier):
        return dg.SkipReason(
            f"{new} new corrected questions were trained on already, without a new version; waiting for "
            f"{threshold - new % threshold} more"
        )
    if len(earlier) >= MAX_ATTEMPTS:
        return dg.SkipReason(
            f"{new} new corrected questions, but {len(earlier)} runs have failed (the last is "
            f"{earlier[0].run_id[:8]}); mend the cause and launch {retrain_job.name}, or wait for "
            f"{threshold - new % threshold} more"
        )
    attempt = len(earlier) + 1
    return dg.RunRequest(
        run_key=f"feedback/{batch}/{attempt}",
        tags={
            BATCH_TAG: batch,
            "fit_assets/trigger": "feedback",
            "fit_assets/new_feedback": str(new),
            "fit_assets/attempt": str(attempt),
        },
    )


@dg.sensor(
    job=monitoring_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def serving_health_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Record the health of serving when it turns: into an alert, out of it, or into another one."""
    from fit_assets.serving.monitoring import health
    from fit_assets.serving.query_log import read_log

    now = datetime.now(UTC)
    state = health(read_log(now - timedelta(hours=1)), now)
    # Figures in the sentences change by the minute: which kinds of alert there are is what counts.
    standing = f"{state.status}:{','.join(sorted(alert.split()[0] for alert in state.alerts))}"
    if state.status != "alert" and not (context.cursor or "").startswith("alert"):
        return dg.SkipReason(f"{state.status}: {state.queries_5m} questions in five minutes")
    if standing == context.cursor:
        return dg.SkipReason(f"unchanged: {'; '.join(state.alerts)}")
    request = dg.RunRequest(run_key=f"health/{now.isoformat(timespec='seconds')}", tags={"fit_assets/health": standing})
    return dg.SensorResult(run_requests=[request], cursor=standing)


def last_watermark() -> datetime | None:
    """When the newest correction came that the last registered version was trained on; None before there is one."""
    from fit_assets.evaluation.versions import last_successful_registration

    version = last_successful_registration()
    return version.feedback_watermark if version else None
