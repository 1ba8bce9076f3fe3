"""The jobs: everything, the retraining, and the watch over what is served."""

import dagster as dg

build_all = dg.define_asset_job(
    "build_all",
    selection=dg.AssetSelection.all(),
    description="The whole graph, from the reference tables to the registered model. Finished work is recognised.",
)

# From the corrections down to the release. regex_metrics is not downstream of feedback, and ab_report reads it from
# the last full run: the questions and the regex parser are the same.
retrain_job = dg.define_asset_job(
    "retrain_job",
    selection=dg.AssetSelection.assets("feedback_examples").downstream(),
    description="Retrain with the corrected questions, measure, package, and register if every gate passes.",
)

monitoring_job = dg.define_asset_job(
    "monitoring_job",
    selection=dg.AssetSelection.groups("monitoring"),
    description="Read the query log and judge the health of what is served.",
)
