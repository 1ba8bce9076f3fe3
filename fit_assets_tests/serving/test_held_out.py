from __future__ import annotations

from fit_assets.dataset.splits import find_leaks
from fit_assets.serving.held_out import held_out

PLACES = ("Devon", "Kent", "Orkney", "Powys", "Leeds", "Durham", "Fife", "Dorset", "Norfolk", "Surrey", "Essex")
THINGS = ("turbines", "solar roofs", "run of river hydro", "digesters on farms", "boilers that make power", "anything")
QUESTIONS = [f"{thing} near {place}" for thing in THINGS for place in PLACES]


def test_a_fifth_is_held_out_and_stays_so_as_others_come_in() -> None:
    before, after = held_out(QUESTIONS[:40]), held_out(QUESTIONS)
    assert 0.1 < len(after) / len(QUESTIONS) < 0.35
    assert {question for question in after if question in QUESTIONS[:40]} == before


def test_a_near_copy_goes_with_the_older_question() -> None:
    copies = [f"please {question}" for question in QUESTIONS]
    together = held_out(QUESTIONS + copies)
    assert together
    learnt = [question for question in QUESTIONS + copies if question not in together]
    assert find_leaks(sorted(together), learnt) == []


def test_what_is_asked_again_and_again_is_learnt() -> None:
    assert held_out([f"which is installation {number}" for number in range(7000, 7100)]) == set()
    assert held_out([]) == set()
