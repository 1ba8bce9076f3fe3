"""Telling a person, against a webhook of our own."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fit_assets.notify import notify


@dataclass
class Webhook:
    """What was posted; answers with the next status, 200 when there is none left."""

    url: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/secret"
    monkeypatch.setenv("FIT_ASSETS_NOTIFY_URL", hook.url)
    yield hook
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_webhook_gets_a_text_and_facts(webhook: Webhook) -> None:
    assert notify("a run failed", "no disk", job="retrain_job", attempt=2)
    assert webhook.posted == [
        {"text": "a run failed\nno disk", "title": "a run failed", "facts": {"job": "retrain_job", "attempt": 2}}
    ]


def test_a_refusal_is_tried_again_once_and_never_raises(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    webhook.statuses = [500]
    assert notify("one")
    webhook.statuses = [500, 503]
    assert not notify("two")
    assert len(webhook.posted) == 4
    assert "secret" not in caplog.text


def test_without_a_webhook_it_is_in_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIT_ASSETS_NOTIFY_URL", raising=False)
    with caplog.at_level(logging.WARNING):
        assert not notify("a run failed", "no disk", job="retrain_job")
    assert "a run failed: no disk" in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "not an address"])
def test_nobody_there_is_no_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_NOTIFY_URL", url)
    assert not notify("a run failed")
