"""What runs by the clock."""

import dagster as dg

from fit_assets.defs.jobs import retrain_job


@dg.schedule(
    job=retrain_job,
    cron_schedule="0 3 * * 0",
    execution_timezone="Europe/London",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly_retrain_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every Sunday at three: measure again and, where corrections have come in, retrain.

    Finished work is recognised by its digest, so that a week without corrections costs seconds.
    """
    week = context.scheduled_execution_time.strftime("%G-W%V")
    return dg.RunRequest(run_key=f"weekly-{week}", tags={"fit_assets/trigger": "weekly"})
