"""What runs by the clock."""

import dagster as dg

from fit_assets.defs.jobs import KIND, housekeeping_job, weekly_job


@dg.schedule(
    job=weekly_job,
    cron_schedule="0 3 * * 0",
    execution_timezone="Europe/London",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    tags={KIND: "watch"},
    description="Every Sunday at three: measure production on what people judged since it was trained. Below 95 % of "
    "at least 20 judged questions a retraining is asked for; feedback_volume_sensor starts it, so that there is never "
    "more than one.",
)
def weekly_evaluation_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """The week stands in the run key: one look a week, however often the daemon was restarted."""
    from fit_assets.served import served

    if served() is None:
        return dg.SkipReason("no version is in production yet: build_all makes the first one")
    week = context.scheduled_execution_time.strftime("%G-W%V")
    return dg.RunRequest(run_key=f"weekly-{week}", tags={"fit_assets/trigger": "weekly", "fit_assets/week": week})


housekeeping_schedule = dg.ScheduleDefinition(
    name="housekeeping_schedule",
    job=housekeeping_job,
    cron_schedule="30 4 * * *",
    execution_timezone="Europe/London",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning at half past four: prune what runs have left behind, and show how much room is left.",
)
