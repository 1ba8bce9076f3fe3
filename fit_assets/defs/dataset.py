"""Group ``dataset``: generated and corrected examples, the rules that they keep, and the splits."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from fit_assets import artifacts, settings
from fit_assets.defs import layout
from fit_assets.defs.common import (
    OWNERS,
    ArtifactConfig,
    about,
    check_result,
    make_or_reuse,
    materialized,
    place_digest,
    source_digest,
    table_of,
    upstream,
)

if TYPE_CHECKING:
    from fit_assets.dataset.examples import Example
    from fit_assets.dataset.splits import Leak, Splits

GROUP = "dataset"

# The rules judge the variants of natural questions.
GENERATOR_CODE = source_digest("dataset", "language", "parsing/regex_parser.py", "places.py", "filters.py")
SPLIT_CODE = source_digest("dataset/splits.py", "dataset/near_copies.py", "dataset/examples.py", "language/text.py")
FEEDBACK_CODE = source_digest("serving/feedback.py", "serving/held_out.py", "serving/review.py", "dataset/splits.py")

SPLITS = {
    "train": "What the adapter is trained on, stratified over simple, complex and business queries.",
    "validation": "What chooses the best checkpoint, stratified like the training split.",
    "test": "What is only measured on: combinations of filters that training never saw.",
}

RULES = {
    "technology_spelling": "Technologies are spelled exactly as the contract spells them.",
    "postcode_accuracy": "A place carries the gazetteer's patterns; Yorkshire has YO, HU, DN, HD, WF, LS, BD.",
    "capacities_in_kw": "Every capacity is in kW and follows from the number and unit in the question.",
    "valid_json": "The canonical text of every gold object is valid JSON and parses to the same object.",
    "field_names": "Only the contract's keys occur, none of them null.",
}

EXAMPLE_SCHEMA = dg.TableSchema(
    [
        dg.TableColumn("q", "string", "the question"),
        dg.TableColumn("gold", "object", "the filters that are right"),
        dg.TableColumn("category", "string"),
        dg.TableColumn("complexity", "string", "simple, complex or business"),
        dg.TableColumn("combination", "string", "the shape of the filters"),
        dg.TableColumn("source", "string", "the natural question that it is or was made of; empty: made of phrases"),
    ]
)


class ExamplesConfig(ArtifactConfig):
    """What the generator makes."""

    seed: int = Field(default=17, description="Seed: the same seed gives the same examples.")
    size: int = Field(
        default=4_500, description="Examples in scope, in the mission's shares; a release needs the full 4,500."
    )
    out_of_scope: int | None = Field(default=None, description="Out-of-scope examples on top; empty: 400 for 4,500.")
    noise: float = Field(default=1.0, description="Factor on all typing noise: 0 for none, 1 as people type.")
    natural: float = Field(default=0.8, description="Share made of natural questions and their variants, 0 to 1.")


@dg.asset(
    deps=["places"],
    group_name=GROUP,
    kinds={"python", "json"},
    owners=OWNERS,
    code_version=GENERATOR_CODE,
)
def training_examples(context: dg.AssetExecutionContext, config: ExamplesConfig) -> dg.MaterializeResult[None]:
    """Generated questions with their filters: 4,500 by category, and 400 out of scope on top."""
    from fit_assets.dataset.examples import read_jsonl, write_jsonl
    from fit_assets.dataset.generator import GeneratorConfig, generate
    from fit_assets.dataset.noise import NoiseConfig

    target = layout.dataset("training_examples")
    inputs = {
        "config": config.model_dump(exclude={"force"}),
        "phrases": artifacts.digest_of(settings.phrases_dir()),
        "places": place_digest(),
        "natural": artifacts.digest_of(settings.questions_dir() / "train.jsonl"),
        "measured": artifacts.digest_of_value(natural_questions()),
        "code": GENERATOR_CODE,
    }

    def build(aside: Path) -> None:
        noise = NoiseConfig(scale=config.noise)
        write_jsonl(
            aside,
            generate(
                GeneratorConfig(config.seed, config.size, config.out_of_scope, noise, config.natural),
                natural_questions(),
            ),
        )

    record, reused = make_or_reuse(target, inputs, build, force=config.force)
    examples = read_jsonl(target)
    context.log.info("%d examples", len(examples))
    return materialized(target, record.digest, reused, **describe(examples))


@dg.multi_asset_check(
    name="training_examples_rules",
    specs=[
        dg.AssetCheckSpec(rule, asset="training_examples", blocking=True, description=description)
        for rule, description in RULES.items()
    ],
    can_subset=True,
)
def training_examples_rules(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """The mission's five data rules."""
    yield from judge_rules(sorted(key.name for key in context.selected_asset_check_keys))


