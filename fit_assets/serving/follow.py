"""Following the alias ``production``: the note for programs that answer at once, Ollama's name, and a running service.

A service looks every few seconds. When the alias has moved it loads the new model beside the old one, asks it a first
question, and only then hands new questions over; those at hand are answered by the old one, which goes when the last
of them is done. A version that does not load leaves the old one in place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from fit_assets import artifacts, settings
from fit_assets.packaging.modelfile import ModelfileOptions
from fit_assets.packaging.ollama import SMOKE_QUESTION, OllamaClient, OllamaUnavailable, Registration, register_model
from fit_assets.parsing.registry import gguf_parser, routed
from fit_assets.served import Served, served, take_note
from fit_assets.serving.service import Service
from fit_assets.training.presets import get_preset

# A version that did not load is tried again after this time: its package may have come back.
REST_SECONDS = 60.0

_log = logging.getLogger(__name__)


class PackageError(RuntimeError):
    """The version in production cannot be served; the message says why."""


def production() -> Served | None:
    """What the alias names now, with its package there and unharmed; the note is brought up to it.

    Raises:
        PackageError: the package is missing or damaged; the note stays as it was.
        mlflow.exceptions.MlflowException: the registry is away.
    """
    from fit_assets.evaluation import tracking, versions

    version = versions.production_version() if tracking.store_exists() else None
    if version is None:
        return None
    path = version.gguf_path
    if path is None or not path.is_file():
        raise PackageError(f"version {version.version} is in production, but its package {path} is gone")
    found = Served(version.version, version.digest, path, version.made_of.get("preset", settings.preset_name()))
    if found != served():
        if artifacts.digest_of(path) != version.digest:
            raise PackageError(f"version {version.version} is in production, but {path} is not what was registered")
        take_note(found)
    return found


def tell_ollama(
    found: Served,
    name: str | None = None,
    *,
    client: OllamaClient | None = None,
    options: ModelfileOptions | None = None,
    say: Callable[[str], None] | None = None,
) -> Registration | None:
    """Give Ollama's name to the version in production; None where its model is there already and got the name back.

    Args:
        found: what is in production.
        name: the name in Ollama (default ``settings.ollama_model()``).
        client: the server (default: the one at ``OLLAMA_HOST``, asked once).
        options: how Ollama samples, for a model that it does not have yet.
        say: takes one line of progress at a time.

    Raises:
        OllamaUnavailable: no server; OllamaRefused: it does not take the model, and the name stays where it was.
    """
    name = name or settings.ollama_model()
    client = client or OllamaClient(attempts=1)
    tag = f"{name.split(':')[0]}:{found.name}"
    if options is None and client.has_model(tag):
        client.copy(tag, name)
        return None
    style = get_preset(found.preset).chat_style
    return register_model(client, name, found.gguf, style, tag=tag, options=options, say=say)


def follow_everywhere(say: Callable[[str], None]) -> None:
    """After a move of the alias: the note at once, and Ollama's name where a server answers.

    Raises:
        PackageError: the package cannot be served.
        OllamaRefused: Ollama does not take the model.
    """
    found = production()
    if found is None:
        return
    try:
        tell_ollama(found, say=say)
    except OllamaUnavailable:
        return  # nobody serves through Ollama here
    say(f"Ollama's {settings.ollama_model()} is version {found.version}")


class Follower:
    """Keeps a running service on the version in production."""

    def __init__(self, service: Service, seconds: float | None = None) -> None:
        """Nothing is looked at yet.

        Args:
            service: what to keep up to date.
            seconds: between two looks (default ``settings.follow_seconds()``).
        """
        self._service = service
        self._seconds = settings.follow_seconds() if seconds is None else seconds
        self._failed: tuple[int, float] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def look(self) -> bool:
        """One look; returns whether the service was handed another version.

        Raises:
            PackageError, PackagingError: the version in production cannot be served.
            mlflow.exceptions.MlflowException: the registry is away.
        """
        found = production()
        if found is None or found.name == self._service.version or self._rests(found.version):
            return False
        try:
            parser = gguf_parser(found.gguf)
            if (first := parser.parse(SMOKE_QUESTION)).filters is None:
                raise PackageError(f"version {found.version} does not answer {SMOKE_QUESTION!r}: {first.error}")
        except Exception:
            self._failed = found.version, time.monotonic()
            raise
        self._service.switch(routed(parser, found.name), found.name)
        return True

    def _rests(self, version: int) -> bool:
        return self._failed is not None and self._failed[0] == version and self._age() < REST_SECONDS

    def _age(self) -> float:
        return time.monotonic() - self._failed[1] if self._failed else 0.0

    def _run(self) -> None:
        told = ""
        while not self._stopping.wait(self._seconds):
            try:
                if self.look():
                    _log.warning("version %s is served now", self._service.version)
                told = ""
            except Exception as error:  # whatever it is, the service goes on with what it has
                if str(error) != told:
                    _log.warning("%s; %s goes on answering", error, self._service.version or "the rule parser")
                told = str(error)
