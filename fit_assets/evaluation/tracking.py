"""MLflow, kept thin: runs with parameters, metrics, figures and records, on a local SQLite file or a server.

Everything goes through ``MlflowClient``, never through MLflow's global "active run", so that several runs may
be open in one process. The first use of a new SQLite file takes about six seconds: MLflow builds its tables.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Where `mlflow server` answers by default: the page that a link to a run of the local store opens in.
LOCAL_UI = "http://127.0.0.1:5000"

# MLflow takes no more in one request.
_MAX_PARAMS, _MAX_METRICS, _MAX_PARAM_CHARS = 100, 1000, 6000


@dataclass(frozen=True)
class Run:
    """An open MLflow run."""

    client: MlflowClient
    experiment_id: str
    run_id: str

    @property
    def url(self) -> str:
        """The run's page; for the local store as ``mlflow server`` shows it."""
        return run_url(self.experiment_id, self.run_id)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters as text; MLflow refuses to change one that is already there."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:_MAX_PARAM_CHARS]) for key, value in params.items()]
        for part in _batched(entries, _MAX_PARAMS):
            self.client.log_batch(self.run_id, params=part)

    def log_metrics(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Log figures; what is None or not finite is left out."""
        self.log_history([{"step": step, **metrics}])

    def log_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Log a training history: objects with ``step`` and figures, as the ``log_history`` of a Trainer."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entries = [
            Metric(key, float(value), now, int(point.get("step", 0)))
            for point in history
            for key, value in point.items()
            if key != "step" and isinstance(value, int | float) and math.isfinite(value)
        ]
        for part in _batched(entries, _MAX_METRICS):
            self.client.log_batch(self.run_id, metrics=part)

    def log_figure(self, png: bytes, name: str) -> None:
        """Log a PNG as ``figures/<name>.png``."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{name}.png")
            path.write_bytes(png)
            self.client.log_artifact(self.run_id, str(path), "figures")

    def log_dict(self, content: Mapping[str, Any], name: str) -> None:
        """Log a record as ``<name>.json``."""
        self.client.log_dict(self.run_id, dict(content), f"{name}.json")

    def log_text(self, text: str, file_name: str) -> None:
        """Log a text under its file name."""
        self.client.log_text(self.run_id, text, file_name)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a copy of a file or of everything in a folder."""
        log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        log(self.run_id, str(path), folder)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags as text."""
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, str(value))


@contextmanager
def start_run(
    experiment: str, name: str, tags: Mapping[str, Any] | None = None, run_id: str | None = None
) -> Iterator[Run]:
    """Open a run; it ends as FINISHED, or as FAILED where the block raises (KILLED for an interrupt).

    Args:
        experiment: the experiment's name; it is made where it does not exist.
        name: the run's name.
        tags: set on the run, as text.
        run_id: go on with this run instead of a new one (a training that resumes).

    Raises:
        mlflow.exceptions.MlflowException: the store or the server refuses, or there is no such run.
    """
    mlflow_client = client()
    if run_id:
        info = mlflow_client.get_run(run_id).info
        mlflow_client.update_run(run_id, status="RUNNING", name=name)
    else:
        info = mlflow_client.create_run(_experiment_id(mlflow_client, experiment), run_name=name).info
    run = Run(mlflow_client, info.experiment_id, info.run_id)
    status = "KILLED"
    try:
        run.set_tags(tags or {})
        yield run
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        mlflow_client.set_terminated(run.run_id, status)


def client() -> MlflowClient:
    """MLflow's client for the configured store, made once for each store."""
    return _client(settings.mlflow_tracking_uri())


def is_local() -> bool:
    """Whether runs are kept in a file of this machine rather than on a server."""
    return not settings.mlflow_tracking_uri().startswith(("http://", "https://"))


def store_exists() -> bool:
    """Whether there is a store to ask: the first use of a new SQLite file takes seconds."""
    prefix, uri = "sqlite:///", settings.mlflow_tracking_uri()
    return not uri.startswith(prefix) or Path(uri.removeprefix(prefix)).exists()


def run_url(experiment_id: str, run_id: str) -> str:
    """The page of a run: on the tracking server, or where ``mlflow server`` shows the local store."""
    base = LOCAL_UI if is_local() else settings.mlflow_tracking_uri().rstrip("/")
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}"


@cache
def _client(uri: str) -> MlflowClient:
    # Before the import: MLflow reads them once. What a user has set stays.
    for variable, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    }.items():
        os.environ.setdefault(variable, value)
    from mlflow import MlflowClient

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment_id(mlflow_client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    location = settings.mlflow_artifact_dir().as_uri() if is_local() else None
    if not (found := mlflow_client.get_experiment_by_name(name)):
        try:
            return str(mlflow_client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process was quicker, or the store is out of order
            if not (found := mlflow_client.get_experiment_by_name(name)):
                raise
    return str(found.experiment_id)


def _batched(entries: list[Any], size: int) -> list[list[Any]]:
    return [entries[start : start + size] for start in range(0, len(entries), size)]
