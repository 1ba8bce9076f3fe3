"""The jobs: everything, the retraining, the weekly look, following the alias, the watch, and tidying up."""

from typing import Any

import dagster as dg

# What a run is for, as the UI's filter has it.
KIND = "fit_assets/kind"

build_all = dg.define_asset_job(
    "build_all",
    selection=dg.AssetSelection.all(),
    description="The whole graph, from the reference tables to what is served, with a full training. Finished work is "
    "recognised.",
    tags={KIND: "training"},
)

# From the corrections down to what is served. natural_metrics takes as long as all the rest, and ab_report asks the
# natural test half itself, for promotion_report as well. regex_metrics is not downstream of feedback: ab_report reads
# it from the last full run, for the questions and the regex parser are the same.
# Plain decoding is asked a part of the test split: it shows whether packaging has damaged something.
PLAIN_QUESTIONS = 50
RETRAINING: dict[str, Any] = {
    "ops": {
        "lora_adapter": {"config": {"retrain": True}},
        "eval_metrics": {"config": {"plain_questions": PLAIN_QUESTIONS}},
        "gguf_metrics": {"config": {"plain_questions": PLAIN_QUESTIONS}},
    }
}
retrain_job = dg.define_asset_job(
    "retrain_job",
    selection=dg.AssetSelection.assets("feedback_examples").downstream() - dg.AssetSelection.assets("natural_metrics"),
    config=RETRAINING,
    description="Retrain on from the adapter in production with the corrected questions and a replay sample, measure, "
    "package, register in staging if every gate passes, and promote if the candidate beats production. A full training "
    "instead: set `retrain` of `lora_adapter` to false in the launchpad.",
    tags={KIND: "training"},
)

weekly_job = dg.define_asset_job(
    "weekly_job",
    selection=dg.AssetSelection.assets("served_model", "production_metrics"),
    description="Look at the version in production, and measure it on what people judged since it was trained. Below "
    "95 % it asks for a retraining, which feedback_volume_sensor starts.",
    tags={KIND: "watch"},
)

follow_job = dg.define_asset_job(
    "follow_job",
    selection=dg.AssetSelection.assets("served_model", "ollama_model"),
    description="Follow MLflow's alias `production`: the note by which `fit ask` finds the model, and Ollama's name.",
    tags={KIND: "watch"},
)

monitoring_job = dg.define_asset_job(
    "monitoring_job",
    selection=dg.AssetSelection.groups("monitoring"),
    description="Read the query log and judge the health of what is served.",
    tags={KIND: "watch"},
)

housekeeping_job = dg.define_asset_job(
    "housekeeping_job",
    selection=dg.AssetSelection.groups("housekeeping"),
    description="Prune old checkpoints, packages, reports and runs by policy, clean up after killed runs, and show the "
    "disk use. Never a version that an alias names.",
    tags={KIND: "watch"},
)
