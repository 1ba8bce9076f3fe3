"""Group ``release``: the candidate held against the version in production, and the verdict on its promotion."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from fit_assets import artifacts, settings
from fit_assets.defs import layout
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    check_result,
    materialized,
    place_digest,
    source_digest,
    table_of,
    upstream,
)
from fit_assets.defs.evaluations import EVALUATION_CODE, load_report, measure, question_inputs, split_questions
from fit_assets.evaluation import thresholds

if TYPE_CHECKING:
    from fit_assets.evaluation.evaluate import Question, Report
    from fit_assets.evaluation.versions import Version

GROUP = "release"
NATURAL_QUESTIONS = "natural_questions"


@dg.asset(
    deps=["gguf_model", "gguf_metrics", "feedback_examples", "test_split", "places"],
    group_name=GROUP,
    kinds={"gguf", "json"},
    owners=OWNERS,
    code_version=source_digest("evaluation/promotion.py"),
    pool="train",
)
def promotion_report(context: dg.AssetExecutionContext, config: ArtifactConfig) -> dg.MaterializeResult[None]:
    """Candidate against production on the frozen test, the natural questions and held-out corrections: promote or not.

    The rule stands in ``fit_assets/evaluation/promotion.py``. The verdict is carried out by ``model_version``; a
    candidate that is not promoted stays in staging, with the reasons here.
    """
    from fit_assets.evaluation import versions
    from fit_assets.evaluation.promotion import Verdict, decide

    candidate = upstream(layout.gguf(), "gguf_model").digest
    present = versions.production_version()
    if present is None or present.digest == candidate:
        verdict = Verdict(True, (), ())
    elif present.gguf_path is None or not present.gguf_path.is_file():
        reason = f"version {present.version} is in production and cannot be measured: {present.gguf_path} is gone"
        verdict = Verdict(False, (reason,), ())
    else:
        verdict = decide(compared(context, present, candidate, config.force))
    against = f"version {present.version}" if present and present.digest != candidate else ""
    target = layout.report("promotion_report")
    content = verdict.to_dict() | {
        "gguf": candidate,
        "production": present.version if present else None,
        "summary": verdict.summary or "there is no other version in production",
    }
    artifacts.write_text(target, json.dumps(content, indent=1) + "\n")
    record = artifacts.write_record(target, {"gguf": candidate})
    context.log.info("%s: %s", "promote" if verdict.promote else "do not promote", content["summary"])
    return materialized(
        target,
        record.digest,
        False,
        promote=verdict.promote,
        against=against or "none",
        reasons=dg.MetadataValue.md("\n".join(f"- {reason}" for reason in verdict.reasons) or "nothing against it"),
        standings=table_of(
            [
                {
                    "questions": one.questions,
                    "asked": one.n,
                    "production": round(one.production, 4),
                    "candidate": round(one.candidate, 4),
                    "gained": one.gained,
                    "lost": one.lost,
                    "difference": "{:+.1%} ({:+.1%} to {:+.1%})".format(*one.difference),
                }
                for one in verdict.standings
            ]
        ),
        **{f"candidate_{one.questions.replace(' ', '_')}": one.candidate for one in verdict.standings},
    )


@dg.asset_check(asset=promotion_report)
def better_than_production() -> dg.AssetCheckResult:
    """The candidate is better than the version in production by the promotion rule; else it stays in staging."""
    digest = upstream(layout.report("promotion_report"), "promotion_report").digest
    verdict = read_verdict()
    return check_result(
        "better_than_production", "promotion_report", verdict["promote"], verdict["summary"], judged=digest
    )


def read_verdict() -> dict[str, Any]:
    """The verdict as its file has it."""
    upstream(layout.report("promotion_report"), "promotion_report")
    verdict: dict[str, Any] = json.loads(layout.report("promotion_report").read_text("utf-8"))
    return verdict


def compared(
    context: dg.AssetExecutionContext, present: "Version", candidate: str, force: bool
) -> dict[str, tuple["Report", "Report"]]:
    """Reports of production and of the candidate on each set; what was measured before is taken from there.

    The frozen test comes from the reports that the versions were released on, measured anew where the questions, the
    gazetteer or the code have changed since.
    """
    from fit_assets.parsing.registry import gguf_parser

    assert present.gguf_path is not None
    path = present.gguf_path
    _, frozen, _ = measure(
        context,
        path.parent / "report.json",
        {"gguf": present.digest} | question_inputs(),
        lambda: gguf_parser(path),
        split_questions,
        force=force,
    )
    pairs = {"frozen test": (frozen, load_report("gguf_metrics"))}
    sets = {NATURAL_QUESTIONS: natural_test(), "recent_feedback": recent_feedback()}
    for file, questions in sets.items():
        name = file.replace("_", " ")
        before = report_on(context, present.digest, path, file, questions, force=force)
        pairs[name] = before, report_on(context, candidate, layout.gguf(), file, questions, force=force)
    return pairs


def report_on(
    context: dg.AssetExecutionContext,
    digest: str,
    gguf: Path,
    name: str,
    questions: list["Question"],
    *,
    force: bool = False,
) -> "Report":
    """What a packaged model makes of a set of questions, as it is served; kept by its digest."""
    from fit_assets.parsing.registry import gguf_parsers_at_once

    asked = artifacts.digest_of_value([[one.q, one.gold.canonical(), one.tags] for one in questions])
    inputs = {"gguf": digest, "questions": asked, "places": place_digest(), "code": EVALUATION_CODE}
    _, report, _ = measure(
        context,
        layout.measured(digest, name),
        inputs,
        lambda: gguf_parsers_at_once(gguf),
        lambda: questions,
        force=force,
    )
    return report


def natural_test() -> list["Question"]:
    """The half of the natural questions that nobody mends anything on."""
    from fit_assets.evaluation.evaluate import load_questions

    return load_questions(settings.questions_dir() / "test.jsonl")


def recent_feedback() -> list["Question"]:
    """The newest held-out corrections."""
    from fit_assets.evaluation.evaluate import load_questions

    upstream(layout.dataset("feedback_examples"), "feedback_examples")
    path = layout.dataset("feedback_held_out")
    return load_questions(path)[-thresholds.RECENT_FEEDBACK :] if path.stat().st_size else []
