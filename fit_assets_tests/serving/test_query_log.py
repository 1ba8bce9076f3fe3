from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fit_assets import settings
from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.serving.query_log import build_query_log, log_query, log_reaction, purge, read_log

WIND = QueryFilters.parse({"technology": "Wind"})
REFUSAL = QueryFilters.parse({"query_type": "unsupported"})
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    monkeypatch.setenv("FIT_ASSETS_LOG_DAYS", "0")
    return tmp_path


def result(filters: QueryFilters | None = WIND, latency_ms: float = 20.0, **more: Any) -> ParseResult:
    error = None if filters else "not JSON"
    return ParseResult("wind", filters, "gguf", latency_ms, error=error, **more)


def rows(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.query_log_path()), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_outcomes_follow_from_the_result() -> None:
    for parsed, found in ((result(), 3), (result(), 0), (result(REFUSAL), 0), (result(None), 0)):
        assert log_query("wind", parsed, found)
    log_query("wind", result(), 0, outcome="execution_error", error="no warehouse")
    outcomes = [entry["outcome"] for entry in read_log()]
    assert outcomes == ["answered", "empty", "unsupported", "parse_error", "execution_error"]
    assert [entry["error"] for entry in read_log()][-2:] == ["not JSON", "no warehouse"]
    with pytest.raises(ValueError, match="unknown outcome 'fine'"):
        log_query("wind", result(), 1, outcome="fine")


def test_the_table_holds_what_was_logged() -> None:
    question = 'wind in "Ynys Môn"\u2028; DROP TABLE query_log'
    notes = ("a note",)
    log_query(question, result(notes=notes, confidence=0.5), 3, "B", "7", model_error=True, now=NOON)
    log_query("x", result(None), 0, now=NOON + timedelta(seconds=1))
    assert build_query_log() == 2
    found = rows(
        "SELECT question, filters->>'technology', outcome, error, model_error, rows, parser, latency_ms, confidence, "
        "arm, version, notes FROM query_log ORDER BY timestamp"
    )
    assert found[0] == (question, "Wind", "answered", None, True, 3, "gguf", 20.0, 0.5, "B", "7", ["a note"])
    assert found[1][1:4] == (None, "parse_error", "not JSON")
    with duckdb.connect(str(settings.query_log_path()), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert connection.execute("SELECT min(timestamp) = $1 FROM query_log", [NOON]).fetchone() == (True,)


def test_views_show_failures_slow_ones_and_a_sample() -> None:
    for number in range(300):
        log_query(f"q{number}", result(latency_ms=float(number * 2)), 1, now=NOON + timedelta(seconds=number))
    log_query("broken", result(None), 0, now=NOON)
    build_query_log()
    assert rows("SELECT question FROM failed_queries") == [("broken",)]
    slow = rows("SELECT latency_ms FROM slow_queries")
    assert [ms for (ms,) in slow] == [float(ms) for ms in range(598, 499, -2)]
    sample = rows("SELECT question FROM success_sample")
    assert 10 < len(sample) < 60
    build_query_log()
    assert rows("SELECT question FROM success_sample") == sample


def test_an_empty_log_is_an_empty_table() -> None:
    assert build_query_log() == 0
    assert rows("SELECT * FROM query_log") == []
    assert read_log() == []


def test_building_again_takes_in_what_came_since() -> None:
    log_query("one", result(), 1)
    assert build_query_log() == 1
    log_query("two", result(), 1)
    assert build_query_log() == 2
    assert {path.name for path in settings.var_dir().iterdir()} == {"query_log", "query_log.duckdb"}


def test_a_failed_build_leaves_the_old_table(monkeypatch: pytest.MonkeyPatch) -> None:
    log_query("one", result(), 1)
    build_query_log()
    monkeypatch.setattr("fit_assets.serving.query_log.VIEWS", {"bad": "SELECT nonsense FROM nowhere"})
    with pytest.raises(duckdb.Error):
        build_query_log()
    assert rows("SELECT question FROM query_log") == [("one",)]
    assert {path.name for path in settings.var_dir().iterdir()} == {"query_log", "query_log.duckdb"}


def test_torn_and_foreign_lines_are_passed_over() -> None:
    log_query("one", result(), 1)
    path = next(settings.query_log_dir().glob("*.jsonl"))
    with path.open("a") as file:
        file.write('{"timestamp":"2026-03-0\n[1]\n{"question":"no timestamp"}\n{"timestamp":"x","question":"y"}\n')
    log_query("two", result(), 1)
    assert [entry["question"] for entry in read_log()] == ["one", "two"]
    assert build_query_log() == 2


def test_reading_from_a_moment_on() -> None:
    for hours in (-30, -2, 0, 1):
        log_query(f"{hours}", result(), 1, now=NOON + timedelta(hours=hours))
    assert [entry["question"] for entry in read_log(NOON)] == ["0", "1"]
    assert [entry["question"] for entry in read_log(NOON - timedelta(days=2))] == ["-30", "-2", "0", "1"]
    assert read_log(NOON)[0]["timestamp"] == NOON


def test_a_log_that_cannot_be_written_is_a_warning(var: Path, caplog: pytest.LogCaptureFixture) -> None:
    (var / "query_log").write_text("a file where the folder should be")
    assert not log_query("one", result(), 1)
    assert "could not be written" in caplog.text


def test_reactions_refer_to_the_answers() -> None:
    log_query("one", result(), 1, answer_id="a1")
    log_query("before ids were logged", result(), 1)
    log_reaction("a1", "wrong", corrected=WIND, note="not solar")
    log_reaction("a1", helpful=True)
    build_query_log()
    found = rows(
        "SELECT question, verdict, helpful, corrected_filters->>'technology', note "
        "FROM query_log JOIN reactions ON id = answer_id ORDER BY reactions.timestamp"
    )
    assert found == [("one", "wrong", None, "Wind", "not solar"), ("one", None, True, None, "")]


def test_what_is_past_its_days_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_LOG_DAYS", "7")
    for days in (0, 7, 8, 400):
        log_query(f"{days}", result(), 1, now=NOON - timedelta(days=days))
        log_reaction(f"{days}", "right", now=NOON - timedelta(days=days))
    assert purge(NOON) == 4
    assert [entry["question"] for entry in read_log()] == ["7", "0"]
    monkeypatch.setenv("FIT_ASSETS_LOG_DAYS", "0")
    assert purge(NOON + timedelta(days=4000)) == 0


def test_a_question_of_broken_bytes_is_logged() -> None:
    assert log_query("wind \udcff", result(), 1)
    assert read_log()[0]["question"] == "wind ?"


def test_many_processes_write_at_once() -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_log_many, args=(name,)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert build_query_log() == 200
    assert len(rows("SELECT DISTINCT question FROM query_log")) == 200


def _log_many(name: str) -> None:
    for number in range(50):
        log_query(f"{name}{number} {'x' * 3000}", result(), 1)
