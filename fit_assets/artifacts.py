"""Artifacts on disk: digests, records of what they were made of, and writing aside before swapping in.

Every artifact is a file or a folder with a record beside it (``<name>.digest.json``): its SHA-256 and the
inputs that it was made of. Finished work is recognised by comparing those inputs; a write that fails halfway
leaves the last good artifact in place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NO_ROOM = os.strerror(errno.ENOSPC)
_TIGHT = 64 * 1024  # bytes free; a write that fails on so little has failed for want of room


class DiskFullError(OSError):
    """A write for which the disk has no room; the message says where, and the last good artifact is in place."""


@dataclass(frozen=True)
class Record:
    """What is known of an artifact: its digest, the inputs it was made of, and facts worth keeping."""

    digest: str
    inputs: dict[str, Any]
    facts: dict[str, Any]


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, or of a folder's relative names and bytes in sorted order."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        if path.is_dir():
            total.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def digest_of_value(value: Any) -> str:
    """SHA-256 (hex) of a JSON value with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def record_path(artifact: Path) -> Path:
    """Where the record of an artifact lies: beside it."""
    return artifact.with_name(artifact.name + ".digest.json")


def read_record(artifact: Path) -> Record | None:
    """The record of an artifact, or None where artifact or record is missing or unreadable."""
    try:
        content = json.loads(record_path(artifact).read_text("utf-8"))
        return Record(content["digest"], content["inputs"], content.get("facts", {})) if artifact.exists() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(artifact: Path, inputs: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Record:
    """Take the artifact's digest and keep it with its inputs beside it."""
    record = Record(digest_of(artifact), dict(inputs), dict(facts or {}))
    write_text(record_path(artifact), json.dumps(record.__dict__, indent=1, sort_keys=True, default=str) + "\n")
    return record


def finished(artifact: Path, inputs: Mapping[str, Any]) -> Record | None:
    """The record of an artifact that was made of exactly these inputs and is unharmed; else None."""
    record = read_record(artifact)
    if record is None or record.inputs != json.loads(json.dumps(dict(inputs), default=str)):
        return None
    return record if digest_of(artifact) == record.digest else None


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to; it takes the target's place only when the block ends without an error.

    Raises:
        DiskFullError: the block, or the swap, found no room on the disk.
    """
    aside = target.with_name(target.name + ".partial")
    try:
        with naming_full_disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove(aside)
            yield aside
            if target.is_dir() or aside.is_dir():
                old = target.with_name(target.name + ".old")
                _remove(old)
                if target.exists():
                    target.rename(old)
                aside.rename(target)
                _remove(old)
            else:
                os.replace(aside, target)
    finally:
        _remove(aside)


@contextmanager
def naming_full_disk(target: Path) -> Iterator[None]:
    """Turn whatever error a full disk causes in the block into one that says so and where.

    Raises:
        DiskFullError: in place of an error that a full disk caused.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        free = _free_bytes(target)
        # torch hides the errno of a failed write, safetensors has it in its text only: look at the disk itself too.
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _NO_ROOM in str(error) or free < _TIGHT:
            raise DiskFullError(
                f"the disk is full: {target} cannot be written with {free / 2**20:.0f} MiB free there; it said: {error}"
            ) from error
        raise


def write_text(target: Path, text: str) -> None:
    """Write a text file so that a failure leaves the old one."""
    with replacing(target) as aside:
        aside.write_text(text, "utf-8")


def _free_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
