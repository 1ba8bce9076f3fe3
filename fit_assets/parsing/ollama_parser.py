"""Parsing through an Ollama server, with the contract's JSON schema as the answer's format."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.filters import FilterError, QueryFilters, json_schema
from fit_assets.packaging.ollama import OllamaClient, OllamaError, OllamaRefused, Reply
from fit_assets.parsing.base import ParseResult
from fit_assets.training.prompt import user_turn

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer


class OllamaParser:
    """Parses questions with the model that an Ollama server knows; the answer is grounded like the GGUF parser's."""

    name = "ollama"

    def __init__(
        self, client: OllamaClient | None = None, model: str | None = None, gazetteer: Gazetteer | None = None
    ) -> None:
        """Nothing is asked yet.

        Args:
            client: the server (default: the one at ``OLLAMA_HOST``).
            model: the model's name there (default ``settings.ollama_model()``).
            gazetteer: places (default: the project's).
        """
        self.model = model or settings.ollama_model()
        self._client = client or OllamaClient()
        self._gazetteer = gazetteer

    def parse(self, question: str) -> ParseResult:
        """Parse one question; what goes wrong stands in the result's ``error``."""
        start = time.perf_counter()
        text = ""
        try:
            reply = self._ask(question)
            text = reply.text
            if reply.done_reason != "stop":
                raise OllamaRefused(f"the model's answer ended by {reply.done_reason!r}, not by itself")
            filters, notes = self._grounded(question, QueryFilters.parse(text))
        except (OllamaError, FilterError) as error:
            return ParseResult(question, None, self.name, _since(start), text=text, error=str(error))
        return ParseResult(question, filters, self.name, _since(start), text=text, notes=tuple(notes))

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order."""
        return [self.parse(question) for question in questions]

    def _ask(self, question: str) -> Reply:
        try:
            return self._client.generate(self.model, user_turn(question, self._gazetteer), format=json_schema())
        except OllamaRefused as error:
            if error.status != 404:
                raise
            raise OllamaRefused(
                f"{self._client.host} has no model {self.model!r}; materialise ollama_model, "
                "or set FIT_ASSETS_OLLAMA_MODEL",
                404,
            ) from error

    def _grounded(self, question: str, filters: QueryFilters) -> tuple[QueryFilters, Sequence[str]]:
        from fit_assets.parsing.ground import ground
        from fit_assets.places import load_gazetteer

        if self._gazetteer is None:
            self._gazetteer = load_gazetteer()
        return ground(question, filters, self._gazetteer)


class LoRAQueryParser:
    """The interface that the mission's application calls."""

    def __init__(self, model_name: str = "fit-intelligence", host: str | None = None, timeout: float = 30.0) -> None:
        """Nothing is asked yet.

        Args:
            model_name: the model's name in Ollama.
            host: base URL of the server (default ``OLLAMA_HOST``).
            timeout: seconds that one answer may take.
        """
        self._parser = OllamaParser(OllamaClient(host, timeout), model_name)

    def parse_query(self, question: str) -> dict[str, Any]:
        """Parse one question.

        Returns:
            ``{"success": True, "filters": {...}}``, or ``{"success": False, "error": "...", "fallback": True}``,
            which asks the caller to use another parser. It never raises.
        """
        result = self._parser.parse(question)
        if result.filters is None:
            return {"success": False, "error": result.error, "fallback": True}
        return {"success": True, "filters": result.filters.to_dict()}


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
