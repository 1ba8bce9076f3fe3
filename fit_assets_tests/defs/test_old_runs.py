from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from fit_assets.defs import housekeeping


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_old_runs_go_but_for_those_that_are_shown_or_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def shown() -> None: ...

    shown_run = dg.materialize([shown], instance=instance).run_id
    running = create_run_for_test(instance, status=DagsterRunStatus.STARTED).run_id
    trained = create_run_for_test(
        instance, status=DagsterRunStatus.SUCCESS, tags={"fit_assets/kind": "training"}
    ).run_id
    watched = create_run_for_test(instance, status=DagsterRunStatus.SUCCESS, job_name="monitoring_job").run_id
    assert list(housekeeping.prune_runs(instance, "none")) == []

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=40)

    monkeypatch.setattr(housekeeping, "datetime", Later)
    (pruned,) = housekeeping.prune_runs(instance, "none")
    assert pruned.what == f"run {watched[:8]} of monitoring_job"
    assert {run.run_id for run in instance.get_runs()} == {shown_run, running, trained}


def test_storage_shows_the_disk_use(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    path = tmp_path / "var" / "dataset" / "train.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("x" * 1_000_000)
    result = dg.materialize([housekeeping.storage], instance=instance)
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["used_mb"].value == 1.0
    assert metadata["pruned"].value == 0
    checked = housekeeping.disk_has_room()
    assert isinstance(checked, dg.AssetCheckResult)
    assert checked.passed
