"""TRL's trainer, made quick on a CPU: the same loss, the same gradients, less work.

Importing it costs seconds (torch, transformers, TRL), so only :mod:`fit_assets.training.finetune` does, when it trains.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from trl import SFTTrainer

from fit_assets.training.layers import with_layers

# Every so many steps the loss is over the whole vocabulary, which keeps the words down that no example has.
_WHOLE_VOCABULARY_EVERY = 4


class Trainer(SFTTrainer):  # type: ignore[misc]
    """Answers a GPU as TRL does; on a CPU it takes the answer's logits alone, and halves each batch over the cores.

    Two more things need not be computed again and again there. What the layers below the lowest adapted one make of an
    example never changes: it is kept from its first epoch. And of 49,152 words the examples have 4,000: three steps of
    four compare the right word with those, which saves a sixth of a step.

    TRL's fused head spends a third of a step on entropy and on computing the logits twice; with few answer tokens
    and a small vocabulary, plain logits of those tokens fit in memory. Two halves of a batch, each on its own half of
    the cores, seldom wait for each other, as the threads of one small matrix product do: 170 against 137 tokens/s for
    batches of 4 on two cores. Two, not more, so that the sum of their gradients does not depend on who ends first.
    """

    def __init__(self, *args: Any, threads: int, **kwargs: Any) -> None:
        """``threads`` is the number of cores to fill; 1 where halves would race for random numbers (dropout)."""
        super().__init__(*args, **kwargs)
        self._threads = threads
        on_cpu = not torch.cuda.is_available()
        self._halves = ThreadPoolExecutor(2) if threads > 1 and on_cpu else None
        if on_cpu:
            decoder = self.model.get_base_model().model
            self._frozen = _Frozen(decoder)
            self._head = _Head(self.model.get_base_model().lm_head)
            known = {token for row in self.train_dataset["input_ids"] for token in row}
            self._words = torch.tensor(sorted(known.union(self._head.trained.tolist())))
            self._place_of = torch.full((decoder.embed_tokens.num_embeddings,), -1)
            self._place_of[self._words] = torch.arange(len(self._words))

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Loss and gradients of a batch, of both halves at once."""
        if self._halves is None or len(inputs["input_ids"]) < 2:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        total = num_items_in_batch
        if total is None:
            total = (inputs["labels"][:, 1:] != -100).sum() * self.current_gradient_accumulation_steps
        middle = len(inputs["input_ids"]) // 2
        halves = [{key: value[part] for key, value in inputs.items()} for part in (slice(middle), slice(middle, None))]

        def backward(half: dict[str, Any]) -> torch.Tensor:
            torch.set_num_threads(max(1, self._threads // 2))
            loss = self.compute_loss(model, half, num_items_in_batch=total)
            loss.backward()
            return loss.detach()

        try:
            return sum(self._halves.map(backward, halves))
        finally:
            torch.set_num_threads(self._threads)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Cross-entropy of the answer's tokens."""
        if torch.cuda.is_available() or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        longest = int(inputs["attention_mask"].sum(dim=1).max())  # a half may be shorter than its batch
        causal = model.get_base_model()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.args.bf16):
            ids, mask = inputs["input_ids"][:, :longest], inputs["attention_mask"][:, :longest]
            if model.training:
                hidden = self._frozen.upper(inputs_embeds=self._frozen.states(ids, mask), attention_mask=mask)[0]
            else:
                hidden = causal.model(input_ids=ids, attention_mask=mask)[0]
            wanted = inputs["labels"][:, 1:longest]
            answered = wanted != -100
            hidden, right_words = hidden[:, :-1][answered], wanted[answered]
            if model.training and self.state.global_step % _WHOLE_VOCABULARY_EVERY:
                right_words = self._place_of[right_words]
                logits = self._head.logits(hidden, self._words, self._place_of[self._head.trained])
            else:
                logits = self._head.logits(hidden)
        losses = torch.nn.functional.cross_entropy(logits, right_words, reduction="sum")
        right = (logits.detach().argmax(-1) == right_words).float().mean().item()
        self._metrics["train" if model.training else "eval"]["mean_token_accuracy"].append(right)
        return losses / (answered.sum() if num_items_in_batch is None else num_items_in_batch)


class _Head:
    """The output layer, of which PEFT trains some rows (the answer tokens') or none, without a copy of all its rows."""

    def __init__(self, head: Any) -> None:
        adapter = getattr(head, "token_adapter", None)
        self._weight = head.weight if adapter is None else adapter.base_layer.weight
        self._rows = None if adapter is None else adapter.trainable_tokens_delta[adapter.active_adapters[0]]
        self.trained = torch.tensor([] if adapter is None else adapter.token_indices[adapter.active_adapters[0]]).long()

    def logits(
        self, hidden: torch.Tensor, words: torch.Tensor | None = None, places: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The logits in 32 bit, of all words, or of some, among which the trained ones stand at ``places``."""
        weight = self._weight if words is None else self._weight[words]
        # In bfloat16 a logit of 20 has steps of an eighth: two keys that differ in "min" and "max" are nearer.
        with torch.autocast("cpu", enabled=False):
            logits = torch.nn.functional.linear(hidden.float(), weight.float())
            if self._rows is None:
                return logits
            trained = torch.nn.functional.linear(hidden.float(), self._rows.float())
            return logits.index_copy(1, self.trained if places is None else places, trained)


class _Frozen:
    """A decoder in two: the layers below the lowest trained one, whose outputs are kept, and the others.

    Kept are 2.3 KB a token in 32 bit: 0.3 GB for the 3,900 examples of the default. Each example is computed by itself,
    so that an interrupted run, which meets it in another batch, gets the same bits.
    """

    def __init__(self, decoder: Any) -> None:
        trained = [any(weight.requires_grad for weight in layer.parameters()) for layer in decoder.layers]
        count = trained.index(True) if any(trained) else 0
        self._lower: Any = with_layers(decoder, decoder.layers[:count], torch.nn.Identity()) if count else None
        self._embed = decoder.embed_tokens
        self._states: dict[tuple[int, ...], torch.Tensor] = {}
        self.upper = with_layers(decoder, decoder.layers[count:], decoder.norm) if count else decoder

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What the lower layers make of a batch padded on the right, shape (rows, width, hidden size); no gradients."""
        if self._lower is None:
            return self._embed(ids)
        rows = [self._state(row[: int(count)]) for row, count in zip(ids, mask.sum(dim=1), strict=True)]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def _state(self, ids: torch.Tensor) -> torch.Tensor:
        key = tuple(ids.tolist())
        if key not in self._states:
            with torch.no_grad():
                self._states[key] = self._lower(input_ids=ids[None])[0][0]
        return self._states[key]
