"""The labels by which natural questions are sliced."""

import pytest

from fit_assets.evaluation.evaluate import Question
from fit_assets.evaluation.metrics import Prediction, score_slices
from fit_assets.evaluation.phrasing import Seen, labelled
from fit_assets.filters import QueryFilters
from fit_assets.places import fill_patterns

SEEN = Seen.of([("wind in Devon over 500 kW", {"location": "Devon"}), ("solar in Fife", {"location": "Fife"})])


def labels(question: str, **gold: object) -> dict[str, str]:
    filters = fill_patterns(QueryFilters.parse(gold))
    return dict(labelled(Question(question, filters), SEEN).labels)


@pytest.mark.parametrize(
    ("question", "gold", "dimension", "label"),
    [
        ("wind devon", {"location": "Devon"}, "length", "1 to 5 words"),
        ("could you please list me all of the wind farms in Devon", {"location": "Devon"}, "length", "11 to 15 words"),
        (" ".join(["wind"] * 16), {"technology": "Wind"}, "length", "16 words or more"),
        ("wind in Devon", {"location": "Devon"}, "spelling", "clean"),
        ("trubines in Devon", {"location": "Devon"}, "spelling", "with slips"),
        ("wind in Abberdeenshire", {"location": "Aberdeenshire"}, "spelling", "with slips"),
        ("wind in Devon", {"location": "Devon"}, "place", "seen in training"),
        ("wind in Kent", {"location": "Kent"}, "place", "not seen in training"),
        ("wind in Devon and Kent", {"locations": ["Devon", "Kent"]}, "place", "not seen in training"),
        ("wind in Great Snoring", {"location": "Great Snoring"}, "place", "not in the gazetteer"),
        ("wind in RG17", {"postcode_patterns": ["RG17"]}, "place", "postcode only"),
        ("wind", {"technology": "Wind"}, "place", "none"),
        ("wind over half a megawatt", {"capacity_min_kw": 500}, "number", "seen in training"),
        ("wind over 510 kW", {"capacity_min_kw": 510}, "number", "not seen in training"),
        ("wind", {"technology": "Wind"}, "number", "none"),
        ("Devon wind over 500 kW", {"location": "Devon"}, "order", "place first"),
        ("over 500 kW wind in Devon", {"location": "Devon"}, "order", "number first"),
        ("wind in Devon", {"location": "Devon"}, "order", "technology first"),
        ("what is new", {"query_type": "unsupported"}, "order", "none of them"),
    ],
)
def test_a_question_is_labelled_by_how_it_is_put(
    question: str, gold: dict[str, object], dimension: str, label: str
) -> None:
    assert labels(question, **gold)[dimension] == label


def test_the_category_is_the_missions_where_none_is_given() -> None:
    bare = Question("wind in Devon", fill_patterns(QueryFilters.parse({"technology": "Wind", "location": "Devon"})))
    assert labelled(bare, SEEN).category == "location_mapping"
    given = Question("wind", QueryFilters.parse({"technology": "Wind"}), category="mine")
    assert labelled(given, SEEN).category == "mine"


def test_results_are_sliced_by_the_labels() -> None:
    gold = QueryFilters.parse({"technology": "Wind"})
    wrong = QueryFilters.parse({"technology": "Hydro"})
    made = [
        Prediction("a", gold, gold, labels={"spelling": "clean"}),
        Prediction("b", gold, wrong, labels={"spelling": "with slips"}),
        Prediction("c", gold, wrong),
    ]
    slices = score_slices(made)["spelling"]
    assert {label: metrics["parsing_accuracy"].value for label, metrics in slices.items()} == {
        "clean": 1,
        "with slips": 0,
    }
    nothing_asked = Prediction("d", QueryFilters.parse({}), QueryFilters.parse({}))
    for prediction in (*made, nothing_asked):
        assert Prediction.from_dict(prediction.to_dict()) == prediction
