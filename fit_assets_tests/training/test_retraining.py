from __future__ import annotations

import pytest

from fit_assets.training.finetune import FineTuneConfig
from fit_assets.training.retraining import PASSES, plan, replay_sample

FULL = FineTuneConfig(epochs=1.5, batch_size=8, learning_rate=1e-3)


@pytest.mark.parametrize("corrections", [0, 1, 80, 400, 4000])
def test_a_retraining_costs_a_quarter_and_replays_no_less_than_it_corrects(corrections: int) -> None:
    found = plan(3760, corrections, FULL)
    assert found.steps <= found.full_steps / 4
    assert found.steps > 0.9 * found.full_steps / 4 - 1
    assert found.replayed >= min(corrections, 3760)
    assert found.config.learning_rate < FULL.learning_rate
    found.config.check()


def test_few_corrections_are_seen_as_often_as_planned_beside_many_old_examples() -> None:
    found = plan(3760, 80, FULL)
    assert found.config.epochs == pytest.approx(PASSES, rel=0.01)
    assert found.replayed > 4 * 80


def test_a_tiny_data_set_still_trains() -> None:
    found = plan(10, 1, FineTuneConfig(epochs=0.1))
    assert found.steps == 1
    assert found.replayed == 1 or found.config.epochs > 0


def test_the_replay_sample_is_the_same_each_time_and_in_order() -> None:
    lines = [str(number) for number in range(100)]
    sample = replay_sample(lines, 10, 17)
    assert sample == replay_sample(lines, 10, 17) != replay_sample(lines, 10, 18)
    assert sorted(sample, key=int) == sample
    assert replay_sample(lines, 500, 17) == lines
