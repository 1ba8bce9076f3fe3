"""Housekeeping: what runs have left behind is pruned by policy, and how much room everything takes.

==========================================  ==================================================================
what                                        kept
==========================================  ==================================================================
GGUF and adapter of a registered version    while an alias names it, among the newest five, and while one of
                                            those was retrained from it; inputs and report are kept for ever
package that was never registered           six hours (its registration may still be under way)
reports on models that are gone             none
checkpoints of interrupted trainings        three days
partial files (``.partial``, ``.f16-…``)    six hours
``.old``: a folder about to be replaced     six hours; put back where the new one never came
reproductions                               seven days
MLflow runs that no version names           ninety days
==========================================  ==================================================================

Working files, data and feedback are never touched. What an alias names is asked of the registry each time: while it is
away, nothing is pruned.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fit_assets import settings
from fit_assets.served import served

KEEP_VERSIONS = 5
KEEP_CHECKPOINTS = timedelta(days=3)
KEEP_PARTIAL = timedelta(hours=6)
KEEP_REPRODUCTIONS = timedelta(days=7)
KEEP_MLFLOW_RUNS = timedelta(days=90)

# Folders of var/ that others keep in order.
_FOREIGN = ("dagster", "mlflow", "toolchain")


@dataclass(frozen=True)
class Pruned:
    """Something that was removed (or put back), how many bytes that freed, and why."""

    what: str
    bytes: int
    why: str


@dataclass(frozen=True)
class Use:
    """How much room a part of ``var/`` takes; a file with several names counts where it comes first."""

    part: str
    bytes: int
    files: int


def prune(now: datetime | None = None) -> list[Pruned]:
    """Remove what the policy does not keep.

    Raises:
        mlflow.exceptions.MlflowException: the registry is away; nothing has been removed.
    """
    now = now or datetime.now(UTC)
    kept, registered = _kept_digests()
    return [
        *_versions(now, kept, registered),
        *_reports(kept),
        *_aged(settings.models_dir().glob("*/checkpoints/*"), now, KEEP_CHECKPOINTS, "checkpoint of a training"),
        *_aged((settings.var_dir() / "reproduced").glob("*"), now, KEEP_REPRODUCTIONS, "reproduction"),
        *_partial(now),
        *_mlflow_runs(now),
    ]


def disk_use() -> list[Use]:
    """How much room each part of ``var/`` takes, the largest first."""
    parts: dict[str, list[int]] = {}
    seen: set[tuple[int, int]] = set()
    root = settings.var_dir()
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            if (identity := (status.st_dev, status.st_ino)) not in seen:
                seen.add(identity)
                relative = path.relative_to(root).parts
                part = "/".join(relative[: 3 if relative[0] == "models" else 1])
                parts.setdefault(part, []).append(status.st_size)
    uses = [Use(part, sum(sizes), len(sizes)) for part, sizes in parts.items()]
    return sorted(uses, key=lambda use: -use.bytes)


def free_bytes() -> int:
    """Room left on the disk of ``var/``."""
    path = settings.var_dir()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _kept_digests() -> tuple[set[str], set[str]]:
    """Names (12 digits) of the packages to keep whole, and of all registered ones."""
    from fit_assets.evaluation import tracking, versions

    found = versions.list_versions() if tracking.store_exists() else []
    kept = [*found[:KEEP_VERSIONS], *(version for version in found if version.status != versions.ARCHIVED)]
    origins = {(version.made_of.get("started_from") or {}).get("digest") for version in kept}
    kept += [version for version in found if version.tags.get("adapter_digest") in origins - {None}]
    note = served()
    return {version.digest[:12] for version in kept} | ({note.name} if note else set()), {
        version.digest[:12] for version in found
    }


def _versions(now: datetime, kept: set[str], registered: set[str]) -> Iterator[Pruned]:
    for package in sorted(settings.models_dir().glob("*/releases/*")):
        if package.name in kept or not package.is_dir() or package.suffix:
            continue
        if package.name in registered:
            heavy = [path for path in (*package.glob("*.gguf"), package / "adapter") if path.exists()]
            yield from (_removed(path, "of a version that no alias names, beyond the newest five") for path in heavy)
        elif _age(package, now) > KEEP_PARTIAL:
            yield _removed(package, "a package that was never registered")


def _reports(kept: set[str]) -> Iterator[Pruned]:
    from fit_assets import artifacts

    for folder in sorted(settings.models_dir().glob("*/measured/*")):
        preset = folder.parent.parent
        working = artifacts.read_record(preset / "gguf" / f"{preset.name}.gguf")
        if folder.name not in kept and (working is None or folder.name != working.digest[:12]):
            yield _removed(folder, "reports on a model that is gone")


def _aged(paths: Iterator[Path], now: datetime, keep: timedelta, what: str) -> Iterator[Pruned]:
    for path in sorted(paths):
        if _age(path, now) > keep:
            yield _removed(path, f"{what} from {keep.days} days ago or more")


def _partial(now: datetime) -> Iterator[Pruned]:
    ours = [part for part in settings.var_dir().glob("*") if part.is_dir() and part.name not in _FOREIGN]
    for part in sorted(ours):
        leftovers = [path for pattern in ("*.partial", "*.old", ".f16-*") for path in part.rglob(pattern)]
        for path in sorted(leftovers):
            if not path.exists() or _age(path, now) <= KEEP_PARTIAL:
                continue
            whole = path.with_suffix("")
            if path.suffix == ".old" and not whole.exists():
                # Killed between two renames: this is the last good one.
                path.rename(whole)
                yield Pruned(str(whole), 0, "put back: the one that was to replace it never came")
            else:
                yield _removed(path, "left by an interrupted run")


def _mlflow_runs(now: datetime) -> Iterator[Pruned]:
    from fit_assets.evaluation import tracking, versions

    if not tracking.store_exists():
        return
    client = tracking.client()
    named = {version.run_id for version in versions.list_versions()}
    before = int((now - KEEP_MLFLOW_RUNS).timestamp() * 1000)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    for run in client.search_runs(experiments, f"attributes.start_time < {before}") if experiments else []:
        if run.info.run_id not in named:
            client.delete_run(run.info.run_id)
            kept = settings.mlflow_artifact_dir() / run.info.run_id
            freed = _removed(kept, "").bytes if tracking.is_local() and kept.is_dir() else 0
            why = f"an MLflow run from {KEEP_MLFLOW_RUNS.days} days ago or more that no version names"
            yield Pruned(f"run {run.info.run_id}", freed, why)


def _age(path: Path, now: datetime) -> timedelta:
    """Time since anything in it changed, its name included."""
    try:
        times = [path.stat().st_ctime, *(file.stat().st_ctime for file in path.rglob("*"))]
    except FileNotFoundError:  # whoever wrote it is done with it just now
        return timedelta(0)
    return now - datetime.fromtimestamp(max(times), UTC)


def _removed(path: Path, why: str) -> Pruned:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    # A hard link frees nothing as long as there is another name.
    freed = sum(file.stat().st_size for file in files if file.stat().st_nlink == 1)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return Pruned(str(path), freed, why)
