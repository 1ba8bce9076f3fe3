"""The services that assets use, as Dagster resources."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from fit_assets import artifacts, settings

if TYPE_CHECKING:
    from fit_assets.evaluation.tracking import Run


class Tracking(dg.ConfigurableResource):  # type: ignore[misc,type-arg]
    """MLflow: one run for each artifact that was trained or measured (``MLFLOW_TRACKING_URI``)."""

    experiment: str = Field(default="fit-intelligence", description="MLflow experiment that the runs belong to.")

    def run_of(
        self, artifact: Path, digest: str, name: str, log: Callable[["Run"], None], **tags: Any
    ) -> dict[str, Any]:
        """Log a run about an artifact, unless this very artifact has one in this store already.

        Args:
            artifact: what was trained or measured; the run's id is kept beside it.
            digest: its SHA-256.
            name: the run's name.
            log: writes parameters, figures and plots to the open run.
            tags: tags of the run.

        Returns:
            Metadata entries: ``mlflow_run`` (a link) and ``mlflow_run_id``.
        """
        from fit_assets.evaluation import tracking

        note = run_note(artifact)
        store = hashlib.sha256(settings.mlflow_tracking_uri().encode()).hexdigest()  # the URI may hold a password
        known = _read(note)
        if known.get("digest") != digest or known.get("store") != store:
            with tracking.start_run(self.experiment, name, {"artifact_digest": digest, **tags}) as run:
                log(run)
            known = {"digest": digest, "store": store, "run_id": run.run_id, "experiment_id": run.experiment_id}
            artifacts.write_text(note, json.dumps(known, indent=1) + "\n")
        url = tracking.run_url(known["experiment_id"], known["run_id"])
        return {"mlflow_run": dg.MetadataValue.url(url), "mlflow_run_id": known["run_id"]}


def run_note(artifact: Path) -> Path:
    """The file beside an artifact that names its MLflow run."""
    return artifact.with_name(artifact.name + ".mlflow.json")


def run_id_of(artifact: Path) -> str | None:
    """The MLflow run of an artifact, or None where it has none."""
    return _read(run_note(artifact)).get("run_id")


def _read(note: Path) -> dict[str, str]:
    try:
        content = json.loads(note.read_text("utf-8"))
        return {str(key): str(value) for key, value in content.items()}
    except (OSError, ValueError, AttributeError):
        return {}


RESOURCES: dict[str, Any] = {"tracking": Tracking()}
