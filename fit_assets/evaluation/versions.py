"""Model versions in MLflow's registry: what was released, made of what, and which one is in production.

The aliases ``staging`` (the newest that passed every gate) and ``production`` are the truth; everything that serves
follows ``production``. A move of that alias writes its trace first and the alias second, so that whoever is killed in
between has moved nothing, and whoever comes again finishes it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fit_assets import settings
from fit_assets.evaluation import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL_NAME = "fit-intelligence"
STAGING, PRODUCTION, ARCHIVED = "staging", "production", "archived"
# Who moves the alias where no person does.
ITSELF = "fit_assets"
# Tags of the registered model that keep who moved the alias of production, when and why.
_MOVE = "moved/"


class GateError(RuntimeError):
    """A version that may not be registered; the message names the gates that it did not pass."""


@dataclass(frozen=True)
class Move:
    """A version was put into production in place of ``before`` (None for the first)."""

    at: datetime
    version: int
    before: int | None
    who: str
    why: str


@dataclass(frozen=True)
class Version:
    """One registered version. ``status`` is ``production``, ``staging`` or ``archived``."""

    version: int
    digest: str
    registered_at: datetime
    status: str
    training_examples: int | None
    metrics: dict[str, float]
    improvements: str
    gguf_path: Path | None
    run_id: str | None
    feedback_watermark: datetime | None
    tags: dict[str, str]

    @property
    def made_of(self) -> dict[str, Any]:
        """What it came from: code, data, base model, configuration, seed, digests; empty for old versions."""
        found: dict[str, Any] = json.loads(self.tags.get("made_of", "{}"))
        return found

    @property
    def parsing_accuracy(self) -> float | None:
        """The packaged model's accuracy on the test split when it was registered."""
        return self.metrics.get("parsing_accuracy")

    def to_dict(self) -> dict[str, Any]:
        """A row of the table of versions, as plain JSON values."""
        return {
            "version": self.version,
            "date": self.registered_at.isoformat(timespec="seconds"),
            "training_examples": self.training_examples,
            "accuracy": self.parsing_accuracy,
            "status": self.status,
            "improvements": self.improvements,
            "digest": self.digest,
            "gguf_path": str(self.gguf_path) if self.gguf_path else None,
            "run_id": self.run_id,
        }


def register_version(
    digest: str,
    *,
    package_dir: Path,
    gguf_path: Path,
    metrics: Mapping[str, float],
    gates: Mapping[str, bool],
    training_examples: int,
    run_id: str | None = None,
    feedback_watermark: datetime | None = None,
    digests: Mapping[str, str] | None = None,
    made_of: Mapping[str, Any] | None = None,
    improvements: str = "",
) -> Version:
    """Register a packaged model; the same digest again gives the version that is there.

    The new version gets the alias ``staging``; the very first one ``production`` too. On a tracking server the
    package is uploaded to the run, on the local store the version points at the folder.

    Args:
        digest: SHA-256 of the packaged artifact that the gates judged.
        package_dir: folder with the GGUF and its Modelfile.
        gguf_path: the GGUF file in it.
        metrics: figures of the packaged model (:meth:`Report.figures`).
        gates: verdict by gate, for this very digest.
        training_examples: how many examples it was trained on.
        run_id: the MLflow run of the training; needed on a server.
        feedback_watermark: when the newest feedback came that it was trained on, with a time zone.
        digests: SHA-256 by input (``data``, ``base``, ``adapter``, ``gguf`` …).
        made_of: everything that the model came from, as plain JSON values.
        improvements: one line for people; by default the change against the version in production.

    Raises:
        GateError: a gate was not passed, or none was judged.
        FileNotFoundError: the package is not there.
        mlflow.exceptions.MlflowException: the registry refuses.
    """
    failed = sorted(name for name, passed in gates.items() if not passed)
    if failed or not gates:
        raise GateError(
            f"not registered: {', '.join(failed) or 'no gate'} {'did not pass' if failed else 'was judged'}"
        )
    if not gguf_path.is_file():
        raise FileNotFoundError(f"{gguf_path} is missing; materialise gguf_model first")
    client = _registry()
    if not version_for_digest(digest):
        tags = {
            "artifact_digest": digest,
            "gguf_path": str(gguf_path.resolve()),
            "training_examples": str(training_examples),
            "metrics": json.dumps(dict(metrics), sort_keys=True),
            "gates": json.dumps(dict(gates), sort_keys=True),
            "git_commit": git_commit(),
            "improvements": improvements or describe_improvements(metrics, training_examples, production_version()),
            "feedback_watermark": feedback_watermark.astimezone(UTC).isoformat() if feedback_watermark else "",
            "made_of": json.dumps(dict(made_of or {}), sort_keys=True, separators=(",", ":"), default=str),
            **{f"{name}_digest": value for name, value in (digests or {}).items()},
        }
        client.create_model_version(
            MODEL_NAME, _source(client, package_dir, run_id), run_id=run_id, tags=tags, await_creation_for=0
        )
    # Also for a version that is there: a registration may have been killed before it came to the aliases.
    version = _known(digest)
    if version == last_successful_registration():
        client.set_registered_model_alias(MODEL_NAME, STAGING, str(version.version))
    if production_version() is None:
        return promote(version.version, ITSELF, "the first version")
    return _known(digest)


def list_versions() -> list[Version]:
    """All versions, newest first; empty where nothing was registered yet."""
    client = _registry()
    aliases = client.get_registered_model(MODEL_NAME).aliases
    found: list[ModelVersion] = []
    token = None
    while page := client.search_model_versions(f"name = '{MODEL_NAME}'", page_token=token):
        found.extend(page)
        if not (token := page.token):
            break
    versions = [_version(entry, aliases) for entry in found if "artifact_digest" in entry.tags]
    return sorted(versions, key=lambda version: -version.version)


