"""``fit serve``: the parser that was asked for, behind HTTP, until a signal ends it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from fit_assets import settings
from fit_assets.parsing.base import Parser
from fit_assets.parsing.registry import build_parser, routed, served_version
from fit_assets.serving.follow import Follower
from fit_assets.serving.http import create_app
from fit_assets.serving.service import Service

SERVED_PARSERS = ("auto", "regex", "ollama")


def serve(parser_name: str, host: str, port: int, say: Callable[[str], None]) -> None:
    """Load the parser, then answer until SIGINT or SIGTERM; questions at hand are answered before it ends.

    Args:
        parser_name: one of ``SERVED_PARSERS``.
        host: address to listen on.
        port: 0 for any free one.
        say: takes lines for people.

    Raises:
        ValueError: a setting that cannot be used.
        ParserUnavailable: the parser's model is missing or does not load.
        OSError: the address cannot be listened on.
    """
    import uvicorn

    settings.rollout_percent()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listening:
        parser, version = _served(parser_name)
        service = Service(parser, version)
        app = create_app(service)
        if not _is_loopback(host) and not settings.api_keys():
            say(f"anybody who reaches {host} can ask, and can correct what is trained on: set FIT_ASSETS_API_KEYS")
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{listening.getsockname()[1]}  (answered by {version or 'the rules'}; Ctrl-C ends it)")
        config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=10)
        follower = Follower(service) if parser_name == "auto" else None
        if follower is not None:
            follower.start()
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            if follower is not None:
                follower.close()


def _served(parser_name: str) -> tuple[Parser, str]:
    """The parser, and the version of the model behind it (empty for the rules alone)."""
    if parser_name == "ollama":
        from fit_assets.packaging.ollama import OllamaClient
        from fit_assets.parsing.ollama_parser import OllamaParser

        model = settings.ollama_model()
        # One attempt, and no longer than a user waits: the rules are there.
        client = OllamaClient(timeout=settings.model_seconds(), attempts=1)
        return routed(OllamaParser(client, model), model), model
    parser = build_parser(parser_name)
    return parser, served_version() if parser.name == "auto" else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
