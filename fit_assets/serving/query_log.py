"""The query log: every question that was asked, appended without locks and read as DuckDB tables.

Each process appends JSON lines to its own file of the day, so that logging never waits for another process, and a line
is with the operating system before its answer goes out: a process that is killed loses none.
:func:`build_query_log` turns the files into ``query_log`` and its views; it may run at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.artifacts import replacing
from fit_assets.evaluation.thresholds import SLOW_QUERY_MS, SUCCESS_SAMPLE_PERCENT
from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.serving.jsonl import append_line, read_lines, timestamp

if TYPE_CHECKING:
    import duckdb

ANSWERED, EMPTY, UNSUPPORTED = "answered", "empty", "unsupported"
PARSE_ERROR, EXECUTION_ERROR = "parse_error", "execution_error"
OUTCOMES = (ANSWERED, EMPTY, UNSUPPORTED, PARSE_ERROR, EXECUTION_ERROR)
FAILURES = (PARSE_ERROR, EXECUTION_ERROR)

COLUMNS = {
    "id": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
    "question": "VARCHAR",
    "filters": "JSON",
    "outcome": "VARCHAR",
    "error": "VARCHAR",
    "model_error": "BOOLEAN",
    "rows": "BIGINT",
    "parser": "VARCHAR",
    "latency_ms": "DOUBLE",
    "confidence": "DOUBLE",
    "arm": "VARCHAR",
    "version": "VARCHAR",
    "notes": "VARCHAR[]",
}

REACTION_COLUMNS = {
    "answer_id": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
    "verdict": "VARCHAR",
    "helpful": "BOOLEAN",
    "corrected_filters": "JSON",
    "note": "VARCHAR",
}

VIEWS = {
    "failed_queries": f"SELECT * FROM query_log WHERE outcome IN {FAILURES} ORDER BY timestamp",
    "slow_queries": f"SELECT * FROM query_log WHERE latency_ms >= {SLOW_QUERY_MS} ORDER BY latency_ms DESC",
    # By content, so that the same questions are in the sample however often it is drawn.
    "success_sample": f"SELECT * FROM query_log WHERE outcome = '{ANSWERED}' "
    f"AND ('0x' || md5(question || timestamp::VARCHAR)[:8])::UBIGINT % 100 < {SUCCESS_SAMPLE_PERCENT} "
    "ORDER BY timestamp",
}

_log = logging.getLogger(__name__)


def log_query(
    question: str,
    result: ParseResult,
    rows: int,
    arm: str = "",
    version: str = "",
    outcome: str | None = None,
    *,
    answer_id: str = "",
    error: str | None = None,
    model_error: bool = False,
    now: datetime | None = None,
) -> bool:
    """Append one question to the log; never raises for a log that cannot be written, since the answer counts more.

    Args:
        question: as the user typed it.
        result: what the parser made of it; its ``latency_ms`` is logged.
        rows: how many rows came back.
        arm: the arm of a running A/B test.
        version: the model version that served it.
        outcome: one of ``OUTCOMES``; by default what ``result`` and ``rows`` say.
        answer_id: what reactions to the answer refer to.
        error: what went wrong after parsing; by default the parser's error.
        model_error: the model failed, whether or not a fallback answered in its place.
        now: the moment, with a time zone; by default this one.

    Returns:
        Whether the line was written.

    Raises:
        ValueError: an unknown outcome.
    """
    outcome = outcome or outcome_of(result, rows)
    if outcome not in OUTCOMES:
        raise ValueError(f"unknown outcome {outcome!r}; known are {', '.join(OUTCOMES)}")
    now = now or datetime.now(UTC)
    entry = {
        "id": answer_id,
        "timestamp": timestamp(now),
        "question": question,
        "filters": None if result.filters is None else result.filters.to_dict(),
        "outcome": outcome,
        "error": error or result.error,
        "model_error": model_error,
        "rows": rows,
        "parser": result.parser,
        "latency_ms": result.latency_ms,
        "confidence": result.confidence,
        "arm": arm,
        "version": version,
        "notes": list(result.notes),
    }
    return _appended(settings.query_log_dir(), entry, now)


def log_reaction(
    answer_id: str,
    verdict: str | None = None,
    helpful: bool | None = None,
    corrected: QueryFilters | None = None,
    note: str = "",
    *,
    now: datetime | None = None,
) -> bool:
    """Append what somebody said of an answer; like :func:`log_query` it never raises.

    Args:
        answer_id: the ``id`` of the logged question.
        verdict: ``right`` or ``wrong``.
        helpful: whether the answer helped.
        corrected: the filters that would have been right.
        note: in their own words.
        now: the moment, with a time zone; by default this one.
    """
    now = now or datetime.now(UTC)
    entry = {
        "answer_id": answer_id,
        "timestamp": timestamp(now),
        "verdict": verdict,
        "helpful": helpful,
        "corrected_filters": None if corrected is None else corrected.to_dict(),
        "note": note,
    }
    return _appended(settings.reactions_dir(), entry, now)


def purge(now: datetime | None = None) -> int:
    """Delete the questions and reactions of days that are past ``settings.log_days()``; returns how many files."""
    days = settings.log_days()
    if not days:
        return 0
    first = ((now or datetime.now(UTC)).astimezone(UTC) - timedelta(days=days)).date().isoformat()
    folders = (settings.query_log_dir(), settings.reactions_dir())
    old = [file for folder in folders for file in folder.glob("*.jsonl") if file.name[:10] < first]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


def outcome_of(result: ParseResult, rows: int) -> str:
    """What became of a question, from what the parser made of it and how many rows came back."""
    if result.filters is None:
        return PARSE_ERROR
    if result.filters.query_type == "unsupported":
        return UNSUPPORTED
    return ANSWERED if rows else EMPTY


def read_log(since: datetime | None = None) -> list[dict[str, Any]]:
    """Logged questions from ``since`` on (all by default), oldest first, ``timestamp`` as an aware datetime.

    Lines that are no log entries (torn by a full disk, say) are passed over.
    """
    entries = []
    for path in _log_files(since):
        for line in read_lines(path):
            try:
                content = line.content or {}
                entry = content | {"timestamp": datetime.fromisoformat(content["timestamp"])}
            except (KeyError, TypeError, ValueError):
                continue
            if since is None or entry["timestamp"] >= since:
                entries.append(entry)
    return sorted(entries, key=lambda entry: entry["timestamp"])


def build_query_log(path: Path | None = None) -> int:
    """Build the tables ``query_log`` and ``reactions`` and the views in a DuckDB file of its own.

    The old file stays until the new one is there. What is past its days is deleted first (:func:`purge`).

    Args:
        path: the DuckDB file; by default ``settings.query_log_path()``.

    Returns:
        How many questions are in the table.

    Raises:
        OSError, duckdb.Error: the file could not be written; the old one is still there.
    """
    import duckdb

    purge()
    with replacing(path or settings.query_log_path()) as aside, duckdb.connect(str(aside)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _fill(connection, "query_log", COLUMNS, "question", _log_files(None))
        _fill(connection, "reactions", REACTION_COLUMNS, "answer_id", sorted(settings.reactions_dir().glob("*.jsonl")))
        for name, query in VIEWS.items():
            connection.execute(f"CREATE VIEW {name} AS {query}")
        counted = connection.execute("SELECT count(*) FROM query_log").fetchone()
    assert counted is not None
    return int(counted[0])


def _fill(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], needed: str, files: Sequence[Path]
) -> None:
    names = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE TABLE {table} ({names})")
    if files:
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT * FROM read_json(?, columns = ?, "
            "format = 'newline_delimited', ignore_errors = true) "
            f"WHERE timestamp IS NOT NULL AND {needed} IS NOT NULL ORDER BY timestamp",
            [[str(file) for file in files], dict(columns)],
        )


def _appended(folder: Path, entry: Mapping[str, Any], now: datetime) -> bool:
    try:
        append_line(folder, entry, now.astimezone(UTC).date())
    except OSError as problem:
        _log.warning("a line of the query log could not be written: %s", problem)
        return False
    return True


def _log_files(since: datetime | None) -> list[Path]:
    """The log's files, from the day of ``since`` on: a file is named by the UTC day of its first line."""
    first = (since.astimezone(UTC) - timedelta(days=1)).date().isoformat() if since else ""
    return sorted(file for file in settings.query_log_dir().glob("*.jsonl") if file.name >= first)
