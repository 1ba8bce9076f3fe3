"""Whatever is away, an answer comes, is logged, and ``/readyz`` says what is wrong."""

from __future__ import annotations

import socket
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
from fit_assets_tests.serving.conftest import ModelDouble


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


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
