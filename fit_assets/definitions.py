"""The one ``Definitions`` object: a table of contents. What is listed here is told where it is defined."""

import dagster as dg

from fit_assets.defs import (
    dataset,
    housekeeping,
    model,
    monitoring,
    natural,
    packaging,
    production,
    promotion,
    reference,
    release,
)
from fit_assets.defs.executor import step_processes
from fit_assets.defs.jobs import build_all, follow_job, housekeeping_job, monitoring_job, retrain_job, weekly_job
from fit_assets.defs.resources import RESOURCES
from fit_assets.defs.schedules import housekeeping_schedule, weekly_evaluation_schedule
from fit_assets.defs.sensors import (
    feedback_volume_sensor,
    production_sensor,
    run_failure_notifier,
    serving_health_sensor,
)

ROOMS = [
    reference,
    dataset,
    model,
    packaging,
    natural,
    promotion,
    release,
    production,
    monitoring,
    housekeeping,
]

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(ROOMS),
    asset_checks=dg.load_asset_checks_from_modules(ROOMS),
    jobs=[build_all, retrain_job, weekly_job, follow_job, monitoring_job, housekeeping_job],
    schedules=[weekly_evaluation_schedule, housekeeping_schedule],
    sensors=[feedback_volume_sensor, production_sensor, serving_health_sensor, run_failure_notifier],
    resources=RESOURCES,
    executor=step_processes,
)
