"""Where the artifacts of the graph lie, under ``settings.var_dir()``."""

from pathlib import Path

from fit_assets import settings
from fit_assets.training.presets import get_preset


def dataset(name: str) -> Path:
    """A JSONL file of the dataset: ``training_examples``, ``train``, ``validation``, ``test`` …"""
    return settings.dataset_dir() / f"{name}.jsonl"


def model(*parts: str) -> Path:
    """A file or folder of the default preset's model: ``base``, ``adapter``, ``merged``, ``Modelfile`` …"""
    return settings.models_dir().joinpath(get_preset().name, *parts)


def gguf() -> Path:
    """The packaged model."""
    return model("gguf", f"{get_preset().name}.gguf")


def report(name: str) -> Path:
    """The evaluation report that an asset of that name made of the default preset's model."""
    return model("reports", f"{name}.json")


def regex_report() -> Path:
    """The report on the regex parser, which hangs on no model."""
    return settings.var_dir() / "reports" / "regex_metrics.json"
