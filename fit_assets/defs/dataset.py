"""Group ``dataset``: generated and corrected examples, the rules that they keep, and the splits."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from fit_assets import artifacts
from fit_assets.defs import layout
from fit_assets.defs.common import OWNERS, ArtifactConfig, source_digest, upstream

GROUP = "dataset"


class ExamplesConfig(ArtifactConfig):
    """What the generator makes."""

    seed: int = Field(default=17, description="Seed: the same seed gives the same examples.")


@dg.asset(
    deps=["places"],
    group_name=GROUP,
    kinds={"python", "json"},
    owners=OWNERS,
    code_version=source_digest("dataset"),
)
def training_examples(context: dg.AssetExecutionContext, config: ExamplesConfig) -> dg.MaterializeResult[None]:
    """Generated questions with their filters: 4,500 by category, and 200 out of scope on top."""


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            f"{name}_split",
            deps=["training_examples"],
            group_name=GROUP,
            kinds={"json"},
            owners=OWNERS,
            code_version=source_digest("dataset"),
            description=description,
        )
        for name, description in {
            "train": "What the adapter is trained on, stratified over simple, complex and business queries.",
            "validation": "What chooses the best checkpoint, stratified like the training split.",
            "test": "What is only measured on: combinations of filters that training never saw.",
        }.items()
    ],
    can_subset=True,
)
def splits(context: dg.AssetExecutionContext, config: ArtifactConfig) -> Iterator[dg.MaterializeResult[None]]:
    """Train, validation and test."""
    yield from ()


@dg.asset(
    deps=["validation_split", "test_split"],
    group_name=GROUP,
    kinds={"json"},
    owners=OWNERS,
    code_version=source_digest("serving/feedback.py"),
)
def feedback_examples(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Questions that people corrected, without copies of what is only measured on."""


def splits_subject() -> str:
    """What ``no_leakage`` judges: the three splits, as one digest."""
    return artifacts.digest_of_value(
        [upstream(layout.dataset(name), f"{name}_split").digest for name in ("train", "validation", "test")]
    )
