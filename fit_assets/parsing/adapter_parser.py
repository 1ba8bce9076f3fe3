"""The trained adapter before it is packaged: greedy decoding in batches, its JSON taken as it is."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fit_assets import settings
from fit_assets.filters import FilterError, QueryFilters
from fit_assets.parsing.base import ParseResult, contract_grammar, repeats_itself
from fit_assets.parsing.ground import ground
from fit_assets.training.prompt import messages

MAX_TOKENS = 512

# Nearly every answer is shorter than this; those that list a nation's postcode areas are decoded together afterwards,
# so that no batch waits for one long row.
_FIRST_ROUND_TOKENS = 96


@dataclass
class _Row:
    """One question on its way: its tokens so far and the probability of those that the model chose."""

    prompt: list[int]
    answer: list[int] = field(default_factory=list)
    probability: float = 1.0
    finished: bool = False
    matcher: Any = None

    @property
    def repeats_itself(self) -> bool:
        """Whether the answer goes round in circles and will not end."""
        return repeats_itself(self.answer)


class AdapterParser:
    """Parses questions with base model and adapter through transformers."""

    name = "adapter"

    def __init__(self, base_dir: Path, adapter_dir: Path | None, batch_size: int = 128) -> None:
        """Load the model and add the adapter to its weights.

        Args:
            base_dir: Hugging Face folder made by ``prepare_base_model``.
            adapter_dir: PEFT folder made by ``fine_tune``; None asks the base model alone.
            batch_size: questions decoded at once.

        Raises:
            ValueError: base or adapter cannot be loaded.
        """
        settings.let_waiting_threads_sleep()
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(settings.threads())
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(base_dir)
            model: Any = AutoModelForCausalLM.from_pretrained(base_dir, dtype="auto")
            if adapter_dir is not None:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, adapter_dir).merge_and_unload()
        except Exception as error:  # the libraries raise types of their own for damaged files
            raise ValueError(f"{base_dir} with {adapter_dir}: cannot be loaded ({error}); train again") from error
        self._model: Any = model.to(device).eval()
        self._end: int = self._tokenizer.eos_token_id
        self._batch_size = batch_size
        self._grammar: Any = None

    def constrained(self) -> AdapterParser:
        """The same model as it answers when it serves: under the contract's grammar, grounded in the question."""
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer

        tokenizer = from_tokenizer(self._tokenizer, eos_token=self._end)
        parser = copy.copy(self)
        # A SentencePiece model writes a space after a control token.
        parser._grammar = LLMatcher(tokenizer, contract_grammar('" "? filters'))
        return parser

    def parse(self, question: str) -> ParseResult:
        """Parse one question."""
        return self.parse_batch([question])[0]

    def parse_batch(self, questions: Sequence[str]) -> list[ParseResult]:
        """Parse many questions, in order; each result's latency is its share of the whole time."""
        start = time.perf_counter()
        rows = [
            _Row(
                self._tokenizer.apply_chat_template(messages(question), tokenize=True, return_dict=False),
                matcher=self._grammar.deep_copy() if self._grammar is not None else None,
            )
            for question in questions
        ]
        # Rows of like length lie together, so that little of a batch is padding.
        waiting = sorted(rows, key=lambda row: len(row.prompt))
        for limit in (_FIRST_ROUND_TOKENS, MAX_TOKENS):
            for first in range(0, len(waiting), self._batch_size):
                self._decode(waiting[first : first + self._batch_size], limit)
            waiting = [row for row in waiting if not (row.finished or row.repeats_itself)]
        latency = (time.perf_counter() - start) * 1000 / max(len(questions), 1)
        return [self._result(question, row, latency) for question, row in zip(questions, rows, strict=True)]

    def _decode(self, rows: list[_Row], limit: int) -> None:
        """Extend every row until it ends or its answer has ``limit`` tokens; ended rows leave the batch at once."""
        import torch

        width = max(len(row.prompt) + len(row.answer) for row in rows)
        texts = [row.prompt + row.answer for row in rows]
        padding = [width - len(text) for text in texts]
        device = self._model.device
        tokens = torch.tensor(
            [[self._end] * pad + text for pad, text in zip(padding, texts, strict=True)], device=device
        )
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding], device=device)
        cache = None
        with torch.inference_mode():
            while rows:
                positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
                output = self._model(
                    input_ids=tokens,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                cache = output.past_key_values
                logits = output.logits[:, -1].float()
                for row, scores in zip(rows, logits, strict=True):
                    if row.matcher is not None:
                        scores[~_allowed(row.matcher, len(scores))] = -torch.inf
                chances, chosen = logits.softmax(-1).max(-1)
                stay = []
                for index, (row, token, chance) in enumerate(zip(rows, chosen.tolist(), chances.tolist(), strict=True)):
                    row.probability *= chance
                    row.finished = token == self._end
                    if not row.finished:
                        row.answer.append(token)
                        if row.matcher is not None:
                            row.matcher.consume_token(token)
                        if len(row.answer) < limit and not row.repeats_itself:
                            stay.append(index)
                if len(stay) < len(rows):
                    kept = torch.tensor(stay, dtype=torch.long, device=device)
                    cache.batch_select_indices(kept)
                    rows, chosen, mask = [rows[index] for index in stay], chosen[kept], mask[kept]
                tokens = chosen[:, None]
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)

    def _result(self, question: str, row: _Row, latency_ms: float) -> ParseResult:
        text = self._tokenizer.decode(row.answer)
        filters, error = None, None
        if not row.finished:
            error = "the model did not end its answer"
        else:
            try:
                filters = QueryFilters.parse(text)
                if row.matcher is not None:
                    filters, _ = ground(question, filters)
            except FilterError as problem:
                error = str(problem)
        return ParseResult(question, filters, self.name, latency_ms, text=text, error=error, confidence=row.probability)


def _allowed(matcher: Any, size: int) -> Any:
    """Which tokens the grammar allows now, as a mask of shape (size,)."""
    import numpy as np
    import torch

    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")[:size]
    return torch.from_numpy(bits.astype(bool))
