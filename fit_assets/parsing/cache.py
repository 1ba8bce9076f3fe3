"""What a router remembers: parsed questions, in this process or in a Redis that several processes share."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fit_assets import settings
from fit_assets.filters import FilterError, QueryFilters
from fit_assets.language.text import normalise_question
from fit_assets.parsing.base import ParseResult

if TYPE_CHECKING:
    from redis import Redis

CACHE_SIZE = 1024
KEPT_SECONDS = 24 * 3600
REDIS_TIMEOUT_SECONDS = 0.2
REDIS_REST_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheState:
    """How a cache is: ``kind`` is ``process`` or ``redis``; ``problem`` says why it cannot be used, None for well."""

    kind: str
    hits: int
    misses: int
    problem: str | None = None


class AnswerCache(Protocol):
    """Keeps a parser's answers by question; safe for use by several threads, and never raises."""

    def get(self, question: str) -> ParseResult | None:
        """The answer to a question that is the same but for case and spaces."""
        ...

    def put(self, answer: ParseResult) -> None:
        """Keep an answer."""
        ...

    def state(self) -> CacheState:
        """How the cache is."""
        ...


class MemoryCache:
    """The answers to the last different questions, in this process."""

    def __init__(self, size: int = CACHE_SIZE) -> None:
        """``size`` answers are kept."""
        self._size = size
        self._answers: OrderedDict[str, ParseResult] = OrderedDict()
        self._hits = self._misses = 0
        self._lock = threading.Lock()

    def get(self, question: str) -> ParseResult | None:
        """The answer to a question that is the same but for case and spaces."""
        key = normalise_question(question)
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                self._misses += 1
                return None
            self._hits += 1
            self._answers.move_to_end(key)
        return answer

    def put(self, answer: ParseResult) -> None:
        """Keep an answer; the one that was asked for longest ago makes room."""
        with self._lock:
            self._answers[normalise_question(answer.question)] = answer
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)

    def state(self) -> CacheState:
        """How the cache is."""
        return CacheState("process", self._hits, self._misses)


class RedisCache:
    """Answers in Redis. While it does not answer, questions are parsed anew, and it is asked again after a rest."""

    def __init__(self, url: str, namespace: str, client: Redis | None = None) -> None:
        """Nothing is asked yet.

        Args:
            url: as redis-py takes it, ``redis://host:6379/0``.
            namespace: what the answers depend on besides the question: parser, model version.
            client: in place of a client for ``url``.
        """
        import redis

        self._redis = client or redis.Redis.from_url(
            url, socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
        )
        self._namespace = namespace
        self._hits = self._misses = 0
        self._problem: str | None = None
        self._resting_until = 0.0
        self._lock = threading.Lock()

    def get(self, question: str) -> ParseResult | None:
        """The answer to a question that is the same but for case and spaces; None also for what is not readable."""
        stored = self._try(lambda: self._redis.get(self._key(question)))
        answer = None if stored is None else _read(question, stored)
        with self._lock:
            if answer is None:
                self._misses += 1
            else:
                self._hits += 1
        return answer

    def put(self, answer: ParseResult) -> None:
        """Keep an answer for ``KEPT_SECONDS``."""
        self._try(lambda: self._redis.set(self._key(answer.question), _written(answer), ex=KEPT_SECONDS))

    def state(self) -> CacheState:
        """How the cache is; asks Redis, unless it rests."""
        self._try(self._redis.ping)
        return CacheState("redis", self._hits, self._misses, self._problem)

    def _key(self, question: str) -> str:
        return f"fit_assets:{self._namespace}:{normalise_question(question)}"

    def _try(self, command: Any) -> Any:
        import redis

        if time.monotonic() < self._resting_until:
            return None
        try:
            reply = command()
        except (redis.RedisError, OSError) as error:
            if self._problem is None:
                _log.warning("Redis cannot be used as cache, questions are parsed anew: %s", error)
            self._problem = f"{type(error).__name__}: {error}"
            self._resting_until = time.monotonic() + REDIS_REST_SECONDS
            return None
        self._problem = None
        return reply


def open_cache(namespace: str) -> AnswerCache:
    """The cache that the settings name: Redis at ``REDIS_URL``, else one in this process."""
    url = settings.redis_url()
    return RedisCache(url, namespace) if url else MemoryCache()


def _written(answer: ParseResult) -> str:
    assert answer.filters is not None
    kept = {
        "filters": answer.filters.to_dict(),
        "parser": answer.parser,
        "text": answer.text,
        "confidence": answer.confidence,
        "notes": list(answer.notes),
    }
    return json.dumps(kept, ensure_ascii=False)


def _read(question: str, stored: bytes) -> ParseResult | None:
    """What somebody stored; None where it is not ours or breaks today's contract."""
    try:
        kept = json.loads(stored)
        filters = QueryFilters.parse(kept["filters"])
        notes = tuple(str(note) for note in kept["notes"])
        confidence = None if kept["confidence"] is None else float(kept["confidence"])
        return ParseResult(
            question, filters, str(kept["parser"]), 0.0, str(kept["text"]), confidence=confidence, notes=notes
        )
    except (ValueError, KeyError, TypeError, FilterError):
        return None
