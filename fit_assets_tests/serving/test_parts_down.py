"""Whatever is away or killed in the middle, an answer comes, is logged, and ``/readyz`` says what is wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fit_assets.parsing.registry import routed
from fit_assets.serving.http import create_app
from fit_assets.serving.query_log import read_log
from fit_assets.serving.server import _served
from fit_assets.serving.service import Service
from fit_assets_tests.fake_ollama import FakeOllama, serve
from fit_assets_tests.servers import free_port, or_skipped, postgres_server, redis_server
from fit_assets_tests.serving.conftest import ModelDouble


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_port()}"


def state_after_a_question(make: Callable[[], Service]) -> dict[str, Any]:
    with TestClient(create_app(make())) as client:
        answer = client.post("/ask", json={"question": "wind sites over 100kw in berkshire"})
        assert answer.status_code == 200
        assert answer.json()["total"] == 1
        ready = client.get("/readyz")
        assert ready.status_code == 200
        state: dict[str, Any] = ready.json() | {"parser": answer.json()["parser"]}
    assert len(read_log()) == 1
    return state


def test_redis(served_var: Path, model: ModelDouble, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redis")
    monkeypatch.setenv("REDIS_URL", f"redis://{nobody}/0")
    state = state_after_a_question(lambda: Service(routed(model), "1"))
    assert (state["status"], state["cache"]["state"], state["parser"]) == ("degraded", "down", "gguf")
    assert "redis" in state["cache"]["detail"]


def test_postgresql(served_var: Path, model: ModelDouble, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("QUERY_LOG_URL", f"postgresql://fit@{nobody}/fit")
    state = state_after_a_question(lambda: Service(routed(model), "1"))
    assert (state["status"], state["log"]["state"], state["parser"]) == ("degraded", "down", "gguf")
    assert "not copied yet" in state["log"]["detail"]


def test_ollama(served_var: Path, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", nobody)
    monkeypatch.setattr("fit_assets.serving.service.FAILURES_IN_A_ROW", 1)
    state = state_after_a_question(lambda: Service(*_served("ollama")))
    assert (state["status"], state["model"]["state"], state["parser"]) == ("degraded", "down", "regex")
    assert "ollama serve" in state["model"]["detail"]
    [entry] = read_log()
    assert (entry["model_error"], entry["arm"], entry["version"]) == (True, "model", "fit-intelligence")


def test_the_model(served_var: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = state_after_a_question(lambda: Service(*_served("auto")))
    assert (state["status"], state["parser"]) == ("degraded", "regex")
    assert "no model is loaded" in state["model"]["detail"]
    assert "no version of the model is in production yet" in capsys.readouterr().err


BERKSHIRE = {"question": "wind sites over 100kw in berkshire"}


def test_redis_killed_in_the_middle(served_var: Path, model: ModelDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redis")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(or_skipped(redis_server))
        monkeypatch.setenv("REDIS_URL", server.url)
        client = stack.enter_context(TestClient(create_app(Service(routed(model), "1"))))
        client.post("/ask", json=BERKSHIRE)
        assert client.post("/ask", json=BERKSHIRE).json()["cached"]
        assert client.get("/readyz").json()["status"] == "ready"
        server.kill()
        assert client.post("/ask", json=BERKSHIRE).json()["total"] == 1
        assert client.get("/readyz").json()["cache"]["state"] == "down"
    assert len(read_log()) == 3


def test_postgresql_killed_in_the_middle(served_var: Path, model: ModelDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(or_skipped(postgres_server))
        monkeypatch.setenv("QUERY_LOG_URL", server.url)
        client = stack.enter_context(TestClient(create_app(Service(routed(model), "1"))))
        first = client.post("/ask", json=BERKSHIRE).json()["id"]
        assert eventually(lambda: server.query("SELECT id FROM query_log") == [(first,)])
        server.kill()
        second = client.post("/ask", json=BERKSHIRE).json()
        assert second["total"] == 1
        assert eventually(lambda: client.get("/readyz").json()["log"]["state"] == "down")
        server.start()
        assert eventually(lambda: (second["id"],) in server.query("SELECT id FROM query_log"))
        assert eventually(lambda: client.get("/readyz").json()["status"] == "ready")


def test_ollama_killed_in_the_middle(served_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fit_assets.serving.service.FAILURES_IN_A_ROW", 1)
    fake = FakeOllama()
    fake.answer = lambda prompt: '{"technology":"Wind"}'
    fake.models["fit-intelligence:latest"] = {"template": "{{ .Prompt }}", "system": "", "parameters": {}, "files": {}}
    with contextlib.ExitStack() as stack:
        ollama = contextlib.ExitStack()
        monkeypatch.setenv("OLLAMA_HOST", stack.enter_context(ollama).enter_context(serve(fake)).host)
        client = stack.enter_context(TestClient(create_app(Service(*_served("ollama")))))
        assert client.post("/ask", json={"question": "any wind"}).json()["parser"] == "ollama"
        ollama.close()
        answer = client.post("/ask", json=BERKSHIRE).json()
        assert (answer["parser"], answer["total"]) == ("regex", 1)
        assert client.get("/readyz").json()["model"]["state"] == "down"
    assert [entry["parser"] for entry in read_log()] == ["ollama", "regex"]


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.1)
    return False
