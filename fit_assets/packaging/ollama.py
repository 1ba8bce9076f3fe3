"""A client for the part of Ollama's HTTP API that the program uses, and the registration of a model.

The endpoints and fields are those of Ollama's docs/api.md; ``_debug_render_only`` is in its api/types.go.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fit_assets import settings
from fit_assets.packaging.modelfile import ModelfileOptions, parameters
from fit_assets.training.prompt import SYSTEM_PROMPT, ChatStyle, user_turn

SMOKE_QUESTION = "wind sites over 100kw in berkshire"

# Reading a model of several gigabytes from disk may take minutes.
_CREATE_SECONDS = 1800.0


class OllamaError(RuntimeError):
    """Ollama could not do what it was asked; the message says what to do."""


class OllamaUnavailable(OllamaError):
    """No server answers at the address, or not in time."""


class OllamaRefused(OllamaError):
    """The server answered, and the answer is no, or is not what its API promises."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """``status`` is the HTTP status, None where a stream that began well carried the error."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """What a model wrote; ``done_reason`` is ``stop`` where it ended by itself, ``length`` where it was cut off."""

    text: str
    done_reason: str
    tokens: int
    milliseconds: float


@dataclass(frozen=True)
class Registration:
    """A model that Ollama knows: its name, the version's own tag, the server's version, and a first answer.

    ``rendered_as_trained`` is None where the server cannot show the prompt that it renders.
    """

    name: str
    tag: str
    server_version: str
    statuses: tuple[str, ...]
    smoke_question: str
    smoke_answer: str
    smoke_milliseconds: float
    rendered_as_trained: bool | None


class OllamaClient:
    """Talks to one Ollama server."""

    def __init__(self, host: str | None = None, timeout: float = 60.0, attempts: int = 3, backoff: float = 0.2) -> None:
        """Nothing is sent yet.

        Args:
            host: base URL (default ``settings.ollama_host()``).
            timeout: seconds that one answer may take.
            attempts: how often a connection is tried; nothing else is tried again, since a request that was received
                may have had its effect.
            backoff: seconds before the second try; doubled each time.
        """
        self.host = host or settings.ollama_host()
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff
        self._http = httpx.Client(base_url=self.host, timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)))

    def version(self) -> str:
        """The server's version; the cheapest way to see whether one answers."""
        return str(_field(self._json("GET", "/api/version"), "version", str))

    def list(self) -> list[dict[str, Any]]:
        """The models that the server has, each with ``name``, ``digest``, ``size``."""
        models: list[dict[str, Any]] = _field(self._json("GET", "/api/tags"), "models", list)
        return models

    def has_model(self, name: str) -> bool:
        """Whether the server has a model of that name; a name without a tag means ``latest``."""
        return _tagged(name) in {_tagged(str(model.get("name"))) for model in self.list()}

    def show(self, name: str) -> dict[str, Any]:
        """Template, system prompt, parameters and details of a model."""
        return self._json("POST", "/api/show", {"model": name})

    def has_blob(self, digest: str) -> bool:
        """Whether the server holds a file with this SHA-256 (hex)."""
        return self._send("HEAD", f"/api/blobs/sha256:{digest}", accept=(404,)).status_code == 200

    def push_blob(self, path: Path, digest: str | None = None) -> str:
        """Send a file unless the server holds it; returns its SHA-256 (hex), as which ``create`` names it."""
        digest = digest or _sha256(path)
        if not self.has_blob(digest):
            with path.open("rb") as content:
                self._send("POST", f"/api/blobs/sha256:{digest}", content=content, timeout=_CREATE_SECONDS)
        return digest

    def create(
        self,
        name: str,
        files: Mapping[str, str],
        *,
        template: str,
        system: str,
        parameters: Mapping[str, Any],
        say: Callable[[str], None] | None = None,
    ) -> tuple[str, ...]:
        """Make a model of files that were pushed before.

        Args:
            name: the model's name; a model of that name is replaced.
            files: file name -> SHA-256 (hex).
            template, system, parameters: as in a Modelfile.
            say: takes each status line as it comes.

        Returns:
            The status lines; the last is ``success``.
        """
        body = {
            "model": name,
            "files": {file: f"sha256:{digest}" for file, digest in files.items()},
            "template": template,
            "system": system,
            "parameters": dict(parameters),
            "stream": True,
        }
        statuses: list[str] = []
        for line in self._stream("/api/create", body):
            status = str(line.get("status", ""))
            # Long steps repeat their status with a growing count of bytes.
            if status and statuses[-1:] != [status]:
                statuses.append(status)
                if say is not None:
                    say(status)
        if statuses[-1:] != ["success"]:
            raise OllamaRefused(f"creating {name} ended with {statuses[-1:] or 'nothing'}, not success; see its log")
        return tuple(statuses)

    def generate(
        self,
        model: str,
        prompt: str,
        *,
        format: Mapping[str, Any] | str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Reply:
        """One answer to one prompt through the model's own template and system prompt.

        Args:
            model: name as in ``list``.
            prompt: what stands for ``{{ .Prompt }}``.
            format: a JSON schema that the answer must satisfy, or ``json``.
            options: parameters that differ from the model's own.
        """
        answer = self._json("POST", "/api/generate", _body(model, format, options) | {"prompt": prompt})
        return _reply(answer, _field(answer, "response", str))

    def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        *,
        format: Mapping[str, Any] | str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Reply:
        """One answer to a conversation; arguments as in :meth:`generate`."""
        answer = self._json("POST", "/api/chat", _body(model, format, options) | {"messages": list(messages)})
        return _reply(answer, _field(_field(answer, "message", dict), "content", str))

    def rendered(self, model: str, prompt: str) -> str | None:
        """The very text that the server would give the model; None from a server that cannot tell."""
        body = _body(model, None, {"num_predict": 1}) | {"prompt": prompt, "_debug_render_only": True}
        text = self._json("POST", "/api/generate", body).get("_debug_info", {}).get("rendered_template")
        return text if isinstance(text, str) else None

    def copy(self, source: str, destination: str) -> None:
        """Give a model a further name."""
        self._send("POST", "/api/copy", {"source": source, "destination": destination})

    def delete(self, name: str) -> None:
        """Remove a name, and the model where it was the last one."""
        self._send("DELETE", "/api/delete", {"model": name})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        response = self._send(method, path, body)
        try:
            answer = response.json()
        except ValueError as error:
            raise OllamaRefused(f"{self.host}{path} answered no JSON; is it an Ollama server?") from error
        if not isinstance(answer, dict):
            raise OllamaRefused(f"{self.host}{path} answered no JSON object; is it an Ollama server?")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content: Any = None,
        accept: Sequence[int] = (),
        timeout: float | None = None,
    ) -> httpx.Response:
        request = self._http.build_request(
            method, path, json=body, content=content, timeout=timeout or self._http.timeout
        )
        response = self._connected(request)
        if response.is_error and response.status_code not in accept:
            raise self._refusal(path, response)
        return response

    def _stream(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        request = self._http.build_request("POST", path, json=body, timeout=_CREATE_SECONDS)
        response = self._connected(request, stream=True)
        try:
            if response.is_error:
                response.read()
                raise self._refusal(path, response)
            for line in response.iter_lines():
                content = json.loads(line) if line.strip() else {}
                if "error" in content:
                    raise OllamaRefused(f"{self.host}{path}: {content['error']}")
                yield content
        except (httpx.HTTPError, ValueError) as error:
            raise OllamaUnavailable(f"{self.host}{path}: the answer broke off ({error}); run again") from error
        finally:
            response.close()

    def _connected(self, request: httpx.Request, stream: bool = False) -> httpx.Response:
        """Send, trying again only while no connection comes about."""
        for attempt in range(1, self._attempts + 1):
            try:
                return self._http.send(request, stream=stream)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if attempt == self._attempts:
                    raise OllamaUnavailable(
                        f"no Ollama server answers at {self.host} ({error}); start one with `ollama serve`, "
                        "or set OLLAMA_HOST"
                    ) from error
                time.sleep(self._backoff * 2 ** (attempt - 1))
            except httpx.TimeoutException as error:
                raise OllamaUnavailable(
                    f"{self.host}{request.url.path} gave no answer within {self._timeout:g} s; allow more time, "
                    "or look whether the server is overloaded"
                ) from error
            except httpx.HTTPError as error:
                raise OllamaUnavailable(f"{self.host}{request.url.path}: the connection broke ({error})") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _refusal(self, path: str, response: httpx.Response) -> OllamaRefused:
        try:
            said = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            said = response.text[:200] or response.reason_phrase
        return OllamaRefused(f"{self.host}{path} refused ({response.status_code}): {said}", response.status_code)


def register_model(
    client: OllamaClient,
    name: str,
    gguf: Path,
    style: ChatStyle,
    *,
    tag: str | None = None,
    options: ModelfileOptions | None = None,
    question: str = SMOKE_QUESTION,
    say: Callable[[str], None] | None = None,
) -> Registration:
    """Register a GGUF with Ollama, and ask it a first question.

    The model gets its name and, beside it, a tag of its digest, so that an older version can be called back.

    Args:
        client: the server.
        name: the model's name; what had it before stays under its own tag.
        gguf: the packaged model.
        style: chat style of its preset; template, system prompt and stops come from it.
        tag: the version's own tag (default: of the file's SHA-256).
        options: how to sample.
        question: the first question.
        say: takes one line of progress at a time.

    Raises:
        OllamaUnavailable: no server; OllamaRefused: it refused, renders another prompt than the model was trained
        on, or the first answer did not end by itself. The name is then not given to the new model.
    """
    from fit_assets.filters import json_schema

    version = client.version()
    digest = _sha256(gguf)
    tag = tag or f"{name.split(':')[0]}:{digest[:12]}"
    if say is not None:
        say(f"sending {gguf.name} to {client.host}")
    client.push_blob(gguf, digest)
    statuses = client.create(
        tag,
        {gguf.name: digest},
        template=style.ollama_template,
        system=SYSTEM_PROMPT,
        parameters=parameters(style, options),
        say=say,
    )
    prompt = user_turn(question)
    rendered = client.rendered(tag, prompt)
    if rendered is not None and rendered != style.render(question):
        raise OllamaRefused(f"{tag}: Ollama renders {rendered!r}, trained was {style.render(question)!r}")
    smoke = client.generate(tag, prompt, format=json_schema())
    if smoke.done_reason != "stop":
        raise OllamaRefused(f"{tag}: the first answer ended by {smoke.done_reason!r}, not 'stop': {smoke.text[:200]!r}")
    client.copy(tag, name)
    return Registration(
        name, tag, version, statuses, question, smoke.text, smoke.milliseconds, None if rendered is None else True
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _body(model: str, format: Mapping[str, Any] | str | None, options: Mapping[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "stream": False}
    if format is not None:
        body["format"] = format
    if options:
        body["options"] = dict(options)
    return body


def _reply(answer: Mapping[str, Any], text: str) -> Reply:
    return Reply(
        text=text,
        done_reason=str(answer.get("done_reason", "")),
        tokens=int(answer.get("eval_count", 0)),
        milliseconds=answer.get("total_duration", 0) / 1e6,
    )


def _field(answer: Mapping[str, Any], name: str, kind: type) -> Any:
    if not isinstance(answer.get(name), kind):
        raise OllamaRefused(f"the server's answer has no {name}; is it an Ollama server?")
    return answer[name]


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
