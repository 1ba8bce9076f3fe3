"""Runs and versions on one SQLite store, made once for the file: its first use takes seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fit_assets import settings
from fit_assets.evaluation import tracking, versions

PNG = b"\x89PNG\r\n\x1a\nnot really"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIT_ASSETS_VAR", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder


@pytest.fixture
def registry(store: Path) -> Iterator[Path]:
    """The store without any versions."""
    yield store
    versions._registry().delete_registered_model(versions.MODEL_NAME)
    versions._registry_of.cache_clear()


def register(folder: Path, digest: str, accuracy: float = 0.93, **more: Any) -> versions.Version:
    gguf = folder / "package" / "model.gguf"
    gguf.parent.mkdir(exist_ok=True)
    gguf.write_text("weights")
    arguments: dict[str, Any] = {
        "package_dir": gguf.parent,
        "gguf_path": gguf,
        "metrics": {"parsing_accuracy": accuracy},
        "gates": {"critical_tests": True, "release_parsing_accuracy": True},
        "training_examples": 3600,
    }
    return versions.register_version(digest, **(arguments | more))


def test_a_run_keeps_all_that_is_logged(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with tracking.start_run("evaluation", "gguf", {"preset": "tiny"}) as run:
        run.log_params({"lr": 2e-4, "long": "x" * 9000} | {f"p{n}": n for n in range(120)})
        run.log_metrics({"accuracy": 0.5, "nothing": None, "broken": float("nan")})
        run.log_history([{"step": 10, "loss": 1.0, "epoch": 0.5}, {"step": 20, "eval_loss": 0.5, "loss": 0.25}])
        run.log_figure(PNG, "loss")
        run.log_dict({"a": [1]}, "record")
        run.log_text("# hello", "report.md")
    found = tracking.client().get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "gguf"
    assert found.data.tags["preset"] == "tiny"
    assert found.data.params["lr"] == "0.0002"
    assert found.data.params["p119"] == "119"
    assert found.data.metrics == {"accuracy": 0.5, "loss": 0.25, "epoch": 0.5, "eval_loss": 0.5}
    history = tracking.client().get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(10, 1.0), (20, 0.25)]
    kept = settings.mlflow_artifact_dir() / run.run_id / "artifacts"
    assert (kept / "figures" / "loss.png").read_bytes() == PNG
    assert json.loads((kept / "record.json").read_text()) == {"a": [1]}
    assert (kept / "report.md").read_text() == "# hello"
    assert run.url == f"{tracking.LOCAL_UI}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
    assert capfd.readouterr().out == ""


def test_a_run_that_fails_or_is_interrupted_says_so(store: Path) -> None:
    ids = {}
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), tracking.start_run("training", error.__name__) as run:  # noqa: PT012
            ids[error] = run.run_id
            raise error
    statuses = {error: tracking.client().get_run(run_id).info.status for error, run_id in ids.items()}
    assert statuses == {ValueError: "FAILED", KeyboardInterrupt: "KILLED"}


def test_a_run_can_go_on(store: Path) -> None:
    with tracking.start_run("training", "first") as run:
        run.log_metrics({"loss": 1.0}, step=1)
    with tracking.start_run("training", "first", run_id=run.run_id) as again:
        again.log_metrics({"loss": 0.5}, step=2)
        assert tracking.client().get_run(run.run_id).info.status == "RUNNING"
    assert again.run_id == run.run_id
    assert tracking.client().get_run(run.run_id).info.status == "FINISHED"
    assert tracking.client().get_run(run.run_id).data.metrics == {"loss": 0.5}


def test_files_and_folders_are_copied(store: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "config.json").write_text("{}")
    with tracking.start_run("training", "files") as run:
        run.log_artifact(tmp_path / "adapter", "adapter")
        run.log_artifact(tmp_path / "adapter" / "config.json")
    kept = settings.mlflow_artifact_dir() / run.run_id / "artifacts"
    assert (kept / "adapter" / "config.json").exists()
    assert (kept / "config.json").exists()


def test_on_a_server_links_lead_there(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.internal:5000/")
    assert tracking.run_url("1", "abc") == "http://mlflow.internal:5000/#/experiments/1/runs/abc"
    assert not tracking.is_local()


def test_before_any_release_there_is_no_version(registry: Path) -> None:
    assert versions.list_versions() == []
    assert versions.production_version() is None
    assert versions.last_successful_registration() is None
    assert versions.version_for_digest("d1") is None


def test_the_first_version_goes_into_production_and_the_next_to_staging(registry: Path) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    first = register(registry, "d1", feedback_watermark=moment, digests={"data": "abc"})
    assert (first.version, first.status, first.parsing_accuracy) == (1, "production", 0.93)
    assert first.feedback_watermark == moment
    assert first.tags["data_digest"] == "abc"
    assert first.tags["git_commit"]
    assert first.gguf_path == registry / "package" / "model.gguf"
    assert first.improvements == "first version"
    second = register(registry, "d2", 0.95, training_examples=3720)
    assert (second.version, second.status) == (2, "staging")
    assert second.improvements == "against version 1: parsing_accuracy +2.0 points, +120 training examples"
    third = register(registry, "d3")
    assert third == versions.last_successful_registration()
    assert third.feedback_watermark is None
    assert [(v.version, v.status) for v in versions.list_versions()] == [
        (3, "staging"),
        (2, "archived"),
        (1, "production"),
    ]
    row = first.to_dict()
    assert set(row) >= {"version", "date", "training_examples", "accuracy", "status", "improvements"}
    assert json.dumps(row)


def test_the_same_digest_makes_no_second_version(registry: Path) -> None:
    first = register(registry, "d1")
    again = register(registry, "d1", 0.99)
    assert again == first
    assert len(versions.list_versions()) == 1


def test_a_registration_killed_before_its_aliases_is_mended(registry: Path) -> None:
    register(registry, "d1")
    client = versions._registry()
    for alias in ("staging", "production"):
        client.delete_registered_model_alias(versions.MODEL_NAME, alias)
    assert versions.production_version() is None
    assert register(registry, "d1").status == "production"


def test_a_failed_gate_or_none_at_all_stops_the_registration(registry: Path) -> None:
    with pytest.raises(versions.GateError, match="critical_tests did not pass"):
        register(registry, "d1", gates={"critical_tests": False, "other": True})
    with pytest.raises(versions.GateError, match="no gate was judged"):
        register(registry, "d1", gates={})
    with pytest.raises(FileNotFoundError, match="materialise gguf_model first"):
        register(registry, "d1", gguf_path=registry / "none.gguf")
    assert versions.list_versions() == []


def test_promoting_and_going_back(registry: Path) -> None:
    register(registry, "d1")
    register(registry, "d2")
    assert versions.promote(2).status == "production"
    assert versions.promote(1).status == "production"
    assert [v.status for v in versions.list_versions()] == ["staging", "production"]
    with pytest.raises(ValueError, match="there is no version 7; known are 2, 1"):
        versions.promote(7)


def test_a_move_that_was_killed_before_the_alias_is_finished_and_leaves_one_trace(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(registry, "d1")
    register(registry, "d2")
    client = versions._registry()
    with monkeypatch.context() as patch:
        patch.setattr(type(client), "set_registered_model_alias", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            versions.promote(2, "ann", "better")
    production = versions.production_version()
    assert production is not None
    assert production.version == 1
    assert versions.taken_out(1) is None
    assert versions.promote(2, "ann", "better").status == "production"
    assert [move.version for move in versions.moves()] == [2, 1]
    took_out = versions.taken_out(1)
    assert took_out is not None
    assert (took_out.who, took_out.version) == ("ann", 2)


def test_a_version_whose_package_is_gone_is_not_promoted(registry: Path) -> None:
    register(registry, "d1")
    second = register(registry, "d2")
    assert second.gguf_path is not None
    second.gguf_path.unlink()
    with pytest.raises(ValueError, match="the package of version 2 is gone"):
        versions.promote(2)


def test_a_version_says_what_it_was_made_of(registry: Path) -> None:
    assert register(registry, "d1", made_of={"seed": 17, "config": {"rank": 4}}).made_of["config"] == {"rank": 4}
    assert register(registry, "d2").made_of == {}


def test_a_rollback_leaves_a_trace(registry: Path) -> None:
    register(registry, "d1")
    register(registry, "d2")
    with pytest.raises(ValueError, match="no version was in production before"):
        versions.rollback()
    versions.promote(2, "ann", "better on feedback")
    assert versions.rollback("bob", "slow").version == 1
    last, first, _ = versions.moves()
    assert (first.version, first.before, first.who, first.why) == (2, 1, "ann", "better on feedback")
    assert (last.version, last.before, last.who, last.why) == (1, 2, "bob", "slow")
    assert last.at > first.at
