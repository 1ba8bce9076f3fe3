"""Group ``production``: what the alias ``production`` names, and everything that follows it."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from fit_assets import artifacts, settings
from fit_assets.defs import layout
from fit_assets.defs.common import OWNERS, check_result, materialized, source_digest, table_of
from fit_assets.defs.evaluations import EVALUATION_CODE
from fit_assets.defs.promotion import report_on
from fit_assets.evaluation import thresholds
from fit_assets.training.presets import get_preset

if TYPE_CHECKING:
    from fit_assets.served import Served

GROUP = "production"

# The weekly schedule looks again: a model that nobody has looked at for longer is a loop that stands still.
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=15), warn_window=timedelta(days=8))


class NothingInProduction(RuntimeError):
    """No version was released yet."""


@dg.asset(
    deps=["model_version"],
    group_name=GROUP,
    kinds={"gguf", "mlflow"},
    owners=OWNERS,
    code_version=source_digest("serving/follow.py", "served.py"),
    freshness_policy=FRESH,
)
def served_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The version that MLflow's alias ``production`` names, its package there and unharmed.

    A running service follows the alias by itself; this asset leaves the note by which `fit ask` finds the model, and
    shows who moved the alias, when and why. It is made anew whenever the alias has moved, and every week.
    """
    from fit_assets.evaluation import versions

    found = in_production()
    version = versions.production_version()
    assert version is not None
    context.log.info("version %d is in production: %s", found.version, found.gguf)
    moves = [
        {"at": f"{move.at:%Y-%m-%d %H:%M:%S}", "version": move.version, "before": move.before, "who": move.who}
        | {"why": move.why}
        for move in versions.moves()[:20]
    ]
    return materialized(
        found.gguf,
        found.digest,
        False,
        version=found.version,
        registered_at=dg.MetadataValue.timestamp(version.registered_at),
        moves=table_of(moves),
        made_of=dg.MetadataValue.json(version.made_of),
        **version.metrics,
    )


