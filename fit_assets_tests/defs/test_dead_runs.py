"""A killed run must not keep the next one waiting."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test, instance_for_test

from fit_assets.defs.dead_runs import end_dead_runs


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_for_test(
        temp_dir=str(tmp_path), overrides={"concurrency": {"pools": {"default_limit": 1}}}
    ) as instance:
        instance.event_log_storage.set_concurrency_slots("train", 1)
        yield instance


def started(instance: dg.DagsterInstance, pid: int | None) -> dg.DagsterRun:
    """A run in that process, which holds the slot of a pool."""
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    if pid is not None:
        instance.report_engine_event("here", run, EngineEventData(metadata={"pid": dg.MetadataValue.text(str(pid))}))
    instance.event_log_storage.claim_concurrency_slot("train", run.run_id, "lora_adapter")
    return run


def holders(instance: dg.DagsterInstance) -> list[str]:
    return [slot.run_id for slot in instance.event_log_storage.get_concurrency_info("train").claimed_slots]


def test_a_killed_run_is_failed_and_gives_its_slots_back(instance: dg.DagsterInstance) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = started(instance, process.pid)
    assert end_dead_runs(instance) == []
    process.kill()
    assert holders(instance) == [run.run_id]
    process.wait()
    assert end_dead_runs(instance) == [run.run_id]
    assert holders(instance) == []
    again = instance.get_run_by_id(run.run_id)
    assert again is not None
    assert again.status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("pid", [os.getpid(), None], ids=["running", "only just starting"])
def test_a_live_run_is_left_alone(instance: dg.DagsterInstance, pid: int | None) -> None:
    run = started(instance, pid)
    assert end_dead_runs(instance) == []
    assert holders(instance) == [run.run_id]


def test_another_process_may_have_the_number_by_now(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, os.getpid())
    monkeypatch.setattr("psutil.Process.create_time", lambda self: 1e12)
    assert end_dead_runs(instance) == [run.run_id]
