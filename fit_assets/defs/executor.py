"""How the steps of a run are executed."""

from typing import Any

import dagster as dg
from dagster._core.definitions.executor_definition import MULTI_PROC_CONFIG, multiple_process_executor_requirements

from fit_assets.defs.dead_runs import end_dead_runs


def _after_dead_runs(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's own, once what a killed run still holds is free: else this run would wait for it for ever."""
    for run_id in end_dead_runs(context.instance):
        print(f"run {run_id} was killed; what it held is free again", flush=True)
    create = dg.multiprocess_executor.executor_creation_fn
    assert create is not None
    return create(context)


@dg.configured(
    dg.ExecutorDefinition(
        name="multiprocess",
        config_schema=MULTI_PROC_CONFIG,
        requirements=multiple_process_executor_requirements(),
        executor_creation_fn=_after_dead_runs,
    ),
    config_schema={
        "max_concurrent": dg.Field(
            int, default_value=1, description="Steps at a time; the heavy ones use every core by themselves."
        )
    },
)
def step_processes(config: dict[str, Any]) -> dict[str, Any]:
    """Each step in a process of its own, forked from one that has the definitions loaded and no torch.

    So it starts in a moment, and what a training or a model took is given back when the step ends.
    """
    return {
        "max_concurrent": config["max_concurrent"],
        "start_method": {"forkserver": {"preload_modules": ["fit_assets.definitions"]}},
    }
