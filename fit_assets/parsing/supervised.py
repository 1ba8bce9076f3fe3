"""A parser on a thread of its own, with a time limit: whatever the model does, the caller gets its answer or a reason.

A model takes one question at a time and cannot be interrupted. So its questions wait in a short queue; a caller who
has waited too long goes on without it, and so does everybody while one question holds the thread too long. A thread
that died is started again after a rest. One that has had nothing to do for a while ends, so that a parser which is
served no more can go, and is started again with the next question.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from fit_assets import settings
from fit_assets.parsing.base import Parser, ParseResult

WAITING = 16
REST_SECONDS = 5.0
IDLE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class ParserDied(RuntimeError):
    """The parser's thread ended while it worked on a question."""


@dataclass
class _Job:
    questions: Sequence[str]
    done: Future[list[ParseResult]] = field(default_factory=Future)


class SupervisedParser:
    """Runs ``parser`` on one thread; safe for use by several threads.

    A time limit, a full queue and a dead thread are errors in the result; an exception of the parser passes through.
    """

    def __init__(
        self, parser: Parser, seconds: float | None = None, waiting: int = WAITING, rest: float = REST_SECONDS
    ) -> None:
        """The thread starts with the first question.

        Args:
            parser: who parses.
            seconds: how long a caller waits for one question (default ``settings.model_seconds()``).
            waiting: how many callers may wait; the next one is told that the parser is busy.
            rest: seconds until a thread that died is started again.
        """
        self.parser = parser
        self._seconds = settings.model_seconds() if seconds is None else seconds
        self.rest = rest
        self._jobs: queue.Queue[_Job] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._working_since: float | None = None
        self._allowed = self._seconds
        self._died_at = 0.0
        self._death: str | None = None

    @property
    def name(self) -> str:
        """The name of the parser that runs."""
        return self.parser.name

    def parse(self, question: str) -> ParseResult:
        """Parse one question."""
        return self.parse_batch([question])[0]

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order, each with the same time limit."""
        if not questions:
            return []
        start = time.monotonic()
        job = _Job(questions)
        allowed = self._seconds * len(questions)
        reason = self._submit(job)
        if reason is None:
            try:
                return job.done.result(allowed)
            except TimeoutError:
                job.done.cancel()
                reason = f"no answer within {allowed:g} s"
            except (ParserDied, CancelledError) as error:
                reason = str(error)
        spent = (time.monotonic() - start) * 1000
        return [ParseResult(question, None, self.name, spent, error=reason) for question in questions]

    def problem(self) -> str | None:
        """Why the parser would not take a question now; None where it would."""
        with self._lock:
            return self._problem()

    def _problem(self) -> str | None:
        if self._death is not None and time.monotonic() - self._died_at < self.rest:
            return self._death
        if self._working_since is not None:
            held = time.monotonic() - self._working_since
            if held > self._allowed:
                return f"one question has held the model for {held:.0f} s"
        return None

    def _submit(self, job: _Job) -> str | None:
        with self._lock:
            reason = self._problem()
            if reason is not None:
                return reason
            if self._thread is None or not self._thread.is_alive():
                self._death = None
                self._thread = threading.Thread(target=self._work, name=f"parser-{self.name}", daemon=True)
                self._thread.start()
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                return f"{self._jobs.maxsize} questions are waiting for the model already"
        return None

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:  # a question is put there under the same lock: none is left behind
                    if self._jobs.empty():
                        self._thread = None
                        return
                continue
            if not job.done.set_running_or_notify_cancel():
                continue
            with self._lock:
                self._allowed = self._seconds * len(job.questions)
                self._working_since = time.monotonic()
            try:
                answers = self.parser.parse_batch(job.questions)
            except Exception as error:
                job.done.set_exception(error)
            except BaseException as error:  # the thread must end, and nobody may wait for it in vain
                self._die(job, error)
                return
            else:
                job.done.set_result(answers)
            finally:
                with self._lock:
                    self._working_since = None

    def _die(self, job: _Job, error: BaseException) -> None:
        reason = f"the model's thread ended ({type(error).__name__}{f': {error}' if str(error) else ''})"
        _log.error("%s; it starts again in %g s", reason, self.rest)
        with self._lock:
            self._death, self._died_at, self._thread = reason, time.monotonic(), None
            left = [job]
            while not self._jobs.empty():
                left.append(self._jobs.get_nowait())
        for one in left:
            with suppress(InvalidStateError):  # its caller has given up
                one.done.set_exception(ParserDied(reason))
