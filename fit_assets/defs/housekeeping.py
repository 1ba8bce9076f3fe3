"""Group ``housekeeping``: what runs have left behind, pruned by policy, and how much room is left."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus

from fit_assets import artifacts, housekeeping
from fit_assets.defs.common import OWNERS, check_result, source_digest, table_of
from fit_assets.evaluation import thresholds

GROUP = "housekeeping"

# Trainings explain versions and tell the sensor what it has tried; the watch repeats itself every day.
KEEP_RUNS = {"training": timedelta(days=180), "": timedelta(days=30)}
FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


@dg.asset(
    group_name=GROUP,
    kinds={"python"},
    owners=OWNERS,
    code_version=source_digest("housekeeping.py"),
)
def storage(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Old checkpoints, packages, reports and runs pruned by policy, leftovers of killed runs cleaned, and the disk use.

    Never a version that an alias names; the policy stands in ``fit_assets/housekeeping.py``.
    """
    pruned = [*housekeeping.prune(), *prune_runs(context.instance, context.run_id)]
    uses, free = housekeeping.disk_use(), housekeeping.free_bytes()
    context.log.info("%d things pruned, %.1f GB free", len(pruned), free / 1e9)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifacts.digest_of_value([use.__dict__ for use in uses])),
        metadata={
            "pruned": len(pruned),
            "freed_mb": round(sum(one.bytes for one in pruned) / 1e6, 1),
            "what": table_of([one.__dict__ for one in pruned[:100]]),
            "used_mb": round(sum(use.bytes for use in uses) / 1e6, 1),
            "free_gb": round(free / 1e9, 1),
            "disk_use": table_of(
                [{"part": use.part, "mb": round(use.bytes / 1e6, 1), "files": use.files} for use in uses[:40]]
            ),
        },
    )


@dg.asset_check(asset=storage)
def disk_has_room() -> dg.AssetCheckResult:
    """There is room for another training, package and all."""
    free = housekeeping.free_bytes()
    return check_result(
        "disk_has_room",
        "storage",
        free >= thresholds.DISK_FREE_BYTES,
        f"{free / 1e9:.1f} GB free; a training wants {thresholds.DISK_FREE_BYTES / 1e9:.0f}",
    )


def prune_runs(instance: dg.DagsterInstance, present: str) -> Iterator[housekeeping.Pruned]:
    """Delete old runs that have ended, but for those by which an asset was made last."""
    shown = {
        record.asset_entry.last_materialization_record.run_id
        for record in instance.get_asset_records()
        if record.asset_entry.last_materialization_record
    }
    for kind, keep in KEEP_RUNS.items():
        before = dg.RunsFilter(statuses=FINISHED, created_before=datetime.now(UTC) - keep)
        for record in instance.get_run_records(before):
            run = record.dagster_run
            if run.run_id in shown | {present} or run.tags.get("fit_assets/kind") == "training" != kind:
                continue
            instance.delete_run(run.run_id)
            yield housekeeping.Pruned(
                f"run {run.run_id[:8]} of {run.job_name}", 0, f"ended {keep.days} days ago or more"
            )