def version_for_digest(digest: str) -> Version | None:
    """The version that was made of this very artifact."""
    return next((version for version in list_versions() if version.digest == digest), None)


def production_version() -> Version | None:
    """The version in production; one look at the registry, for those who look often."""
    client = _registry()
    aliases = client.get_registered_model(MODEL_NAME).aliases
    if PRODUCTION not in aliases:
        return None
    return _version(client.get_model_version(MODEL_NAME, aliases[PRODUCTION]), aliases)


def promote(version: int, who: str = "", why: str = "") -> Version:
    """Put a version into production; an older one to go back. Who did it and why is kept with the model.

    Raises:
        ValueError: there is no such version, or its package is gone.
    """
    entries = {entry.version: entry for entry in list_versions()}
    if version not in entries:
        known = ", ".join(map(str, entries)) or "none"
        raise ValueError(f"there is no version {version}; known are {known}")
    path = entries[version].gguf_path
    if path is None or not path.is_file():
        raise ValueError(f"the package of version {version} is gone ({path}); make it again: fit reproduce {version}")
    before = next((entry.version for entry in entries.values() if entry.status == PRODUCTION), None)
    if before == version:
        return entries[version]
    client = _registry()
    last = next(iter(moves()), None)
    move = {"version": version, "before": before, "who": who, "why": why}
    # The same trace, and the alias still where it was: whoever wrote it was killed before it came to the alias.
    if last is None or move != {name: getattr(last, name) for name in move}:
        tag = f"{_MOVE}{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        client.set_registered_model_tag(MODEL_NAME, tag, json.dumps(move))
    client.set_registered_model_alias(MODEL_NAME, PRODUCTION, str(version))
    return next(entry for entry in list_versions() if entry.version == version)


def taken_out(version: int) -> Move | None:
    """The last move that took a version out of production; None where it never was there, or is there now."""
    present = production_version()
    if present is not None and present.version == version:
        return None
    return next((move for move in moves() if move.before == version), None)


def moves() -> list[Move]:
    """Every promotion and roll-back, newest first."""
    tags = _registry().get_registered_model(MODEL_NAME).tags
    found = [
        Move(datetime.fromisoformat(name.removeprefix(_MOVE)), **json.loads(value))
        for name, value in tags.items()
        if name.startswith(_MOVE)
    ]
    return sorted(found, key=lambda move: move.at, reverse=True)


def rollback(who: str = "", why: str = "") -> Version:
    """Put back into production what was there before the present version came.

    Raises:
        ValueError: nothing was in production before.
    """
    present = production_version()
    came = next((move for move in moves() if present and move.version == present.version), None)
    if came is None or came.before is None:
        raise ValueError("no version was in production before; see: fit versions")
    return promote(came.before, who, why or "roll-back")


def last_successful_registration() -> Version | None:
    """The newest version: its ``registered_at`` and ``feedback_watermark`` say what a retraining starts from."""
    return next(iter(list_versions()), None)


def describe_improvements(metrics: Mapping[str, float], training_examples: int, before: Version | None) -> str:
    """One line on what changed against the version before."""
    if before is None:
        return "first version"
    parts = [
        f"{name} {100 * (metrics[name] - before.metrics[name]):+.1f} points"
        for name in ("parsing_accuracy", "field_accuracy", "execution_accuracy")
        if name in metrics and name in before.metrics
    ]
    if before.training_examples is not None and training_examples != before.training_examples:
        parts.append(f"{training_examples - before.training_examples:+,} training examples")
    return f"against version {before.version}: {', '.join(parts) or 'nothing measured on both'}"


def git_commit() -> str:
    """The commit of the code, with ``-dirty`` for uncommitted changes; ``unknown`` outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=settings.PROJECT_ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _known(digest: str) -> Version:
    version = version_for_digest(digest)
    if version is None:
        raise LookupError(f"{digest[:12]} has just been registered and is gone; is somebody else deleting versions?")
    return version


def _registry() -> MlflowClient:
    return _registry_of(settings.mlflow_tracking_uri())


@cache
def _registry_of(uri: str) -> MlflowClient:
    """The client, once the registered model exists."""
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    try:
        client.create_registered_model(
            MODEL_NAME, description="Questions about UK Feed-in Tariff installations to JSON filters"
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client


def _source(client: MlflowClient, package_dir: Path, run_id: str | None) -> str:
    if tracking.is_local():
        return package_dir.resolve().as_uri()
    if run_id is None:
        raise ValueError("a tracking server keeps packages with runs; pass the run_id of the training")
    client.log_artifacts(run_id, str(package_dir), "package")
    return f"runs:/{run_id}/package"


def _version(entry: ModelVersion, aliases: Mapping[str, str]) -> Version:
    tags = dict(entry.tags)
    number = int(entry.version)
    status = next(
        (alias for alias in (PRODUCTION, STAGING) if alias in aliases and int(aliases[alias]) == number), ARCHIVED
    )
    watermark = tags.get("feedback_watermark")
    examples = tags.get("training_examples")
    return Version(
        version=number,
        digest=tags["artifact_digest"],
        registered_at=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC),
        status=status,
        training_examples=int(examples) if examples else None,
        metrics=json.loads(tags.get("metrics", "{}")),
        improvements=tags.get("improvements", ""),
        gguf_path=Path(tags["gguf_path"]) if "gguf_path" in tags else None,
        run_id=entry.run_id or None,
        feedback_watermark=datetime.fromisoformat(watermark) if watermark else None,
        tags=tags,
    )
