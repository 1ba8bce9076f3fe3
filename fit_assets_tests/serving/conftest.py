from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.registry import build_parser
from fit_assets.parsing.router import Router
from fit_assets.parsing.supervised import SupervisedParser
from fit_assets.serving.http import create_app
from fit_assets.serving.service import Service
from fit_assets_tests.small_warehouse import small_warehouse


@pytest.fixture(scope="session")
def built_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_warehouse(tmp_path_factory.mktemp("built")) / "warehouse.duckdb"


@pytest.fixture
def served_var(built_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A var folder with the small warehouse and nothing else."""
    shutil.copy(built_warehouse, tmp_path / "warehouse.duckdb")
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    monkeypatch.setenv("FIT_ASSETS_AS_OF", "2025-01-01")
    monkeypatch.setenv("FIT_ASSETS_RATE", "0")
    for name in ("REDIS_URL", "QUERY_LOG_URL", "FIT_ASSETS_API_KEYS", "FIT_ASSETS_ROLLOUT_PERCENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class ModelDouble:
    """Reads every question as the rules do, calls itself gguf, and fails as the question says."""

    name = "gguf"

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.supervised: SupervisedParser | None = None
        self._rules = build_parser("regex")

    def parse(self, question: str) -> ParseResult:
        if "die" in question:
            raise SystemExit("killed")
        if "hang" in question:
            self.go_on.wait(30)
        if "fail" in question:
            return ParseResult(question, None, self.name, 1.0, error="not valid JSON")
        filters: QueryFilters | None = self._rules.parse(question).filters
        return ParseResult(question, filters, self.name, 1.0, confidence=0.9)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


@pytest.fixture
def model() -> Iterator[ModelDouble]:
    double = ModelDouble()
    yield double
    double.go_on.set()


@pytest.fixture
def client(served_var: Path) -> Iterator[Callable[..., TestClient]]:
    """Make a client of a service: with the rules alone, or with a model before them."""
    open_clients: list[TestClient] = []

    def make(model: ModelDouble | None = None, *, seconds: float = 5.0) -> TestClient:
        parser = build_parser("regex")
        if model is not None:
            model.supervised = SupervisedParser(model, seconds=seconds, rest=60)
            parser = Router(model.supervised, parser)
        made = TestClient(create_app(Service(parser, "5f1d7e84a90b" if model else "")))
        made.__enter__()
        open_clients.append(made)
        return made

    yield make
    for made in open_clients:
        made.__exit__(None, None, None)
