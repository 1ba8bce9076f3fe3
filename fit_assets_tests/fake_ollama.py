"""An Ollama server for tests, stricter than the real one: what its API docs do not name is refused.

It keeps blobs and models in memory, renders prompts through the model's own template, and answers with a function.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# field -> type, as docs/api.md and api/types.go of Ollama name them.
_GENERATE = {
    "model": str,
    "prompt": str,
    "stream": bool,
    "format": (dict, str),
    "options": dict,
    "system": str,
    "_debug_render_only": bool,
}
_FIELDS: dict[str, dict[str, Any]] = {
    "/api/create": {
        "model": str,
        "files": dict,
        "template": str,
        "system": str,
        "parameters": dict,
        "stream": bool,
    },
    "/api/generate": _GENERATE,
    "/api/chat": {name: kind for name, kind in _GENERATE.items() if name not in ("prompt", "system")}
    | {"messages": list},
    "/api/show": {"model": str},
    "/api/copy": {"source": str, "destination": str},
    "/api/delete": {"model": str},
}
_PARAMETERS: dict[str, Any] = {
    "temperature": (int, float),
    "repeat_penalty": (int, float),
    "seed": int,
    "num_ctx": int,
    "num_predict": int,
    "stop": list,
}


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeOllama:
    """State and behaviour; ``answer`` maps a rendered prompt to what the model writes.

    Switches for faults: ``delay`` (seconds before a generation), ``done_reason``, ``create_error`` (sent in the
    stream), ``debug_render`` (False: a server too old to show its prompt), ``space`` (bytes for blobs).
    """

    def __init__(self) -> None:
        self.answer: Callable[[str], str] = lambda prompt: "{}"
        self.blobs: dict[str, bytes] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.delay = 0.0
        self.done_reason = "stop"
        self.create_error: str | None = None
        self.debug_render = True
        self.space = 1 << 40
        self.host = ""
        self.gone = False

    def generate(self, body: dict[str, Any], prompt: str, system: str | None) -> dict[str, Any]:
        model = self.models.get(_tagged(body["model"]))
        if model is None:
            raise _Refusal(404, f"model '{body['model']}' not found")
        _check_format(body.get("format"))
        _check_types(body.get("options", {}), _PARAMETERS, "option")
        rendered = _render(model["template"], model["system"] if system is None else system, prompt)
        if body.get("_debug_render_only") and self.debug_render:
            return {"model": body["model"], "_debug_info": {"rendered_template": rendered}}
        time.sleep(self.delay)
        return {
            "model": body["model"],
            "created_at": "2025-01-01T00:00:00Z",
            "response": self.answer(rendered),
            "done": True,
            "done_reason": self.done_reason,
            "total_duration": 1_500_000,
            "eval_count": 7,
        }

    def create(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        if not body.get("files"):
            raise _Refusal(400, "neither 'from' or 'files' was specified")
        for name, digest in body["files"].items():
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", str(digest)):
                raise _Refusal(400, f"invalid digest format for {name}")
            if digest not in self.blobs:
                raise _Refusal(400, f"blob for {name} not found")
            if not self.blobs[digest].startswith(b"GGUF"):
                return [{"status": "parsing GGUF"}, {"error": "supplied file was not in GGUF format"}]
        if "{{ .Prompt }}" not in body["template"] or body["template"].count("{{") != body["template"].count("}}"):
            raise _Refusal(400, "template error")
        _check_types(body.get("parameters", {}), _PARAMETERS, "parameter")
        if self.create_error:
            return [{"status": "parsing GGUF"}, {"error": self.create_error}]
        self.models[_tagged(body["model"])] = {
            "template": body["template"],
            "system": body.get("system", ""),
            "parameters": body.get("parameters", {}),
            "files": body["files"],
        }
        return [{"status": text} for text in ("parsing GGUF", "writing manifest", "writing manifest", "success")]


@contextmanager
def serve(fake: FakeOllama) -> Any:
    """Run the server on a free port; ``fake.host`` is its base URL meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    fake.host = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.gone = True  # connections that are kept open end as well
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeOllama
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_HEAD(self) -> None:
        known = self.path.removeprefix("/api/blobs/") in self.fake.blobs
        self.fake.requests.append(("HEAD", self.path, None))
        self._reply(200 if known else 404, b"")

    def do_POST(self) -> None:
        self._answered(self._post)

    def do_DELETE(self) -> None:
        self._answered(self._post)

    def log_message(self, *_: Any) -> None:
        pass

    def _answered(self, handle: Callable[[], tuple[int, Any]]) -> None:
        if self.fake.gone:
            self.close_connection = True
            return
        try:
            status, content = handle()
        except _Refusal as refusal:
            status, content = refusal.status, {"error": str(refusal)}
        lines = content if isinstance(content, list) else [content]
        self._reply(status, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _get(self) -> tuple[int, Any]:
        self.fake.requests.append(("GET", self.path, None))
        if self.path == "/api/version":
            return 200, {"version": "0.12.6"}
        if self.path == "/api/tags":
            return 200, {"models": [{"name": name, "digest": "d", "size": 1} for name in self.fake.models]}
        raise _Refusal(404, "404 page not found")

    def _post(self) -> tuple[int, Any]:
        content = self._content()
        if self.path.startswith("/api/blobs/sha256:"):
            return self._blob(content)
        if self.path not in _FIELDS or (self.command == "DELETE") != (self.path == "/api/delete"):
            raise _Refusal(404, "404 page not found")
        body = json.loads(content)
        self.fake.requests.append((self.command, self.path, body))
        _check_types(body, _FIELDS[self.path], "field")
        if self.path == "/api/create":
            return 200, self.fake.create(body)
        if self.path == "/api/generate":
            return 200, self.fake.generate(body, body["prompt"], body.get("system"))
        if self.path == "/api/chat":
            turns = {turn["role"]: turn["content"] for turn in body["messages"]}
            answer = self.fake.generate(body, turns["user"], turns.get("system"))
            return 200, answer | {"message": {"role": "assistant", "content": answer.pop("response")}}
        name = _tagged(body.get("model") or body["source"])
        if name not in self.fake.models:
            raise _Refusal(404, f"model '{name}' not found")
        if self.path == "/api/show":
            return 200, self.fake.models[name] | {"details": {"format": "gguf"}}
        if self.path == "/api/copy":
            self.fake.models[_tagged(body["destination"])] = self.fake.models[name]
        else:
            del self.fake.models[name]
        return 200, {}

    def _blob(self, content: bytes) -> tuple[int, Any]:
        digest = self.path.removeprefix("/api/blobs/")
        self.fake.requests.append(("POST", self.path, len(content)))
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise _Refusal(400, "digest mismatch")
        if len(content) > self.fake.space:
            raise _Refusal(500, "no space left on device")
        self.fake.blobs[digest] = content
        return 201, {}

    def _content(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _check_types(values: dict[str, Any], known: dict[str, Any], what: str) -> None:
    for name, value in values.items():
        if name not in known:
            raise _Refusal(400, f"unknown {what} {name!r}")
        if not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is not bool):
            raise _Refusal(400, f"{what} {name!r} has the wrong type")


def _check_format(format: Any) -> None:
    if format is None or format == "json":
        return
    if not isinstance(format, dict) or format.get("type") != "object" or "properties" not in format:
        raise _Refusal(400, "invalid JSON schema in format")
    if list(format["properties"]) != sorted(format["properties"]):
        raise _Refusal(400, "the schema's keys are not sorted, as the model was trained to write them")


def _render(template: str, system: str, prompt: str) -> str:
    cut = template.split("{{ .Response }}")[0]
    return cut.replace("{{ .System }}", system).replace("{{ .Prompt }}", prompt)


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
