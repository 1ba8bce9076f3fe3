"""Group ``packaging``: merge, GGUF, and the packaged model measured again."""

import dagster as dg
from pydantic import Field

from fit_assets import artifacts
from fit_assets.defs import layout
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    check_result,
    made_at,
    materialized,
    megabytes,
    source_digest,
    upstream,
)
from fit_assets.defs.evaluations import (
    EVALUATION_CODE,
    GATES,
    PlainConfig,
    load_report,
    log_report,
    measure,
    question_inputs,
    report_checks,
    report_metadata,
    sample_inputs,
    split_questions,
)
from fit_assets.defs.resources import Tracking
from fit_assets.evaluation import thresholds
from fit_assets.training.presets import get_preset

GROUP = "packaging"


@dg.asset(
    deps=["base_model", "lora_adapter"],
    group_name=GROUP,
    kinds={"huggingface", "safetensors"},
    owners=OWNERS,
    code_version=source_digest("packaging/merge.py"),
    pool="train",
)
def merged_model(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """Base model and adapter as one 16-bit Hugging Face folder."""
    from fit_assets.packaging.merge import merge_adapter

    target = layout.model("merged")
    before = made_at(target)
    merge_adapter(layout.model("base"), layout.model("adapter"), target, force=config.force)
    record = upstream(target, "merged_model")
    return materialized(
        target,
        record.digest,
        made_at(target) == before,
        megabytes=megabytes(target),
        **record.facts,
    )


class GgufConfig(ArtifactConfig):
    """How the model is packaged."""

    quantisation: str | None = Field(
        default=None,
        description="f16, bf16, q8_0, q6_k, q5_k_m or q4_k_m; empty: the preset's own (bf16 for 135M).",
    )


@dg.asset(
    deps=["merged_model"],
    group_name=GROUP,
    kinds={"gguf", "llamacpp"},
    owners=OWNERS,
    code_version=source_digest("packaging/gguf.py", "packaging/toolchain.py"),
    pool="train",
)
def gguf_model(context: dg.AssetExecutionContext, config: GgufConfig) -> dg.MaterializeResult[None]:
    """The packaged model: converted by llama.cpp's own converter, quantised, and loaded once to prove it."""
    from fit_assets.packaging.gguf import build_gguf

    upstream(layout.model("merged"), "merged_model")
    target = layout.gguf()
    kind = (config.quantisation or get_preset().quantisation).lower()
    before = made_at(target)
    record = build_gguf(layout.model("merged"), target, kind, force=config.force, say=context.log.info)
    return materialized(
        target,
        record.digest,
        made_at(target) == before,
        quantisation=kind,
        llama_cpp_python=record.inputs["llama_cpp_python"],
        megabytes=megabytes(target),
        **record.facts,
    )


@dg.asset_check(asset=gguf_model, additional_deps=["merged_model", "test_split"], blocking=True)
def tokens_as_trained() -> dg.AssetCheckResult:
    """llama.cpp cuts the prompts and answers of the test split into the tokens that the model was trained on."""
    from fit_assets.packaging.gguf import cut_otherwise

    examples = [(question.q, question.gold.canonical()) for question in split_questions()]
    differing = cut_otherwise(layout.gguf(), layout.model("merged"), examples)
    return check_result(
        "tokens_as_trained",
        "gguf_model",
        not differing,
        f"{len(differing)} of {len(examples)} are cut otherwise" + (f", one is {differing[0]!r}" if differing else ""),
        digest=upstream(layout.gguf(), "gguf_model").digest,
        blocking=True,
    )


@dg.asset(
    deps=["gguf_model", "eval_metrics", "test_split", "installation_facts", "places"],
    group_name=GROUP,
    kinds={"gguf", "mlflow"},
    owners=OWNERS,
    code_version=EVALUATION_CODE,
    pool="train",
)
def gguf_metrics(
    context: dg.AssetExecutionContext, config: PlainConfig, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """The packaged model measured again on the same questions.

    Twice: as it is served (decoding under the grammar, values grounded in the question), and ``raw_…``: plain greedy
    decoding, its JSON taken as it is, which is what packaging could have damaged and is compared with the adapter.
    """
    from fit_assets.evaluation.compare import accuracy_loss
    from fit_assets.parsing.registry import gguf_parser, gguf_parsers_at_once

    inputs = {"gguf": upstream(layout.gguf(), "gguf_model").digest} | question_inputs()
    adapter = load_report("eval_metrics")
    served_path, raw_path = layout.report("gguf_metrics"), layout.report("gguf_metrics_raw")
    served, served_report, reused = measure(
        context, served_path, inputs, lambda: gguf_parser(layout.gguf()), split_questions, force=config.force
    )
    raw, raw_report, raw_reused = measure(
        context,
        raw_path,
        {**inputs, **sample_inputs(config.plain_questions)},
        lambda: gguf_parsers_at_once(layout.gguf(), constrained=False),
        lambda: split_questions(config.plain_questions),
        force=config.force,
    )
    run = log_report(tracking, "gguf_metrics", served_path, served.digest, served_report)
    log_report(tracking, "gguf_metrics_raw", raw_path, raw.digest, raw_report)
    return materialized(
        served_path,
        served.digest,
        reused and raw_reused,
        loss_against_adapter=accuracy_loss(adapter, raw_report),
        **report_metadata(served_report),
        **report_metadata(raw_report, "raw_"),
        **run,
    )


gguf_metrics_checks = report_checks("gguf_metrics", lambda: layout.report("gguf_metrics"), gates=list(GATES))


def packaging_subject() -> str:
    """What ``as_good_as_adapter`` judges: the reports on adapter and packaged model, as one digest."""
    return artifacts.digest_of_value(
        [
            upstream(layout.report("eval_metrics"), "eval_metrics").digest,
            upstream(layout.report("gguf_metrics"), "gguf_metrics").digest,
            upstream(layout.report("gguf_metrics_raw"), "gguf_metrics").digest,
        ]
    )


@dg.asset_check(asset=gguf_metrics, additional_deps=["eval_metrics"], blocking=True)
def as_good_as_adapter() -> dg.AssetCheckResult:
    """Merging, conversion and quantisation cost no more right answers than the threshold allows."""
    from fit_assets.evaluation.compare import accuracy_loss

    adapter = load_report("eval_metrics")
    losses = {
        name: accuracy_loss(adapter, load_report(name, "gguf_metrics")) for name in ("gguf_metrics_raw", "gguf_metrics")
    }
    worst = max(losses.values())
    return check_result(
        "as_good_as_adapter",
        "gguf_metrics",
        # A share of whole questions has rounding errors in its last digits.
        worst <= thresholds.PACKAGED_MAX_LOSS + 1e-9,
        f"the packaged model loses {100 * losses['gguf_metrics_raw']:+.1f} points decoded plainly and "
        f"{100 * losses['gguf_metrics']:+.1f} as served against the adapter; "
        f"at most {100 * thresholds.PACKAGED_MAX_LOSS:.1f} are allowed",
        digest=packaging_subject(),
        blocking=True,
        losses=dg.MetadataValue.json(losses),
    )


def packaging_gates() -> dict[str, str]:
    """The gates that the packaged model must have passed, with the digest that each must have judged."""
    served = upstream(layout.report("gguf_metrics"), "gguf_metrics").digest
    return {
        "gguf_model.tokens_as_trained": upstream(layout.gguf(), "gguf_model").digest,
        "gguf_metrics.release_parsing_accuracy": served,
        "gguf_metrics.critical_tests": served,
        "gguf_metrics.as_good_as_adapter": packaging_subject(),
    }
