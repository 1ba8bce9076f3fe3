"""The whole graph on a tiny model, in this process, from an empty folder to a registered version.

Training, merging, conversion and registration are real; answers come from the rule parser in the model's place, since
two training steps teach nothing. What gates do with a model that knows nothing is tested with its own answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fit_assets import artifacts
from fit_assets.dataset import generator
from fit_assets.definitions import defs
from fit_assets.defs import evaluations, layout, natural, packaging, promotion, release
from fit_assets.evaluation import thresholds, versions
from fit_assets.evaluation.promotion import Verdict
from fit_assets.packaging.ollama import OllamaRefused
from fit_assets.parsing import adapter_parser, gguf_parser, regex_parser
from fit_assets.reproduce import ReproductionError, reproduce
from fit_assets.served import served
from fit_assets.serving.feedback import add_feedback
from fit_assets.training import presets
from fit_assets_tests.fake_ollama import FakeOllama, serve
from fit_assets_tests.test_definitions import ASSETS, BLOCKING
from fit_assets_tests.tiny_models import tiny_model

QUESTIONS = 40
CONFIG: dict[str, Any] = {
    "ops": {
        "training_examples": {"config": {"size": 450}},
        "lora_adapter": {"config": {"epochs": 0.1, "evaluations": 1, "rank": 4, "alpha": 8, "max_length": 4096}},
        "ab_report": {"config": {"questions": 60}},
    }
}


class RulesInPlaceOfModel(regex_parser.RegexParser):
    """Answers like the rule parser, whatever model it is given."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def close(self) -> None:
        """As the GGUF parser has it."""

    def constrained(self) -> "RulesInPlaceOfModel":
        """As the adapter parser has it."""
        return self


@dataclass
class Graph:
    """An instance with a run of ``build_all`` behind it."""

    instance: dg.DagsterInstance

    def run(self, *assets: str, config: dict[str, Any] | None = None, fail: bool = False) -> dg.ExecuteInProcessResult:
        """Materialise assets (all by default) with their checks."""
        job = defs.resolve_job_def("build_all")
        chosen = [dg.AssetKey(name) for name in assets] or None
        ops = {name: value for name, value in CONFIG["ops"].items() if not assets or name in assets}
        return job.execute_in_process(
            instance=self.instance, asset_selection=chosen, run_config=config or {"ops": ops}, raise_on_error=not fail
        )


