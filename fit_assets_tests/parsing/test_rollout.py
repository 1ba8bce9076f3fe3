from __future__ import annotations

from fit_assets.parsing.rollout import arm_of

USERS = [f"user-{number}" for number in range(4000)]


def test_the_share_is_what_was_asked_for() -> None:
    for percent in (0, 10, 50, 100):
        share = 100 * sum(arm_of(user, percent) == "model" for user in USERS) / len(USERS)
        assert abs(share - percent) <= (2.5 if percent % 100 else 0)


def test_a_user_stays_and_who_is_in_remains_in_as_the_rollout_grows() -> None:
    stages = [{user for user in USERS if arm_of(user, percent) == "model"} for percent in (10, 50, 100)]
    assert stages[0] < stages[1] < stages[2]
    assert stages[0] == {user for user in USERS if arm_of(user, 10) == "model"}


def test_any_text_is_a_user() -> None:
    assert arm_of("\ud800 Ynys Môn", 100) == "model"
    assert arm_of("", 0) == "rules"
