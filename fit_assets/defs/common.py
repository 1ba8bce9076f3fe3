"""What the asset modules share: code versions, reuse of finished work, metadata, verdicts of checks."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

import fit_assets
from fit_assets import artifacts, settings

PLACE_FILES = ("common_words.txt", "local_authorities.csv", "outside_gb.txt", "technology_words.csv")

OWNERS = ["team:fit-intelligence"]


class ArtifactConfig(dg.Config):  # type: ignore[misc]
    """What every asset that makes an artifact takes from the launchpad."""

    force: bool = Field(
        default=False,
        description="Make it again even when an artifact of exactly these inputs is already there.",
    )


class MissingUpstream(RuntimeError):
    """An asset was materialised before the assets that it is made of."""


def source_digest(*parts: str) -> str:
    """A code version: SHA-256 (12 hex digits) over source files, named relative to the package, folders whole.

    Dagster then shows an asset as stale when the code that makes it has changed, and asset bodies put it among
    the inputs by which they recognise finished work.
    """
    package = Path(fit_assets.__file__).parent
    total = hashlib.sha256()
    for part in parts:
        path = package / part
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        if not files:
            raise FileNotFoundError(f"{path}: no sources there")
        for file in files:
            total.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:12]


def place_digest() -> str:
    """Digest of all files that the gazetteer and the words for technologies are read from."""
    data = settings.data_dir()
    files = [settings.gazetteer_path(), *(data / name for name in PLACE_FILES)]
    return artifacts.digest_of_value([artifacts.digest_of(file) for file in files])


def upstream(artifact: Path, asset: str) -> artifacts.Record:
    """The record of an upstream artifact.

    Raises:
        MissingUpstream: it is not there; names the asset to materialise.
    """
    record = artifacts.read_record(artifact)
    if record is None:
        raise MissingUpstream(f"{artifact} is missing or has no record beside it; materialise the asset {asset} first")
    return record


def make_or_reuse(
    artifact: Path,
    inputs: Mapping[str, Any],
    build: Callable[[Path], Mapping[str, Any] | None],
    *,
    force: bool = False,
) -> tuple[artifacts.Record, bool]:
    """Make an artifact unless it is there, unharmed and of the same inputs.

    Args:
        artifact: the file or folder.
        inputs: digests and settings it is made of.
        build: writes to the path it is given and returns facts worth keeping; the last good artifact stays
            in place until it has returned.
        force: make it in any case.

    Returns:
        The record, and whether it is that of an earlier run.
    """
    if not force and (record := artifacts.finished(artifact, inputs)):
        return record, True
    with artifacts.replacing(artifact) as aside:
        facts = build(aside)
    return artifacts.write_record(artifact, inputs, facts), False


def about(artifact: Path, digest: str, reused: bool, /, **metadata: Any) -> dict[str, Any]:
    """The metadata of an asset whose artifact lies on disk; ``reused`` says that it is that of an earlier run."""
    dg.get_dagster_logger().info("%s %s, sha256 %s", artifact, "is there already" if reused else "is made", digest[:12])
    return {
        "dagster/uri": artifact.as_uri(),
        "path": dg.MetadataValue.path(str(artifact)),
        "sha256": digest,
        "reused": reused,
        **metadata,
    }


def materialized(artifact: Path, digest: str, reused: bool, /, **metadata: Any) -> dg.MaterializeResult[None]:
    """The result of an asset whose artifact lies on disk; its data version is the artifact's digest."""
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest), metadata=about(artifact, digest, reused, **metadata)
    )


def made_at(artifact: Path) -> int:
    """When the artifact's record was written (nanoseconds; 0 without one): unchanged where it was reused."""
    record = artifacts.record_path(artifact)
    return record.stat().st_mtime_ns if record.exists() else 0


def megabytes(artifact: Path) -> float:
    """Size of a file or folder in MB."""
    files = [artifact] if artifact.is_file() else artifact.rglob("*")
    return round(sum(file.stat().st_size for file in files if file.is_file()) / 1e6, 3)


def table_of(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table in Dagster's UI; what is no plain value is shown as JSON text."""

    def plain(value: Any) -> str | int | float | bool | None:
        return value if isinstance(value, str | int | float | bool | None) else json.dumps(value, default=str)

    names = list(dict.fromkeys(key for row in rows for key in row))
    records = [dg.TableRecord({name: plain(row.get(name)) for name in names}) for row in rows]
    columns = [dg.TableColumn(name, "string") for name in names]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG inside the metadata itself, so that it needs no file server."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def count_lines(path: Path) -> int:
    """How many lines a JSONL file has."""
    with path.open("rb") as stream:
        return sum(1 for line in stream if line.strip())


def verdict_path(gate: str, digest: str) -> Path:
    """Where the verdict of a blocking check, named ``asset.check``, on one digest is kept."""
    return settings.var_dir() / "verdicts" / f"{gate}-{digest[:16]}.json"


def check_result(
    check: str,
    asset: str,
    passed: bool,
    description: str,
    *,
    digest: str = "",
    blocking: bool = False,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
    **metadata: Any,
) -> dg.AssetCheckResult:
    """The result of a check; one that blocks is an ERROR, and its verdict is kept for the digest that it judged.

    Dagster's blocking checks block inside one run only: whoever materialises the release alone bypasses them. So
    the release looks these verdicts up again (:func:`refusals`).
    """
    tell = dg.get_dagster_logger()
    (tell.info if passed else tell.warning)("check %s %s: %s", check, "passed" if passed else "FAILED", description)
    if blocking:
        gate = f"{asset}.{check}"
        verdict = {"gate": gate, "digest": digest, "passed": passed, "reason": description}
        verdict["at"] = datetime.now(UTC).isoformat(timespec="seconds")
        artifacts.write_text(verdict_path(gate, digest), json.dumps(verdict, indent=1) + "\n")
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=asset,
        check_name=check,
        severity=dg.AssetCheckSeverity.ERROR if blocking else severity,
        description=description,
        metadata=metadata | ({"judged_sha256": digest} if digest else {}),
    )


def refusals(gates: Mapping[str, str]) -> list[str]:
    """Why the gates are not all passed: a sentence for each that failed, or never judged this very digest.

    Args:
        gates: ``asset.check`` to the digest that it must have judged.
    """
    reasons = []
    for gate, digest in gates.items():
        try:
            verdict = json.loads(verdict_path(gate, digest).read_text("utf-8"))
        except (OSError, ValueError):
            asset = gate.partition(".")[0]
            reasons.append(f"{gate} has not judged {digest[:12]}; materialise {asset} together with its checks")
            continue
        if verdict.get("digest") != digest or verdict.get("passed") is not True:
            reasons.append(f"{gate} failed: {verdict.get('reason', 'its verdict cannot be read')}")
    return reasons
