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
    """The packaged model that was made last: a candidate, until it is promoted."""
    return model("gguf", f"{get_preset().name}.gguf")


def release(digest: str) -> Path:
    """The package of the version with this GGUF."""
    return model("releases", digest[:12])


def measured(digest: str, questions: str) -> Path:
    """The report on what the model with this GGUF makes of a set of questions."""
    return model("measured", digest[:12], f"{questions}.json")


def report(name: str) -> Path:
    """The evaluation report that an asset of that name made of the default preset's model."""
    return model("reports", f"{name}.json")


def regex_report() -> Path:
    """The report on the regex parser, which hangs on no model."""
    return settings.var_dir() / "reports" / "regex_metrics.json"
