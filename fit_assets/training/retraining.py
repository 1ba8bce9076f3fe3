"""Retraining: on from the adapter in production, with corrections and a replay sample, in a fraction of the steps.

Corrections alone would teach the new and forget the old; so each is seen four times among old examples, as many and as
different as the steps allow. The weights are near their goal already: the learning rate peaks at a quarter of a full
training's. With half of it, and a third of the old examples three times each, a candidate learned 80 corrections and
forgot 16 of 479 other questions.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from fit_assets.evaluation.thresholds import RETRAINING_SHARE
from fit_assets.training.finetune import FineTuneConfig

# How often a correction is seen where the steps allow it.
PASSES = 4
_LEARNING_RATE = 0.25


@dataclass(frozen=True)
class Retraining:
    """How many old examples to replay, how often to show each correction, hyper-parameters, and steps of both ways."""

    replayed: int
    passes: int
    config: FineTuneConfig
    steps: int
    full_steps: int


def plan(examples: int, an_epoch: int, corrections: int, full: FineTuneConfig) -> Retraining:
    """Plan a retraining.

    Args:
        examples: how many the training split has.
        an_epoch: how many of them an epoch of a full training sees (``examples_an_epoch``).
        corrections: how many there are to learn.
        full: hyper-parameters of a full training.
    """
    per_step = full.batch_size * full.gradient_accumulation_steps
    full_steps = _steps(an_epoch + corrections, full)
    limit = max(1, int(full_steps * RETRAINING_SHARE))
    seen = limit * per_step
    # Never fewer old examples than corrections, even where these are so many that they are seen less often.
    passes = max(1, min(PASSES, seen // max(1, 2 * corrections)))
    shown = passes * corrections
    replayed = min(examples, max(seen - shown, shown, 1))
    config = dataclasses.replace(
        full,
        epochs=seen / (replayed + shown),
        max_steps=limit,
        learning_rate=_LEARNING_RATE * full.learning_rate,
        copied_share=1.0,
    )
    return Retraining(replayed, passes, config, _steps(replayed + shown, config), full_steps)


def mixture(old: Sequence[str], corrections: Sequence[str], planned: Retraining, seed: int) -> list[str]:
    """A sample of the old examples, in their order, and the corrections; the same for the same arguments."""
    chosen = sorted(random.Random(f"{seed}/replay").sample(range(len(old)), min(planned.replayed, len(old))))
    return [old[index] for index in chosen] + planned.passes * list(corrections)


def _steps(examples: int, config: FineTuneConfig) -> int:
    steps = math.ceil(examples * config.epochs / config.batch_size / config.gradient_accumulation_steps)
    return min(steps, config.max_steps) if config.max_steps else steps
