"""Whether confidence tells right answers from wrong ones."""

import pytest

from fit_assets.evaluation.calibration import calibration
from fit_assets.evaluation.metrics import Prediction
from fit_assets.evaluation.plots import calibration as plot
from fit_assets.filters import QueryFilters

WIND, SOLAR = (QueryFilters.parse({"technology": name}) for name in ("Wind", "Photovoltaic"))


def predictions(*told: tuple[float | None, bool]) -> list[Prediction]:
    return [Prediction("q", WIND, WIND if right else SOLAR, confidence=sure) for sure, right in told]


def test_confidence_that_separates_has_an_area_of_one_and_that_of_chance_a_half() -> None:
    perfect = calibration(predictions((0.99, True), (0.9, True), (0.4, False), (0.2, False)))
    chance = calibration(predictions((0.9, True), (0.9, False)))
    assert perfect is not None
    assert chance is not None
    assert perfect.auroc == 1
    assert chance.auroc == 0.5


def test_answering_only_what_is_sure_keeps_more_right_answers() -> None:
    measured = calibration(predictions((0.99, True), (0.9, True), (0.4, False), (0.2, True)))
    assert measured is not None
    assert [(kept, round(right, 3)) for kept, right in measured.kept] == [(0.25, 1), (0.5, 1), (0.75, 0.667), (1, 0.75)]


def test_bins_hold_every_answer_that_states_a_confidence() -> None:
    measured = calibration(predictions((0.0, False), (0.5, True), (0.985, True), (1.0, True), (None, False)))
    assert measured is not None
    assert sum(one.right.n for one in measured.bins) == 4
    assert measured.bins[0].mean_confidence == 0
    assert measured.bins[-1].mean_confidence == 1
    assert plot(measured).startswith(b"\x89PNG")


@pytest.mark.parametrize("told", [[], [(None, True)]])
def test_without_confidence_there_is_nothing_to_calibrate(told: list[tuple[float | None, bool]]) -> None:
    assert calibration(predictions(*told)) is None


def test_all_right_has_no_area() -> None:
    measured = calibration(predictions((0.9, True), (0.8, True)))
    assert measured is not None
    assert measured.auroc is None
