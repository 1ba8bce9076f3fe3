"""``fit reproduce``: a version is trained again from what it names, and held against what was registered.

The package of a version keeps its examples, hyper-parameters and report; the base model is made again where it is not
there. On the same kind of machine the same libraries give the same bytes; elsewhere the metrics should agree within
their intervals.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from fit_assets import artifacts, settings
from fit_assets.evaluation import versions
from fit_assets.evaluation.metrics import Metric


class ReproductionError(RuntimeError):
    """The version cannot be made again; the message says what is missing."""


@dataclass(frozen=True)
class Compared:
    """One metric as it was registered and as it came out now; ``agrees`` within the registered interval."""

    name: str
    registered: Metric
    reproduced: Metric

    @property
    def agrees(self) -> bool:
        """Whether the value now lies in the interval that was registered."""
        before, now = self.registered, self.reproduced
        if before.value is None or before.low is None or before.high is None or now.value is None:
            return before.value is now.value
        return before.low - 1e-9 <= now.value <= before.high + 1e-9


@dataclass(frozen=True)
class Reproduction:
    """What came of it: the metrics, whether the files are the same to the byte, and what differs from then."""

    version: int
    metrics: tuple[Compared, ...]
    same_adapter: bool
    same_gguf: bool
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether every metric agrees."""
        return all(metric.agrees for metric in self.metrics)


def surroundings() -> dict[str, Any]:
    """What a training hangs on beside its inputs: kind of machine, and libraries."""
    libraries = ("torch", "transformers", "trl", "peft", "llama-cpp-python")
    return {
        "machine": {"processor": platform.machine(), "system": platform.system(), "cores": os.cpu_count()},
        "libraries": {name: installed(name) for name in libraries},
    }


def reproduce(number: int, say: Callable[[str], None] = print) -> Reproduction:
    """Train a version again in a folder of its own, package it, and measure it on the questions of its release.

    Files that housekeeping has pruned from the version's package are put back where they came out the same.

    Args:
        number: the version.
        say: takes one line of progress at a time.

    Raises:
        ReproductionError: no such version, or something that it was made of is not there.
    """
    from fit_assets.evaluation.evaluate import Report, evaluate_parser, load_questions
    from fit_assets.packaging.gguf import build_gguf
    from fit_assets.packaging.merge import merge_adapter
    from fit_assets.parsing.registry import gguf_parser
    from fit_assets.training.finetune import FineTuneConfig, fine_tune
    from fit_assets.training.presets import get_preset

    version = next((one for one in versions.list_versions() if one.version == number), None)
    if version is None or version.gguf_path is None or not version.made_of:
        raise ReproductionError(f"there is no version {number} that says what it was made of; see: fit versions")
    package, origin = version.gguf_path.parent, version.made_of
    if not (package / "inputs" / "train.jsonl").is_file():
        raise ReproductionError(f"the inputs of version {number} are gone from {package}")
    preset = get_preset(origin["preset"])
    base = _base(preset, origin["base_digest"])
    start = _start(origin["started_from"])
    folder = settings.var_dir() / "reproduced" / str(number)
    feedback = package / "inputs" / "feedback.jsonl"
    say(f"training version {number} again ({origin['training']}, {origin['steps']:.0f} steps)")
    trained = fine_tune(
        preset,
        base,
        package / "inputs" / "train.jsonl",
        package / "inputs" / "validation.jsonl",
        folder / "adapter",
        FineTuneConfig(**origin["config"]),
        extra_train_path=feedback if feedback.is_file() else None,
        start_from=start,
        on_log=lambda step, values: say(f"step {step}: {', '.join(f'{k} {v:.4g}' for k, v in values.items())}"),
    )
    merge_adapter(base, trained.adapter_dir, folder / "merged")
    gguf = folder / version.gguf_path.name
    packaged = build_gguf(folder / "merged", gguf, origin["quantisation"], say=say)
    say("measuring it on the questions of its release")
    before = Report.load(package / "report.json")
    # The questions that the release was measured on, which may be the first of the file.
    questions = load_questions(package / "inputs" / "test.jsonl")[: len(before.predictions)]
    now = evaluate_parser(gguf_parser(gguf), questions, progress=False)
    compared = tuple(
        Compared(name, metric, now.metrics[name]) for name, metric in before.metrics.items() if name in now.metrics
    )
    same_adapter = trained.digest == version.tags.get("adapter_digest")
    same_gguf = packaged.digest == version.digest
    _put_back(trained.adapter_dir if same_adapter else None, package / "adapter")
    _put_back(gguf if same_gguf else None, version.gguf_path)
    return Reproduction(number, compared, same_adapter, same_gguf, _differences(origin))


def _base(preset: Any, digest: str) -> Path:
    from fit_assets.training.base_model import prepare_base_model

    base = prepare_base_model(preset)
    if base.digest != digest:
        raise ReproductionError(f"{base.path} is {base.digest[:12]}, and the version was made of {digest[:12]}")
    return Path(base.path)


def _start(parent: dict[str, Any] | None) -> Path | None:
    """The adapter that a retraining went on from; None for a full training."""
    if parent is None:
        return None
    for version in versions.list_versions():
        if version.tags.get("adapter_digest") == parent["digest"] and version.gguf_path is not None:
            folder = version.gguf_path.parent / "adapter"
            if folder.is_dir():
                return folder
    raise ReproductionError(
        f"the adapter that it was retrained from is gone; first: fit reproduce {parent['version'] or '?'}"
    )


def _put_back(made: Path | None, place: Path) -> None:
    if made is not None and not place.exists():
        with artifacts.replacing(place) as aside:
            (shutil.copytree if made.is_dir() else shutil.copy2)(made, aside)


def _differences(origin: dict[str, Any]) -> tuple[str, ...]:
    """What is not as it was then: machine, libraries, code."""
    then = [
        (f"{part}.{name}", origin.get(part, {}).get(name), value)
        for part, values in surroundings().items()
        for name, value in values.items()
    ]
    then.append(("code", origin.get("code"), versions.git_commit()))
    return tuple(f"{name}: {before} then, {now} now" for name, before, now in then if before != now)
