"""Many ask the service at once while Redis and PostgreSQL are killed under it.

    python -m benchmarks.load --clients 16 --seconds 20

Starts ``fit serve`` on loopback with a Redis and a PostgreSQL of its own (where they are installed), without a limit on
the rate, and asks it from so many clients at once, each its next question when the last is answered. A third of the
questions repeats earlier ones. Stages: everything up; Redis killed; PostgreSQL killed; both back. Told for each:
answers a second, how many were answered by the model, by the rules in its place, or refused (429 and 503 are the
service's limits), times, and what ``/readyz`` says. Last the service is killed (SIGKILL), and the answers that clients
got are looked up in the log. Ends with status 1 where an answer failed otherwise, or is missing in the log or in
PostgreSQL.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from fit_assets.language.text import MAX_QUESTION_CHARS
from fit_assets_tests.servers import NotInstalled, PostgresServer, RedisServer, Server, postgres_server, redis_server
from fit_assets_tests.serving.running import Running, running_service


@dataclass
class Stage:
    """What happened in one stage."""

    name: str
    seconds: float = 0.0
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    times: list[float] = field(default_factory=list)
    state: str = ""

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.times, n=100, method="inclusive") if len(self.times) > 1 else [0.0] * 99
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return (
            f"{self.name:20} {sum(self.outcomes.values()) / self.seconds:6.1f}/s   p50 {1000 * cuts[49]:5.0f}   "
            f"p95 {1000 * cuts[94]:5.0f}   p99 {1000 * cuts[98]:5.0f} ms   {outcomes}\n{'':20} {self.state}"
        )


class Crowd:
    """Clients that ask until they are told to stop."""

    def __init__(self, url: str, questions: list[str], clients: int) -> None:
        self._url, self._questions, self._clients = url, questions, clients
        self.answered: list[str] = []
        self.failures: list[str] = []

    def ask(self, name: str, seconds: float) -> Stage:
        """One stage."""
        stage = Stage(name)
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=(stage, until, seed)) for seed in range(self._clients)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stage.seconds = time.monotonic() - start
        ready = httpx.get(f"{self._url}/readyz", timeout=30)
        parts = {part: said["state"] for part, said in ready.json().items() if isinstance(said, dict)}
        stage.state = f"/readyz {ready.status_code}, {ready.json()['status']}: {parts}"
        return stage

    def _client(self, stage: Stage, until: float, seed: int) -> None:
        rng = random.Random(f"{stage.name}/{seed}")
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while time.monotonic() < until:
                question = rng.choice(self._questions)
                if rng.random() < 2 / 3:
                    question = f"{question} over {rng.randint(1, 4999)}kW"
                start = time.monotonic()
                try:
                    reply = http.post("/ask", json={"question": question[:MAX_QUESTION_CHARS], "limit": 10})
                except httpx.HTTPError as error:
                    stage.outcomes["failed"] += 1
                    self.failures.append(f"{type(error).__name__}: {question!r}")
                    continue
                stage.times.append(time.monotonic() - start)
                if reply.status_code == 200:
                    answer = reply.json()
                    self.answered.append(answer["id"])
                    stage.outcomes["kept" if answer["cached"] else answer["parser"]] += 1
                elif reply.status_code in (429, 503):
                    stage.outcomes["refused"] += 1
                    time.sleep(float(reply.headers.get("retry-after", 0.1)))
                else:
                    stage.outcomes["failed"] += 1
                    self.failures.append(f"{reply.status_code} {reply.text[:200]}: {question!r}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--seconds", type=float, default=20.0, help="of each stage")
    options.add_argument("--parser", default="auto")
    options.add_argument("--questions", type=Path, default=Path("data/questions/dev.jsonl"))
    given = options.parse_args()

    from fit_assets import settings
    from fit_assets.evaluation.evaluate import load_questions

    questions = [question.q for question in load_questions(given.questions)]
    with contextlib.ExitStack() as stack:
        # The models and the warehouse of the project, a log and a cache of our own.
        var = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("models", "mlflow"):
            if (settings.var_dir() / name).exists():
                (var / name).symlink_to(settings.var_dir() / name)
        shutil.copy(settings.var_dir() / "warehouse.duckdb", var / "warehouse.duckdb")
        redis = _started(stack, redis_server)
        postgres = _started(stack, postgres_server)
        environment = {"FIT_ASSETS_FOLLOW_SECONDS": "3600"}
        environment |= {"REDIS_URL": redis.url} if redis else {}
        environment |= {"QUERY_LOG_URL": postgres.url} if postgres else {}
        service = stack.enter_context(running_service(var, given.parser, **environment))
        sys.exit(run(service, var, questions, given.clients, given.seconds, redis, postgres))


def run(
    service: Running,
    var: Path,
    questions: list[str],
    clients: int,
    seconds: float,
    redis: RedisServer | None,
    postgres: PostgresServer | None,
) -> int:
    """All stages; the exit status."""
    crowd = Crowd(service.url, questions, clients)
    print(crowd.ask("everything up", seconds), flush=True)
    if redis:
        redis.kill()
        print(crowd.ask("Redis killed", seconds), flush=True)
    if postgres:
        postgres.kill()
        print(crowd.ask("PostgreSQL killed", seconds), flush=True)
    for server in (redis, postgres):
        if server:
            server.start()
    print(crowd.ask("both back", seconds), flush=True)

    answered = set(crowd.answered)
    copied: set[str] = set()
    until = time.monotonic() + 60
    while postgres and not answered <= copied and time.monotonic() < until:
        time.sleep(1)
        copied = {row[0] for row in postgres.query("SELECT id FROM query_log")}
    service.process.kill()
    service.process.wait()
    logged = _logged(var)
    print(
        f"{len(answered):,} answers; {len(answered - logged)} of them not in the log"
        + (f", {len(answered - copied)} not in PostgreSQL" if postgres else "")
        + f"; {len(crowd.failures)} failed"
    )
    print("\n".join(crowd.failures[:20]))
    return int(bool(crowd.failures or answered - logged or (postgres and answered - copied)))


def _started(stack: contextlib.ExitStack, start: Callable[[], AbstractContextManager[Server]]) -> Server | None:
    try:
        return stack.enter_context(start())
    except NotInstalled as missing:
        print(f"{missing}; its stages are left out")
        return None


def _logged(var: Path) -> set[str]:
    from fit_assets.serving.query_log import read_log

    os.environ["FIT_ASSETS_VAR"] = str(var)
    return {entry["id"] for entry in read_log()}


if __name__ == "__main__":
    main()
