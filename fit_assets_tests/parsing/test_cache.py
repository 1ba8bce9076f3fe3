from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fit_assets.filters import QueryFilters
from fit_assets.parsing import cache as cache_module
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.cache import MemoryCache, RedisCache, open_cache
from fit_assets_tests.servers import RedisServer, or_skipped, redis_server

redis = pytest.importorskip("redis", reason="needs the package redis: pip install -e '.[scale]'")

WIND = ParseResult(
    "Wind in Ynys Môn", QueryFilters(technology="Wind"), "gguf", 9.0, "{…}", confidence=0.5, notes=("a note",)
)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with or_skipped(redis_server) as started:
        yield started


def test_without_a_url_answers_are_kept_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    cache = open_cache("test")
    assert isinstance(cache, MemoryCache)
    cache.put(WIND)
    assert cache.get("  wind in YNYS môn ") is WIND
    assert cache.get("hydro") is None
    state = cache.state()
    assert (state.kind, state.hits, state.misses, state.problem) == ("process", 1, 1, None)


def test_processes_share_what_redis_keeps(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", server.url)
    one, other, later_version = open_cache("1"), open_cache("1"), open_cache("2")
    one.put(WIND)
    found = other.get("wind in  ynys môn")
    assert found is not None
    assert (found.filters, found.parser, found.confidence, found.notes) == (WIND.filters, "gguf", 0.5, ("a note",))
    assert later_version.get(WIND.question) is None
    assert other.state() == cache_module.CacheState("redis", 1, 0)


def test_what_is_not_ours_is_a_miss(server: RedisServer) -> None:
    cache = RedisCache(server.url, "1")
    cache.put(WIND)
    client = redis.Redis(port=server.port)
    [key] = client.keys()
    broken = (
        b"\xff",
        b"[]",
        b"{}",
        b'{"filters":{"technology":"Coal"},"parser":"x","text":"","confidence":1,"notes":[]}',
    )
    for stored in broken:
        client.set(key, stored)
        assert cache.get(WIND.question) is None


def test_a_redis_that_is_killed_is_a_miss_at_once_and_is_used_again_when_it_is_back(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "REDIS_REST_SECONDS", 0.3)
    cache = RedisCache(server.url, "1")
    cache.put(WIND)
    server.kill()
    assert cache.get(WIND.question) is None
    start = time.monotonic()
    assert [cache.get(WIND.question) for _ in range(100)] == [None] * 100
    assert time.monotonic() - start < 0.2
    assert "Error" in (cache.state().problem or "")
    server.start()
    time.sleep(0.35)
    cache.put(WIND)
    assert cache.get(WIND.question) is not None
    assert cache.state().problem is None
