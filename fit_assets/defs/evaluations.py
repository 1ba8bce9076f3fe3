"""What the assets that measure a parser share: the evaluation, its metadata, and the checks on its report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from fit_assets import artifacts
from fit_assets.defs import layout
from fit_assets.defs.common import (
    ArtifactConfig,
    check_result,
    make_or_reuse,
    materialized,
    picture,
    place_digest,
    source_digest,
    table_of,
    upstream,
)
from fit_assets.defs.resources import Tracking
from fit_assets.evaluation import thresholds

if TYPE_CHECKING:
    from fit_assets.evaluation.evaluate import Question, Report
    from fit_assets.parsing.base import Parser

EVALUATION_CODE = source_digest(
    "language",
    "parsing",
    "filters.py",
    "places.py",
    "training/prompt.py",
    "reference/query.py",
    "reference/answer.py",
    *(f"evaluation/{name}.py" for name in ("critical", "evaluate", "execution", "intervals", "metrics")),
)


def question_inputs() -> dict[str, str]:
    """Digests of what every evaluation hangs on beside its parser: questions, gazetteer, code."""
    return {
        "questions": upstream(layout.dataset("test"), "test_split").digest,
        "places": place_digest(),
        "code": EVALUATION_CODE,
    }


def sample_inputs(questions: int) -> dict[str, int]:
    """What a report on a part of the test split hangs on beside the split."""
    return {"asked": questions} if questions else {}


def measure(
    context: dg.AssetExecutionContext,
    path: Path,
    inputs: Mapping[str, Any],
    make_parser: Callable[[], "Parser"],
    questions: Callable[[], Sequence["Question"]],
    *,
    force: bool,
    critical: Callable[[Any], "Parser"] | None = None,
) -> tuple[artifacts.Record, "Report", bool]:
    """Evaluate a parser, unless a report of the same inputs is there; record, report, and whether it was there.

    ``critical`` says who is asked the critical questions in the parser's place.
    """
    from fit_assets.evaluation.evaluate import Report, evaluate_parser

    tenths = 0

    def progress(done: int, total: int) -> None:
        nonlocal tenths
        if 10 * done // total > tenths:
            tenths = 10 * done // total
            context.log.info("%s: %d of %d questions", path.stem, done, total)

    def build(aside: Path) -> dict[str, float]:
        parser = make_parser()
        report = evaluate_parser(parser, questions(), progress, critical=critical(parser) if critical else None)
        report.save(aside)
        return report.figures()

    record, reused = make_or_reuse(path, inputs, build, force=force)
    return record, Report.load(path), reused


class PlainConfig(ArtifactConfig):
    """How much is asked of plain decoding, which takes a second a question."""

    plain_questions: int = Field(
        default=0,
        description="How many questions of the test split plain decoding is asked, evenly spread over it; 0: all.",
    )


def split_questions(at_most: int = 0) -> list["Question"]:
    """The questions of the test split, or so many of them, evenly spread (0: all)."""
    from fit_assets.evaluation.evaluate import load_questions

    questions = load_questions(layout.dataset("test"))
    count = min(at_most or len(questions), len(questions))
    return [questions[index * len(questions) // count] for index in range(count)]


def load_report(name: str, asset: str | None = None) -> "Report":
    """The report of an asset on the default preset's model.

    Raises:
        MissingUpstream: it is not there; names the asset to materialise.
    """
    from fit_assets.evaluation.evaluate import Report

    upstream(layout.report(name), asset or name)
    return Report.load(layout.report(name))


def log_report(
    tracking: Tracking,
    name: str,
    path: Path,
    digest: str,
    report: "Report",
    *,
    timed: bool = True,
    samples: int = 10,
    **tags: Any,
) -> dict[str, Any]:
    """Send a report to MLflow; the metadata entries that link to the run.

    ``timed`` says that its latencies are those of single questions; ``samples`` is how many wrong answers are shown.
    """

    def log(run: Any) -> None:
        run.log_params({"parser": report.parser, "questions": len(report.predictions)})
        run.log_metrics(report.figures())
        run.log_text(report.to_markdown(samples), "report.md")
        for title, png in _plots(report, timed):
            run.log_figure(png, title.replace(" ", "_"))

    return tracking.run_of(path, digest, name, log, questions_digest=report.questions_digest, **tags)


def report_metadata(report: "Report", prefix: str = "", timed: bool = True) -> dict[str, Any]:
    """Figures, plots and sample predictions of a report, as Dagster metadata."""
    figures: dict[str, Any] = {f"{prefix}{name}": value for name, value in report.figures().items()}
    plots = {f"{prefix}{title.replace(' ', '_')}": picture(png, title) for title, png in _plots(report, timed)}
    return (
        figures
        | plots
        | {
            f"{prefix}questions": len(report.predictions),
            f"{prefix}questions_sha256": report.questions_digest,
            f"{prefix}samples": table_of(report.samples(20)),
            f"{prefix}report": dg.MetadataValue.md(report.to_markdown()),
        }
    )


def evaluation(
    context: dg.AssetExecutionContext,
    name: str,
    path: Path,
    inputs: Mapping[str, Any],
    make_parser: Callable[[], "Parser"],
    tracking: Tracking,
    *,
    force: bool,
    critical: Callable[[Any], "Parser"] | None = None,
    questions: int = 0,
) -> dg.MaterializeResult[None]:
    """Measure a parser on the test split, or on so many ``questions`` of it, and tell about it."""
    record, report, reused = measure(
        context,
        path,
        dict(inputs) | question_inputs() | sample_inputs(questions),
        make_parser,
        lambda: split_questions(questions),
        force=force,
        critical=critical,
    )
    run = log_report(tracking, name, path, record.digest, report)
    return materialized(path, record.digest, reused, **report_metadata(report), **run)


GATES = {
    "release_parsing_accuracy": "Right answers on the test split: below the release gate nothing is released.",
    "critical_tests": "The mission's four questions, all of which must always be answered right.",
}


def report_checks(
    asset: str,
    report_path: Callable[[], Path],
    *,
    gates: Sequence[str],
    targets: Sequence[str] = tuple(thresholds.METRIC_TARGETS),
) -> dg.AssetChecksDefinition:
    """The checks on a report: the mission's targets as warnings, and what must stop a release.

    Args:
        asset: the asset that made the report.
        report_path: where it lies.
        gates: those of ``GATES`` that block what comes after.
        targets: the metrics that are held against their targets.
    """
    specs = [
        dg.AssetCheckSpec(
            f"target_{metric}",
            asset=asset,
            description=f"The mission's target for {metric}: {thresholds.METRIC_TARGETS[metric]}.",
        )
        for metric in targets
    ]
    specs += [dg.AssetCheckSpec(gate, asset=asset, blocking=True, description=GATES[gate]) for gate in gates]

    @dg.multi_asset_check(name=f"{asset}_checks", specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from fit_assets.evaluation.evaluate import Report

        path = report_path()
        digest = upstream(path, asset).digest
        results = judge(asset, Report.load(path), digest)
        for key in sorted(context.selected_asset_check_keys):
            yield results[key.name]()

    return checks


def judge(asset: str, report: "Report", digest: str) -> dict[str, Callable[[], dg.AssetCheckResult]]:
    """The verdicts on a report by the name of the check, each taken (and kept) when it is called."""

    def target(metric: str) -> dg.AssetCheckResult:
        measured = report.metrics.get(metric)
        met = measured.met if measured else None
        description = f"{measured or 'not measured'}; target {thresholds.METRIC_TARGETS[metric]}"
        # What was not measured, for want of such a question, is no miss.
        return check_result(f"target_{metric}", asset, met is not False, description)

    def accuracy() -> dg.AssetCheckResult:
        gate, measured = thresholds.RELEASE_PARSING_ACCURACY, report.metrics["parsing_accuracy"]
        passed = measured.value is not None and gate.met_by(measured.value)
        description = f"parsing accuracy {measured}; the release gate is {gate}"
        return check_result("release_parsing_accuracy", asset, passed, description, digest=digest, blocking=True)

    def critical() -> dg.AssetCheckResult:
        failed = [result for result in report.critical if not result.passed]
        passed = bool(report.critical) and not failed
        description = "; ".join(f"{result.question!r}: {result.reason}" for result in failed)
        return check_result(
            "critical_tests",
            asset,
            passed,
            description or f"{len(report.critical) - len(failed)} of {len(report.critical)} pass",
            digest=digest,
            blocking=True,
            answers=table_of([result.to_dict() for result in report.critical]),
        )

    verdicts: dict[str, Callable[[], dg.AssetCheckResult]] = {
        f"target_{metric}": lambda metric=metric: target(metric)  # type: ignore[misc]
        for metric in thresholds.METRIC_TARGETS
    }
    return verdicts | {"release_parsing_accuracy": accuracy, "critical_tests": critical}


def _plots(report: "Report", timed: bool) -> list[tuple[str, bytes]]:
    from fit_assets.evaluation import plots
    from fit_assets.evaluation.calibration import calibration

    drawn = [("metrics", plots.metrics_overview(report.metrics, f"Metrics of the parser {report.parser}"))]
    drawn += [
        (
            f"accuracy by {dimension}",
            plots.metrics_by_label(by_label, "parsing_accuracy", f"Right answers by {dimension}"),
        )
        for dimension, by_label in report.slices.items()
        if dimension != "tag"
    ]
    drawn.append(("errors by field", plots.confusion_by_field(report.confusion)))
    if known := calibration(report.predictions):
        drawn.append(("calibration", plots.calibration(known)))
    if timed:
        drawn.append(("latency", plots.latency_histogram([one.latency_ms for one in report.predictions])))
    return drawn
