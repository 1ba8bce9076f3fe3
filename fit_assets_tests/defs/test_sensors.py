from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from fit_assets.defs import sensors
from fit_assets.defs.schedules import weekly_retrain_schedule
from fit_assets.serving import feedback
from fit_assets.serving.query_log import log_query

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("FIT_ASSETS_FEEDBACK_VOLUME", "4")
    monkeypatch.setattr(sensors, "last_watermark", lambda: None)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


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


@pytest.mark.parametrize("status", sensors.IN_FLIGHT)
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


def test_a_failed_run_is_tried_again_three_times_in_all(instance: dg.DagsterInstance) -> None:
    correct(1, 2, 3, 4)
    keys = []
    for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE):
        request = requested(instance)
        keys.append(request.run_key)
        launch(instance, request, status)
    assert len(set(keys)) == 3
    assert "3 runs have failed" in skipped(instance)
    correct(5, 6, 7, 8)
    assert requested(instance).run_key not in keys


def test_the_weekly_schedule_asks_for_one_run_a_week() -> None:
    def key(moment: datetime) -> str | None:
        result = weekly_retrain_schedule(dg.build_schedule_context(scheduled_execution_time=moment))
        assert isinstance(result, dg.RunRequest)
        return result.run_key

    sunday = datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert key(sunday) == key(sunday) != key(sunday + timedelta(days=7))


def test_health_is_recorded_when_it_turns(instance: dg.DagsterInstance) -> None:
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
