from __future__ import annotations

import struct

import pandas as pd
import pytest

from fit_assets.evaluation import plots
from fit_assets.evaluation.compare import compare
from fit_assets.evaluation.evaluate import Report
from fit_assets.evaluation.execution import AnswerComparer
from fit_assets.evaluation.metrics import Prediction
from fit_assets.filters import QueryFilters

WIND = QueryFilters.parse({"technology": "Wind"})
HYDRO = QueryFilters.parse({"technology": "Hydro"})


def report(wrong: int) -> Report:
    return Report(
        "gguf",
        tuple(
            Prediction(f"q{n}", WIND, HYDRO if n < wrong else WIND, 100.0 + n, category=f"category {n % 3}")
            for n in range(30)
        ),
    )


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_every_plot_is_a_png_of_sensible_size() -> None:
    some = report(5)
    comparison = compare(report(9), some, AnswerComparer(lambda filters: (["id"], [])))
    frame = pd.DataFrame(
        {
            "region": ["Wales", "Scotland", None],
            "technology": ["Wind", "Hydro", "Wind"],
            "capacity_kw": [1e3, 2e3, 5.0],
            "commissioned_year": [2011, 2012, 2012],
            "installations": [1, 2, 3],
        }
    )
    coverage = pd.DataFrame(
        {"place": ["Devon", "Wales", "Bath"], "kind": ["county", "nation", "city"], "recall": [0.9, 0.99, None]}
    ).assign(precision=[0.8, 0.7, None])
    for png in (
        plots.loss_curve([(1, 2.0), (2, 1.0)], [(2, 1.1)], best_step=2),
        plots.metrics_by_label(some.slices["category"], "parsing_accuracy", "by category"),
        plots.metrics_overview(some.metrics, "metrics"),
        plots.confusion_by_field(some.confusion),
        plots.ab_comparison(comparison),
        plots.capacity_by_region(frame),
        plots.capacity_by_technology(frame),
        plots.capacity_by_year(frame),
        plots.place_coverage(coverage),
        plots.place_coverage(coverage.iloc[:0]),
        plots.latency_histogram([p.latency_ms for p in some.predictions]),
    ):
        width, height = size(png)
        assert 500 < width < 1200
        assert 200 < height < 1200


def test_nothing_to_draw_is_drawn_as_such() -> None:
    size(plots.loss_curve([]))
    size(plots.confusion_by_field(report(0).confusion))
    size(plots.metrics_by_label({}, "parsing_accuracy", "empty"))
    size(plots.metrics_overview({}, "empty"))
    with pytest.raises(ValueError, match="at least one value"):
        plots.latency_histogram([])


def test_the_same_data_gives_the_same_bytes() -> None:
    assert plots.confusion_by_field(report(5).confusion) == plots.confusion_by_field(report(5).confusion)


def test_many_slices_make_a_higher_picture() -> None:
    rows = {f"label {n}": report(5).metrics for n in range(30)}
    assert size(plots.metrics_by_label(rows, "parsing_accuracy", "many"))[1] > 900
