"""Redis and PostgreSQL of our own on loopback, from Debian's packages, for tests and benchmarks that kill them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

Server = TypeVar("Server")


class NotInstalled(RuntimeError):
    """A server whose program is not on this machine; the message says how to get it."""


class RedisServer:
    """A Redis that keeps nothing on the disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        import redis

        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port)
        for _ in range(100):
            try:
                client.ping()
                return
            except redis.RedisError:
                time.sleep(0.05)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class PostgresServer:
    """A PostgreSQL, run by its own user where we are root."""

    def __init__(self, bin_dir: Path, folder: Path) -> None:
        self._bin, self._data, self._socket_dir = bin_dir, folder / "data", folder
        self.port = free_port()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(self._data), "-U", "fit", "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        return f"postgresql://fit@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._socket_dir}"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-w", "-t", "180", "-l", f"{self._data}.log", "start")

    def kill(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop", check=False)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self._bin / program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=check, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running one.

    Raises:
        NotInstalled: there is no redis-server here.
    """
    if shutil.which("redis-server") is None:
        raise NotInstalled("needs redis-server: apt-get install redis-server")
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running one.

    Raises:
        NotInstalled: there is no PostgreSQL here.
    """
    found = shutil.which("initdb")
    candidates = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not candidates:
        raise NotInstalled("needs PostgreSQL: apt-get install postgresql")
    # Not under pytest's own folder: PostgreSQL's user may not enter that.
    with tempfile.TemporaryDirectory(prefix="fit-postgres-", dir="/tmp") as folder:
        server = PostgresServer(candidates[-1], Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def or_skipped(start: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """A running one for a test, which is skipped where there is none."""
    import pytest

    try:
        with start() as server:
            yield server
    except NotInstalled as missing:
        pytest.skip(str(missing))


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
