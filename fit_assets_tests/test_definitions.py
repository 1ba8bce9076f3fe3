"""The graph as it is promised: names, groups, edges, checks, automation; and that it loads quickly."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from fit_assets import settings
from fit_assets.definitions import defs

GRAPH: dict[str, dict[str, set[str]]] = {
    "reference": {
        "places": set(),
        "installations": set(),
        "tariff_rates": set(),
        "installation_facts": {"installations", "tariff_rates"},
        "outward_codes": {"installations"},
        "place_coverage": {"installations", "places"},
    },
    "dataset": {
        "training_examples": {"places"},
        "train_split": {"training_examples"},
        "validation_split": {"training_examples"},
        "test_split": {"training_examples"},
        "feedback_examples": {"validation_split", "test_split"},
    },
    "model": {
        "base_model": set(),
        "lora_adapter": {"base_model", "train_split", "validation_split", "feedback_examples"},
        "eval_metrics": {"base_model", "lora_adapter", "test_split", "installation_facts", "places"},
        "regex_metrics": {"test_split", "installation_facts", "places"},
    },
    "packaging": {
        "merged_model": {"base_model", "lora_adapter"},
        "gguf_model": {"merged_model"},
        "gguf_metrics": {"gguf_model", "eval_metrics", "test_split", "installation_facts", "places"},
        "natural_metrics": {"gguf_model", "train_split", "places", "installation_facts"},
    },
    "release": {
        "promotion_report": {"gguf_model", "gguf_metrics", "feedback_examples", "test_split", "places"},
        "ab_report": {
            "gguf_model",
            "gguf_metrics",
            "regex_metrics",
            "train_split",
            "validation_split",
            "test_split",
            "places",
        },
        "model_version": {
            "promotion_report",
            "ab_report",
            "gguf_metrics",
            "eval_metrics",
            "gguf_model",
            "lora_adapter",
            "base_model",
            "feedback_examples",
            "train_split",
            "validation_split",
            "test_split",
        },
    },
    "production": {
        "served_model": {"model_version"},
        "production_metrics": {"served_model"},
        "ollama_model": {"served_model"},
    },
    "monitoring": {"query_log": set(), "serving_health": {"query_log"}},
    "housekeeping": {"storage": set()},
}
ASSETS = {name: (group, deps) for group, assets in GRAPH.items() for name, deps in assets.items()}

BLOCKING = {
    "training_examples.technology_spelling",
    "training_examples.postcode_accuracy",
    "training_examples.capacities_in_kw",
    "training_examples.valid_json",
    "training_examples.field_names",
    "training_examples.counts_by_category",
    "training_examples.no_duplicates",
    "train_split.no_leakage",
    "train_split.split_counts",
    "train_split.natural_questions_unseen",
    "feedback_examples.feedback_does_not_leak",
    "lora_adapter.finite_weights",
    "eval_metrics.critical_tests",
    "gguf_model.tokens_as_trained",
    "gguf_metrics.release_parsing_accuracy",
    "gguf_metrics.critical_tests",
    "gguf_metrics.as_good_as_adapter",
}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_the_graph_is_the_one_that_is_promised(specs: dict[str, dg.AssetSpec]) -> None:
    found = {
        name: (spec.group_name, {dep.asset_key.to_user_string() for dep in spec.deps}) for name, spec in specs.items()
    }
    assert found == ASSETS


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_explains_itself(specs: dict[str, dg.AssetSpec], name: str) -> None:
    spec = specs[name]
    assert spec.description
    assert len(spec.description) > 30
    assert spec.owners
    assert spec.kinds
    assert spec.code_version


def test_what_must_stop_a_release_blocks() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {
        f"{key.asset_key.to_user_string()}.{key.name}"
        for key in graph.asset_check_keys
        if graph.get_check_spec(key).blocking
    }
    assert blocking == BLOCKING


def test_every_check_says_what_it_promises() -> None:
    graph = defs.resolve_asset_graph()
    assert all(graph.get_check_spec(key).description for key in graph.asset_check_keys)


def test_retraining_starts_at_the_corrections_and_ends_at_the_version() -> None:
    job = defs.resolve_job_def("retrain_job")
    selected = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert selected == {
        "feedback_examples",
        "lora_adapter",
        "eval_metrics",
        "merged_model",
        "gguf_model",
        "gguf_metrics",
        "ab_report",
        "promotion_report",
        "model_version",
        "served_model",
        "production_metrics",
        "ollama_model",
    }


def test_what_fills_the_machine_or_writes_the_warehouse_is_in_a_pool() -> None:
    pools = {
        name: assets_def.op.pool
        for assets_def in defs.resolve_asset_graph().assets_defs
        for name in (key.to_user_string() for key in assets_def.keys)
        if not assets_def.is_external and assets_def.keys
    }
    training = {"base_model", "lora_adapter", "eval_metrics", "merged_model", "gguf_model", "gguf_metrics", "ab_report"}
    training |= {"promotion_report", "production_metrics", "natural_metrics"}
    assert {name for name, pool in pools.items() if pool == "train"} == training
    assert {name for name, pool in pools.items() if pool == "duckdb_write"} == {
        *GRAPH["reference"],
        "query_log",
    }


def test_automation_explains_itself_and_runs() -> None:
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    assert all(len(job.description or "") > 40 for job in jobs)
    assert all("fit_assets/kind" in job.tags for job in jobs)
    for automation in (*repository.sensor_defs, *repository.schedule_defs):
        assert len(automation.description or "") > 40, automation.name
        assert automation.default_status.value == "RUNNING"


def test_hyper_parameters_in_the_launchpad_are_those_of_the_training() -> None:
    import dataclasses

    from fit_assets.defs.model import LoraConfig
    from fit_assets.training.finetune import FineTuneConfig

    fields = {field.name for field in dataclasses.fields(FineTuneConfig)}
    assert set(LoraConfig.model_fields) - {"force", "retrain"} == fields
    assert all(field.description for field in LoraConfig.model_fields.values())


def test_the_definitions_load_without_the_heavy_libraries() -> None:
    code = (
        "import sys, fit_assets.definitions; "
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'llama_cpp', 'mlflow', 'matplotlib', 'duckdb', 'pandas'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_instance_keeps_everything_below_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_text((settings.PROJECT_ROOT / "dagster.yaml").read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.get_runs_count()
        pools = instance.get_concurrency_config().pool_config
        assert pools.default_pool_limit == 1
        assert str(pools.pool_granularity) == "PoolGranularity.OP"
        assert not instance.telemetry_enabled
    assert {entry.name for entry in tmp_path.iterdir()} == {"dagster.yaml", "var"}
