import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fit_assets.filters import json_schema
from fit_assets.packaging.ollama import OllamaClient, register_model
from fit_assets.parsing.ollama_parser import LoRAQueryParser, OllamaParser
from fit_assets.training.prompt import CHAT_STYLES
from fit_assets_tests.fake_ollama import FakeOllama, serve

STYLE = CHAT_STYLES["chatml"]
QUESTION = "Wind sites over 100kW in Berkshire"
FILTERS = {"capacity_min_kw": 100, "location": "Berkshire", "postcode_patterns": ["RG", "SL"], "technology": "Wind"}


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeOllama]:
    with serve(FakeOllama()) as running:
        gguf = tmp_path / "model.gguf"
        gguf.write_bytes(b"GGUF weights")
        register_model(OllamaClient(running.host), "fit-intelligence", gguf, STYLE)
        running.answer = lambda prompt: json.dumps(FILTERS) if prompt == STYLE.render(QUESTION) else "{}"
        running.requests.clear()
        yield running


def test_the_trained_prompt_and_the_schema_go_out(fake: FakeOllama) -> None:
    result = OllamaParser(OllamaClient(fake.host), "fit-intelligence").parse(QUESTION)
    assert result.filters is not None
    assert result.filters.to_dict() == FILTERS
    assert (result.parser, result.error, result.confidence) == ("ollama", None, None)
    [(_, _, body)] = fake.requests
    assert body["format"] == json_schema()
    linked = '{"capacity_min_kw":100,"location":"Berkshire","postcode_patterns":["RG","SL"],"technology":"Wind"}'
    assert body["prompt"] == f"wind sites over 100kw in berkshire\n{linked}"


def test_the_answer_is_grounded(fake: FakeOllama) -> None:
    fake.answer = lambda prompt: '{"location":"Berkshire","technology":"Wind"}'
    result = OllamaParser(OllamaClient(fake.host), "fit-intelligence").parse("wind in berkshire")
    assert result.filters is not None
    assert result.filters.postcode_patterns == ["RG", "SL"]


def test_a_batch_keeps_its_order(fake: FakeOllama) -> None:
    results = OllamaParser(OllamaClient(fake.host), "fit-intelligence").parse_batch(["anything", QUESTION])
    assert [result.question for result in results] == ["anything", QUESTION]
    assert all(result.error is None for result in results)


def test_the_missions_interface(fake: FakeOllama) -> None:
    parser = LoRAQueryParser("fit-intelligence", host=fake.host)
    assert parser.parse_query(QUESTION) == {"success": True, "filters": FILTERS}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('{"technology":"Wind"', "not valid JSON"),
        ("", "not valid JSON"),
        ('{"technology":"Coal"}', "technology"),
        ('["Wind"]', "must be a JSON object"),
        ('{"capacity_min_kw":5,"capacity_max_kw":1}', "swap them"),
    ],
)
def test_a_broken_answer_asks_for_the_fallback(fake: FakeOllama, answer: str, message: str) -> None:
    fake.answer = lambda prompt: answer
    got = LoRAQueryParser("fit-intelligence", host=fake.host).parse_query(QUESTION)
    assert (got["success"], got["fallback"]) == (False, True)
    assert message in got["error"]


def test_an_answer_that_was_cut_off(fake: FakeOllama) -> None:
    fake.done_reason = "length"
    got = LoRAQueryParser("fit-intelligence", host=fake.host).parse_query(QUESTION)
    assert got["fallback"] is True
    assert "'length'" in got["error"]


def test_a_missing_model_says_how_to_get_it(fake: FakeOllama) -> None:
    result = OllamaParser(OllamaClient(fake.host), "other").parse(QUESTION)
    assert result.filters is None
    assert result.error is not None
    assert "materialise ollama_model" in result.error


def test_a_slow_server(fake: FakeOllama) -> None:
    fake.delay = 0.5
    got = LoRAQueryParser("fit-intelligence", host=fake.host, timeout=0.1).parse_query(QUESTION)
    assert got["fallback"] is True
    assert "no answer within 0.1 s" in got["error"]


def test_no_server() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    parser = OllamaParser(OllamaClient(f"http://127.0.0.1:{port}", attempts=1), "fit-intelligence")
    result = parser.parse(QUESTION)
    assert result.error is not None
    assert "ollama serve" in result.error


def test_defaults_come_from_the_settings(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", fake.host.removeprefix("http://"))
    assert OllamaParser().parse(QUESTION).error is None
    monkeypatch.setenv("FIT_ASSETS_OLLAMA_MODEL", "absent")
    assert OllamaParser().parse(QUESTION).error is not None
