from __future__ import annotations

from typing import Any

import pytest

from fit_assets.evaluation.metrics import (
    Metric,
    Prediction,
    confusion_by_field,
    constraints,
    score,
    score_slices,
)
from fit_assets.filters import QueryFilters

WIND = {"technology": "Wind"}
IN_DEVON = {"location": "Devon", "postcode_patterns": ["EX", "PL", "TQ"]}
REFUSAL = {"query_type": "unsupported"}


def predicted(gold: dict[str, Any], answer: dict[str, Any] | None, **more: Any) -> Prediction:
    parsed = None if answer is None else QueryFilters.parse(answer)
    return Prediction("a question", QueryFilters.parse(gold), parsed, **more)


def test_lists_are_compared_as_sets() -> None:
    gold = {"technologies": ["Wind", "Hydro"], "query_type": "comparison"}
    assert predicted(gold, {"technologies": ["Hydro", "Wind"], "query_type": "comparison"}).correct
    assert not predicted(gold, {"technologies": ["Hydro", "Wind"]}).correct


def test_every_metric_counts_what_the_contract_says() -> None:
    capacity = {"capacity_min_kw": 100, "capacity_max_kw": 500}
    metrics = score(
        [
            predicted(WIND | IN_DEVON, WIND | IN_DEVON, same_answer=True, ungrounded=()),
            predicted(WIND | IN_DEVON, WIND | {"location": "Devon", "postcode_patterns": ["EX"]}, same_answer=False),
            predicted(WIND | capacity, WIND | {"capacity_min_kw": 100}, same_answer=True, ungrounded=("technology",)),
            predicted(capacity, capacity),
            predicted(WIND, None, error="not JSON", same_answer=False),
            predicted(WIND, REFUSAL),
            predicted(REFUSAL, REFUSAL),
            predicted(REFUSAL, WIND),
        ]
    )

    def right_of(name: str) -> tuple[float | None, int]:
        return metrics[name].value, metrics[name].n

    assert right_of("json_validity") == (7 / 8, 8)
    assert right_of("parsing_accuracy") == (3 / 8, 8)
    assert right_of("postcode_mapping") == (1 / 2, 2)
    assert right_of("capacity_parsing") == (1 / 2, 2)
    assert right_of("combined_query_success") == (1 / 3, 3)
    assert right_of("execution_accuracy") == (2 / 4, 4)
    assert right_of("out_of_scope_recall") == (1 / 2, 2)
    assert right_of("false_refusals") == (1 / 6, 6)
    assert right_of("ungrounded") == (1 / 2, 2)
    # Pairs: right 3+2+2+2+0+0+1+0 = 10, gold 3+3+3+2+1+1+1+1 = 15, predicted 3+3+2+2+0+1+1+1 = 13.
    assert metrics["field_accuracy"].value == pytest.approx(2 * 10 / (15 + 13))
    assert metrics["field_accuracy"].n == 15
    for metric in metrics.values():
        assert metric.low is not None
        assert metric.high is not None
        assert metric.value is not None
        assert 0 <= metric.low <= metric.value <= metric.high <= 1


def test_what_was_not_measured_has_no_value_and_meets_nothing() -> None:
    metrics = score([predicted(WIND, WIND)])
    assert metrics["execution_accuracy"] == Metric("execution_accuracy", None, 0, None, None)
    assert metrics["postcode_mapping"].met is None
    assert str(metrics["postcode_mapping"]) == "not measured"
    assert all(metric.value is None for metric in score([]).values())


def test_targets_of_the_contract_are_strict_but_for_validity() -> None:
    assert Metric("json_validity", 1.0, 5, 0.5, 1.0).met
    assert not Metric("json_validity", 0.999, 1000, 0.9, 1.0).met
    assert not Metric("parsing_accuracy", 0.95, 100, 0.9, 1.0).met
    assert Metric("parsing_accuracy", 0.951, 1000, 0.9, 1.0).met
    assert Metric("false_refusals", 0.5, 2, 0.1, 0.9).met is None


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        (WIND | IN_DEVON, {"technology", "place"}),
        ({"postcode_patterns": ["RG"], "fit_remaining_max_years": 5}, {"place", "time"}),
        ({"locations": ["Devon", "Cornwall"], "technologies": ["Wind", "Hydro"]}, {"technology", "place"}),
        ({"capacity_min_kw": 1, "capacity_max_kw": 2}, {"capacity"}),
        ({"fit_id": "4004"}, set()),
        ({"query_type": "aggregation", "aggregation": "count", "group_by": "region"}, set()),
    ],
)
def test_constraints_are_technology_capacity_place_and_time(filters: dict[str, Any], kinds: set[str]) -> None:
    assert constraints(QueryFilters.parse(filters)) == kinds


def test_slices_by_label_number_of_constraints_and_tag() -> None:
    slices = score_slices(
        [
            predicted(WIND, WIND, category="basic", complexity="simple", tags=("typo", "order")),
            predicted(WIND | IN_DEVON, WIND, category="combined", complexity="complex", tags=("typo",)),
        ]
    )
    assert list(slices) == ["category", "complexity", "constraints", "tag"]
    assert {label: m["parsing_accuracy"].value for label, m in slices["constraints"].items()} == {"1": 1.0, "2": 0.0}
    assert {label: m["parsing_accuracy"].n for label, m in slices["tag"].items()} == {"order": 1, "typo": 2}
    assert "category" not in score_slices([predicted(WIND, WIND)])


def test_confusion_tells_missing_spurious_and_wrong_apart() -> None:
    rows = {
        row.key: (row.right, row.missing, row.spurious, row.wrong)
        for row in confusion_by_field(
            [
                predicted(WIND | IN_DEVON, {"technology": "Hydro", "limit": 10, "location": "Devon"}),
                predicted(WIND, None),
                predicted(WIND, WIND),
            ]
        )
    }
    assert rows == {
        "technology": (1, 1, 0, 1),
        "location": (1, 0, 0, 0),
        "postcode_patterns": (0, 1, 0, 0),
        "limit": (0, 0, 1, 0),
    }


def test_confusion_lists_the_worst_key_first() -> None:
    rows = confusion_by_field([predicted(WIND, {"technology": "Hydro"})] * 2 + [predicted(WIND, WIND | {"limit": 1})])
    assert [row.key for row in rows] == ["technology", "limit"]
    assert rows[0].errors == 2


def test_predictions_survive_json() -> None:
    for prediction in (
        predicted(WIND, IN_DEVON, latency_ms=1.5, tags=("typo",), same_answer=False, ungrounded=("location",)),
        predicted(WIND, None, error="not JSON", text="{", parser="raw", category="basic"),
        predicted(WIND, WIND, ungrounded=()),
    ):
        assert Prediction.from_dict(prediction.to_dict()) == prediction


def test_differences_name_both_sides() -> None:
    assert predicted(WIND | {"limit": 5}, {"technology": "Hydro"}).differences == [
        ("limit", 5, None),
        ("technology", "Wind", "Hydro"),
    ]
    assert predicted(WIND, None).differences == [("technology", "Wind", None)]
