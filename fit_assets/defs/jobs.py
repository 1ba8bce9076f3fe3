"""The jobs: everything, the retraining, and the watch over what is served."""

from typing import Any

import dagster as dg

build_all = dg.define_asset_job(
    "build_all",
    selection=dg.AssetSelection.all(),
    description="The whole graph, from the reference tables to the registered model. Finished work is recognised.",
)

# From the corrections down to what is served. regex_metrics is not downstream of feedback, and ab_report reads it from
# the last full run: the questions and the regex parser are the same.
RETRAINING: dict[str, Any] = {"ops": {"lora_adapter": {"config": {"retrain": True}}}}
retrain_job = dg.define_asset_job(
    "retrain_job",
    selection=dg.AssetSelection.assets("feedback_examples").downstream(),
    config=RETRAINING,
    description="Retrain on from the adapter in production with the corrected questions and a replay sample, measure, "
    "package, register in staging if every gate passes, and promote if the candidate beats production. A full training "
    "instead: set `retrain` of `lora_adapter` to false in the launchpad.",
    tags={"fit_assets/kind": "training"},
)

monitoring_job = dg.define_asset_job(
    "monitoring_job",
    selection=dg.AssetSelection.groups("monitoring"),
    description="Read the query log and judge the health of what is served.",
)
