from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.router import Router
from fit_assets.parsing.supervised import SupervisedParser


class Acting:
    """Answers Wind after doing what is registered for the question."""

    name = "gguf"

    def __init__(self, acts: dict[str, Callable[[], object]] | None = None) -> None:
        self.acts = acts or {}
        self.threads: set[int] = set()

    def parse(self, question: str) -> ParseResult:
        self.threads.add(threading.get_ident())
        self.acts.get(question, lambda: None)()
        return ParseResult(question, QueryFilters(technology="Wind"), self.name, 1.0)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


def die() -> None:
    raise SystemExit("out of memory")


def test_questions_run_one_after_the_other_on_one_thread() -> None:
    parser = Acting()
    supervised = SupervisedParser(parser)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(supervised.parse, [str(number) for number in range(16)]))
    assert [answer.question for answer in answers] == [str(number) for number in range(16)]
    assert len(parser.threads) == 1
    assert supervised.parse_batch([]) == []
    assert supervised.problem() is None


def test_a_model_that_hangs_costs_one_time_limit_and_then_nothing_until_it_is_back() -> None:
    go_on = threading.Event()
    supervised = SupervisedParser(Acting({"hang": go_on.wait}), seconds=1)
    assert supervised.parse("hang").error == "no answer within 1 s"
    start = time.monotonic()
    assert "held the model" in (supervised.parse("wind").error or "")
    assert time.monotonic() - start < 0.9
    go_on.set()
    for _ in range(100):
        if supervised.problem() is None:
            break
        time.sleep(0.02)
    assert supervised.parse("wind").error is None


def test_too_many_waiting_questions_are_not_taken() -> None:
    go_on = threading.Event()
    supervised = SupervisedParser(Acting({"hang": go_on.wait}), seconds=5, waiting=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(supervised.parse, "hang")
        time.sleep(0.05)
        second = pool.submit(supervised.parse, "wind")
        time.sleep(0.05)
        assert "are waiting" in (supervised.parse("hydro").error or "")
        go_on.set()
        assert first.result().error is None
        assert second.result().error is None


def test_a_thread_that_dies_is_started_again_after_a_rest() -> None:
    supervised = SupervisedParser(Acting({"die": die}), rest=60)
    assert "thread ended (SystemExit: out of memory)" in (supervised.parse("die").error or "")
    assert "thread ended" in (supervised.problem() or "")
    assert "thread ended" in (supervised.parse("wind").error or "")
    supervised.rest = 0.0
    assert supervised.problem() is None
    assert supervised.parse("wind").error is None


def test_whoever_waits_behind_a_dying_thread_is_told() -> None:
    go_on = threading.Event()

    def wait_and_die() -> None:
        go_on.wait()
        die()

    supervised = SupervisedParser(Acting({"die": wait_and_die}), seconds=5)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(supervised.parse, "die")]
        time.sleep(0.05)
        waiting.append(pool.submit(supervised.parse, "wind"))
        time.sleep(0.05)
        go_on.set()
        assert all("thread ended" in (one.result(2).error or "") for one in waiting)


def test_an_exception_of_the_parser_passes_through() -> None:
    def fail() -> None:
        raise ValueError("broken weights")

    supervised = SupervisedParser(Acting({"bad": fail}))
    with pytest.raises(ValueError, match="broken weights"):
        supervised.parse("bad")
    assert supervised.parse("wind").error is None
    answers = Router(supervised, Acting()).parse_batch(["wind", "bad", "hydro"])
    assert [answer.model_error for answer in answers] == [None, "broken weights", None]
