"""What runs when something has happened: enough corrections, a moved alias, a failed run, or trouble in serving."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus

from fit_assets import settings
from fit_assets.defs.dead_runs import end_dead_runs
from fit_assets.defs.jobs import KIND, RETRAINING, follow_job, monitoring_job, retrain_job
from fit_assets.defs.production import last_look
from fit_assets.defs.retraining import BATCH_TAG, Need, attempts, need, pause_after, refusal, training_in_flight
from fit_assets.evaluation import thresholds
from fit_assets.notify import notify


@dg.sensor(
    job=retrain_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    tags={KIND: "training"},
    description="Retrains once 100 corrected questions have come in since the last registered version, or when "
    "production_metrics asks for it (below 95 % on fresh feedback). What a version was trained on is "
    "known from the registry, so that a run that failed leaves the corrections waiting: it is tried again "
    "with a growing pause, at most three times, and then a person is told. A candidate that a gate "
    "refused is not tried again but waits for more corrections. There is never more than one training at "
    "a time.",
)
def feedback_volume_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """What the UI says of it, with the reason for every skip in numbers."""
    from fit_assets.serving.feedback import count_since, load_feedback

    threshold = settings.feedback_volume(thresholds.FEEDBACK_VOLUME)
    feedback = load_feedback()
    total, waiting = len(feedback.items), len(feedback.contradictions)
    aside = f"; {waiting} contradicting corrections wait for: fit feedback review" if waiting else ""
    look = last_look()
    # The registry is asked only when it can matter: importing MLflow takes seconds.
    if total < threshold and not (look and look["retrain"]):
        return dg.SkipReason(f"{total} of {threshold} corrected questions; none of them can be enough yet{aside}")
    watermark = last_watermark()
    new = count_since(watermark)
    found = need(new, watermark, in_production())
    if isinstance(found, str):
        return dg.SkipReason(found + aside)

    end_dead_runs(context.instance)
    if running := training_in_flight(context.instance):
        return dg.SkipReason(f"{new} new corrected questions, but run {running.run_id[:8]} is in flight")

    earlier = attempts(context.instance, found.batch)
    more = threshold - new % threshold
    if any(run.status == DagsterRunStatus.SUCCESS for run in earlier):
        return dg.SkipReason(
            f"{new} new corrected questions were trained on already, without a new version; waiting for {more} more"
        )
    if earlier and (refused := refusal(context.instance, earlier[0].run_id)):
        return dg.SkipReason(
            f"{new} new corrected questions were trained on in run {earlier[0].run_id[:8]}, and the candidate was "
            f"refused ({refused}); waiting for {more} more"
        )
    if len(earlier) > thresholds.RETRIES:
        reason = (
            f"{new} new corrected questions, but {len(earlier)} runs have failed (the last is "
            f"{earlier[0].run_id[:8]}); mend the cause and launch {retrain_job.name}, or wait for {more} more"
        )
        if context.cursor != found.batch:
            notify("retraining has failed for good", reason, batch=found.batch, last_run=earlier[0].run_id)
            context.update_cursor(found.batch)
        return dg.SkipReason(reason)
    if earlier and (left := pause_after(context.instance, earlier)) > timedelta(0):
        return dg.SkipReason(
            f"{new} new corrected questions; run {earlier[0].run_id[:8]} failed, attempt {len(earlier) + 1} of "
            f"{thresholds.RETRIES + 1} in {left.total_seconds() / 60:.0f} min"
        )
    return _request(found, len(earlier) + 1)


@dg.sensor(
    job=follow_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    tags={KIND: "watch"},
    description="Follows MLflow's alias `production` wherever it was moved: by a retraining, by `fit promote` or `fit "
    "rollback`, or in MLflow's own UI. A running service follows by itself; this keeps served_model and "
    "Ollama's name up to it.",
)
def production_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """A running service follows by itself; this keeps ``served_model`` and Ollama's name up to it."""
    from fit_assets.evaluation import tracking, versions

    version = versions.production_version() if tracking.store_exists() else None
    if version is None:
        return dg.SkipReason("no version is in production yet")
    event = context.instance.get_latest_materialization_event(dg.AssetKey("served_model"))
    shown = event.asset_materialization.metadata.get("version") if event and event.asset_materialization else None
    if shown is not None and shown.value == version.version:
        return dg.SkipReason(f"version {version.version} is in production, as it was")
    move = next(iter(versions.moves()), None)
    return dg.RunRequest(
        run_key=f"production/{version.version}/{move.at.isoformat() if move else 'first'}",
        tags={"fit_assets/version": str(version.version), "fit_assets/moved_by": move.who if move else ""},
    )


@dg.sensor(
    job=monitoring_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    tags={KIND: "watch"},
    description="Records the health of serving when it turns, into an alert, out of it, or into another one, and "
    "tells a person: success rate and 99th percentile of five minutes, model errors of an hour.",
)
def serving_health_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Figures change by the minute; what counts is which kinds of alert there are."""
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
    notify(f"serving: {state.status}", "; ".join(state.alerts) or "the alert is over", **state.to_dict())
    request = dg.RunRequest(run_key=f"health/{now.isoformat(timespec='seconds')}", tags={"fit_assets/health": standing})
    return dg.SensorResult(run_requests=[request], cursor=standing)


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Tells a person of every run that failed, in the log and by FIT_ASSETS_NOTIFY_URL: the job, the "
    "steps, and where a gate refused the candidate, why.",
)
def run_failure_notifier(context: dg.RunFailureSensorContext) -> None:
    """The one place that tells of runs, whatever job they are of."""
    run = context.dagster_run
    refused = refusal(context.instance, run.run_id)
    steps = [event.step_key or "" for event in context.get_step_failure_events()]
    what = f"the candidate of {run.job_name} was refused" if refused else f"a run of {run.job_name} failed"
    notify(
        what,
        f"{refused or context.failure_event.message} (run {run.run_id[:8]})",
        job=run.job_name,
        run=run.run_id,
        failed_steps=steps,
        trigger=run.tags.get("fit_assets/trigger", ""),
    )


def last_watermark() -> datetime | None:
    """When the newest correction came that the last registered version was trained on; None before there is one."""
    from fit_assets.evaluation.versions import last_successful_registration

    version = last_successful_registration()
    return version.feedback_watermark if version else None


def in_production() -> int | None:
    """The number of the version in production."""
    from fit_assets.evaluation.versions import production_version

    version = production_version()
    return version.version if version else None


def _request(found: Need, attempt: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{found.trigger}/{found.batch}/{attempt}",
        run_config=RETRAINING,
        tags={
            BATCH_TAG: found.batch,
            "fit_assets/trigger": found.trigger,
            "fit_assets/new_feedback": str(found.new),
            "fit_assets/attempt": str(attempt),
        },
    )
