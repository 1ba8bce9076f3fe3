from __future__ import annotations

import pytest

from fit_assets.evaluation.thresholds import RETRAINING_SHARE
from fit_assets.training.finetune import FineTuneConfig, batch_order
from fit_assets.training.retraining import PASSES, plan, replay_sample

FULL = FineTuneConfig(epochs=1.5, batch_size=8, learning_rate=1e-3)


@pytest.mark.parametrize("corrections", [0, 1, 80, 400, 4000])
def test_a_retraining_costs_a_quarter_and_replays_no_less_than_it_corrects(corrections: int) -> None:
    found = plan(3760, 2800, corrections, FULL)
    assert found.steps <= found.full_steps * RETRAINING_SHARE <= found.full_steps / 4
    assert found.steps > 0.9 * found.full_steps * RETRAINING_SHARE - 1
    assert found.replayed >= min(corrections, 3760)
    assert found.config.learning_rate < FULL.learning_rate
    found.config.check()


def test_few_corrections_are_seen_as_often_as_planned_beside_old_examples_seen_once() -> None:
    found = plan(3760, 3760, 80, FULL)
    shares = [found.config.seen_share] * found.replayed + [1.0] * 80
    order = batch_order([10] * len(shares), FULL.batch_size, found.config.epochs, 17, shares)
    assert len(order) == pytest.approx(found.steps * FULL.batch_size, rel=0.02)
    times = [order.count(index) for index in range(len(shares))]
    assert set(times[: found.replayed]) <= {0, 1, 2}
    assert sum(times[: found.replayed]) / found.replayed == pytest.approx(1, rel=0.05)
    assert sum(times[found.replayed :]) / 80 == pytest.approx(PASSES, rel=0.05)
    assert found.replayed > PASSES * 80


def test_a_tiny_data_set_still_trains() -> None:
    found = plan(10, 10, 1, FineTuneConfig(epochs=0.1))
    assert found.steps == 1
    found.config.check()


def test_the_replay_sample_is_the_same_each_time_and_in_order() -> None:
    lines = [str(number) for number in range(100)]
    sample = replay_sample(lines, 10, 17)
    assert sample == replay_sample(lines, 10, 17) != replay_sample(lines, 10, 18)
    assert sorted(sample, key=int) == sample
    assert replay_sample(lines, 500, 17) == lines
