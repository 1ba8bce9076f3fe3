"""The packaged model in this process: free greedy decoding (``raw``), or grammar and grounding (``gguf``).

Both render the one prompt and evaluate its fixed prefix once. The constrained parser first lets the model read a draft,
the rules' answer, in one batch: where the model would hardly have written anything else, that is the answer, at the
price of a single step. Else the model writes its own and spends steps only where there is a choice: what the grammar
forces, and the postcode patterns of a place that the gazetteer knows, go through in one batch. What it wrote is checked
against the question's own words by ``ground``, and of the two readings the likelier is taken; it stops writing as soon
as its own cannot be that.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fit_assets.filters import FilterError, QueryFilters, canonical_text
from fit_assets.language.linking import MAX_LINKED_CHARS
from fit_assets.language.text import MAX_QUESTION_CHARS
from fit_assets.packaging import PackagingError
from fit_assets.packaging.runtime import LlamaModel, style_of
from fit_assets.parsing.base import ParseResult, contract_grammar, repeats_itself

if TYPE_CHECKING:
    from fit_assets.parsing.base import Parser
    from fit_assets.places import Gazetteer

MAX_TOKENS = 512

# A character is at most four bytes, and a byte at most one token; the rest is for the turns' marks.
_CONTEXT = 4 * (MAX_QUESTION_CHARS + MAX_LINKED_CHARS) + MAX_TOKENS + 64

# A token in a batch costs a third of a step (measured on one core), and England has 100 areas: the model sees the
# first of them, as of a smaller place, and grounding fills in the rest.
_WRITTEN_PATTERNS = 7

# The rules' reading is taken unless the model finds its own likelier by this much (natural logarithm of the ratio) and
# is sure of it. Of 1,937 questions in six sets that neither had seen, both together have 1,808 right so, and 1,805 at a
# margin of 8 without asking whether the model is sure; of what it has just learned from corrections, 17 of 20 and 9.
_OWN_READING_MARGIN = 5.0
_SURE = math.log(0.82)
# What is no question about installations, nobody can list: there the model knows more than the rules do.
_REFUSAL_MARGIN = 2.0
# The rules refuse by words alone, and sometimes a word stands there in passing.
_ANSWER_MARGIN = 3.0
_UNSUPPORTED = QueryFilters.parse({"query_type": "unsupported"})

_PATTERNS = re.compile(rb'"postcode_patterns":\[([^]]*)\]')
_LOCATION = re.compile(rb'[{,]"location":("(?:[^"\\]|\\.)*")(.*)', re.DOTALL)


@dataclass(frozen=True)
class _Answer:
    """What was written; the logarithm of its probability counts the tokens that the model itself chose."""

    text: str
    log_probability: float
    finished: bool


@dataclass(frozen=True)
class _Draft:
    """A reading by the rules, with the logarithm of its probability under the model.

    ``doubt`` adds up, over its tokens, how much likelier the model finds the token that it would have written.
    """

    filters: QueryFilters
    notes: tuple[str, ...]
    answer: _Answer
    doubt: float

    @property
    def refuses(self) -> bool:
        """Whether the rules find no question about installations."""
        return self.filters.query_type == "unsupported"

    def says_all_of(self, filters: QueryFilters) -> bool:
        """Whether another reading only leaves out what the rules found words for; a small model drops words."""
        read = self.filters.to_dict()
        return not self.refuses and all(read.get(field) == value for field, value in filters.to_dict().items())

    @property
    def margin(self) -> float:
        """How much likelier than this another reading must be to be taken instead."""
        return _ANSWER_MARGIN if self.refuses else _OWN_READING_MARGIN

    @property
    def bar(self) -> float:
        """The log-probability that another reading must have to be taken instead."""
        likelier = self.answer.log_probability + self.margin
        return likelier if self.refuses else max(likelier, _SURE)


class GgufParser:
    """Parses questions with a GGUF through llama.cpp; safe for use by several threads, one question at a time."""

    def __init__(
        self,
        path: Path,
        constrained: bool = True,
        n_threads: int | None = None,
        gazetteer: Gazetteer | None = None,
        rules: Parser | None = None,
    ) -> None:
        """Load the model and evaluate the prompt's fixed prefix.

        Args:
            path: the GGUF; its chat template must be one of ``CHAT_STYLES``.
            constrained: decode under the contract's grammar and ground the answer (``gguf``), or take the model's
                JSON as it is (``raw``).
            n_threads: threads of llama.cpp (default ``settings.threads()``).
            gazetteer: places for the constrained parser (default: the project's).
            rules: a parser that reads the question as well; of two readings, the model weighs which is likelier.

        Raises:
            PackagingError: the file does not load, or its chat template is not ours.
        """
        self._model = LlamaModel(path, context=_CONTEXT, threads=n_threads)
        self._constrained = constrained
        self._gazetteer = gazetteer
        self._rules = rules if constrained else None
        self._style = style_of(self._model)
        self._lock = threading.Lock()
        self._last_rendered = "", ""
        end = self._model.tokenize(self._style.end)
        if len(end) != 1:
            raise PackagingError(f"{path}: {self._style.end!r} is {len(end)} tokens there; wrong tokenizer for it")
        self._end = end[0]
        prefix = self._tokens(self._style.prefix)
        self._fixed = len(prefix)
        self._model.evaluate(prefix)
        if constrained:
            if self._gazetteer is None:
                from fit_assets.places import load_gazetteer

                self._gazetteer = load_gazetteer()
            self._spaced = self._begins_with_space()
            self._closing = np.array(
                [self._model.piece(token).startswith(b'"]') for token in range(self._model.vocabulary_size)]
            )
            self._grammar = Grammar(self._model, self._end, self._spaced)

    @property
    def name(self) -> str:
        """``gguf`` or ``raw``."""
        return "gguf" if self._constrained else "raw"

    def parse(self, question: str) -> ParseResult:
        """Parse one question; what goes wrong stands in the result's ``error``."""
        start = time.perf_counter()
        answer = draft = None
        try:
            with self._lock:
                # What earlier questions left would save a step now and then, and change the last digit of the logits.
                self._model.rewind(min(self._fixed, self._model.length))
                if not self._constrained:
                    answer = self._free_answer(question)
                    return self._result(question, start, answer, filters=_filters(answer))
                draft = self._draft(question)
                if draft is not None and (refusal := self._refusal(question, draft)):
                    return self._result(question, start, refusal, filters=_UNSUPPORTED)
                if draft is None or draft.doubt > draft.margin:
                    bar = draft.bar if draft else -math.inf
                    answer = self._constrained_answer(question, bar)
                    if answer.log_probability >= bar:
                        filters, notes = self._grounded(question, _filters(answer))
                        if draft is None or (
                            not draft.says_all_of(filters) and self._log_probability(question, filters) >= bar
                        ):
                            return self._result(question, start, answer, filters=filters, notes=notes)
        except (PackagingError, FilterError) as error:
            if draft is None:
                return self._result(question, start, answer, error=str(error))
        assert draft is not None
        return self._result(question, start, draft.answer, filters=draft.filters, notes=draft.notes)

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order."""
        return [self.parse(question) for question in questions]

    def close(self) -> None:
        """Free the model; the parser is of no use afterwards."""
        with self._lock:
            self._model.close()

    def _draft(self, question: str) -> _Draft | None:
        """The rules' reading and what the model thinks of it; None without rules, or where they fail."""
        read = self._rules.parse(question) if self._rules is not None else None
        if read is None or read.filters is None:
            return None
        chosen, best = self._read(question, read.filters)
        answer = _Answer(read.filters.canonical(), float(chosen.sum()), finished=True)
        return _Draft(read.filters, read.notes, answer, doubt=float((best - chosen).sum()))

    def _refusal(self, question: str, draft: _Draft) -> _Answer | None:
        """The refusal, where the model finds it likelier than the rules' filters and than all else together."""
        bar = draft.answer.log_probability + _REFUSAL_MARGIN
        if draft.refuses or bar > 0:
            return None
        probability = self._log_probability(question, _UNSUPPORTED)
        likeliest = max(bar, math.log(0.5))
        return _Answer(_UNSUPPORTED.canonical(), probability, finished=True) if probability >= likeliest else None

    def _grounded(self, question: str, filters: QueryFilters) -> tuple[QueryFilters, tuple[str, ...]]:
        from fit_assets.parsing.ground import ground

        grounded, notes = ground(question, filters, self._gazetteer)
        return grounded, tuple(notes)

    def _free_answer(self, question: str) -> _Answer:
        logits = self._model.evaluate(self._model.rewind_to(self._tokens(self._rendered(question))))
        written, probability = b"", 0.0
        tokens: list[int] = []
        while len(tokens) < MAX_TOKENS and not repeats_itself(tokens):
            token = int(np.argmax(logits))
            probability += _log_chance(logits, token)
            if token == self._end or self._model.is_end(token):
                return _Answer(_text(written), probability, finished=True)
            written += self._model.piece(token)
            tokens.append(token)
            logits = self._model.evaluate([token])
        return _Answer(_text(written), probability, finished=False)

    def _constrained_answer(self, question: str, bar: float = -math.inf) -> _Answer:
        """Decode under the grammar, at most until the answer is less likely than ``bar``."""
        from fit_assets.places import postcodes_in

        matcher = self._grammar.matcher()
        # A postcode in the question: then the model says which patterns are meant.
        may_fill_patterns = not postcodes_in(question)
        list_must_end = False
        prompt = self._tokens(self._rendered(question))
        pending = self._model.rewind_to(prompt)
        done: list[int] = []
        written = b""
        probability = 0.0
        while len(done) < MAX_TOKENS and probability >= bar:
            forced = matcher.compute_ff_tokens()
            if not forced and may_fill_patterns:
                forced = self._pattern_tokens(question, prompt + done, written)
                may_fill_patterns, list_must_end = not forced, bool(forced)
            if forced:
                if not matcher.consume_tokens(forced):
                    raise PackagingError(f"the grammar refused its own continuation: {matcher.get_error()}")
                pending += forced
                done += forced
                written += self._bytes(forced)
                continue
            if matcher.is_stopped():
                return _Answer(_text(written), probability, finished=True)
            logits = self._model.evaluate(pending)
            token = self._grammar.best(matcher, logits, self._closing if list_must_end else None)
            list_must_end = False
            probability += _log_chance(logits, token)
            if token == self._end:
                return _Answer(_text(written), probability, finished=True)
            matcher.consume_token(token)
            pending = [token]
            done.append(token)
            written += self._model.piece(token)
        return _Answer(_text(written), probability, finished=False)

    def _log_probability(self, question: str, filters: QueryFilters) -> float:
        """Natural logarithm of the probability that the model answers so, given the patterns of a known place."""
        return float(self._read(question, filters)[0].sum())

    def _read(self, question: str, filters: QueryFilters) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The model reads an answer in one batch: log-probabilities of its tokens, and of the likeliest in their place.

        The postcode patterns of a place that the gazetteer knows do not count: they follow from the place. Of many,
        the first are shown, as when the model writes.
        """
        place = self._gazetteer.get(filters.location) if self._gazetteer and filters.location else None
        follow = place is not None and list(place.patterns) == filters.postcode_patterns
        shown = filters.to_dict()
        if follow:
            shown["postcode_patterns"] = shown["postcode_patterns"][:_WRITTEN_PATTERNS]
        text = canonical_text(shown)
        span = _PATTERNS.search(text.encode()) if follow else None
        given = span.span(1) if span else (0, 0)

        prompt = self._tokens(self._rendered(question))
        tokens = self._tokens(self._rendered(question) + text + self._style.end)
        counted, closing = [], []
        begin = -1 if self._spaced else 0
        for index in range(len(prompt), len(tokens)):
            end = begin + len(self._model.piece(tokens[index]))
            if not given[0] <= begin < end <= given[1]:
                counted.append(index)
                closing.append(given[0] < begin < given[1])
            begin = end

        self._model.rewind(min(len(prompt) - 1, self._model.length))  # the first token's logits are wanted as well
        rest = self._model.rewind_to(tokens[:-1])
        held = len(tokens) - 1 - len(rest)
        logits = self._model.logits_of(rest, [index - 1 - held for index in counted])
        logits[np.ix_(np.array(closing), ~self._closing)] = -np.inf
        highest = logits.max(axis=1)
        normaliser = np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        chosen = logits[np.arange(len(counted)), [tokens[index] for index in counted]]
        return chosen - highest - normaliser, -normaliser

    def _begins_with_space(self) -> bool:
        """Whether the answer's first token holds a space: a SentencePiece model writes one after a control token."""
        prompt = self._tokens(self._style.render("x"))
        first = self._tokens(self._style.render("x") + "{}")[len(prompt)]
        return self._model.piece(first).startswith(b" ")

    def _rendered(self, question: str) -> str:
        if self._last_rendered[0] != question:
            self._last_rendered = question, self._style.render(question, self._gazetteer)
        return self._last_rendered[1]

    def _tokens(self, text: str) -> list[int]:
        return ([self._model.bos] if self._style.bos else []) + self._model.tokenize(text)

    def _bytes(self, tokens: Sequence[int]) -> bytes:
        return b"".join(self._model.piece(token) for token in tokens)

    def _pattern_tokens(self, question: str, so_far: list[int], written: bytes) -> list[int]:
        """Tokens of the gazetteer's patterns, once a known location has just been written; else none."""
        assert self._gazetteer is not None
        match = _LOCATION.search(written)
        if match is None:
            return []
        place = self._gazetteer.get(json.loads(match[1]))
        if place is None or not place.patterns:
            return []
        # The closing bracket is left to the model: its token may hold the next comma or brace as well.
        patterns = json.dumps(list(place.patterns[:_WRITTEN_PATTERNS]), separators=(",", ":"))
        wanted = (',"postcode_patterns":' + patterns[:-2]).encode()
        if not wanted.startswith(match[2]):
            return []
        text = (written + wanted[len(match[2]) :]).decode()
        if self._spaced:
            text = text.removeprefix(" ")
        # The tokens as training saw them; only where those written so far agree.
        whole = self._tokens(self._rendered(question) + text)
        return whole[len(so_far) :] if whole[: len(so_far)] == so_far else []

    def _result(
        self,
        question: str,
        start: float,
        answer: _Answer | None = None,
        *,
        filters: QueryFilters | None = None,
        error: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> ParseResult:
        return ParseResult(
            question=question,
            filters=filters,
            parser=self.name,
            latency_ms=(time.perf_counter() - start) * 1000,
            text=answer.text if answer else "",
            error=error,
            confidence=math.exp(answer.log_probability) if answer else None,
            notes=notes,
        )


class Grammar:
    """The contract's JSON schema over one model's tokens: canonical text only, keys in sorted order, no spaces."""

    def __init__(self, model: LlamaModel, end: int, spaced: bool = False) -> None:
        """``end`` is the token that ends the answer; ``spaced`` says that a space precedes it."""
        from llguidance import LLMatcher
        from llguidance.llamacpp import lltokenizer_from_vocab

        self._tokenizer = lltokenizer_from_vocab(model.vocabulary, eos_token=end)
        text = contract_grammar('" " filters' if spaced else "filters")
        self._fresh = LLMatcher(self._tokenizer, text)
        if self._fresh.is_error():
            raise PackagingError(f"the contract's schema makes no grammar: {self._fresh.get_error()}")
        self._size = model.vocabulary_size

    def matcher(self) -> Any:
        """A matcher at the beginning of an answer."""
        return self._fresh.deep_copy()

    def allows(self, tokens: Sequence[int]) -> bool:
        """Whether these tokens, followed by the end of the turn, are an answer under the grammar."""
        matcher = self.matcher()
        return bool(matcher.validate_tokens(list(tokens)) == len(tokens) and matcher.consume_tokens(list(tokens))) and (
            bool(matcher.is_accepting())
        )

    def best(self, matcher: Any, logits: NDArray[np.float32], among: NDArray[np.bool_] | None = None) -> int:
        """The likeliest token that the grammar allows now, of those that ``among`` marks."""
        allowed = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")[: self._size]
        if among is not None:
            allowed = allowed & among
        return int(np.argmax(np.where(allowed, logits, -np.inf)))


def _text(written: bytes) -> str:
    return written.decode("utf-8", "replace").removeprefix(" ")


def _filters(answer: _Answer) -> QueryFilters:
    if not answer.finished:
        raise PackagingError("the model did not end its answer")
    return QueryFilters.parse(answer.text)


def _log_chance(logits: NDArray[np.float32], token: int) -> float:
    highest = float(logits.max())
    return float(logits[token]) - highest - math.log(float(np.exp(logits - highest).sum()))
