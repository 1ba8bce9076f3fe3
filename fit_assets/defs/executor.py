"""How the steps of a run are executed."""

from typing import Any

import dagster as dg


@dg.configured(
    dg.multiprocess_executor,
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
