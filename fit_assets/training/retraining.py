"""Retraining: on from the adapter in production, with corrections and a replay sample, in a fraction of the steps.

Corrections alone would teach the new and forget the old; so each is seen three times among old examples that are seen
once, as many as the steps allow. The weights are near their goal already: the learning rate peaks at an eighth of a
full training's (``docs/experiments.md``).
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
PASSES = 3
_LEARNING_RATE = 0.12
# All of them would take a fifth of a retraining's time, to say only that nothing went astray.
_VALIDATION_EXAMPLES = 150


@dataclass(frozen=True)
class Retraining:
    """How many old examples to replay, the hyper-parameters, and the steps of both ways."""

    replayed: int
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
    replayed = min(examples, max(seen - passes * corrections, corrections, 1))
    config = dataclasses.replace(
        full,
        epochs=passes * seen / (replayed + passes * corrections),
        max_steps=limit,
        learning_rate=_LEARNING_RATE * full.learning_rate,
        copied_share=1 / passes,
        seen_share=1 / passes,
        evaluations=1,
        validation_examples=_VALIDATION_EXAMPLES,
    )
    return Retraining(replayed, config, limit, full_steps)


def replay_sample(lines: Sequence[str], size: int, seed: int) -> list[str]:
    """Examples of the old data, in their order: the same for the same arguments."""
    chosen = sorted(random.Random(f"{seed}/replay").sample(range(len(lines)), min(size, len(lines))))
    return [lines[index] for index in chosen]


def _steps(examples: int, config: FineTuneConfig) -> int:
    steps = math.ceil(examples * config.epochs / config.batch_size / config.gradient_accumulation_steps)
    return min(steps, config.max_steps) if config.max_steps else steps
