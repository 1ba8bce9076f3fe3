"""A copy of the query log in PostgreSQL, for many machines and long questions about the log.

The files stay the log: an answer waits for them alone. A background thread reads what has been added to them and
writes it to PostgreSQL together with how far it came, in one transaction, so that every line arrives once, whatever
is killed in between, and a server that was away is made up for.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.evaluation.thresholds import SLOW_QUERY_MS, SUCCESS_SAMPLE_PERCENT
from fit_assets.serving.query_log import COLUMNS, FAILURES, REACTION_COLUMNS

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 3
CHUNK_BYTES = 1 << 20

_TYPES = {
    "VARCHAR": "text",
    "TIMESTAMPTZ": "timestamptz",
    "JSON": "jsonb",
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "DOUBLE": "double precision",
    "VARCHAR[]": "text[]",
}

_VIEWS = {
    "failed_queries": f"SELECT * FROM query_log WHERE outcome IN {FAILURES} ORDER BY timestamp",
    "slow_queries": f"SELECT * FROM query_log WHERE latency_ms >= {SLOW_QUERY_MS} ORDER BY latency_ms DESC",
    "success_sample": "SELECT * FROM query_log WHERE outcome = 'answered' AND "
    "('x' || substr(md5(question || timestamp::text), 1, 8))::bit(32)::bigint % 100 "
    f"< {SUCCESS_SAMPLE_PERCENT} ORDER BY timestamp",
}

_log = logging.getLogger(__name__)


class LogCopy:
    """Copies the log's files to PostgreSQL, from where it left off; for one thread, but for ``behind``."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet; ``url`` as libpq takes it, ``postgresql://user@host/database``.

        Raises:
            ImportError: psycopg is not installed.
        """
        import psycopg  # noqa: F401  (now, not in the background where nobody sees it fail)

        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()
        self.problem: str | None = "not connected yet"

    def run_once(self) -> int:
        """Copy what has been added; returns how many lines arrived. Never raises: ``problem`` says what is wrong."""
        import psycopg

        try:
            connection = self._connected()
            copied = sum(
                self._copy_file(connection, table, columns, file)
                for table, columns, folder in _sources()
                for file in sorted(folder.glob("*.jsonl"))
            )
            self._purge(connection)
        except (psycopg.Error, OSError) as error:
            if self.problem is None:
                _log.warning("the query log is not copied to PostgreSQL for now: %s", error)
            self.problem = " ".join(f"{type(error).__name__}: {error}".split())
            self.close()
            return 0
        self.problem = None
        return copied

    def behind(self) -> int:
        """How many bytes of the files are not copied yet."""
        with self._lock:
            done = dict(self._done)
        total = 0
        for _, _, folder in _sources():
            for file in folder.glob("*.jsonl"):
                try:
                    total += max(0, file.stat().st_size - done.get(_label(file), 0))
                except FileNotFoundError:
                    continue
        return total

    def close(self) -> None:
        """Close the connection; the next run opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Any]:
        import psycopg

        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(self._url, connect_timeout=CONNECT_SECONDS, autocommit=True)
            try:
                connection.execute("SET statement_timeout = '30s'")
                _make_tables(connection)
                source = _source_id()
                found = connection.execute("SELECT file, bytes FROM query_log_files WHERE source = %s", [source])
                with self._lock:
                    self._done = dict(found.fetchall())
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _copy_file(
        self, connection: psycopg.Connection[Any], table: str, columns: Mapping[str, str], file: Path
    ) -> int:
        label, source, copied = _label(file), _source_id(), 0
        while file.exists() and file.stat().st_size > self._done.get(label, 0):
            with connection.transaction():
                connection.execute(
                    "INSERT INTO query_log_files (source, file, bytes) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
                    [source, label],
                )
                # The row's lock keeps a second process with the same files out until this one is through.
                row = connection.execute(
                    "SELECT bytes FROM query_log_files WHERE source = %s AND file = %s FOR UPDATE", [source, label]
                ).fetchone()
                start = int(row[0]) if row else 0
                lines, end = _lines_from(file, start)
                rows = [values for line in lines if (values := _values(line, columns)) is not None]
                insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
                copied += _insert(connection, insert, rows)
                connection.execute(
                    "UPDATE query_log_files SET bytes = %s WHERE source = %s AND file = %s", [end, source, label]
                )
            with self._lock:
                self._done[label] = end
            if end == start:
                break
        return copied

    def _purge(self, connection: psycopg.Connection[Any]) -> None:
        days = settings.log_days()
        if days:
            first = datetime.now(UTC) - timedelta(days=days)
            for table in ("query_log", "reactions"):
                connection.execute(f"DELETE FROM {table} WHERE timestamp < %s", [first])


def open_copy() -> LogCopy | None:
    """The copy that ``QUERY_LOG_URL`` asks for; None without one."""
    url = settings.query_log_url()
    return LogCopy(url) if url else None


def _sources() -> tuple[tuple[str, Mapping[str, str], Path], ...]:
    return (
        ("query_log", COLUMNS, settings.query_log_dir()),
        ("reactions", REACTION_COLUMNS, settings.reactions_dir()),
    )


def _make_tables(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('fit_assets.query_log'))")
        for table, columns, _ in _sources():
            names = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({names})")
            connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_by_time ON {table} (timestamp)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS query_log_files "
            "(source text, file text, bytes bigint NOT NULL, PRIMARY KEY (source, file))"
        )
        for name, query in _VIEWS.items():
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")


def _insert(connection: psycopg.Connection[Any], insert: str, rows: Sequence[Sequence[Any]]) -> int:
    """Insert all rows at once; where PostgreSQL refuses one of them, one by one without those it refuses."""
    import psycopg

    try:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(insert, rows)
        return len(rows)
    except psycopg.DataError:
        inserted = 0
        for row in rows:
            try:
                with connection.transaction():
                    connection.execute(insert, row)
                inserted += 1
            except psycopg.DataError as error:
                _log.warning("a line of the query log is not copied, PostgreSQL refuses it: %s", error)
        return inserted


def _source_id() -> str:
    """Names this folder of files among those of other machines; made once and kept beside them."""
    path = settings.query_log_dir() / "source"
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(uuid.uuid4().hex)
        except FileExistsError:
            pass
        return path.read_text("utf-8")


def _label(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _lines_from(file: Path, start: int) -> tuple[Sequence[bytes], int]:
    """Whole lines from a byte on, about ``CHUNK_BYTES`` of them, and where they end."""
    with file.open("rb") as content:
        content.seek(start)
        chunk = content.read(CHUNK_BYTES)
        if b"\n" not in chunk:
            chunk += content.readline()
    end = chunk.rfind(b"\n") + 1
    return chunk[:end].splitlines(), start + end


def _values(line: bytes, columns: Mapping[str, str]) -> list[Any] | None:
    """A line as the columns' values; None for what is no line of ours."""
    try:
        content = json.loads(line)
        datetime.fromisoformat(content["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    return [_value(content.get(name), kind) for name, kind in columns.items()]


def _value(value: Any, kind: str) -> Any:
    from psycopg.types.json import Jsonb

    if kind == "JSON" and value is not None:
        return Jsonb(value)
    # PostgreSQL's text holds no NUL.
    if isinstance(value, str):
        return value.replace("\0", "�")
    return [_value(part, "VARCHAR") for part in value] if isinstance(value, list) else value