def judge_rules(names: Iterable[str]) -> Iterator[dg.AssetCheckResult]:
    """Hold the examples, as their file has them, against some of the rules."""
    from fit_assets.dataset.rules import RULES as rules

    digest = upstream(layout.dataset("training_examples"), "training_examples").digest
    examples = read_raw(layout.dataset("training_examples"))
    for name in names:
        violations = rules[name](examples)
        yield check_result(
            name,
            "training_examples",
            not violations,
            f"{len(violations)} of {len(examples):,} examples break the rule"
            + "".join(f"; line {v.index + 1}: {v.message}" for v in violations[:1]),
            digest=digest,
            blocking=True,
            violations=table_of(
                [{"line": v.index + 1, "question": examples[v.index].q, "mend": v.message} for v in violations[:20]]
            ),
        )


@dg.asset_check(asset="training_examples", blocking=True)
def counts_by_category() -> dg.AssetCheckResult:
    """Every category has exactly the number of examples that the mission asks for."""
    from fit_assets.dataset.generator import CATEGORIES, OUT_OF_SCOPE, out_of_scope_of

    expected = CATEGORIES | {OUT_OF_SCOPE: out_of_scope_of(sum(CATEGORIES.values()))}
    found = Counter(example.category for example in read_raw(layout.dataset("training_examples")))
    wrong = {name: found[name] for name in sorted(expected.keys() | found.keys()) if found[name] != expected.get(name)}
    return check_result(
        "counts_by_category",
        "training_examples",
        not wrong,
        f"wrong: {wrong}" if wrong else f"{found.total():,} examples in {len(found)} categories",
        digest=upstream(layout.dataset("training_examples"), "training_examples").digest,
        blocking=True,
    )


@dg.asset_check(asset="training_examples", blocking=True)
def no_duplicates() -> dg.AssetCheckResult:
    """No question stands twice."""
    from fit_assets.language.text import normalise_question

    found = Counter(normalise_question(example.q) for example in read_raw(layout.dataset("training_examples")))
    twice = [question for question, count in found.items() if count > 1]
    return check_result(
        "no_duplicates",
        "training_examples",
        not twice,
        f"{len(twice)} questions stand twice" + (f", {twice[0]!r} among them" if twice else ""),
        digest=upstream(layout.dataset("training_examples"), "training_examples").digest,
        blocking=True,
    )


class SplitConfig(ArtifactConfig):
    """How the examples are dealt out."""

    seed: int = Field(default=17, description="Seed: the same seed gives the same splits.")


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            f"{name}_split",
            deps=["training_examples"],
            group_name=GROUP,
            kinds={"json"},
            owners=OWNERS,
            code_version=SPLIT_CODE,
            description=description,
        )
        for name, description in SPLITS.items()
    ],
    can_subset=True,
)
def splits(context: dg.AssetExecutionContext, config: SplitConfig) -> Iterator[dg.MaterializeResult[None]]:
    """Train, validation and test."""
    from fit_assets.dataset.examples import read_jsonl, write_jsonl
    from fit_assets.dataset.splits import split

    source = upstream(layout.dataset("training_examples"), "training_examples")

    @cache
    def dealt() -> "Splits":
        return split(read_jsonl(layout.dataset("training_examples")), config.seed)

    for name in SPLITS:
        key = dg.AssetKey(f"{name}_split")
        if key not in context.selected_asset_keys:
            continue
        target = layout.dataset(name)
        inputs = {"examples": source.digest, "seed": config.seed, "code": SPLIT_CODE}
        record, reused = make_or_reuse(
            target,
            inputs,
            lambda aside, name=name: write_jsonl(aside, getattr(dealt(), name)),  # type: ignore[misc]
            force=config.force,
        )
        yield dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(record.digest),
            metadata=about(target, record.digest, reused, **describe(read_jsonl(target))),
        )


