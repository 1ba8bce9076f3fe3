"""TRL's trainer, made quick on a CPU: the same loss, the same gradients, less work.

Importing it costs seconds (torch, transformers, TRL), so only :mod:`fit_assets.training.finetune` does, when it trains.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from trl import SFTTrainer


class Trainer(SFTTrainer):  # type: ignore[misc]
    """Answers a GPU as TRL does; on a CPU it takes the answer's logits alone, and halves each batch over the cores.

    TRL's fused head spends a third of a step on entropy and on computing the logits twice; with few answer tokens
    and a small vocabulary, plain logits of those tokens fit in memory. Two halves of a batch, each on its own half of
    the cores, seldom wait for each other, as the threads of one small matrix product do: 170 against 137 tokens/s for
    batches of 4 on two cores. Two, not more, so that the sum of their gradients does not depend on who ends first.
    """

    def __init__(self, *args: Any, threads: int, **kwargs: Any) -> None:
        """``threads`` is the number of cores to fill; 1 where halves would race for random numbers (dropout)."""
        super().__init__(*args, **kwargs)
        self._threads = threads
        self._halves = ThreadPoolExecutor(2) if threads > 1 and not torch.cuda.is_available() else None

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
            hidden = causal.model(
                input_ids=inputs["input_ids"][:, :longest], attention_mask=inputs["attention_mask"][:, :longest]
            )[0]
            wanted = inputs["labels"][:, 1:longest]
            answered = wanted != -100
            logits = causal.lm_head(hidden[:, :-1][answered])
        losses = torch.nn.functional.cross_entropy(logits.float(), wanted[answered], reduction="sum")
        right = (logits.detach().argmax(-1) == wanted[answered]).float().mean().item()
        self._metrics["train" if model.training else "eval"]["mean_token_accuracy"].append(right)
        return losses / (answered.sum() if num_items_in_batch is None else num_items_in_batch)
