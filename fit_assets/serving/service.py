"""The service behind HTTP: question in, filters, rows and a log line out. It knows nothing of HTTP."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from fit_assets import __version__, settings
from fit_assets.filters import QueryFilters
from fit_assets.parsing.base import Parser, ParseResult
from fit_assets.parsing.cache import CacheState
from fit_assets.parsing.rollout import Arm, arm_of
from fit_assets.parsing.router import Router
from fit_assets.parsing.supervised import SupervisedParser
from fit_assets.places import fill_patterns
from fit_assets.reference.answer import Answer, answer
from fit_assets.reference.warehouse import WarehouseError
from fit_assets.serving.feedback import add_feedback
from fit_assets.serving.metrics import Metrics
from fit_assets.serving.postgres import LogCopy, open_copy
from fit_assets.serving.query_log import ANSWERED, EXECUTION_ERROR, log_query, log_reaction, outcome_of, purge

PURGE_SECONDS = 3600.0

# A model that failed so many questions in a row is taken for down, not for puzzled by one of them.
FAILURES_IN_A_ROW = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What became of one question; ``found`` is None where only the parsing was asked for, or the rows failed."""

    id: str
    arm: str
    version: str
    result: ParseResult
    outcome: str
    found: Answer | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Serving:
    """Who answers now; a question is answered by one of these from its beginning to its end."""

    parser: Parser
    version: str
    rules: Parser

    @property
    def router(self) -> Router | None:
        return self.parser if isinstance(self.parser, Router) else None


