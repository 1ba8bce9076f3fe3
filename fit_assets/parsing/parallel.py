"""Several parsers of one kind, asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from fit_assets.parsing.base import Parser, ParseResult


class ParallelParser:
    """Answers the questions of a batch with as many parsers at a time as there are.

    For measuring, not for serving: a model that writes token by token keeps one core busy and leaves the others idle,
    so that two of them answer twice the questions, each no sooner.
    """

    def __init__(self, parsers: Sequence[Parser]) -> None:
        """``parsers`` are alike; each is asked by one thread at a time.

        Raises:
            ValueError: there are none.
        """
        if not parsers:
            raise ValueError("no parsers; give at least one")
        self._parsers = tuple(parsers)
        self._free: SimpleQueue[Parser] = SimpleQueue()
        for parser in parsers:
            self._free.put(parser)

    @property
    def name(self) -> str:
        """The name of the parsers."""
        return self._parsers[0].name

    def parse(self, question: str) -> ParseResult:
        """Parse one question with whichever parser is free first."""
        parser = self._free.get()
        try:
            return parser.parse(question)
        finally:
            self._free.put(parser)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions at once; the results are in their order."""
        with ThreadPoolExecutor(len(self._parsers)) as pool:
            return list(pool.map(self.parse, questions))