@dg.asset(
    deps=[served_model],
    group_name=GROUP,
    kinds={"gguf", "json"},
    owners=OWNERS,
    code_version=EVALUATION_CODE,
    pool="train",
)
def production_metrics(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The version in production on fresh feedback: questions that people judged since it was trained.

    Those are corrections and answers that were called right, so that the share says how often people are content. Below
    95 % of at least 20 it asks for a retraining; `feedback_volume_sensor` hears it.
    """
    from fit_assets.evaluation.evaluate import Question
    from fit_assets.evaluation.versions import production_version
    from fit_assets.serving.judged import judged_since

    found = in_production()
    version = production_version()
    assert version is not None
    judged = judged_since(version.feedback_watermark)[-thresholds.RECENT_FEEDBACK :]
    questions = [Question(one.question, one.filters, "corrected" if one.corrected else "right") for one in judged]
    report = report_on(context, found.digest, found.gguf, "fresh_feedback", questions)
    measured = report.metrics["parsing_accuracy"]
    corrections = sum(one.corrected for one in judged)
    enough = measured.n >= thresholds.WEEKLY_QUESTIONS and measured.value is not None
    missed = enough and not thresholds.WEEKLY_PARSING_ACCURACY.met_by(measured.value or 0.0)
    now = datetime.now(UTC)
    content = {
        "version": found.version,
        "at": now.isoformat(),
        "n": measured.n,
        "corrections": corrections,
        "accuracy": measured.value,
        "retrain": missed and corrections > 0,
        "summary": f"version {found.version} on fresh feedback: {measured}; {corrections} of them were corrections, "
        f"a verdict takes {thresholds.WEEKLY_QUESTIONS} and at least "
        f"{thresholds.WEEKLY_PARSING_ACCURACY.bound:.0%} are asked for",
    }
    target = layout.report("production_metrics")
    artifacts.write_text(target, json.dumps(content, indent=1) + "\n")
    record = artifacts.write_record(target, {"gguf": found.digest})
    context.log.info("%s", content["summary"])
    figures = {"accuracy": measured.value} if measured.value is not None else {}
    return materialized(
        target,
        record.digest,
        False,
        version=found.version,
        questions=measured.n,
        corrections=corrections,
        asks_for_retraining=content["retrain"],
        summary=content["summary"],
        samples=table_of(report.samples(20)),
        **figures,
    )


@dg.asset_check(asset=production_metrics)
def content_with_production() -> dg.AssetCheckResult:
    """People are content with at least 95 % of the answers that they judged since the version was trained."""
    found = last_look()
    if found is None:
        return check_result("content_with_production", "production_metrics", True, "not measured yet")
    return check_result("content_with_production", "production_metrics", not found["retrain"], found["summary"])


def last_look() -> dict[str, Any] | None:
    """What ``production_metrics`` found last; None before its first time."""
    try:
        content: dict[str, Any] = json.loads(layout.report("production_metrics").read_text("utf-8"))
        return content
    except (OSError, ValueError):
        return None


class OllamaConfig(dg.Config):  # type: ignore[misc]
    """How Ollama serves the model."""

    name: str | None = Field(default=None, description="Name in Ollama; empty: FIT_ASSETS_OLLAMA_MODEL.")
    temperature: float = Field(default=0.0, description="0 gives the same answer every time; the mission names 0.1.")
    repeat_penalty: float = Field(
        default=1.0, description="Above 1 punishes the quotes and keys that JSON must repeat; the mission names 1.1."
    )


@dg.asset(
    deps=[served_model],
    group_name=GROUP,
    kinds={"ollama"},
    owners=OWNERS,
    code_version=source_digest(
        "packaging/modelfile.py", "packaging/ollama.py", "training/prompt.py", "serving/follow.py"
    ),
)
def ollama_model(context: dg.AssetExecutionContext, config: OllamaConfig) -> dg.MaterializeResult[None]:
    """The Modelfile of the version in production and, where an Ollama server answers, that version under our name.

    Only what is in production gets the name under which it is served; earlier versions keep their own tags, so that a
    roll-back takes a moment. Without a server the asset says so; materialised alone later, it registers the version.
    """
    from fit_assets.packaging.modelfile import ModelfileOptions, write_modelfile
    from fit_assets.packaging.ollama import OllamaClient, OllamaUnavailable
    from fit_assets.serving.follow import tell_ollama

    found = in_production()
    style = get_preset(found.preset).chat_style
    options = ModelfileOptions(temperature=config.temperature, repeat_penalty=config.repeat_penalty)
    modelfile = write_modelfile(style, found.gguf, layout.model("Modelfile"), options)
    facts: dict[str, Any] = {
        "version": found.version,
        "gguf_sha256": found.digest,
        "modelfile": dg.MetadataValue.md(f"```\n{modelfile.read_text('utf-8')}\n```"),
    }
    name = config.name or settings.ollama_model()
    client = OllamaClient()
    try:
        server = client.version()
    except OllamaUnavailable as error:
        status = f"not registered: {error}; then materialise ollama_model alone"
    else:
        # Options count when a model is made: with other ones than the default it is made again.
        given = options if options != ModelfileOptions() else None
        registration = tell_ollama(found, name, client=client, options=given, say=context.log.info)
        status = f"version {found.version} is registered with Ollama {server} as {name}"
        facts |= {"ollama_name": name, "ollama_tag": f"{name.split(':')[0]}:{found.name}"}
        if registration is not None:
            facts |= {
                "smoke_question": registration.smoke_question,
                "smoke_answer": registration.smoke_answer,
                "smoke_milliseconds": registration.smoke_milliseconds,
                "rendered_as_trained": str(registration.rendered_as_trained),
            }
    finally:
        client.close()
    context.log.info(status)
    return materialized(modelfile, artifacts.digest_of(modelfile), False, status=status, host=client.host, **facts)


def in_production() -> "Served":
    """What is in production, its package looked at.

    Raises:
        NothingInProduction: nothing was released yet.
        PackageError: its package is missing or damaged.
    """
    from fit_assets.serving.follow import production

    found = production()
    if found is None:
        raise NothingInProduction("no version is in production; materialise model_version first, or: fit promote N")
    return found
