"""Group ``release``: the packaged model against the regex parser, and the registered version."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from fit_assets import artifacts, settings
from fit_assets.defs import layout
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    check_result,
    count_lines,
    materialized,
    picture,
    refusals,
    source_digest,
    table_of,
    upstream,
)
from fit_assets.defs.dataset import RULES, SPLITS, splits_subject
from fit_assets.defs.evaluations import load_report, measure, question_inputs
from fit_assets.defs.package import made_of, release_folder
from fit_assets.defs.packaging import packaging_gates
from fit_assets.defs.promotion import NATURAL_QUESTIONS, natural_test, read_verdict, report_on
from fit_assets.defs.resources import Tracking, run_id_of
from fit_assets.evaluation import thresholds
from fit_assets.training.presets import get_preset

if TYPE_CHECKING:
    from fit_assets.evaluation.evaluate import Question, Report
    from fit_assets.evaluation.versions import Version

GROUP = "release"


class ReleaseRefused(RuntimeError):
    """The model may not be registered; the message names each gate and why."""


class AbConfig(ArtifactConfig):
    """How much the comparison asks."""

    questions: int = Field(
        default=thresholds.AB_QUESTIONS,
        description="Questions in all: test split, natural test half, then natural questions to develop by, validation "
        "questions and generated ones.",
    )
    seed: int = Field(default=20_260, description="Seed of the generated questions; training uses another.")


@dg.asset(
    deps=["gguf_model", "gguf_metrics", "regex_metrics", "test_split", "validation_split", "train_split", "places"],
    group_name=GROUP,
    kinds={"python", "json"},
    owners=OWNERS,
    code_version=source_digest("evaluation/compare.py"),
    pool="train",
)
def ab_report(context: dg.AssetExecutionContext, config: AbConfig) -> dg.MaterializeResult[None]:
    """The packaged model against the regex parser, question by question.

    The answers on the test split are those of ``gguf_metrics`` and ``regex_metrics``, and what the model makes of the
    natural test half is kept for ``promotion_report``; both parsers are asked further questions until there are enough
    to see a difference of three points.
    """
    from fit_assets.evaluation import plots
    from fit_assets.evaluation.compare import compare
    from fit_assets.evaluation.evaluate import Report, evaluate_parser
    from fit_assets.parsing.regex_parser import RegexParser
    from fit_assets.parsing.registry import gguf_parsers_at_once

    gguf = upstream(layout.gguf(), "gguf_model").digest
    model_test = load_report("gguf_metrics")
    upstream(layout.regex_report(), "regex_metrics")
    regex_test = Report.load(layout.regex_report())
    wanted = config.questions - len(model_test.predictions)
    natural = natural_test()
    natural = natural if len(natural) <= wanted else []
    extra = more_questions(wanted - len(natural), config.seed)
    asked = question_inputs() | {"extra": artifacts.digest_of_value([[one.q, one.gold.canonical()] for one in extra])}
    _, model_extra, model_reused = measure(
        context,
        layout.report("ab_gguf"),
        asked | {"gguf": gguf},
        lambda: gguf_parsers_at_once(layout.gguf()),
        lambda: extra,
        force=config.force,
    )
    _, regex_extra, _ = measure(
        context, layout.report("ab_regex"), asked, RegexParser, lambda: extra, force=config.force
    )
    model, regex = _joined(model_test, model_extra), _joined(regex_test, regex_extra)
    disagreements = table_of(_disagreements(regex, model))  # of the natural test half, figures only
    if natural:
        model = _joined(model, report_on(context, gguf, layout.gguf(), NATURAL_QUESTIONS, natural, force=config.force))
        regex = _joined(regex, evaluate_parser(RegexParser(), natural))
    # The further questions were asked several at a time; how long one takes is known from the test split.
    pace = compare(regex_test, model_test)
    against_regex = replace(
        compare(regex, model, names=("regex", "model")),
        median_ms_a=pace.median_ms_a,
        median_ms_b=pace.median_ms_b,
        latency_difference_ms=pace.latency_difference_ms,
    )

    target = layout.report("ab_report")
    content = {
        "gguf": gguf,
        "against_regex": against_regex.to_dict(),
    }
    artifacts.write_text(target, json.dumps(content, indent=1) + "\n")
    record = artifacts.write_record(target, {"gguf": gguf, "natural": len(natural), **asked})
    return materialized(
        target,
        record.digest,
        model_reused,
        verdict=against_regex.verdict,
        questions=against_regex.n,
        accuracy_model=against_regex.success_b.value,
        accuracy_regex=against_regex.success_a.value,
        difference=against_regex.difference[0],
        p_value=against_regex.p_value,
        median_ms_model=against_regex.median_ms_b,
        median_ms_regex=against_regex.median_ms_a,
        comparison=picture(plots.ab_comparison(against_regex), "A/B"),
        disagreements=disagreements,
    )


@dg.asset_check(asset=ab_report)
def better_than_regex() -> dg.AssetCheckResult:
    """The model is shown to answer more questions right than the regex parser."""
    comparison = json.loads(layout.report("ab_report").read_text("utf-8"))["against_regex"]
    return check_result("better_than_regex", "ab_report", comparison["better"] == "model", comparison["verdict"])


@dg.asset_check(asset=ab_report)
def enough_questions() -> dg.AssetCheckResult:
    """The comparison has enough questions to show a difference that matters."""
    n = json.loads(layout.report("ab_report").read_text("utf-8"))["against_regex"]["n"]
    return check_result(
        "enough_questions", "ab_report", n >= thresholds.AB_QUESTIONS, f"{n:,} of {thresholds.AB_QUESTIONS:,} questions"
    )


def more_questions(wanted: int, seed: int) -> list["Question"]:
    """Questions beside the test split and the natural test half: natural ones to learn from, the validation split,
    then fresh ones of phrases and another seed.

    None of them is in the training split.
    """
    from fit_assets.dataset.generator import GeneratorConfig, generate
    from fit_assets.evaluation.evaluate import Question, load_questions
    from fit_assets.filters import QueryFilters
    from fit_assets.language.text import normalise_question
    from fit_assets.places import fill_patterns

    seen = {normalise_question(one.q) for name in ("train", "test") for one in load_questions(layout.dataset(name))}

    def candidates() -> Iterator[Question]:
        natural = settings.questions_dir() / "dev.jsonl"
        if natural.is_file():
            yield from load_questions(natural)
        yield from load_questions(layout.dataset("validation"))
        for example in generate(GeneratorConfig(seed=seed, natural=0.0)):
            yield Question(
                example.q, fill_patterns(QueryFilters.parse(example.gold)), example.category, example.complexity
            )

    chosen: list[Question] = []
    for question in candidates():
        if len(chosen) >= wanted:
            break
        key = normalise_question(question.q)
        if key not in seen:
            seen.add(key)
            chosen.append(question)
    return chosen


class VersionConfig(dg.Config):  # type: ignore[misc]
    """What is told about the version."""

    improvements: str = Field(
        default="", description="One line on what is better; empty: the change in figures against production."
    )


@dg.asset(
    deps=["promotion_report", "ab_report", "gguf_metrics", "eval_metrics", "gguf_model", "lora_adapter", "base_model",
          "feedback_examples", "train_split", "validation_split", "test_split"],
    group_name=GROUP,
    kinds={"mlflow"},
    owners=OWNERS,
    code_version=source_digest("evaluation/versions.py"),
)  # fmt: skip
def model_version(
    context: dg.AssetExecutionContext, config: VersionConfig, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """The packaged model in MLflow's registry: in staging if every gate passed for this very digest, else not at all.

    It goes on to production where ``promotion_report`` says so. A blocking check blocks only inside its run; so the
    verdicts are looked up here again, and that the reports are about the artifacts that lie there now.
    """
    from datetime import datetime

    from fit_assets.evaluation import versions

    gguf = upstream(layout.gguf(), "gguf_model")
    gates = release_gates()
    reasons = stale_links() + refusals(gates)
    if reasons:
        raise ReleaseRefused(f"{get_preset().name} {gguf.digest[:12]} is not registered: " + "; ".join(reasons))

    report = load_report("gguf_metrics")
    feedback = upstream(layout.dataset("feedback_examples"), "feedback_examples")
    watermark = feedback.facts.get("watermark")
    examples = count_lines(layout.dataset("train")) + int(feedback.facts["examples"])
    package = release_folder(gguf.digest)
    known = versions.version_for_digest(gguf.digest)
    version = versions.register_version(
        gguf.digest,
        package_dir=package,
        gguf_path=package / layout.gguf().name,
        metrics=report.figures(),
        gates=dict.fromkeys(gates, True),
        training_examples=examples,
        run_id=run_id_of(layout.model("adapter")),
        feedback_watermark=datetime.fromisoformat(watermark) if watermark else None,
        digests={
            "gguf": gguf.digest,
            "base": upstream(layout.model("base"), "base_model").digest,
            "adapter": upstream(layout.model("adapter"), "lora_adapter").digest,
            "data": splits_subject(),
            "feedback": feedback.digest,
            "questions": report.questions_digest,
        },
        made_of=made_of(context.run_id),
        improvements=config.improvements,
    )
    against = reasons_to_wait(version)
    if not against:
        version = versions.promote(version.version, versions.ITSELF, read_verdict()["summary"])
    context.log.info("version %d is %s: %s", version.version, version.status, "; ".join(against) or "promoted")
    return materialized(
        package,
        gguf.digest,
        known is not None,
        version=version.version,
        status=version.status,
        kept_out_of_production=dg.MetadataValue.md("\n".join(f"- {reason}" for reason in against) or "no: it is there"),
        improvements=version.improvements,
        made_of=dg.MetadataValue.json(version.made_of),
        training_examples=examples,
        gates=table_of([{"gate": gate, "judged_sha256": digest, "passed": True} for gate, digest in gates.items()]),
        versions=table_of([entry.to_dict() for entry in versions.list_versions()]),
        **report.figures(),
    )


def reasons_to_wait(version: "Version") -> list[str]:
    """Why a registered version is not put into production by itself; empty where it is to go there, or is there.

    A version that somebody took out of production does not come back by itself, however good its figures are.
    """
    from fit_assets.evaluation import versions

    present = versions.production_version()
    if present is not None and present.version == version.version:
        return []
    verdict = read_verdict()
    if removed := versions.taken_out(version.version):
        return [
            f"{removed.who or 'somebody'} took it out of production on {removed.at:%Y-%m-%d %H:%M} "
            f"({removed.why or 'no reason given'}); fit promote {version.version} puts it back"
        ]
    if present is not None and verdict["production"] != present.version:
        return [
            f"it was held against version {verdict['production']}, and version {present.version} is in production now; "
            "materialise promotion_report and model_version again"
        ]
    return [] if verdict["promote"] else list(verdict["reasons"])


def release_gates() -> dict[str, str]:
    """Every gate of a release, ``asset.check``, with the digest that it must have judged: all blocking checks."""
    examples = upstream(layout.dataset("training_examples"), "training_examples").digest
    adapter_report = upstream(layout.report("eval_metrics"), "eval_metrics").digest
    feedback = upstream(layout.dataset("feedback_examples"), "feedback_examples").digest
    return {
        **{f"training_examples.{check}": examples for check in (*RULES, "counts_by_category", "no_duplicates")},
        "train_split.no_leakage": splits_subject(),
        "train_split.split_counts": splits_subject(),
        "train_split.natural_questions_unseen": upstream(layout.dataset("train"), "train_split").digest,
        "feedback_examples.feedback_does_not_leak": feedback,
        "lora_adapter.finite_weights": upstream(layout.model("adapter"), "lora_adapter").digest,
        "eval_metrics.critical_tests": adapter_report,
        **packaging_gates(),
    }


def stale_links() -> list[str]:
    """Artifacts that were made of something else than what lies there now, a sentence each."""
    examples = upstream(layout.dataset("training_examples"), "training_examples").digest
    splits = {name: upstream(layout.dataset(name), f"{name}_split") for name in SPLITS}
    feedback = upstream(layout.dataset("feedback_examples"), "feedback_examples")
    base = upstream(layout.model("base"), "base_model").digest
    adapter = upstream(layout.model("adapter"), "lora_adapter")
    merged = upstream(layout.model("merged"), "merged_model")
    gguf = upstream(layout.gguf(), "gguf_model")
    reports = {
        name: upstream(layout.report(name), name).inputs for name in ("eval_metrics", "gguf_metrics", "ab_report")
    }
    promotion = upstream(layout.report("promotion_report"), "promotion_report").inputs
    questions = splits["test"].digest
    replay = artifacts.read_record(layout.dataset("replay")) if adapter.inputs.get("start_from") else None
    links = [
        *((f"{name}_split", record.inputs["examples"], examples) for name, record in splits.items()),
        ("lora_adapter", adapter.inputs["base"], base),
        ("lora_adapter", adapter.inputs["train"], replay.digest if replay else splits["train"].digest),
        *([("lora_adapter", replay.inputs["train"], splits["train"].digest)] if replay else []),
        ("lora_adapter", adapter.inputs["validation"], splits["validation"].digest),
        ("lora_adapter", adapter.inputs["extra"], feedback.digest if feedback.facts["examples"] else None),
        ("merged_model", merged.inputs["adapter"], adapter.digest),
        ("gguf_model", gguf.inputs["model"], merged.digest),
        ("eval_metrics", reports["eval_metrics"]["adapter"], adapter.digest),
        ("gguf_metrics", reports["gguf_metrics"]["gguf"], gguf.digest),
        ("ab_report", reports["ab_report"]["gguf"], gguf.digest),
        ("promotion_report", promotion["gguf"], gguf.digest),
        *((name, inputs["questions"], questions) for name, inputs in reports.items()),
    ]
    reasons = [
        f"{asset} was made of {str(used)[:12]}, and {str(present)[:12]} is there now; materialise {asset} again"
        for asset, used, present in links
        if used != present
    ]
    if artifacts.digest_of(layout.gguf()) != gguf.digest:
        reasons.append(f"{layout.gguf()} is not what its record says; materialise gguf_model again")
    return reasons


def _joined(first: "Report", second: "Report") -> "Report":
    from fit_assets.evaluation.evaluate import Report

    return Report(first.parser, (*first.predictions, *second.predictions))


def _disagreements(regex: "Report", model: "Report", limit: int = 20) -> list[dict[str, Any]]:
    return [
        {
            "question": a.question,
            "gold": a.gold.canonical(),
            "regex": a.predicted.canonical() if a.predicted else a.error,
            "model": b.predicted.canonical() if b.predicted else b.error,
        }
        for a, b in zip(regex.predictions, model.predictions, strict=True)
        if a.correct != b.correct
    ][:limit]
