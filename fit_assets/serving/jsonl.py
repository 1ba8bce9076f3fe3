"""Appending JSON lines from many processes at once, and reading them back, torn or foreign lines and all."""

from __future__ import annotations

import codecs
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of a file: its JSON object, or None and the reason why there is none."""

    path: Path
    number: int
    content: dict[str, Any] | None
    reason: str = ""

    @property
    def where(self) -> str:
        """``<file>, line <number>``."""
        return f"{self.path}, line {self.number}"


def timestamp(moment: datetime) -> str:
    """UTC, ISO 8601, always to the microsecond: such texts sort as the moments do.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; pass an aware datetime")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def plain(value: Any) -> Any:
    """The value with figures that are no number as None, as JSON has none for them."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def append_line(folder: Path, content: Mapping[str, Any], day: date) -> Path:
    """Append one object to this process's file of the day, in one write: no lock, no torn neighbours.

    Raises:
        OSError: the line could not be written whole.
    """
    path = folder / f"{day.isoformat()}-{os.getpid()}.jsonl"
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A lone surrogate (bytes of a terminal that are no UTF-8) must not cost the line.
    line = (text + "\n").encode("utf-8", "replace")
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(path)
    try:
        written = os.write(descriptor, line)
    finally:
        os.close(descriptor)
    if written < len(line):
        raise OSError(f"{path}: only {written} of {len(line)} bytes could be written; is the disk full?")
    return path


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def read_lines(path: Path) -> Iterator[Line]:
    """Every line of a JSONL file that is not blank, in order.

    Raises:
        OSError: the file cannot be read.
    """
    for number, raw in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        if not raw.strip():
            continue
        try:
            content = json.loads(raw)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            yield Line(path, number, None, f"not valid JSON ({error}); write one object a line")
            continue
        if isinstance(content, dict):
            yield Line(path, number, content)
        else:
            yield Line(path, number, None, f"not an object but {type(content).__name__}; write one object a line")
