"""A service, the note and Ollama follow the alias of production."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from fit_assets import artifacts
from fit_assets.cli import main
from fit_assets.evaluation import versions
from fit_assets.filters import QueryFilters
from fit_assets.packaging import PackagingError
from fit_assets.parsing import gguf_parser, supervised
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.registry import build_parser
from fit_assets.served import served
from fit_assets.serving.follow import Follower, PackageError, production, tell_ollama
from fit_assets.serving.query_log import read_log
from fit_assets.serving.service import Service
from fit_assets_tests.fake_ollama import FakeOllama, serve


class Model:
    """Stands in for the GGUF parser: its answer is the limit that its file names."""

    name = "gguf"
    alive: ClassVar[weakref.WeakSet[Model]] = weakref.WeakSet()

    def __init__(self, path: Path, *_: object, **__: object) -> None:
        content = path.read_text()
        if not content.startswith("GGUF "):
            raise PackagingError(f"{path} does not load")
        self.limit = int(content.split()[1])
        self.hold = threading.Event()
        self.hold.set()
        Model.alive.add(self)

    def parse(self, question: str) -> ParseResult:
        self.hold.wait(10)
        return ParseResult(question, QueryFilters(limit=self.limit, sort_by="capacity_desc"), self.name, 1.0)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three versions: the second is better, the third does not load."""
    var = tmp_path_factory.mktemp("var")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIT_ASSETS_VAR", str(var))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("OLLAMA_HOST", "127.0.0.1:9")
        for content in ("GGUF 1", "GGUF 2", "broken"):
            path = var / "models" / content.replace(" ", "") / "model.gguf"
            path.parent.mkdir(parents=True)
            path.write_text(content)
            versions.register_version(
                artifacts.digest_of(path),
                package_dir=path.parent,
                gguf_path=path,
                metrics={"parsing_accuracy": 0.9},
                gates={"critical_tests": True},
                training_examples=10,
                made_of={"preset": "smollm2-135m"},
            )
        yield var


@pytest.fixture(autouse=True)
def first_in_production(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_parser, "GgufParser", Model)
    versions.promote(1)
    production()


@pytest.fixture
def service() -> Iterator[Service]:
    Model.alive.clear()
    found = served()
    assert found is not None
    running = Service(build_parser("auto"), found.name)
    yield running
    running.close()


def answer(service: Service, question: str = "anything") -> int | None:
    filters = service.parse(question, "somebody").result.filters
    return filters.limit if filters else None


def test_a_service_follows_the_alias_and_goes_back(service: Service) -> None:
    follower = Follower(service)
    assert answer(service) == 1
    assert not follower.look()
    versions.promote(2)
    assert follower.look()
    assert answer(service) == 2  # the same question: the old model's answers are not kept
    assert service.state()["model"]["detail"].endswith(service.version)
    assert versions.rollback().version == 1
    assert follower.look()
    assert answer(service) == 1
    logged = [entry["version"] for entry in read_log()]
    assert logged[-3] == logged[-1] != logged[-2]


def test_questions_at_hand_are_answered_by_the_old_model_and_it_goes_then(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "IDLE_SECONDS", 0.05)
    (old,) = Model.alive
    old.hold.clear()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(answer, service, f"question {number}") for number in range(4)]
        versions.promote(2)
        assert Follower(service).look()
        assert answer(service, "a new one") == 2
        old.hold.set()
        assert [one.result(10) for one in asked] == [1, 1, 1, 1]
    gone = weakref.ref(old)
    del old
    for _ in range(100):
        if gone() is None:
            break
        gc.collect()
        threading.Event().wait(0.05)
    assert gone() is None


def test_a_version_that_does_not_load_leaves_the_old_one_and_is_not_tried_all_the_time(service: Service) -> None:
    follower = Follower(service)
    versions.promote(3)
    with pytest.raises(PackagingError, match="does not load"):
        follower.look()
    assert answer(service) == 1
    assert not follower.look()
    versions.promote(2)
    assert follower.look()


def test_a_package_that_is_not_what_was_registered_is_not_served(service: Service) -> None:
    path = next(version for version in versions.list_versions() if version.version == 2).gguf_path
    assert path is not None
    versions.promote(2)
    try:
        path.write_text("GGUF 7")
        with pytest.raises(PackageError, match="is not what was registered"):
            Follower(service).look()
        path.unlink()
        with pytest.raises(PackageError, match="is gone"):
            Follower(service).look()
    finally:
        path.write_text("GGUF 2")
    found = served()
    assert found is not None
    assert found.version == 1


def test_the_follower_looks_by_itself(service: Service) -> None:
    follower = Follower(service, seconds=0.05)
    follower.start()
    try:
        versions.promote(2)
        for _ in range(200):
            if answer(service) == 2:
                break
            threading.Event().wait(0.05)
        assert answer(service) == 2
    finally:
        follower.close()


def test_promoting_on_the_command_line_moves_everything_and_is_remembered() -> None:
    with serve(FakeOllama()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", fake.host)
        for number in (1, 2):
            found = production()
            assert found is not None
            tell_ollama(found)
            result = CliRunner().invoke(main, ["promote", str(number % 2 + 1), "--why", "it is Monday"])
            assert result.exit_code == 0, result.output
            assert f"is version {number % 2 + 1}" in result.output
            now = served()
            assert now is not None
            assert now.version == number % 2 + 1
            assert fake.models["fit-intelligence:latest"] == fake.models[f"fit-intelligence:{now.name}"]
        creations = [path for _, path, _ in fake.requests if path == "/api/create"]
        assert CliRunner().invoke(main, ["rollback", "--why", "no"]).exit_code == 0
        assert [path for _, path, _ in fake.requests if path == "/api/create"] == creations
    shown = CliRunner().invoke(main, ["versions", "--moves"]).output.splitlines()
    assert "version 2 in place of 1, by " in shown[0]
    assert shown[0].endswith(": no")


def test_without_ollama_a_move_is_done_all_the_same() -> None:
    result = CliRunner().invoke(main, ["promote", "2"])
    assert result.exit_code == 0
    assert "Ollama" not in result.output
    assert "no version 9" in CliRunner().invoke(main, ["promote", "9"]).output
