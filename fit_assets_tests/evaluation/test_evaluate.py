from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fit_assets.evaluation.critical import CRITICAL_TESTS
from fit_assets.evaluation.evaluate import Question, QuestionsError, Report, evaluate_parser, load_questions
from fit_assets.evaluation.execution import AnswerComparer
from fit_assets.filters import QueryFilters
from fit_assets_tests.evaluation.answers import Canned

WIND = QueryFilters.parse({"technology": "Wind"})
HYDRO = QueryFilters.parse({"technology": "Hydro"})


def write(path: Path, *lines: Any) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", "utf-8")
    return path


def nothing_to_ask() -> AnswerComparer:
    return AnswerComparer(lambda filters: (["id"], [(filters.canonical(),)]))


@pytest.fixture
def report() -> Report:
    questions = [
        Question("wind farms", WIND, "basic", "simple", tags=("keywords",)),
        Question("hydro | sites", HYDRO, "basic", "simple"),
        Question("what is it", WIND, "basic", "simple"),
    ]
    answers = {"wind farms": WIND, "hydro | sites": WIND}
    critical = {test.question: test.must_contain for test in CRITICAL_TESTS[:3]}
    return evaluate_parser(Canned(answers | critical), questions, progress=False, comparer=nothing_to_ask())


def test_gold_gets_its_postcode_patterns_from_the_gazetteer(tmp_path: Path) -> None:
    path = write(
        tmp_path / "q.jsonl",
        {"q": "wind in berkshire", "gold": {"technology": "Wind", "location": "Berkshire"}, "slice": ["typo"]},
        "",
        {"q": "wind in devon", "gold": {"location": "Devon", "postcode_patterns": ["EX1"]}, "category": "location"},
        {"q": "line\u2028separator", "gold": {"location": "Nowhereton"}},
    )
    first, second, third = load_questions(path)
    assert first.gold.postcode_patterns == ["RG", "SL"]
    assert first.tags == ("typo",)
    assert second.gold.postcode_patterns == ["EX1"]
    assert second.category == "location"
    assert third.gold.postcode_patterns is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "line 2: not valid JSON"),
        ("[1]", "line 2: has no question"),
        ({"q": "  ", "gold": {}}, "line 2: has no question"),
        ({"q": "wind"}, "line 2: has no gold object"),
        ({"q": "wind", "gold": {"technology": "wind"}}, "line 2: gold breaks the contract: technology"),
        ({"q": "wind", "gold": {"tech": "Wind"}}, "line 2: gold breaks the contract: tech: unknown key"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, complaint: str) -> None:
    path = write(tmp_path / "bad.jsonl", {"q": "ok", "gold": {}}, line)
    with pytest.raises(QuestionsError, match=r"bad\.jsonl") as caught:
        load_questions(path)
    assert complaint in str(caught.value)


def test_a_missing_binary_or_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match=r"none\.jsonl: cannot be read"):
        load_questions(tmp_path / "none.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(QuestionsError, match="cannot be read as UTF-8"):
        load_questions(tmp_path / "binary.jsonl")
    with pytest.raises(QuestionsError, match="holds no questions"):
        load_questions(write(tmp_path / "empty.jsonl", "", " "))


def test_the_report_counts_right_wrong_and_failed(report: Report) -> None:
    assert report.value("parsing_accuracy") == pytest.approx(1 / 3)
    assert report.value("json_validity") == pytest.approx(2 / 3)
    assert report.value("execution_accuracy") == pytest.approx(1 / 3)
    assert report.value("critical_tests") == 0.75
    assert report.metrics["critical_tests"].met is False
    assert report.value("ungrounded") == 0.5
    assert report.predictions[1].ungrounded == ("technology",)
    assert report.latency is not None
    assert report.latency.p99_ms == 2.0
    assert report.figures()["latency_p50_ms"] == 2.0
    assert set(report.figures()) >= {"parsing_accuracy", "field_accuracy", "false_refusals"}


def test_worst_answers_come_first_in_the_samples(report: Report) -> None:
    rows = report.samples(2)
    assert [row["correct"] for row in rows] == [False, False]
    assert {row["predicted"] for row in rows} == {'{"technology":"Wind"}', "I do not know:"}
    assert report.samples()[-1]["correct"]


def test_a_saved_report_comes_back_the_same(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "report.json")
    loaded = Report.load(tmp_path / "report.json")
    assert loaded == report
    assert loaded.to_dict() == report.to_dict() == json.loads((tmp_path / "report.json").read_text())
    assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]


def test_a_file_that_is_no_report_is_named(tmp_path: Path) -> None:
    for text in ("{", "{}", '{"parser":"x","predictions":[{"gold":{"technology":"wind"}}],"critical":[]}'):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(ValueError, match=r"report\.json is not a saved evaluation report"):
            Report.load(tmp_path / "report.json")


def test_the_markdown_is_whole(report: Report) -> None:
    text = report.to_markdown()
    assert "| `parsing_accuracy` | 33.3 % (6.1 to 79.2, n = 3) | > 95 % | **no** |" in text
    assert "hydro \\| sites" in text
    assert "Critical test failed" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_progress_is_told_and_batches_keep_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    questions = [Question(f"wind {number}", WIND) for number in range(150)]
    parser, told = Canned({}), []
    report = evaluate_parser(parser, questions, lambda done, total: told.append((done, total)), nothing_to_ask())
    assert told == [(128, 150), (150, 150)]
    assert [p.question for p in report.predictions] == [q.q for q in questions] == parser.asked[:150]
    evaluate_parser(parser, questions, True, nothing_to_ask())
    assert "evaluating canned: 150 of 150" in capsys.readouterr().err


def test_digest_names_the_questions_and_their_gold() -> None:
    def digest(*questions: Question) -> str:
        return evaluate_parser(Canned({}), questions, False, nothing_to_ask()).questions_digest

    assert digest(Question("a", WIND)) == digest(Question("a", WIND, category="labels do not matter"))
    assert digest(Question("a", WIND)) != digest(Question("a", HYDRO))


def test_importing_the_room_is_light() -> None:
    heavy = ("mlflow", "matplotlib", "torch", "duckdb", "pandas", "llama_cpp", "dagster", "numpy")
    rooms = ["compare", "critical", "evaluate", "execution", "metrics", "plots", "thresholds", "tracking", "versions"]
    imports = [f"fit_assets.evaluation.{room}" for room in rooms]
    imports += [f"fit_assets.serving.{room}" for room in ("feedback", "monitoring", "query_log")]
    script = f"import sys, {', '.join(imports)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
