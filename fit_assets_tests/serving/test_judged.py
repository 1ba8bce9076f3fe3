from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.serving.feedback import add_feedback
from fit_assets.serving.judged import judged_since
from fit_assets.serving.query_log import log_query, log_reaction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIND = QueryFilters.parse({"technology": "Wind"})
HYDRO = QueryFilters.parse({"technology": "Hydro"})


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))


def answered(question: str, verdict: str, minute: int) -> None:
    moment = NOON + timedelta(minutes=minute)
    log_query(question, ParseResult(question, WIND, "gguf", 1.0), 3, answer_id=question, now=moment)
    log_reaction(question, verdict, now=moment)


def test_corrections_and_answers_called_right_are_judged_once_each() -> None:
    answered("turbines", "right", 1)
    answered("weirs", "wrong", 2)
    answered("mills", "right", 3)
    add_feedback("weirs", HYDRO, now=NOON + timedelta(minutes=4))
    add_feedback("Mills", HYDRO, now=NOON + timedelta(minutes=5))
    found = judged_since(None)
    assert [(one.question, one.filters.technology, one.corrected) for one in found] == [
        ("turbines", "Wind", False),
        ("weirs", "Hydro", True),
        ("Mills", "Hydro", True),
    ]
    assert [one.question for one in judged_since(NOON + timedelta(minutes=4))] == ["Mills"]


def test_what_waits_for_a_person_is_not_judged() -> None:
    answered("mills", "right", 1)
    add_feedback("mills", HYDRO, now=NOON)
    add_feedback("mills", WIND, now=NOON)
    assert judged_since(None) == []
