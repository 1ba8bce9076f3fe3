"""Runs that were killed: Dagster still takes them for running, and waits for ever for the pool slots that they hold."""

from __future__ import annotations

import dagster as dg
import psutil
from dagster._core.storage.runs import SqliteRunStorage


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed every started run of this machine whose process is gone, and free its pool slots.

    Only where Dagster keeps its runs in SQLite, that is, where all runs are of this machine.

    Returns:
        The ids of these runs.
    """
    if not isinstance(instance.run_storage, SqliteRunStorage):
        return []
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if _is_dead(instance, run.run_id):
            instance.report_run_failed(run, "Its process is gone: it was killed. Start it again, and it goes on.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def _is_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the process that the run's first engine event names has ended; another may have its number by now."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        metadata = getattr(entry.get_dagster_event().event_specific_data, "metadata", None) or {}
        if "pid" in metadata:
            try:
                process = psutil.Process(int(metadata["pid"].value))
                return bool(process.create_time() > entry.timestamp or process.status() == psutil.STATUS_ZOMBIE)
            except psutil.NoSuchProcess:
                return True
    return False  # it is only just starting
