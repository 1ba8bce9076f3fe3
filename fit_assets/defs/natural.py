"""Natural questions, in group ``packaging``: the development half analysed, the test half reported."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from fit_assets import artifacts, settings
from fit_assets.defs import layout
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    materialized,
    picture,
    place_digest,
    source_digest,
    table_of,
    upstream,
)
from fit_assets.defs.evaluations import (
    EVALUATION_CODE,
    log_report,
    measure,
    report_checks,
    report_metadata,
)
from fit_assets.defs.packaging import GROUP
from fit_assets.defs.resources import Tracking

if TYPE_CHECKING:
    from fit_assets.evaluation.evaluate import Question, Report
    from fit_assets.parsing.base import Parser

HALVES = ("dev", "test")
PARSERS = {"served": "as served", "raw": "the model alone", "regex": "the rules alone"}
CODE = source_digest("evaluation/phrasing.py", "dataset/natural.py")


@dg.asset(
    deps=["gguf_model", "train_split", "places", "installation_facts"],
    group_name=GROUP,
    kinds={"gguf", "mlflow"},
    owners=OWNERS,
    code_version=source_digest("evaluation/calibration.py", "evaluation/plots.py") + EVALUATION_CODE + CODE,
    pool="train",
)
def natural_metrics(
    context: dg.AssetExecutionContext, config: ArtifactConfig, tracking: Tracking
) -> dg.MaterializeResult[None]:
    """Questions as people typed them, which no template made: the packaged model as served and alone, and the rules.

    The development half is for error analysis: worst answers, errors by field, right answers by length, spelling and
    order, and by whether training had the place and the numbers, and whether the model's confidence tells right from
    wrong. Of the test half there are figures only: whoever reads its questions cannot report it any more.
    """
    inputs = {
        "gguf": upstream(layout.gguf(), "gguf_model").digest,
        "train": upstream(layout.dataset("train"), "train_split").digest,
        "places": place_digest(),
        "code": EVALUATION_CODE + CODE,
    }
    reports: dict[tuple[str, str], Report] = {}
    digests: list[str] = []
    all_reused = True
    questions_of = cache(natural_questions)
    for half in HALVES:
        for parser in PARSERS:
            path = report_path(half, parser)
            record, report, reused = measure(
                context,
                path,
                inputs | {"questions": questions_digest(half)},
                lambda parser=parser: make_parser(parser),  # type: ignore[misc]
                lambda half=half: questions_of(half),  # type: ignore[misc]
                force=config.force,
            )
            reports[half, parser] = report
            digests.append(record.digest)
            all_reused &= reused
            run = log_report(
                tracking, path.stem, path, record.digest, report, timed=False, samples=10 if half == "dev" else 0
            )
    main = report_path("test", "served")
    return materialized(
        main,
        upstream(main, "natural_metrics").digest,
        all_reused,
        **compared({parser: reports["test", parser] for parser in PARSERS}, "test"),
        **compared({parser: reports["dev", parser] for parser in PARSERS}, "dev"),
        **report_metadata(reports["dev", "served"], "dev_", timed=False),
        **report_metadata(reports["dev", "raw"], "dev_raw_", timed=False),
        **run,
    )


natural_metrics_checks = report_checks("natural_metrics", lambda: report_path("test", "served"), gates=[])


def report_path(half: str, parser: str) -> Path:
    """Where the report of a parser on a half lies."""
    return layout.report(f"natural_{half}_{parser}")


def questions_digest(half: str) -> str:
    """The digest of a half's file."""
    return artifacts.digest_of(settings.questions_dir() / f"{half}.jsonl")


def natural_questions(half: str) -> "list[Question]":
    """The questions of a half with the labels by which they are sliced."""
    from fit_assets.defs.dataset import read_raw
    from fit_assets.evaluation.evaluate import load_questions
    from fit_assets.evaluation.phrasing import Seen, labelled

    seen = Seen.of((example.q, example.gold) for example in read_raw(layout.dataset("train")))
    return [labelled(one, seen) for one in load_questions(settings.questions_dir() / f"{half}.jsonl")]


def make_parser(name: str) -> "Parser":
    """One of ``PARSERS``, for measuring many questions at once."""
    from fit_assets.parsing.registry import build_parser, gguf_parsers_at_once

    if name == "regex":
        return build_parser("regex")
    return gguf_parsers_at_once(layout.gguf(), constrained=name == "served")


def compared(reports: "Mapping[str, Report]", half: str) -> dict[str, Any]:
    """Parsers beside each other on one half: a plot of right answers, and a table of all metrics."""
    from fit_assets.evaluation import plots

    metrics = {PARSERS[name]: report.metrics for name, report in reports.items()}
    names: Sequence[str] = list(next(iter(metrics.values())))
    title = f"Right answers to natural questions, {half} half"
    return {
        f"{half}_by_parser": picture(plots.metrics_by_label(metrics, "parsing_accuracy", title), title),
        f"{half}_metrics_by_parser": table_of(
            [{"metric": name} | {parser: str(by_name[name]) for parser, by_name in metrics.items()} for name in names]
        ),
    }