@pytest.fixture(scope="module")
def graph(
    tmp_path_factory: pytest.TempPathFactory, toolchain: Path
) -> Iterator[tuple[Graph, dg.ExecuteInProcessResult]]:
    tiny = presets.Preset(
        name="tiny",
        base="tests/tiny",
        style="mistral",
        target_modules=presets.LLAMA_MODULES,
        quantisation="f16",
        pad_token="<unk>",
    )
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        var = tmp_path_factory.mktemp("graph")
        (var / "toolchain").symlink_to(toolchain.parent)
        patch.setenv("FIT_ASSETS_VAR", str(var))
        patch.setenv("FIT_ASSETS_PRESET", "tiny")
        patch.setenv("FIT_ASSETS_BASE_MODEL", str(tiny_model(tmp_path_factory.mktemp("tiny"), "mistral")))
        patch.setenv("FIT_ASSETS_AS_OF", "2026-01-01")
        patch.setenv("OLLAMA_HOST", "127.0.0.1:9")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setitem(presets.PRESETS, "tiny", tiny)
        patch.setattr(thresholds, "RELEASE_PARSING_ACCURACY", thresholds.Target(0.0, strict=False))
        patch.setattr(adapter_parser, "AdapterParser", RulesInPlaceOfModel)
        patch.setattr(gguf_parser, "GgufParser", RulesInPlaceOfModel)
        # A tenth of the examples: the same categories in the same shares.
        patch.setattr(generator, "CATEGORIES", {name: count // 10 for name, count in generator.CATEGORIES.items()})
        patch.setattr(generator, "DEFAULT_SIZE", 450)
        few = evaluations.split_questions
        for module in (evaluations, packaging, promotion):
            patch.setattr(module, "split_questions", lambda at_most=0: few()[:QUESTIONS])
        all_of = natural.natural_questions
        patch.setattr(natural, "natural_questions", lambda half: all_of(half)[:QUESTIONS])
        graph = Graph(instance)
        yield graph, graph.run()


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata of one asset's materialisation."""
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and event.asset_key.to_user_string() == asset
    ]
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_everything_is_materialised_and_every_gate_passed(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    _, first = graph
    made = {event.asset_key.to_user_string() for event in first.get_asset_materialization_events() if event.asset_key}
    assert made == set(ASSETS)
    passed = {
        f"{check.asset_key.to_user_string()}.{check.check_name}": check.passed
        for check in first.get_asset_check_evaluations()
    }
    assert {gate: passed[gate] for gate in BLOCKING} == dict.fromkeys(BLOCKING, True)


def test_a_release_hangs_on_every_blocking_check(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    assert set(release.release_gates()) == BLOCKING


def test_the_data_version_is_the_digest_of_what_was_made(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    _, first = graph
    for event in first.get_asset_materialization_events():
        tags = event.materialization.tags or {}
        assert event.asset_key is not None
        if "sha256" in event.materialization.metadata:
            version = tags["dagster/data_version"]
            assert version == event.materialization.metadata["sha256"].value, event.asset_key


def test_metadata_shows_plots_tables_figures_and_the_mlflow_run(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    _, first = graph
    trained, measured = metadata(first, "lora_adapter"), metadata(first, "gguf_metrics")
    assert trained["loss_curve"].startswith("![")
    assert "data:image/png;base64," in trained["loss_curve"]
    assert trained["mlflow_run"].startswith("http")
    assert 0 <= measured["parsing_accuracy"] <= 1
    assert measured["samples"]
    typed = metadata(first, "natural_metrics")
    assert {
        "test_by_parser",
        "test_metrics_by_parser",
        "dev_accuracy_by_spelling",
        "dev_raw_errors_by_field",
    } <= typed.keys()
    assert not any(key.startswith("test_") and "samples" in key for key in typed)
    assert metadata(first, "installations")["dagster/row_count"] == 40_194
    assert "stand-in" in metadata(first, "installations")["source"].lower()
    assert "no Ollama server answers" in metadata(first, "ollama_model")["status"]
    assert metadata(first, "model_version")["version"] == 1


def test_a_second_run_recognises_finished_work(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    built, first = graph
    second = built.run()
    reused = {
        event.asset_key.to_user_string(): event.materialization.metadata["reused"].value
        for event in second.get_asset_materialization_events()
        if event.asset_key and "reused" in event.materialization.metadata
    }
    fresh_each_time = {
        *("feedback_examples", "promotion_report", "served_model", "production_metrics", "ollama_model", "query_log")
    }
    assert {name for name, again in reused.items() if not again} == fresh_each_time
    assert metadata(second, "lora_adapter")["mlflow_run_id"] == metadata(first, "lora_adapter")["mlflow_run_id"]
    assert metadata(second, "model_version")["version"] == 1
    assert len(versions.list_versions()) == 1


def test_a_release_alone_is_refused_when_a_verdict_is_missing_or_bad(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    from fit_assets.defs.common import check_result, verdict_path

    built, _ = graph
    digest = release.release_gates()["gguf_metrics.critical_tests"]
    kept = verdict_path("gguf_metrics.critical_tests", digest).read_text()
    try:
        check_result("critical_tests", "gguf_metrics", False, "said no", digest=digest, blocking=True)
        with pytest.raises(release.ReleaseRefused, match=r"gguf_metrics\.critical_tests failed: said no"):
            built.run("model_version")
        verdict_path("gguf_metrics.critical_tests", digest).unlink()
        with pytest.raises(release.ReleaseRefused, match=r"gguf_metrics\.critical_tests has not judged"):
            built.run("model_version")
    finally:
        verdict_path("gguf_metrics.critical_tests", digest).write_text(kept)
    assert metadata(built.run("model_version"), "model_version")["version"] == 1


def test_a_release_alone_is_refused_when_what_it_releases_was_not_measured(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    built, _ = graph
    before = layout.gguf().read_bytes()
    try:
        layout.gguf().write_bytes(before + b"\0")
        with pytest.raises(release.ReleaseRefused, match="is not what its record says; materialise gguf_model again"):
            built.run("model_version")
    finally:
        layout.gguf().write_bytes(before)


def test_the_release_is_kept_apart_from_the_working_files(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    version = versions.production_version()
    assert version is not None
    assert version.gguf_path is not None
    assert version.gguf_path.parent.parent.name == "releases"
    package = version.gguf_path.parent
    assert {file.relative_to(package).as_posix() for file in package.rglob("*") if file.is_file()} >= {
        "tiny.gguf",
        "Modelfile",
        "report.json",
        "report.json.digest.json",
        "adapter/adapter_model.safetensors",
        "inputs/train.jsonl",
        "inputs/validation.jsonl",
        "inputs/test.jsonl",
    }
    assert artifacts.digest_of(package / "adapter") == version.tags["adapter_digest"]
    assert version.made_of["training"] == "full"
    assert version.made_of["data"]["train"] == artifacts.digest_of(package / "inputs" / "train.jsonl")


def test_what_is_served_is_what_the_alias_names(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    version, found = versions.production_version(), served()
    assert version is not None
    assert found is not None
    assert (found.version, found.digest, found.gguf) == (version.version, version.digest, version.gguf_path)
    assert metadata(graph[1], "served_model")["version"] == 1


def test_with_a_server_the_ollama_model_alone_registers_what_is_there(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    built, _ = graph
    with serve(FakeOllama()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", fake.host)
        told = metadata(built.run("ollama_model"), "ollama_model")
        assert told["status"].startswith("version 1 is registered with Ollama")
        assert told["ollama_tag"] in fake.models
        assert told["smoke_answer"] == "{}"
        creations = [request for request in fake.requests if request[1] == "/api/create"]
        assert "smoke_answer" not in metadata(built.run("ollama_model"), "ollama_model")
        assert [request for request in fake.requests if request[1] == "/api/create"] == creations


def test_an_ollama_that_refuses_fails_its_asset_and_leaves_the_modelfile(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    built, _ = graph
    with serve(FakeOllama()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", fake.host)
        fake.create_error = "no space left on device"
        with pytest.raises(OllamaRefused, match="no space left on device"):
            built.run("ollama_model")
    assert layout.model("Modelfile").read_text().startswith("FROM ./releases/")


def test_a_version_is_made_again_to_the_byte_and_its_package_mended(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    version = versions.production_version()
    assert version is not None
    assert version.gguf_path is not None
    version.gguf_path.rename(version.gguf_path.with_suffix(".away"))
    try:
        found = reproduce(1, lambda line: None)
        assert found.agrees
        assert found.same_adapter
        assert found.same_gguf
        assert found.differences == ()
        assert {metric.name for metric in found.metrics} >= {"parsing_accuracy", "critical_tests"}
        assert artifacts.digest_of(version.gguf_path) == version.digest
    finally:
        version.gguf_path.with_suffix(".away").replace(version.gguf_path)
    with pytest.raises(ReproductionError, match="there is no version 9"):
        reproduce(9)


def test_corrections_lead_to_a_second_version_that_is_held_against_the_first(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    built, _ = graph
    # Of this wording nothing is held out.
    add_feedback("any hydro run by the parish council of lower slaughter", {"technology": "Hydro"})
    selected = defs.resolve_job_def("retrain_job").asset_layer.executable_asset_keys
    config = {"ops": {"lora_adapter": {"config": CONFIG["ops"]["lora_adapter"]["config"] | {"retrain": True}}}}
    config["ops"]["ab_report"] = CONFIG["ops"]["ab_report"]
    retrained = built.run(*(key.to_user_string() for key in selected), config=config)
    assert metadata(retrained, "lora_adapter")["feedback_examples"] == 1
    assert not metadata(retrained, "lora_adapter")["reused"]
    assert metadata(retrained, "lora_adapter")["way"].startswith("retraining from version 1: 1 corrected and")
    assert metadata(retrained, "promotion_report")["promote"] is False
    assert "no better than production" in metadata(retrained, "promotion_report")["reasons"]
    assert metadata(retrained, "model_version")["version"] == 2
    assert metadata(retrained, "model_version")["status"] == "staging"
    assert "no better than production" in metadata(retrained, "model_version")["kept_out_of_production"]
    latest = versions.last_successful_registration()
    assert latest is not None
    assert latest.feedback_watermark is not None
    assert (latest.made_of["training"], latest.made_of["started_from"]["version"]) == ("retraining", 1)
    assert latest.made_of["steps"] <= 1
    again = reproduce(2, lambda line: None)
    assert again.agrees
    assert again.same_adapter
    assert versions.production_version() != latest
    first = next(version for version in versions.list_versions() if version.version == 1)
    assert first.gguf_path is not None
    assert first.gguf_path.is_file()


def test_a_better_candidate_is_promoted_and_does_not_come_back_by_itself_once_it_was_taken_out(
    graph: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    built, _ = graph
    chain = ("promotion_report", "model_version", "served_model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fit_assets.evaluation.promotion.decide", lambda pairs: Verdict(True, (), ()))
        result = built.run(*chain)
        assert metadata(result, "model_version")["status"] == "production"
        assert metadata(result, "served_model")["version"] == 2
        assert versions.rollback("ann", "slow on Mondays").version == 1
        result = built.run(*chain)
    assert "ann took it out of production" in metadata(result, "model_version")["kept_out_of_production"]
    assert "slow on Mondays" in metadata(result, "model_version")["kept_out_of_production"]
    assert metadata(result, "served_model")["version"] == 1
    found = served()
    assert found is not None
    assert found.version == 1


def test_a_model_that_knows_nothing_is_stopped_at_its_gate(graph: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    built, _ = graph

    class KnowsNothing(RulesInPlaceOfModel):
        def parse_batch(self, questions: Any) -> Any:
            return super().parse_batch(["who won the cup"] * len(questions))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "RELEASE_PARSING_ACCURACY", thresholds.Target(0.9, strict=False))
        patch.setattr(adapter_parser, "AdapterParser", KnowsNothing)
        config = {"ops": {"eval_metrics": {"config": {"force": True}}}}
        result = built.run("eval_metrics", "gguf_metrics", "ab_report", "model_version", config=config, fail=True)
    assert not result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert made == {"eval_metrics"}
