from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fit_assets import settings
from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.serving.postgres import LogCopy, open_copy
from fit_assets.serving.query_log import log_query, log_reaction
from fit_assets_tests.servers import PostgresServer, or_skipped, postgres_server

psycopg = pytest.importorskip("psycopg", reason="needs the package psycopg: pip install -e '.[scale]'")

WIND = QueryFilters(technology="Wind")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with or_skipped(postgres_server) as started:
        yield started


@pytest.fixture(autouse=True)
def url(server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    monkeypatch.setenv("QUERY_LOG_URL", server.url)
    server.query("DROP SCHEMA public CASCADE")
    server.query("CREATE SCHEMA public")
    return server.url


def ask(number: int, **more: Any) -> None:
    result = ParseResult(f"wind {number}", WIND, "gguf", 20.0 + number, notes=("a", "b"))
    assert log_query(result.question, result, 3, "model", "7", answer_id=f"id-{number}", **more)


def test_every_line_arrives_once(server: PostgresServer) -> None:
    copy = open_copy()
    assert copy is not None
    for number in range(50):
        ask(number)
    log_reaction("id-3", "wrong", corrected=WIND, note="no")
    assert copy.behind() > 0
    assert copy.run_once() == 51
    assert (copy.problem, copy.behind()) == (None, 0)
    assert copy.run_once() == 0
    ask(50)
    # Another process, or this one after a crash, goes on where the last one ended.
    assert LogCopy(server.url).run_once() == 1
    assert copy.run_once() == 0
    assert server.query("SELECT count(*), count(DISTINCT id) FROM query_log") == [(51, 51)]
    assert server.query(
        "SELECT question, filters->>'technology', notes, rows, arm FROM query_log WHERE id = 'id-7'"
    ) == [("wind 7", "Wind", ["a", "b"], 3, "model")]
    joined = "SELECT q.question, r.verdict FROM query_log q JOIN reactions r ON q.id = r.answer_id"
    assert server.query(joined) == [("wind 3", "wrong")]


def test_a_server_that_is_killed_is_made_up_for(server: PostgresServer) -> None:
    copy = LogCopy(server.url)
    ask(0)
    assert copy.run_once() == 1
    server.kill()
    ask(1)
    start = time.monotonic()
    assert copy.run_once() == 0
    assert time.monotonic() - start < 60
    assert "OperationalError" in (copy.problem or "")
    assert copy.behind() > 0
    ask(2)
    server.start()
    assert copy.run_once() == 2
    assert server.query("SELECT id FROM query_log ORDER BY id") == [("id-0",), ("id-1",), ("id-2",)]


def test_processes_with_the_same_files_do_not_copy_twice(server: PostgresServer) -> None:
    for number in range(200):
        ask(number)
    copies = [LogCopy(server.url) for _ in range(4)]
    threads = [threading.Thread(target=copy.run_once) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [copy.problem for copy in copies] == [None] * 4
    assert server.query("SELECT count(*), count(DISTINCT id) FROM query_log") == [(200, 200)]


def test_half_lines_wait_and_lines_that_postgresql_refuses_stop_nothing(server: PostgresServer) -> None:
    ask(0)
    ask(1)
    [file] = settings.query_log_dir().glob("*.jsonl")
    whole = file.read_bytes()
    bad = b'{"timestamp":"2026-01-01T00:00:00+00:00","question":"x","filters":{"location":"\\u0000"}}\nnot JSON\n'
    file.write_bytes(bad + whole[:-10])
    copy = LogCopy(server.url)
    assert copy.run_once() == 1
    assert copy.problem is None
    file.write_bytes(bad + whole)
    assert copy.run_once() == 1
    assert copy.behind() == 0
    assert server.query("SELECT id FROM query_log ORDER BY id") == [("id-0",), ("id-1",)]


def test_views_and_retention(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_LOG_DAYS", "7")
    now = datetime.now(UTC)
    ask(0, now=now)
    ask(900, now=now)
    ask(1, now=now, outcome="parse_error")
    ask(2, now=now - timedelta(days=9))
    LogCopy(server.url).run_once()
    assert server.query("SELECT id FROM failed_queries") == [("id-1",)]
    assert server.query("SELECT id FROM slow_queries") == [("id-900",)]
    assert server.query("SELECT count(*) <= 2 FROM success_sample") == [(True,)]
    assert server.query("SELECT count(*) FROM query_log WHERE id = 'id-2'") == [(0,)]


def test_without_a_url_there_is_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUERY_LOG_URL")
    assert open_copy() is None
