"""Parsers by name, and where the artifacts that they load lie."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fit_assets import settings
from fit_assets.parsing.base import Parser

if TYPE_CHECKING:
    from fit_assets.parsing.router import Router

PARSER_NAMES: tuple[str, ...] = ("auto", "gguf", "raw", "regex", "ollama", "adapter")


class ParserUnavailable(RuntimeError):
    """A parser whose model is not there or does not load; the message says how to get it."""


def served_gguf(preset: str | None = None) -> Path:
    """The packaged model of a preset (by default the configured one), whether or not it has been built."""
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

    ``auto`` is what serving uses: the packaged model with the rules as fallback, or the rules alone, with a line on
    standard error, where there is no model that loads.

    Raises:
        ParserUnavailable: the model that the parser needs is missing or does not load.
        ValueError: an unknown name.
    """
    if name == "auto":
        return _auto(preset)
    if name == "regex":
        from fit_assets.parsing.regex_parser import RegexParser

        return RegexParser()
    if name in ("gguf", "raw"):
        return _gguf(preset, constrained=name == "gguf")
    if name == "ollama":
        from fit_assets.parsing.ollama_parser import OllamaParser

        return OllamaParser()
    if name == "adapter":
        return _adapter(preset)
    raise ValueError(f"unknown parser {name!r}; known are {', '.join(PARSER_NAMES)}")


def _auto(preset: str | None) -> Parser:
    try:
        return routed(_gguf(preset, constrained=True), served_version(preset))
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


def served_version(preset: str | None = None) -> str:
    """The first 12 digits of the packaged model's SHA-256, as the registry of versions knows it; empty for none."""
    from fit_assets.artifacts import digest_of, read_record

    path = served_gguf(preset)
    if not path.exists():
        return ""
    record = read_record(path)
    return (record.digest if record else digest_of(path))[:12]


def _gguf(preset: str | None, constrained: bool) -> Parser:
    path = served_gguf(preset)
    if not path.exists():
        raise ParserUnavailable(f"no model yet at {path}: run: make run")
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
