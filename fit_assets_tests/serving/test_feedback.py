from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fit_assets import settings
from fit_assets.filters import FilterError
from fit_assets.serving.feedback import (
    FeedbackError,
    add_feedback,
    count_since,
    feedback_examples,
    import_feedback,
    load_feedback,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORDS = ("ancient", "bright", "clever", "distant", "eastern", "fertile", "golden", "hollow", "idle", "jagged", "keen")
WIND = {"technology": "Wind"}
HYDRO = {"technology": "Hydro"}


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    return tmp_path


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), "utf-8")
    return path


def line(question: str, filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manually_corrected": True, "original_query": question, "corrected_filters": filters, **more}


def test_a_correction_is_kept_under_the_missions_names() -> None:
    add_feedback("  wind   in Berks ", '{"technology":"Wind","location":"Berkshire"}', "web", "not hydro", now=NOON)
    (path,) = settings.feedback_dir().iterdir()
    assert json.loads(path.read_text()) == {
        "manually_corrected": True,
        "original_query": "wind in Berks",
        "corrected_filters": {"technology": "Wind", "location": "Berkshire", "postcode_patterns": ["RG", "SL"]},
        "timestamp": "2026-03-01T12:00:00.000000+00:00",
        "origin": "web",
        "user_note": "not hydro",
    }
    (item,) = load_feedback().items
    assert (item.question, item.timestamp, item.user_note) == ("wind in Berks", NOON, "not hydro")


def test_bad_corrections_are_refused_and_nothing_is_kept() -> None:
    with pytest.raises(FilterError, match="technology"):
        add_feedback("wind", {"technology": "wind"})
    with pytest.raises(FeedbackError, match="question is empty"):
        add_feedback("  ", WIND)
    with pytest.raises(ValueError, match="no time zone"):
        add_feedback("wind", WIND, now=datetime(2026, 1, 1))
    assert load_feedback().items == ()


def test_the_same_correction_counts_once() -> None:
    add_feedback("Wind farms", WIND, now=NOON)
    add_feedback("wind  FARMS", WIND, now=NOON + timedelta(days=1))
    found = load_feedback()
    assert [item.timestamp for item in found.items] == [NOON]
    assert found.duplicates == 1
    assert count_since(None) == 1
    assert count_since(NOON) == 0


def test_contradictions_are_set_aside_with_all_their_versions() -> None:
    add_feedback("turbines", WIND, now=NOON)
    add_feedback("turbines", HYDRO, now=NOON + timedelta(hours=1))
    add_feedback("turbines", WIND, now=NOON + timedelta(hours=2))
    add_feedback("hydro", HYDRO, now=NOON)
    found = load_feedback()
    assert [item.question for item in found.items] == ["hydro"]
    assert len(found.contradictions) == 3
    # Judged on everything, also when only the newest part is asked for.
    assert load_feedback(NOON + timedelta(minutes=90)).items == ()


def test_counting_from_the_watermark_of_the_last_training() -> None:
    for number in range(5):
        add_feedback(f"wind farm {number}", WIND, now=NOON + timedelta(seconds=number))
    watermark = load_feedback().watermark
    assert watermark == NOON + timedelta(seconds=4)
    assert count_since(watermark) == 0
    add_feedback("one more", WIND, now=NOON + timedelta(seconds=4, microseconds=1))
    assert count_since(watermark) == 1
    assert count_since(NOON + timedelta(seconds=2)) == 3


def test_an_import_refuses_bad_lines_by_number_and_keeps_the_good(var: Path) -> None:
    path = write(
        var / "corrections.jsonl",
        line("wind farms", WIND, origin="survey", user_note="x", timestamp="1999-01-01T00:00:00Z"),
        "{broken",
        line("hydro", {"technology": "water"}),
        "",
        line("", HYDRO),
        {"original_query": "hydro", "corrected_filters": HYDRO},
        {"manually_corrected": True, "corrected_filters": HYDRO},
        line("hydro", HYDRO) | {"corrected_filters": "x"},
        line("hydro", HYDRO),
        line("HYDRO", HYDRO),
    )
    result = import_feedback(path, now=NOON)
    assert (result.added, result.duplicates) == (2, 1)
    reasons = dict(result.refused)
    assert list(reasons) == [2, 3, 5, 6, 7, 8]
    assert "not valid JSON" in reasons[2]
    assert "technology" in reasons[3]
    assert "empty" in reasons[5]
    assert "manually_corrected" in reasons[6]
    assert "original_query is missing" in reasons[7]
    assert "corrected_filters is missing or not an object" in reasons[8]
    items = load_feedback().items
    # The moment that counts for retraining is when we received it.
    assert {(item.question, item.origin, item.timestamp) for item in items} == {
        ("wind farms", "survey", NOON),
        ("hydro", "corrections.jsonl", NOON),
    }


def test_importing_twice_adds_nothing(var: Path) -> None:
    path = write(var / "corrections.jsonl", line("wind", WIND), line("hydro", HYDRO))
    assert import_feedback(path).added == 2
    assert import_feedback(path).added == 0
    assert import_feedback(path).duplicates == 2
    assert count_since(None) == 2


def test_a_damaged_store_names_its_lines_and_the_rest_is_used() -> None:
    add_feedback("wind", WIND, now=NOON)
    (path,) = settings.feedback_dir().iterdir()
    with path.open("a") as file:
        file.write('{"torn\n' + json.dumps(line("hydro", HYDRO)) + "\n")
    found = load_feedback()
    assert [item.question for item in found.items] == ["wind"]
    assert [where.rsplit(", ", 1)[1] for where, _ in found.refused] == ["line 2", "line 3"]
    assert "timestamp" in found.refused[1][1]


def test_examples_leave_out_what_is_only_measured_on() -> None:
    add_feedback("any hydro sites in powys", {"technology": "Hydro", "location": "Powys"}, now=NOON)
    add_feedback("wind above 200 kW in devon", {"technology": "Wind", "capacity_min_kw": 200, "location": "Devon"})
    add_feedback("ripe for repowering", {"query_intent": "repowering_opportunities", "fit_remaining_max_years": 10})
    found = feedback_examples(["Hydro sites in Powys please", "solar sites around leeds"])
    assert {question for question, _ in found.refused} == {"any hydro sites in powys"}
    assert "only measured on" in found.refused[0][1]
    examples = {example["q"]: example for example in (*found.examples, *found.held_out)}
    wind = examples["wind above 200 kW in devon"]
    assert set(wind) == {"q", "gold", "category", "complexity", "combination", "source"}
    assert wind["gold"]["postcode_patterns"]
    assert (wind["category"], wind["complexity"]) == ("feedback", "complex")
    assert examples["ripe for repowering"]["complexity"] == "business"
    assert found.watermark == load_feedback().watermark
    assert len(feedback_examples().examples) + len(feedback_examples().held_out) == 3


def test_what_is_held_out_is_not_among_the_examples() -> None:
    for word in WORDS:
        add_feedback(f"{word} hydro", HYDRO, now=NOON)
    found = feedback_examples()
    asked = [{example["q"] for example in part} for part in (found.examples, found.held_out)]
    assert asked[1]
    assert asked[0].isdisjoint(asked[1])
    assert len(asked[0] | asked[1]) == len(WORDS)


def test_no_feedback_is_no_examples() -> None:
    assert feedback_examples(["anything"]).examples == ()
    assert feedback_examples().watermark is None
