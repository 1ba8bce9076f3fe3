"""The packaged model that is served: what the alias ``production`` named when somebody last looked.

The alias in MLflow's registry is the truth. This note beside the models is for programs that must answer at once, or
while the registry is away; whoever moves the alias writes it, and so does everybody who follows it
(:mod:`fit_assets.serving.follow`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fit_assets import artifacts, settings


@dataclass(frozen=True)
class Served:
    """A version in production: its number, the SHA-256 of its GGUF, the file, and the preset that it was made by."""

    version: int
    digest: str
    gguf: Path
    preset: str

    @property
    def name(self) -> str:
        """What answers and the query log call it: the first 12 digits of its digest."""
        return self.digest[:12]


def note_path() -> Path:
    """Where the note lies."""
    return settings.models_dir() / "production.json"


def served() -> Served | None:
    """What is in production as far as is known here; None before the first release."""
    try:
        content = json.loads(note_path().read_text("utf-8"))
        return Served(int(content["version"]), content["digest"], Path(content["gguf"]), content["preset"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def take_note(found: Served) -> None:
    """Write the note, unless it says so already."""
    if found != served():
        artifacts.write_text(note_path(), json.dumps(asdict(found), default=str, indent=1) + "\n")
