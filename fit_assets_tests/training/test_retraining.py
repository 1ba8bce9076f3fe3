from __future__ import annotations

import pytest

from fit_assets.evaluation.thresholds import RETRAINING_SHARE
from fit_assets.training.finetune import FineTuneConfig
from fit_assets.training.retraining import PASSES, mixture, plan

FULL = FineTuneConfig(epochs=1.5, batch_size=8, learning_rate=1e-3)


@pytest.mark.parametrize("corrections", [0, 1, 80, 400, 4000])
def test_a_retraining_costs_a_quarter_and_replays_no_less_than_it_corrects(corrections: int) -> None:
    found = plan(3760, 2800, corrections, FULL)
    assert found.steps <= found.full_steps * RETRAINING_SHARE <= found.full_steps / 4
    assert found.steps > 0.9 * found.full_steps * RETRAINING_SHARE - 1
    assert found.replayed >= min(found.passes * corrections, 3760)
    assert found.config.learning_rate < FULL.learning_rate
    found.config.check()


def test_few_corrections_are_seen_as_often_as_planned_beside_many_old_examples() -> None:
    found = plan(3760, 3760, 80, FULL)
    assert found.passes == PASSES
    assert found.config.epochs == pytest.approx(1, rel=0.01)
    assert found.replayed > PASSES * 80


def test_a_tiny_data_set_still_trains() -> None:
    found = plan(10, 10, 1, FineTuneConfig(epochs=0.1))
    assert found.steps == 1
    found.config.check()


def test_the_mixture_has_old_examples_in_order_and_each_correction_as_often_as_planned() -> None:
    old = [str(number) for number in range(3760)]
    planned = plan(3760, 3760, 80, FULL)
    new = [f"new {number}" for number in range(80)]
    mixed = mixture(old, new, planned, 17)
    assert mixed == mixture(old, new, planned, 17) != mixture(old, new, planned, 18)
    replayed = mixed[: planned.replayed]
    assert sorted(replayed, key=int) == replayed
    assert len(set(replayed)) == planned.replayed
    assert all(mixed.count(line) == PASSES for line in new)
