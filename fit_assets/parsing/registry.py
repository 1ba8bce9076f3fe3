"""Parsers by name, and where the artifacts that they load lie."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fit_assets import settings
from fit_assets.parsing.base import Parser
from fit_assets.served import served

if TYPE_CHECKING:
    from fit_assets.parsing.router import Router

PARSER_NAMES: tuple[str, ...] = ("auto", "gguf", "raw", "candidate", "regex", "ollama", "adapter")


class ParserUnavailable(RuntimeError):
    """A parser whose model is not there or does not load; the message says how to get it."""


def candidate_gguf(preset: str | None = None) -> Path:
    """Where the packaged model that was made last lies, promoted or not (by default of the configured preset)."""
    name = preset or settings.preset_name()
    return settings.models_dir() / name / "gguf" / f"{name}.gguf"


def gguf_parser(path: Path, constrained: bool = True, n_threads: int | None = None) -> Parser:
    """The parser of a packaged model as it is served, or (not ``constrained``) its plain decoding.

    ``n_threads`` is for the tokens of a batch (default ``settings.threads()``).

    Raises:
        PackagingError: the file does not load.
    """
    from fit_assets.parsing.gguf_parser import GgufParser

    return GgufParser(path, constrained, n_threads, rules=build_parser("regex") if constrained else None)


def gguf_parsers_at_once(path: Path, constrained: bool = True) -> Parser:
    """One such parser a core, each on one thread: for measuring many questions, not how long one takes."""
    from fit_assets.parsing.parallel import ParallelParser

    return ParallelParser([gguf_parser(path, constrained, n_threads=1) for _ in range(settings.threads())])


def build_parser(name: str, preset: str | None = None) -> Parser:
    """A parser by one of ``PARSER_NAMES``; models are loaded only for the parser that was asked for.

    ``auto`` is what serving uses: the model in production with the rules as fallback, or the rules alone, with a line
    on standard error, where there is no model that loads. ``gguf`` is the same model without a fallback, ``raw`` its
    plain decoding; ``candidate`` is what was packaged last, promoted or not.

    Raises:
        ParserUnavailable: the model that the parser needs is missing or does not load.
        ValueError: an unknown name.
    """
    if name == "auto":
        return _auto()
    if name == "regex":
        from fit_assets.parsing.regex_parser import RegexParser

        return RegexParser()
    if name in ("gguf", "raw"):
        return _gguf(constrained=name == "gguf", preset=preset)
    if name == "candidate":
        return _opened(candidate_gguf(preset), constrained=True)
    if name == "ollama":
        from fit_assets.parsing.ollama_parser import OllamaParser

        return OllamaParser()
    if name == "adapter":
        return _adapter(preset)
    raise ValueError(f"unknown parser {name!r}; known are {', '.join(PARSER_NAMES)}")


def _auto() -> Parser:
    found = served()
    try:
        if found is None:
            raise ParserUnavailable("no version of the model is in production yet: run: make run")
        return routed(_opened(found.gguf, constrained=True), found.name)
    except ParserUnavailable as error:
        print(f"{error}; the rules answer meanwhile", file=sys.stderr)
        return build_parser("regex")


def routed(primary: Parser, version: str = "") -> Router:
    """A parser as it is served: on its own thread with a time limit, the rules as fallback, repeated questions kept.

    Args:
        primary: who is asked first.
        version: what its answers depend on; answers of another version are not taken from a shared cache.
    """
    from fit_assets import __version__
    from fit_assets.parsing.cache import open_cache
    from fit_assets.parsing.router import Router
    from fit_assets.parsing.supervised import SupervisedParser

    cache = open_cache(f"{__version__}:{primary.name}:{version}")
    return Router(SupervisedParser(primary), build_parser("regex"), settings.min_confidence(), cache)


def served_version() -> str:
    """The first 12 digits of the SHA-256 of what is in production, as the registry of versions knows it; or empty."""
    found = served()
    return found.name if found else ""


def _gguf(constrained: bool, preset: str | None) -> Parser:
    """What is in production; before the first release, what was packaged last."""
    found = served()
    return _opened(found.gguf if found else candidate_gguf(preset), constrained)


def _opened(path: Path, constrained: bool) -> Parser:
    if not path.exists():
        raise ParserUnavailable(f"no model at {path}: run: make run")
    from fit_assets.packaging import PackagingError

    try:
        return gguf_parser(path, constrained)
    except PackagingError as error:
        raise ParserUnavailable(str(error)) from error


def _adapter(preset: str | None) -> Parser:
    folder = settings.models_dir() / (preset or settings.preset_name())
    for part in ("base", "adapter"):
        if not (folder / part).is_dir():
            raise ParserUnavailable(f"no {part} yet at {folder / part}: run: make run")
    from fit_assets.parsing.adapter_parser import AdapterParser

    try:
        return AdapterParser(folder / "base", folder / "adapter")
    except (OSError, ValueError) as error:
        raise ParserUnavailable(f"{folder}: base or adapter cannot be loaded ({error}); run: make run") from error
