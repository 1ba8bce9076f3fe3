from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fit_assets.cli import main
from fit_assets.parsing.base import ParseResult
from fit_assets.serving.feedback import load_feedback
from fit_assets.serving.query_log import read_log
from fit_assets_tests.small_warehouse import small_warehouse

BERKSHIRE_WIND = {
    "capacity_min_kw": 100,
    "location": "Berkshire",
    "postcode_patterns": ["RG", "SL"],
    "technology": "Wind",
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A var folder with four installations in its warehouse."""
    return small_warehouse(tmp_path_factory.mktemp("var"))


@pytest.fixture
def fit(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``fit`` with the small warehouse and a query log and feedback folder that are its own."""
    monkeypatch.setenv("FIT_ASSETS_VAR", str(warehouse))
    monkeypatch.setenv("FIT_ASSETS_AS_OF", "2025-01-01")
    for folder in ("query_log", "feedback", "feedback/decisions"):
        for path in (warehouse / folder).glob("*.jsonl"):
            path.unlink()
    return lambda *arguments: CliRunner().invoke(main, arguments)


def failed(result: Result, code: int) -> str:
    """The message of a failed run: one line."""
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    return lines[0]


def test_ask_prints_what_was_understood_and_the_row(fit: Any) -> None:
    result = fit("ask", "wind sites over 100kw in berkshire", "--parser", "regex")
    assert result.exit_code == 0
    assert json.dumps(BERKSHIRE_WIND, separators=(",", ":")) in result.output
    assert "4004" in result.output
    assert "1585" not in result.output


def test_ask_json_is_one_object(fit: Any) -> None:
    result = fit("ask", "wind sites over 100kw in berkshire", "--parser", "regex", "--json")
    answer = json.loads(result.stdout)
    assert answer["question"] == "wind sites over 100kw in berkshire"
    assert answer["filters"] == BERKSHIRE_WIND
    assert answer["parser"] == "regex"
    assert answer["latency_ms"] > 0
    assert answer["total"] == 1
    assert answer["notes"] == []
    [row] = answer["rows"]
    assert (row["fit_id"], row["capacity_kw"], row["outward_code"]) == ("4004", 500, "RG17")


def test_auto_without_a_model_uses_the_rules_and_says_so_on_standard_error(fit: Any) -> None:
    result = fit("ask", "hydro in Devon", "--json")
    assert json.loads(result.stdout)["parser"] == "regex"
    assert "no version of the model is in production yet" in result.stderr


def test_given_filters_skip_the_parser(fit: Any) -> None:
    answer = json.loads(fit("ask", "--filters", '{"technology":"Hydro"}', "--json").stdout)
    assert (answer["parser"], answer["filters"]) == ("given", {"technology": "Hydro"})
    assert [row["fit_id"] for row in answer["rows"]] == ["7001"]


def test_limit_shows_fewer_rows_and_counts_all(fit: Any) -> None:
    answer = json.loads(fit("ask", "all sites", "--parser", "regex", "--limit", "2", "--json").stdout)
    assert len(answer["rows"]) == 2
    assert answer["total"] == 4


def test_csv_goes_to_standard_output_alone(fit: Any) -> None:
    result = fit("ask", "all sites", "--parser", "regex", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {row["fit_id"] for row in rows} == {"4004", "1585", "7001", "7002"}
    assert "regex" in result.stderr


def test_explain_shows_the_sql(fit: Any) -> None:
    assert "SELECT" in fit("ask", "hydro", "--parser", "regex", "--explain").output
    assert "SELECT" in json.loads(fit("ask", "hydro", "--parser", "regex", "--explain", "--json").stdout)["sql"]


def test_a_question_out_of_scope_is_answered_kindly(fit: Any) -> None:
    result = fit("ask", "what's the weather in Leeds", "--parser", "regex", "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["filters"] == {"query_type": "unsupported"}
    assert answer["rows"] == []
    assert "cannot be answered" in answer["sentence"]


def test_every_question_is_logged(fit: Any) -> None:
    fit("ask", "hydro in Devon", "--parser", "regex")
    fit("ask", "wind in Kent", "--parser", "regex", "--json")
    log = read_log()
    assert [(entry["question"], entry["rows"], entry["outcome"]) for entry in log] == [
        ("hydro in Devon", 1, "answered"),
        ("wind in Kent", 0, "empty"),
    ]
    assert not any(entry["model_error"] for entry in log)


def test_a_model_that_fails_is_logged_though_the_rules_answer(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fit_assets.parsing.regex_parser import RegexParser
    from fit_assets.parsing.router import Router

    monkeypatch.setattr("fit_assets.parsing.registry.build_parser", lambda name: Router(_Broken(), RegexParser()))
    answer = json.loads(fit("ask", "hydro in Devon", "--json").stdout)
    assert answer["parser"] == "regex"
    assert any("out of memory" in note for note in answer["notes"])
    [entry] = read_log()
    assert (entry["outcome"], entry["model_error"]) == ("answered", True)


def test_a_parser_that_gives_no_filters_is_a_failure(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fit_assets.parsing.registry.build_parser", lambda name: _Broken())
    result = fit("ask", "hydro in Devon", "--json")
    assert "out of memory" in failed(result, 1)
    answer = json.loads(result.stdout)
    assert (answer["filters"], answer["error"]) == (None, "out of memory")
    assert read_log()[0]["outcome"] == "parse_error"


class _Broken:
    name = "gguf"

    def parse(self, question: str) -> ParseResult:
        return ParseResult(question, None, self.name, 1.0, error="out of memory")

    def parse_batch(self, questions: list[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (("ask",), "write it in quotes"),
        (("ask", "  "), "write it in quotes"),
        (("ask", "wind", "--filters", "{"), "not valid JSON"),
        (("ask", "--filters", '{"technology":"Tidal"}'), "technology"),
        (("ask", "--filters", '{"tech":"Wind"}'), "known are"),
        (("ask", "wind", "--json", "--csv"), "give one of them"),
        (("parse",), "--batch"),
        (("parse", ""), "write it in quotes"),
        (("feedback", "add"), "--filters"),
        (("feedback", "add", "--question", "wind"), "--filters"),
        (("feedback", "add", "--question", "wind", "--filters", '{"limit":0}'), "limit"),
    ],
)
def test_bad_input_is_one_line_that_names_the_mend(fit: Any, arguments: tuple[str, ...], mend: str) -> None:
    assert mend in failed(fit(*arguments), 2)


@pytest.mark.parametrize(
    "arguments", [("parse", "wind", "--parser", "oracle"), ("evaluate", "--questions", "none.jsonl")]
)
def test_unknown_choices_and_missing_files_are_bad_input(fit: Any, arguments: tuple[str, ...]) -> None:
    failed(fit(*arguments), 2)


def test_without_a_warehouse_the_message_says_what_to_run(
    fit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    assert "run: make run" in failed(fit("ask", "wind", "--parser", "regex"), 1)
    assert read_log()[0]["outcome"] == "execution_error"


def test_without_a_model_the_message_says_what_to_run(fit: Any) -> None:
    assert "run: make run" in failed(fit("parse", "wind", "--parser", "gguf"), 1)


def test_parse_prints_canonical_filters(fit: Any) -> None:
    result = fit("parse", "wind sites over 100kw in berkshire", "--parser", "regex")
    assert result.stdout == json.dumps(BERKSHIRE_WIND, separators=(",", ":")) + "\n"


def test_parse_batch_gives_a_line_for_a_line(fit: Any, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"q": "hydro in Powys"}\n\n{"q": "FIT 4004", "gold": {}}\n')
    result = fit("parse", "--batch", str(file), "--parser", "regex")
    assert result.exit_code == 0
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["filters"]["location"] == "Powys"
    assert (second["q"], second["filters"], second["parser"]) == ("FIT 4004", {"fit_id": "4004"}, "regex")
    assert second["latency_ms"] > 0


def test_parse_batch_names_bad_lines_and_parses_the_others(fit: Any, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"q": "hydro"}\nnot json\n{"question": "wind"}\n')
    result = fit("parse", "--batch", str(file), "--parser", "regex")
    assert "2 bad lines" in failed(result, 2)
    assert f"{file}, line 2: not valid JSON" in result.stderr
    assert f"{file}, line 3: has no question" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_evaluate_reports_metrics_as_json_and_as_a_table(fit: Any, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(
        '{"q": "wind in kent", "gold": {"technology": "Wind", "location": "Kent"}}\n'
        '{"q": "hydro", "gold": {"technology": "Wind"}}\n'
    )
    result = fit("evaluate", "--questions", str(file), "--parser", "regex", "--json")
    report = json.loads(result.stdout)
    assert report["metrics"]["parsing_accuracy"]["value"] == 0.5
    assert report["metrics"]["json_validity"]["value"] == 1.0
    assert "evaluating regex: 2 of 2" in result.stderr
    table = fit("evaluate", "--questions", str(file), "--parser", "regex").stdout
    assert "parsing_accuracy" in table
    assert "50" in table


def test_evaluate_names_the_line_of_a_bad_question(fit: Any, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"q": "hydro", "gold": {"technology": "Hidro"}}\n')
    assert "line 1" in failed(fit("evaluate", "--questions", str(file), "--parser", "regex"), 2)


def test_feedback_is_kept(fit: Any) -> None:
    result = fit("feedback", "add", "--question", "turbines in berks", "--filters", '{"technology":"Wind"}')
    assert result.exit_code == 0
    [item] = load_feedback().items
    assert (item.question, item.filters.technology, item.origin) == ("turbines in berks", "Wind", "cli")


def test_contradictions_are_shown_and_settled(fit: Any) -> None:
    for technology in ("Hydro", "Wind", "Wind"):
        fit("feedback", "add", "--question", "turbines", "--filters", json.dumps({"technology": technology}))
    shown = fit("feedback", "review").output
    assert '1. {"technology":"Wind"}   (2 ×, from cli' in shown
    assert '2. {"technology":"Hydro"}' in shown
    assert "one of --take" in failed(fit("feedback", "review", "turbines"), 2)
    assert "no number 3" in failed(fit("feedback", "review", "turbines", "--take", "3"), 2)
    assert "not corrected in two ways" in failed(fit("feedback", "review", "weirs", "--take", "1"), 2)
    assert fit("feedback", "review", "turbines", "--take", "2", "--why", "asked").exit_code == 0
    assert [item.filters.technology for item in load_feedback().items] == ["Hydro"]
    assert "no question was corrected in two ways" in fit("feedback", "review").output
    assert "left out 0" in fit("feedback", "withdraw", "--origin", "http", "--since", "2020-01-01").output


def test_feedback_files_are_imported_and_bad_lines_named(fit: Any, tmp_path: Path) -> None:
    file = tmp_path / "corrections.jsonl"
    good = {"manually_corrected": True, "original_query": "hydros", "corrected_filters": {"technology": "Hydro"}}
    file.write_text(json.dumps(good) + '\n{"original_query": "wind"}\n')
    result = fit("feedback", "add", str(file))
    assert "add the file again" in failed(result, 2)
    assert f"{file}, line 2" in result.stderr
    assert "kept 1, already known 0, refused 1" in result.stdout
    assert [item.question for item in load_feedback().items] == ["hydros"]


def test_help_answers_within_a_second_and_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "llama_cpp", "mlflow", "pandas", "duckdb", "dagster", "pydantic", "rich")
    probe = f"import sys, fit_assets.cli; print([name for name in {heavy!r} if name in sys.modules])"
    start = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert time.perf_counter() - start < 1
