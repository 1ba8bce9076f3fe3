"""Each kind of check passing, failing, and with nothing to judge."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fit_assets import artifacts
from fit_assets.defs import dataset, evaluations, layout, model, packaging, promotion, reference
from fit_assets.defs.common import MissingUpstream, refusals
from fit_assets.evaluation import thresholds
from fit_assets.evaluation.critical import CriticalResult
from fit_assets.evaluation.evaluate import Report
from fit_assets.evaluation.metrics import Prediction
from fit_assets.filters import QueryFilters


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    return tmp_path


def call(check: dg.AssetChecksDefinition) -> dg.AssetCheckResult:
    result = check()
    assert isinstance(result, dg.AssetCheckResult)
    return result


def example(q: str, gold: Mapping[str, Any], combination: str = "technology", **more: str) -> dict[str, Any]:
    return {
        "q": q,
        "gold": dict(gold),
        "category": "combined",
        "complexity": "simple",
        "combination": combination,
    } | more


def write(name: str, *lines: Mapping[str, Any]) -> None:
    path = layout.dataset(name)
    artifacts.write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
    artifacts.write_record(path, {}, {"examples": len(lines)})


GOOD = example("wind sites over 2 MW", {"technology": "Wind", "capacity_min_kw": 2000})


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("technology_spelling", example("solar sites", {"technology": "Solar"})),
        ("postcode_accuracy", example("sites in berkshire", {"location": "Berkshire", "postcode_patterns": ["RG"]})),
        ("capacities_in_kw", example("wind sites over 2 MW", {"technology": "Wind", "capacity_min_kw": 2})),
        ("valid_json", example("wind sites", {"technology": "Wind", "limit": 0})),
        ("field_names", example("wind sites", {"technology": "Wind", "colour": "green"})),
    ],
)
def test_each_data_rule_blocks_what_breaks_it(rule: str, bad: dict[str, Any]) -> None:
    write("training_examples", GOOD)
    judged = judge_rules(rule)
    assert judged.passed
    write("training_examples", GOOD, bad)
    judged = judge_rules(rule)
    assert not judged.passed
    assert judged.severity == dg.AssetCheckSeverity.ERROR
    assert "1 of 2 examples" in (judged.description or "")
    digest = artifacts.digest_of(layout.dataset("training_examples"))
    assert refusals({f"training_examples.{rule}": digest})


def judge_rules(rule: str) -> dg.AssetCheckResult:
    (found,) = (result for result in dataset.judge_rules([rule]))
    return found


def test_the_rules_are_those_of_the_room() -> None:
    from fit_assets.dataset.rules import RULES

    assert list(dataset.RULES) == list(RULES)


def test_duplicates_and_wrong_counts_block() -> None:
    write("training_examples", GOOD, GOOD | {"q": "  WIND sites over 2 MW "})
    assert not call(dataset.no_duplicates).passed
    assert not call(dataset.counts_by_category).passed


def splits(test: dict[str, Any]) -> None:
    write("train", example("hydro in wales", {"technology": "Hydro"}))
    write("validation", example("digesters near leeds", {"technology": "Anaerobic digestion"}))
    write("test", test)


@pytest.mark.parametrize(
    ("test", "clean"),
    [
        (example("who pays the most", {"sort_by": "revenue_desc"}, "sort_by=revenue_desc"), True),
        (example("Hydro in Wales?", {"technology": "Hydro"}, "other"), False),
        (example("hydros in wales", {"technology": "Hydro"}, "other"), False),
        (example("anything that burns gas", {"technology": "Micro CHP"}, "technology"), False),
    ],
    ids=["clean", "the same question", "a near copy", "a seen combination"],
)
def test_leakage_blocks(test: dict[str, Any], clean: bool) -> None:
    splits(test)
    assert call(dataset.no_leakage).passed is clean
    assert bool(refusals({"train_split.no_leakage": dataset.splits_subject()})) is not clean


def test_a_correction_that_is_measured_on_blocks() -> None:
    splits(GOOD)
    held_out = example("sites run by the church", {"technology": "Hydro"})
    write("feedback_held_out", held_out)
    write("feedback_examples", example("what do parish councils run", {"technology": "Hydro"}))
    assert call(dataset.feedback_does_not_leak).passed
    for measured in (GOOD, held_out):
        write("feedback_examples", measured)
        assert not call(dataset.feedback_does_not_leak).passed


def test_a_check_without_its_asset_says_what_to_materialise() -> None:
    with pytest.raises(MissingUpstream, match="materialise the asset lora_adapter first"):
        call(model.finite_weights)
    with pytest.raises(MissingUpstream, match="materialise the asset eval_metrics first"):
        call(packaging.as_good_as_adapter)
    with pytest.raises(MissingUpstream, match="materialise the asset promotion_report first"):
        call(promotion.better_than_production)


@pytest.fixture
def save_adapter() -> Callable[[float], None]:
    def save(value: float) -> None:
        import torch
        from safetensors.torch import save_file

        folder = layout.model("adapter")
        folder.mkdir(parents=True, exist_ok=True)
        weights = {"layer.lora_A": torch.ones(2), "layer.lora_B": torch.full((2,), value)}
        save_file(weights, str(folder / "adapter_model.safetensors"))
        artifacts.write_record(folder, {})

    return save


@pytest.mark.parametrize(("value", "reason"), [(1.0, ""), (float("nan"), "not finite"), (0.0, "nothing was learnt")])
def test_weights_must_be_finite_and_moved(save_adapter: Callable[[float], None], value: float, reason: str) -> None:
    save_adapter(value)
    result = call(model.finite_weights)
    assert result.passed is not bool(reason)
    assert reason in (result.description or "")


def report(right: int, wrong: int, critical: bool = True) -> Report:
    gold, other = QueryFilters.parse({"technology": "Wind"}), QueryFilters.parse({"technology": "Hydro"})
    predictions = [Prediction(f"question {n}", gold, gold if n < right else other) for n in range(right + wrong)]
    return Report("raw", tuple(predictions), (CriticalResult("question", critical, "" if critical else "no", None),))


def save_report(name: str, content: Report) -> str:
    content.save(layout.report(name))
    return artifacts.write_record(layout.report(name), {}).digest


def test_accuracy_and_critical_tests_gate_a_report() -> None:
    gate = thresholds.RELEASE_PARSING_ACCURACY
    good = evaluations.judge("eval_metrics", report(99, 1), "a" * 64)
    bad = evaluations.judge("eval_metrics", report(50, 50, critical=False), "b" * 64)
    for check in ("release_parsing_accuracy", "critical_tests"):
        assert good[check]().passed
        failed = bad[check]()
        assert not failed.passed
        assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert str(gate) in (bad["release_parsing_accuracy"]().description or "")
    gates = {f"eval_metrics.{check}": "a" * 64 for check in ("release_parsing_accuracy", "critical_tests")}
    assert refusals(gates) == []
    assert len(refusals(dict.fromkeys(gates, "b" * 64))) == 2


def test_a_report_without_critical_tests_does_not_pass_them() -> None:
    asked_nothing = Report("raw", report(1, 0).predictions)
    assert not evaluations.judge("eval_metrics", asked_nothing, "a" * 64)["critical_tests"]().passed


def test_a_missed_target_warns_and_one_that_was_not_measured_does_not() -> None:
    verdicts = evaluations.judge("eval_metrics", report(50, 50), "a" * 64)
    missed = verdicts["target_parsing_accuracy"]()
    assert not missed.passed
    assert missed.severity == dg.AssetCheckSeverity.WARN
    assert verdicts["target_capacity_parsing"]().passed


@pytest.mark.parametrize(("raw", "served", "passed"), [(98, 100, True), (97, 100, False), (100, 97, False)])
def test_packaging_may_lose_two_points(raw: int, served: int, passed: bool) -> None:
    save_report("eval_metrics", report(100, 0))
    save_report("gguf_metrics_raw", report(raw, 100 - raw))
    save_report("gguf_metrics", report(served, 100 - served))
    assert call(packaging.as_good_as_adapter).passed is passed


@pytest.mark.parametrize("promote", [True, False])
def test_a_candidate_that_is_no_better_is_told_so_and_blocks_nothing(promote: bool) -> None:
    path = layout.report("promotion_report")
    artifacts.write_text(path, json.dumps({"promote": promote, "summary": "so it is"}))
    artifacts.write_record(path, {})
    result = call(promotion.better_than_production)
    assert (result.passed, result.description) == (promote, "so it is")
    assert result.severity == dg.AssetCheckSeverity.WARN


@pytest.fixture
def register(var: Path) -> Callable[[str], None]:
    """A register of two rows that is right but for its totals; a statement may spoil it."""
    from fit_assets.reference.warehouse import connect

    with connect(read_only=False) as connection:
        connection.execute(
            "CREATE TABLE installations AS SELECT * FROM (VALUES "
            "('4004', 'Wind', 500::DOUBLE, 'RG17', 'RG', DATE '2012-01-12', DATE '2012-01-12'), "
            "('1585', 'Wind', 335::DOUBLE, 'YO17', 'YO', DATE '2013-07-04', DATE '2013-07-04')) AS rows("
            "fit_id, technology, capacity_kw, outward_code, postcode_area, commissioned_date, application_date)"
        )
        for column in ("local_authority", "region", "country", "installation_type"):
            connection.execute(f"ALTER TABLE installations ADD COLUMN {column} VARCHAR")
        connection.execute("CREATE TABLE rejected_rows AS SELECT 'a.csv' AS file, 9 AS line, 'odd' AS reason")
    note = {"extras": {"rows_read": 5, "domestic_left_out": 2}}
    artifacts.write_text(reference.table_note("installations"), json.dumps(note))

    def spoil(statement: str) -> None:
        with connect(read_only=False) as connection:
            connection.execute(statement)

    return spoil


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("unique_fit_ids", "INSERT INTO installations SELECT * FROM installations LIMIT 1"),
        ("capacity_in_range", "UPDATE installations SET capacity_kw = 5001"),
        ("capacity_in_range", "UPDATE installations SET capacity_kw = NULL WHERE fit_id = '1585'"),
        ("capacity_in_range", "UPDATE installations SET technology = 'Micro CHP', capacity_kw = 2.5"),
        ("rows_accounted_for", "DELETE FROM rejected_rows"),
        ("postcode_shape", "UPDATE installations SET outward_code = 'RG17 0AB' WHERE fit_id = '4004'"),
        ("postcode_shape", "UPDATE installations SET postcode_area = 'GL' WHERE fit_id = '4004'"),
        ("located", "UPDATE installations SET outward_code = NULL WHERE fit_id = '4004'"),
        ("dates_inside_scheme", "UPDATE installations SET application_date = DATE '2009-12-31'"),
        ("dates_inside_scheme", "UPDATE installations SET commissioned_date = NULL"),
        ("known_installations", "UPDATE installations SET capacity_kw = 501 WHERE fit_id = '4004'"),
        ("one_wind_site_in_berkshire", "UPDATE installations SET postcode_area = 'SL'"),
    ],
)
def test_what_is_known_of_the_register_is_checked(register: Callable[[str], None], rule: str, statement: str) -> None:
    assert reference.REGISTER_RULES[rule]()[0]
    register(statement)
    assert not reference.REGISTER_RULES[rule]()[0]


def test_known_totals_name_what_is_off(register: Callable[[str], None]) -> None:
    passed, description = reference.known_totals()
    assert not passed
    assert "Wind: 2 rows, 1 MW" in description
    assert "Hydro: 0 rows" in description