@dg.asset_check(asset="train_split", additional_deps=["validation_split", "test_split"], blocking=True)
def no_leakage() -> dg.AssetCheckResult:
    """No question, no near copy of one, and no combination of the test split stands in another split."""
    from fit_assets.dataset.generator import OUT_OF_SCOPE
    from fit_assets.dataset.splits import find_leaks

    parts = {name: read_raw(layout.dataset(name)) for name in SPLITS}
    leaks = [
        (f"{one}/{other}", leak)
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test"))
        for leak in find_leaks(parts[one], parts[other])
    ]
    combinations = {name: {e.combination for e in part if e.category != OUT_OF_SCOPE} for name, part in parts.items()}
    seen = combinations["test"] & (combinations["train"] | combinations["validation"])
    return check_result(
        "no_leakage",
        "train_split",
        not leaks and not seen,
        f"{len(leaks)} leaking questions; {len(seen)} of the test split's {len(combinations['test'])} combinations "
        "were seen in training",
        digest=splits_subject(),
        blocking=True,
        leaks=table_of([{"splits": where, **leak_row(leak)} for where, leak in leaks[:20]]),
    )


@dg.asset_check(asset="train_split", additional_deps=["validation_split", "test_split"], blocking=True)
def split_counts() -> dg.AssetCheckResult:
    """Train, validation and test have exactly 80, 10 and 10 per cent of the examples, in and out of scope."""
    from fit_assets.dataset.generator import OUT_OF_SCOPE

    counts = {
        name: Counter(example.category == OUT_OF_SCOPE for example in read_raw(layout.dataset(name))) for name in SPLITS
    }
    totals = {scope: sum(count[scope] for count in counts.values()) for scope in (False, True)}
    passed = all(
        counts[name][scope] == round(share * total)
        for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1))
        for scope, total in totals.items()
    )
    return check_result(
        "split_counts",
        "train_split",
        passed,
        "; ".join(f"{name} {count[False]:,} + {count[True]} out of scope" for name, count in counts.items()),
        digest=splits_subject(),
        blocking=True,
    )


@dg.asset_check(asset="train_split", additional_deps=["validation_split"])
def stratified() -> dg.AssetCheckResult:
    """Train and validation have simple, complex and business queries in the same shares, to three points."""
    shares = {}
    for name in ("train", "validation"):
        found = Counter(example.complexity for example in read_raw(layout.dataset(name)))
        shares[name] = {kind: count / found.total() for kind, count in sorted(found.items())}
    kinds = shares["train"].keys() | shares["validation"].keys()
    apart = max(abs(shares["train"].get(kind, 0) - shares["validation"].get(kind, 0)) for kind in kinds)
    return check_result(
        "stratified", "train_split", apart <= 0.03, f"at most {100 * apart:.1f} points apart", shares=shares
    )


@dg.asset_check(asset="train_split", blocking=True)
def natural_questions_unseen() -> dg.AssetCheckResult:
    """No question that people wrote for measuring, nor a near copy of one, is trained on."""
    from fit_assets.dataset.splits import find_leaks

    natural = natural_questions()
    leaks = find_leaks(read_raw(layout.dataset("train")), natural)
    return check_result(
        "natural_questions_unseen",
        "train_split",
        not leaks,
        f"{len(leaks)} of {len(natural)} natural questions are trained on",
        digest=upstream(layout.dataset("train"), "train_split").digest,
        blocking=True,
        leaks=table_of([leak_row(leak) for leak in leaks[:20]]),
    )


