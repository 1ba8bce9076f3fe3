from __future__ import annotations

from pathlib import Path

import pytest

from fit_assets import cli
from fit_assets.parsing.registry import PARSER_NAMES, ParserUnavailable, build_parser, candidate_gguf
from fit_assets.parsing.router import Router
from fit_assets.served import Served, take_note


@pytest.fixture(autouse=True)
def _empty_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))


@pytest.fixture
def in_production(tmp_path: Path) -> Path:
    """A file that the note calls the version in production."""
    path = tmp_path / "models" / "tiny" / "releases" / "abc" / "tiny.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF, but not really")
    take_note(Served(3, "abc" * 20, path, "tiny"))
    return path


def test_the_command_line_knows_the_same_parsers() -> None:
    assert cli._PARSERS == PARSER_NAMES


def test_auto_is_the_rules_where_there_is_no_model_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert build_parser("auto").name == "regex"
    assert "no version of the model is in production yet" in capsys.readouterr().err


def test_auto_is_the_rules_where_the_model_is_damaged(in_production: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_parser("auto").name == "regex"
    assert str(in_production) in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gguf", "raw", "candidate", "adapter"])
def test_a_missing_model_names_the_mend(name: str) -> None:
    with pytest.raises(ParserUnavailable, match="make run"):
        build_parser(name)


def test_an_ollama_parser_is_built_without_a_server() -> None:
    assert build_parser("ollama").name == "ollama"


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="known are"):
        build_parser("oracle")


def test_a_candidate_is_not_served_but_can_be_asked(in_production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[Path, bool]] = []

    class Opened:
        def __init__(self, path: Path, constrained: bool, n_threads: int | None, rules: object) -> None:
            opened.append((path, constrained))
            self.name = "gguf" if constrained else "raw"
            assert (rules is not None) == constrained

    monkeypatch.setattr("fit_assets.parsing.gguf_parser.GgufParser", Opened)
    candidate_gguf().parent.mkdir(parents=True)
    candidate_gguf().touch()
    router = build_parser("auto")
    assert isinstance(router, Router)
    assert (router.primary.name, router.fallback.name) == ("gguf", "regex")
    assert build_parser("raw").name == "raw"
    assert build_parser("candidate").name == "gguf"
    assert opened == [(in_production, True), (in_production, False), (candidate_gguf(), True)]
