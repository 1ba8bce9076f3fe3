from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fit_assets.serving.monitoring import health

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(ago: timedelta, outcome: str = "answered", latency_ms: float = 100.0, **more: Any) -> dict[str, Any]:
    return {"timestamp": NOW - ago, "outcome": outcome, "latency_ms": latency_ms, **more}


def recent(number: int, outcome: str = "answered", **more: Any) -> list[dict[str, Any]]:
    return [entry(timedelta(seconds=index % 290), outcome, **more) for index in range(number)]


def test_no_questions_is_no_traffic() -> None:
    state = health([], NOW)
    assert (state.status, state.alerts, state.success_rate_5m, state.p99_5m) == ("no-traffic", [], None, None)
    assert health([entry(timedelta(minutes=6), "parse_error")], NOW).status == "no-traffic"


@pytest.mark.parametrize("outcome", ["answered", "empty", "unsupported"])
def test_an_empty_answer_and_a_refusal_are_successes(outcome: str) -> None:
    state = health(recent(10, outcome), NOW)
    assert (state.status, state.success_rate_5m, state.queries_5m) == ("ok", 1.0, 10)


@pytest.mark.parametrize(("failures", "status"), [(5, "ok"), (6, "alert")])
@pytest.mark.parametrize("outcome", ["parse_error", "execution_error"])
def test_below_95_percent_success_is_an_alert(failures: int, status: str, outcome: str) -> None:
    state = health(recent(100 - failures) + recent(failures, outcome), NOW)
    assert state.status == status
    assert len(state.alerts) == (status == "alert")
    assert all("success rate 94.0%" in alert for alert in state.alerts)


def test_only_the_last_five_minutes_count() -> None:
    before = [entry(timedelta(minutes=5), "parse_error")] * 50
    after = [entry(timedelta(minutes=-1), "parse_error")] * 50
    state = health([*before, *after, entry(timedelta(minutes=4))], NOW)
    assert (state.status, state.queries_5m) == ("ok", 1)


@pytest.mark.parametrize(("slow", "status"), [(1, "ok"), (2, "alert")])
def test_p99_above_half_a_second_is_an_alert(slow: int, status: str) -> None:
    state = health(recent(100 - slow) + recent(slow, latency_ms=501.0), NOW)
    assert state.status == status
    assert state.p99_5m == (501.0 if status == "alert" else 100.0)


def test_500_ms_is_still_in_order() -> None:
    assert health(recent(10, latency_ms=500.0), NOW).status == "ok"


@pytest.mark.parametrize(("errors", "status"), [(10, "ok"), (11, "alert")])
def test_more_than_ten_model_errors_an_hour_are_an_alert_though_the_fallback_answered(errors: int, status: str) -> None:
    log = [entry(timedelta(minutes=59), model_error=True)] * errors + recent(3, model_error=False)
    log += [entry(timedelta(minutes=61), model_error=True)] * 50
    state = health(log, NOW)
    assert (state.status, state.model_errors_1h) == (status, errors)


def test_an_alert_does_not_need_traffic_now() -> None:
    assert health([entry(timedelta(minutes=30), model_error=True)] * 11, NOW).status == "alert"


def test_thresholds_can_be_set() -> None:
    log = recent(10, latency_ms=900.0) + recent(1, "parse_error")
    assert len(health(log, NOW).alerts) == 2
    assert health(log, NOW, success_rate=0.5, p99_ms=1000).alerts == []
