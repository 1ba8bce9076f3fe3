import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from fit_assets import artifacts
from fit_assets.defs import layout, sensors
from fit_assets.defs.retraining import IN_FLIGHT
from fit_assets.defs.schedules import weekly_evaluation_schedule
from fit_assets.served import Served, take_note
from fit_assets.serving import feedback
from fit_assets.serving.query_log import log_query

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("FIT_ASSETS_FEEDBACK_VOLUME", "4")
    monkeypatch.setenv("FIT_ASSETS_RETRY_MINUTES", "0")
    monkeypatch.setattr(sensors, "last_watermark", lambda: None)
    monkeypatch.setattr(sensors, "in_production", lambda: 3)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of what a person was told."""
    titles: list[str] = []
    monkeypatch.setattr(sensors, "notify", lambda title, text="", **_: titles.append(title))
    return titles


def correct(*numbers: int) -> None:
    """Corrections that came in one a minute, each of a question of its own."""
    for number in numbers:
        feedback.add_feedback(
            f"which is installation {5000 + number}",
            {"fit_id": str(5000 + number)},
            now=START + timedelta(minutes=number),
        )


def ask(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    result = sensors.feedback_volume_sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


def requested(instance: dg.DagsterInstance) -> dg.RunRequest:
    result = ask(instance)
    assert isinstance(result, dg.RunRequest), result
    return result


def skipped(instance: dg.DagsterInstance) -> str:
    result = ask(instance)
    assert isinstance(result, dg.SkipReason), result
    return str(result.skip_message)


def launch(instance: dg.DagsterInstance, request: dg.RunRequest, status: DagsterRunStatus) -> None:
    create_run_for_test(instance, job_name="retrain_job", status=status, tags=dict(request.tags))


def test_below_the_threshold_it_waits_and_says_how_many(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3)
    assert "3 of 4" in skipped(instance)


def test_at_the_threshold_it_launches(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3, 4)
    request = requested(instance)
    assert request.tags["fit_assets/new_feedback"] == "4"


def test_the_threshold_is_a_hundred_by_default(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIT_ASSETS_FEEDBACK_VOLUME")
    correct(1, 2, 3, 4)
    assert "4 of 100" in skipped(instance)


def test_the_same_correction_again_does_not_count(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3, 3, 3)
    assert "3 of 4" in skipped(instance)


def test_asked_twice_in_the_same_state_it_launches_one_run(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3, 4)
    assert requested(instance).run_key == requested(instance).run_key


def test_after_a_registration_only_newer_corrections_count(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(1, 2, 3, 4)
    first = requested(instance)
    launch(instance, first, DagsterRunStatus.SUCCESS)
    monkeypatch.setattr(sensors, "last_watermark", lambda: START + timedelta(minutes=4))
    assert "0 of 4" in skipped(instance)
    correct(5, 6, 7)
    assert "3 of 4" in skipped(instance)
    correct(8)
    assert requested(instance).run_key != first.run_key


def test_a_success_without_a_registration_is_not_repeated_until_more_has_come(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3, 4)
    launch(instance, requested(instance), DagsterRunStatus.SUCCESS)
    assert "waiting for 4 more" in skipped(instance)
    correct(5, 6, 7, 8)
    requested(instance)


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_while_a_run_is_in_flight_it_waits(instance: dg.DagsterInstance, status: DagsterRunStatus) -> None:
    correct(1, 2, 3, 4)
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("fit_assets"), "__repository__")
    origin = RemoteJobOrigin(repository, "retrain_job")
    create_run_for_test(instance, job_name="retrain_job", status=status, remote_job_origin=origin)
    assert "in flight" in skipped(instance)


def test_a_run_of_another_job_in_flight_does_not_matter(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3, 4)
    create_run_for_test(instance, job_name="monitoring_job", status=DagsterRunStatus.STARTED)
    requested(instance)


def test_a_failed_run_is_tried_again_three_times_and_then_a_person_is_told_once(
    instance: dg.DagsterInstance, told: list[str]
) -> None:
    correct(1, 2, 3, 4)
    keys = []
    for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED, *[DagsterRunStatus.FAILURE] * 2):
        request = requested(instance)
        keys.append(request.run_key)
        launch(instance, request, status)
    assert len(set(keys)) == 4
    context = dg.build_sensor_context(instance=instance)
    for _ in range(2):
        result = sensors.feedback_volume_sensor(context)
        assert isinstance(result, dg.SkipReason)
        assert "4 runs have failed" in str(result.skip_message)
    assert told == ["retraining has failed for good"]
    correct(5, 6, 7, 8)
    assert requested(instance).run_key not in keys


def test_the_pause_before_another_attempt_grows(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    correct(1, 2, 3, 4)
    launch(instance, requested(instance), DagsterRunStatus.FAILURE)
    monkeypatch.setenv("FIT_ASSETS_RETRY_MINUTES", "10")
    assert "attempt 2 of 4 in 10 min" in skipped(instance)
    monkeypatch.setenv("FIT_ASSETS_RETRY_MINUTES", "0")
    launch(instance, requested(instance), DagsterRunStatus.FAILURE)
    monkeypatch.setenv("FIT_ASSETS_RETRY_MINUTES", "10")
    assert "attempt 3 of 4 in 40 min" in skipped(instance)


def test_a_candidate_that_a_gate_refused_is_not_tried_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(1, 2, 3, 4)
    launch(instance, requested(instance), DagsterRunStatus.FAILURE)
    monkeypatch.setattr(sensors, "refusal", lambda *_: "gguf_metrics.critical_tests: no")
    assert "the candidate was refused (gguf_metrics.critical_tests: no); waiting for 4 more" in skipped(instance)
    correct(5, 6, 7, 8)
    requested(instance)


def test_a_refusal_is_read_from_the_run() -> None:
    from fit_assets.defs.retraining import refusal

    @dg.asset
    def model() -> None: ...

    def check(passed: bool, severity: dg.AssetCheckSeverity) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=model, blocking=True, name=severity.value.lower())
        def found() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=passed, severity=severity, description="it is bad")

        return found

    error, warning = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    with dg.DagsterInstance.ephemeral() as instance:
        for checks, reason in (
            ([check(True, error)], None),
            ([check(False, warning)], None),
            ([check(False, error)], "model.error: it is bad"),
        ):
            job = dg.Definitions([model], asset_checks=checks).resolve_implicit_global_asset_job_def()
            run = job.execute_in_process(instance=instance, raise_on_error=False)
            assert refusal(instance, run.run_id) == reason


def test_contradictions_are_named_in_the_skip_reason(instance: dg.DagsterInstance) -> None:
    correct(1)
    for technology in ("Wind", "Hydro"):
        feedback.add_feedback("mills", {"technology": technology})
    assert "2 contradicting corrections wait" in skipped(instance)


def look(retrain: bool, version: int = 3) -> None:
    content = {"retrain": retrain, "version": version, "at": "2026-01-04", "summary": "91.0 % of 40"}
    artifacts.write_text(layout.report("production_metrics"), json.dumps(content))


def test_the_weekly_look_asks_for_a_retraining_below_the_threshold(instance: dg.DagsterInstance) -> None:
    look(retrain=False)
    correct(1)
    assert "1 of 4" in skipped(instance)
    look(retrain=True)
    request = requested(instance)
    assert request.tags["fit_assets/trigger"] == "weekly"
    assert request.run_config == sensors.RETRAINING
    launch(instance, request, DagsterRunStatus.STARTED)
    assert "in flight" in skipped(instance)
    look(retrain=True, version=2)
    assert "1 of 4" in skipped(instance)


def test_the_weekly_look_alone_without_a_correction_asks_for_nothing(instance: dg.DagsterInstance) -> None:
    look(retrain=True)
    assert "0 of 4" in skipped(instance)


def test_the_weekly_schedule_asks_for_one_look_a_week(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    def ask(moment: datetime) -> dg.RunRequest | dg.SkipReason:
        result = weekly_evaluation_schedule(dg.build_schedule_context(scheduled_execution_time=moment))
        assert isinstance(result, dg.RunRequest | dg.SkipReason)
        return result

    sunday = datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert isinstance(ask(sunday), dg.SkipReason)
    take_note(Served(1, "a" * 64, tmp_path / "model.gguf", "tiny"))
    keys = [
        one.run_key for one in map(ask, (sunday, sunday, sunday + timedelta(days=7))) if isinstance(one, dg.RunRequest)
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_failed_run_is_told(instance: dg.DagsterInstance, told: list[str]) -> None:
    @dg.op
    def breaks() -> None:
        raise OSError("no space left on device")

    @dg.job
    def doomed() -> None:
        breaks()

    result = doomed.execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_notifier",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    sensors.run_failure_notifier(context)
    assert told == ["a run of doomed failed"]


def test_health_is_recorded_and_told_when_it_turns(instance: dg.DagsterInstance, told: list[str]) -> None:
    from fit_assets.parsing.base import ParseResult

    def evaluate(cursor: str | None) -> dg.SensorResult | dg.SkipReason:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        result = sensors.serving_health_sensor(context)
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        return result

    assert isinstance(evaluate(None), dg.SkipReason)
    for number in range(5):
        question = f"question {number}"
        log_query(question, ParseResult(question, None, "gguf", 20.0, error="no JSON"), rows=0)
    turned = evaluate(None)
    assert isinstance(turned, dg.SensorResult)
    assert turned.run_requests
    assert isinstance(evaluate(turned.cursor), dg.SkipReason)
    assert told == ["serving: alert"]
