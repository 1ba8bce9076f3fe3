"""The package of a version: what is served, what it was measured by, and all that it takes to make it again."""

import os
import shutil
from pathlib import Path
from typing import Any

from fit_assets import artifacts
from fit_assets.defs import layout
from fit_assets.defs.common import upstream
from fit_assets.evaluation import versions
from fit_assets.reproduce import surroundings
from fit_assets.training.presets import get_preset


def release_folder(digest: str) -> Path:
    """The package of one version, kept beside later ones.

    A later training replaces the working files; the package must not change, so that one can go back to it. Files are
    hard links where the file system can do it: they cost nothing, and replacing a working file leaves them.
    """
    from fit_assets.packaging.modelfile import write_modelfile

    folder = layout.release(digest)
    if not (folder / layout.gguf().name).is_file():
        with artifacts.replacing(folder) as aside:
            aside.mkdir()
            _link_or_copy(layout.gguf(), aside / layout.gguf().name)
            _link_or_copy(layout.report("gguf_metrics"), aside / "report.json")
            _link_or_copy(artifacts.record_path(layout.report("gguf_metrics")), aside / "report.json.digest.json")
            for file in sorted(layout.model("adapter").iterdir()):
                _link_or_copy(file, aside / "adapter" / file.name)
            inputs = {"train": trained_on()} | {name: layout.dataset(name) for name in ("validation", "test")}
            if upstream(layout.model("adapter"), "lora_adapter").inputs["extra"]:
                inputs["feedback"] = layout.dataset("feedback_examples")
            for name, file in inputs.items():
                _link_or_copy(file, aside / "inputs" / f"{name}.jsonl")
            write_modelfile(get_preset().chat_style, aside / layout.gguf().name, aside / "Modelfile")
    return folder


def trained_on() -> Path:
    """The file that the adapter was trained on beside feedback: the training split, or the replay sample of it."""
    used = upstream(layout.model("adapter"), "lora_adapter").inputs["train"]
    for name in ("train", "replay"):
        record = artifacts.read_record(layout.dataset(name))
        if record is not None and record.digest == used:
            return layout.dataset(name)
    return layout.dataset("train")  # and the release is refused, since the adapter was made of another


def made_of(dagster_run: str = "") -> dict[str, Any]:
    """What the working model came from: code, data, base model, configuration, seed, digests, machine."""
    adapter = upstream(layout.model("adapter"), "lora_adapter")
    start = adapter.inputs.get("start_from")
    parent = next((one for one in versions.list_versions() if start and one.tags.get("adapter_digest") == start), None)
    preset = get_preset()
    return {
        "preset": preset.name,
        "base": preset.base,
        "base_digest": adapter.inputs["base"],
        "code": versions.git_commit(),
        "training": "retraining" if start else "full",
        "started_from": {"version": parent.version if parent else None, "digest": start} if start else None,
        "config": adapter.inputs["config"],
        "seed": adapter.inputs["config"]["seed"],
        "quantisation": upstream(layout.gguf(), "gguf_model").inputs["kind"],
        "data": {name: adapter.inputs[name] for name in ("train", "validation", "extra")},
        "steps": adapter.facts["metrics"]["steps"],
        "dagster_run": dagster_run,
        **surroundings(),
    }


def _link_or_copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