class Service:
    """Answers questions, keeps what people say of the answers, and knows its own state. Safe for several threads."""

    def __init__(
        self, parser: Parser, version: str = "", *, rules: Parser | None = None, metrics: Metrics | None = None
    ) -> None:
        """Start the upkeep of the log.

        Args:
            parser: who answers the arm ``model``: what ``build_parser`` gives for ``auto``.
            version: of the model behind it; empty for none.
            rules: who answers the arm ``rules`` (default: the router's fallback, or ``parser`` without a router).
            metrics: what to count in (default: new ones).
        """
        self._given_rules = rules
        self._now = self._serving(parser, version)
        self.metrics = metrics or Metrics()
        self._copy: LogCopy | None = open_copy()
        self._log_problem: str | None = None
        self._model_failures = 0
        self._model_problem = ""
        self._stopping = threading.Event()
        self.metrics.watch(
            version=lambda: self.version or "rules",
            model_up=lambda: self._model_state()["state"] == "ok",
            cache=self._cache_state,
            log_behind=lambda: self._copy.behind() if self._copy else 0,
            log_copy_up=lambda: self._copy is None or self._copy.problem is None,
        )
        self._upkeep = threading.Thread(target=self._keep_up, name="upkeep", daemon=True)
        self._upkeep.start()

    @property
    def version(self) -> str:
        """Of the model that answers; empty for none."""
        return self._now.version

    def switch(self, parser: Parser, version: str) -> None:
        """Let another parser answer from the next question on; questions at hand are answered by the one before."""
        self._now = self._serving(parser, version)
        self._model_failures = 0

    def _serving(self, parser: Parser, version: str) -> _Serving:
        fallback = parser.fallback if isinstance(parser, Router) else parser
        return _Serving(parser, version, self._given_rules or fallback)

    def close(self) -> None:
        """Stop the upkeep; what is in the log stays there."""
        self._stopping.set()
        self._upkeep.join(timeout=5)
        if self._copy is not None:
            self._copy.close()

    # Questions ------------------------------------------------------------------------------------------------------

    def parse(self, question: str, user: str) -> Reply:
        """Filters of a question; ``user`` decides the arm."""
        reply = self._parsed(question, user)
        self._keep(reply, rows=0, outcome=reply.outcome)
        return reply

    def ask(self, question: str, user: str, filters: QueryFilters | None = None, *, limit: int | None = None) -> Reply:
        """Filters and rows of a question, at most ``limit``; with ``filters``, no parser is asked."""
        start = time.perf_counter()
        reply = self._parsed(question, user) if filters is None else self._given(question, filters)
        if reply.result.filters is None:
            self._keep(reply, rows=0, outcome=reply.outcome)
            return reply
        try:
            found = answer(reply.result.filters, limit=limit)
        except (WarehouseError, duckdb.Error) as error:
            reply = replace(reply, outcome=EXECUTION_ERROR, error=str(error))
            self._keep(reply, rows=0, outcome=EXECUTION_ERROR)
            return reply
        reply = replace(reply, outcome=outcome_of(reply.result, found.total), found=found)
        self._keep(reply, rows=found.total, outcome=reply.outcome)
        self.metrics.answer_seconds.observe(time.perf_counter() - start)
        return reply

    def react(
        self,
        answer_id: str,
        *,
        verdict: str | None = None,
        helpful: bool | None = None,
        question: str = "",
        corrected: Mapping[str, Any] | None = None,
        note: str = "",
    ) -> bool:
        """Keep what somebody said of an answer; a correction becomes feedback for the next training.

        Returns:
            Whether a correction was kept.

        Raises:
            FeedbackError, FilterError: a correction that cannot be used.
            OSError: it could not be written.
        """
        kept = None
        if corrected is not None:
            kept = add_feedback(question, corrected, origin="http", user_note=note)
        if verdict:
            self.metrics.reactions.labels(verdict).inc()
        if helpful is not None:
            self.metrics.reactions.labels("helpful" if helpful else "unhelpful").inc()
        self._count_line(log_reaction(answer_id, verdict, helpful, kept.filters if kept else None, note))
        return kept is not None

    def _parsed(self, question: str, user: str) -> Reply:
        now = self._now
        arm: Arm = arm_of(user, settings.rollout_percent()) if now.router else "rules"
        start = time.perf_counter()
        result = (now.parser if arm == "model" else now.rules).parse(question)
        # As the user waited for it: with the time in the queue of the model.
        result = replace(result, latency_ms=(time.perf_counter() - start) * 1000)
        if result.model_error is not None:
            self.metrics.model_errors.inc()
            self._model_problem = result.model_error
            self._model_failures += 1
        elif arm == "model" and not result.cached:
            self._model_failures = 0
        self.metrics.parse_seconds.labels(result.parser).observe(result.latency_ms / 1000)
        version = now.version if arm == "model" else f"rules-{__version__}"
        # Whether rows come back is not known yet; a parsed question counts as answered.
        return Reply(uuid.uuid4().hex, arm, version, result, outcome_of(result, rows=1), error=result.error)

    def _given(self, question: str, filters: QueryFilters) -> Reply:
        filled = fill_patterns(filters)
        result = ParseResult(question, filled, "given", 0.0, filled.canonical())
        return Reply(uuid.uuid4().hex, "", "", result, ANSWERED)

    def _keep(self, reply: Reply, rows: int, outcome: str) -> None:
        self.metrics.questions.labels(reply.arm, reply.result.parser, outcome).inc()
        self._count_line(
            log_query(
                reply.result.question,
                reply.result,
                rows,
                reply.arm,
                reply.version,
                outcome,
                answer_id=reply.id,
                error=reply.error,
                model_error=reply.result.model_error is not None,
            )
        )

    def _count_line(self, written: bool) -> None:
        self.metrics.log_lines.labels("written" if written else "lost").inc()
        self._log_problem = None if written else f"{settings.var_dir()} could not be written to; is the disk full?"

    # State ----------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The state of each part, and ``status``: ``ready``, ``degraded`` (a part is down) or ``unready``.

        A part is ``ok``, ``down`` or ``off`` (not configured), with a ``detail`` for people.
        """
        parts = {
            "model": self._model_state(),
            "log": self._log_state(),
            "cache": self._cache_part(),
            "warehouse": self._warehouse_state(),
        }
        if parts["warehouse"]["state"] == "down":
            status = "unready"
        else:
            status = "degraded" if any(part["state"] == "down" for part in parts.values()) else "ready"
        return {"status": status, **parts}

    def _model_state(self) -> dict[str, str]:
        now = self._now
        if now.router is None:
            return {"state": "down", "detail": "no model is loaded; the rules answer"}
        primary = now.router.primary
        problem = primary.problem() if isinstance(primary, SupervisedParser) else None
        if not problem and self._model_failures >= FAILURES_IN_A_ROW:
            problem = f"the last {self._model_failures} questions failed: {self._model_problem}"
        if problem:
            return {"state": "down", "detail": f"{problem}; the rules answer"}
        return {"state": "ok", "detail": f"{primary.name} {now.version}".strip()}

    def _log_state(self) -> dict[str, Any]:
        # Only a file tells: permissions do not speak for a full or read-only disk, but a lost line does.
        problem = self._log_problem or (None if _is_writable() else f"{settings.query_log_dir()} cannot be written to")
        if problem:
            return {"state": "down", "detail": problem}
        if self._copy is None:
            return {"state": "ok", "detail": "files"}
        behind = self._copy.behind()
        if self._copy.problem:
            return {"state": "down", "detail": f"files, {behind} bytes not copied yet: {self._copy.problem}"}
        return {"state": "ok", "detail": f"files, copied to PostgreSQL, {behind} bytes behind"}

    def _cache_state(self) -> CacheState | None:
        router = self._now.router
        return router.cache.state() if router else None

    def _cache_part(self) -> dict[str, str]:
        state = self._cache_state()
        if state is None:
            return {"state": "off", "detail": "the rules need none"}
        if state.problem:
            return {"state": "down", "detail": f"{state.kind}: {state.problem}; questions are parsed anew"}
        return {"state": "ok", "detail": state.kind}

    def _warehouse_state(self) -> dict[str, str]:
        path = settings.warehouse_path()
        if not path.exists():
            return {"state": "down", "detail": f"no warehouse at {path}; run: make run"}
        return {"state": "ok", "detail": path.name}

    def versions(self) -> dict[str, Any]:
        """What is served, and the registered versions, newest first; reading the registry takes a moment."""
        served = {"version": self.version or None, "parser": self._now.parser.name, "program": __version__}
        try:
            registered = _registered()
        except Exception as error:  # a registry that is away must not hide what is served
            return {"served": served, "registered": [], "note": f"the registry cannot be read: {error}"}
        return {"served": served, "registered": registered}

    def _keep_up(self) -> None:
        purged_at = float("-inf")
        while True:
            try:
                if time.monotonic() - purged_at > PURGE_SECONDS:
                    purged_at = time.monotonic()
                    purge()
                if self._copy is not None:
                    self._copy.run_once()
            except Exception:  # the upkeep goes on, whatever one round ran into
                _log.exception("upkeep of the query log failed")
            if self._stopping.wait(1.0):
                return


def _is_writable() -> bool:
    folder = settings.query_log_dir()
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _registered() -> list[dict[str, Any]]:
    from fit_assets.evaluation import tracking, versions

    if not tracking.store_exists():
        return []
    return [version.to_dict() for version in versions.list_versions()]