@dg.asset(
    deps=["validation_split", "test_split"],
    group_name=GROUP,
    kinds={"json"},
    owners=OWNERS,
    code_version=FEEDBACK_CODE,
)
def feedback_examples(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Questions that people corrected, as training examples; copies of what is only measured on are refused.

    A fifth is held out beside them (``feedback_held_out``), to measure on. Questions that were corrected in two ways
    wait for a person: ``fit feedback review``.
    """
    from fit_assets.serving.feedback import feedback_examples as collect
    from fit_assets.serving.feedback import load_feedback
    from fit_assets.serving.review import contradictions

    for name in ("validation", "test"):
        upstream(layout.dataset(name), f"{name}_split")
    everything = load_feedback()
    found = collect(measured_questions(), everything)
    facts = {
        "examples": len(found.examples),
        "held_out": len(found.held_out),
        "watermark": found.watermark.isoformat() if found.watermark else None,
    }
    held_out = _write_examples(layout.dataset("feedback_held_out"), found.held_out, {})
    target = layout.dataset("feedback_examples")
    record = _write_examples(target, found.examples, facts)
    waiting = contradictions(everything)
    context.log.info(
        "%d corrected questions to train on, %d held out, %d refused, %d wait for a person",
        *(len(part) for part in (found.examples, found.held_out, found.refused, waiting)),
    )
    return materialized(
        target,
        record.digest,
        False,
        **{"dagster/row_count": len(found.examples), "dagster/column_schema": EXAMPLE_SCHEMA},
        watermark=facts["watermark"] or "no feedback yet",
        held_out=len(found.held_out),
        held_out_sha256=held_out.digest,
        origins=dg.MetadataValue.json(dict(Counter(item.origin or "unknown" for item in everything.items))),
        duplicates=everything.duplicates,
        contradictions=table_of(
            [
                {"question": one.question, "readings": [reading.filters.to_dict() for reading in one.readings]}
                for one in waiting[:20]
            ]
        ),
        refused=table_of(
            [{"where": where, "reason": reason} for where, reason in (*found.refused, *everything.refused)][:20]
        ),
        sample=table_of([dict(example) for example in found.examples[:10]]),
    )


@dg.asset_check(asset=feedback_examples, blocking=True)
def feedback_does_not_leak() -> dg.AssetCheckResult:
    """No corrected question that is trained on is, or nearly is, one that is only measured on."""
    from fit_assets.dataset.splits import find_leaks

    held_out = [example.q for example in read_raw(layout.dataset("feedback_held_out"))]
    leaks = find_leaks(measured_questions() + held_out, read_raw(layout.dataset("feedback_examples")))
    return check_result(
        "feedback_does_not_leak",
        "feedback_examples",
        not leaks,
        f"{len(leaks)} corrected questions are measured on too",
        digest=upstream(layout.dataset("feedback_examples"), "feedback_examples").digest,
        blocking=True,
        leaks=table_of([leak_row(leak) for leak in leaks[:20]]),
    )


def _write_examples(path: Path, examples: Sequence[dict[str, Any]], facts: dict[str, Any]) -> artifacts.Record:
    lines = [json.dumps(example, ensure_ascii=False, sort_keys=True) for example in examples]
    artifacts.write_text(path, "".join(f"{line}\n" for line in lines))
    return artifacts.write_record(path, {"code": FEEDBACK_CODE}, facts)


def measured_questions() -> list[str]:
    """Every question that is only measured on: validation, test, and the natural ones."""
    paths = [layout.dataset("validation"), layout.dataset("test")]
    return [example.q for path in paths for example in read_raw(path)] + natural_questions()


def natural_questions() -> list[str]:
    """The natural questions that are only measured on."""
    return [example.q for half in ("dev", "test") for example in read_raw(settings.questions_dir() / f"{half}.jsonl")]


def splits_subject() -> str:
    """What ``no_leakage`` and ``split_counts`` judge: the three splits, as one digest."""
    return artifacts.digest_of_value([upstream(layout.dataset(name), f"{name}_split").digest for name in SPLITS])


def read_raw(path: Path) -> list["Example"]:
    """Examples as the file has them, not held against the contract: that is for the checks to do."""
    from fit_assets.dataset.examples import Example

    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    names = ("category", "complexity", "combination", "source")
    return [Example(line["q"], line["gold"], **{name: line.get(name, "") for name in names}) for line in lines]


def describe(examples: Sequence["Example"]) -> dict[str, Any]:
    """Counts and samples of a set of examples, as Dagster metadata."""
    by_category = Counter(example.category for example in examples)
    by_complexity = Counter(example.complexity for example in examples)
    step = max(1, len(examples) // 15)
    return {
        "dagster/row_count": len(examples),
        "dagster/column_schema": EXAMPLE_SCHEMA,
        "by_category": table_of([{"category": name, "examples": count} for name, count in sorted(by_category.items())]),
        "by_complexity": dg.MetadataValue.json(dict(sorted(by_complexity.items()))),
        "combinations": len({example.combination for example in examples}),
        "sample": table_of([{"q": e.q, "gold": e.gold, "category": e.category} for e in examples[::step][:15]]),
    }


def leak_row(leak: "Leak") -> dict[str, Any]:
    """A leak as a row of a table."""
    return {"first": leak.first, "second": leak.second, "similarity": round(leak.similarity, 1)}
