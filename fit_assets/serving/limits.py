"""What stands in front of the service: API keys, rate, size and concurrency, as one ASGI layer.

It reads a request's body before the request takes one of the places to be worked on, so that a slow or endless sender
holds none.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING

from fit_assets.serving.metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 16 * 1024
BODY_SECONDS = 10.0
BURST_SECONDS = 2.0

_CLIENTS = 10_000


class _Refused(Exception):
    def __init__(self, status: int, reason: str, detail: str, retry_after: int | None = None) -> None:
        self.status, self.reason, self.detail, self.retry_after = status, reason, detail, retry_after


class RateLimit:
    """A bucket of tokens for each client, for one event loop; what came ``BURST_SECONDS`` early is let through."""

    def __init__(self, per_second: float) -> None:
        """``per_second`` requests of one client; 0 for no limit."""
        self._rate = per_second
        self._size = max(1.0, per_second * BURST_SECONDS)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, now: float | None = None) -> float:
        """Seconds until this client may ask again; 0 lets this request through and counts it."""
        if not self._rate:
            return 0.0
        now = time.monotonic() if now is None else now
        tokens, seen = self._buckets.pop(client, (self._size, now))
        tokens = min(self._size, tokens + (now - seen) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate


class Limits:
    """Lets requests to ``guarded`` paths through when key, rate, size and concurrency allow it; counts all requests."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        guarded: Collection[str],
        known: Collection[str],
        keys: frozenset[str],
        rate: float,
        concurrency: int,
    ) -> None:
        """Stand in front of ``app``.

        Args:
            app: what answers.
            metrics: what to count in.
            guarded: paths that take questions.
            known: all paths; others are counted together.
            keys: accepted API keys; none asks for none.
            rate: requests a second and client; 0 for no limit.
            concurrency: requests that are worked on at a time.
        """
        self._app = app
        self._metrics = metrics
        self._guarded = guarded
        self._known = known
        self._keys = [key.encode() for key in keys]
        self._rate = RateLimit(rate)
        self._free = concurrency
        self._concurrency = concurrency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._known else "other"
        start, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await (self._guard if path in self._guarded else self._app)(scope, receive, counted)
        except _Refused as refusal:
            self._metrics.http_refused.labels(refusal.reason).inc()
            await _send(counted, refusal)
        finally:
            self._metrics.http_requests.labels(path, scope["method"], str(status)).inc()
            self._metrics.http_seconds.labels(path).observe(time.perf_counter() - start)

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(reversed(scope["headers"]))
        key = _key(headers)
        if self._keys and not _is_among(key, self._keys):
            raise _Refused(401, "key", "an API key is needed: send it as X-API-Key, or as Authorization: Bearer …")
        client = key.decode("latin-1") if self._keys else (scope.get("client") or ("unknown", 0))[0]
        # Whoever shares an address shares its rate; a name that a client gives itself must not lift it.
        scope.setdefault("state", {})["client"] = client
        wait = self._rate.wait(client)
        if wait:
            raise _Refused(429, "rate", "too many questions from one client; wait a moment", math.ceil(wait))
        body = await _body(headers, receive)
        if not self._free:
            detail = f"{self._concurrency} questions are being worked on already; try again in a moment"
            raise _Refused(503, "concurrency", detail, 1)
        self._free -= 1
        self._metrics.http_in_flight.inc()
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._free += 1
            self._metrics.http_in_flight.dec()


def _key(headers: dict[bytes, bytes]) -> bytes:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return headers.get(b"x-api-key") or (token.strip() if scheme.lower() == b"bearer" else b"")


def _is_among(key: bytes, keys: Collection[bytes]) -> bool:
    # All of them are compared, so that the time does not tell which came close.
    return sum(hmac.compare_digest(key, known) for known in keys) > 0


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    too_large = _Refused(413, "size", f"the body is larger than {MAX_BODY_BYTES:,} bytes")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        raise too_large
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                body += bytes(message.get("body", b""))
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
                if message["type"] != "http.request" or not message.get("more_body"):
                    return body
    except TimeoutError:
        raise _Refused(408, "slow", f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _send(send: Send, refusal: _Refused) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": refusal.detail}).encode()})
