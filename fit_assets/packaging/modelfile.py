"""Ollama's Modelfile; template, system prompt and stops come from the one prompt definition."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fit_assets import artifacts
from fit_assets.training.prompt import SYSTEM_PROMPT, ChatStyle


@dataclass(frozen=True)
class ModelfileOptions:
    """How Ollama samples; the defaults repeat what was measured.

    The mission names ``temperature`` 0.1 and ``repeat_penalty`` 1.1. At temperature 0 the same question always gets
    the same answer, and a repeat penalty above 1 punishes the quotes and keys that JSON must repeat; so those values
    are options here, not defaults. ``num_ctx`` and ``num_predict`` are in tokens.
    """

    temperature: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 17
    num_ctx: int = 2304
    num_predict: int = 512


def parameters(style: ChatStyle, options: ModelfileOptions | None = None) -> dict[str, Any]:
    """Ollama's parameters by name, for a Modelfile or ``/api/create``; ``stop`` is a list."""
    options = options or ModelfileOptions()
    return {
        "num_ctx": options.num_ctx,
        "num_predict": options.num_predict,
        "repeat_penalty": options.repeat_penalty,
        "seed": options.seed,
        "stop": list(style.stops),
        "temperature": options.temperature,
    }


def modelfile_text(style: ChatStyle, model: str, options: ModelfileOptions | None = None) -> str:
    """The text of a Modelfile.

    Args:
        style: chat style of the model's preset.
        model: what FROM names: a path, relative to the Modelfile, or a model's name.
        options: how to sample.
    """
    lines = [f"FROM {model}", f'TEMPLATE """{style.ollama_template}"""', f'SYSTEM """{SYSTEM_PROMPT}"""']
    for name, value in parameters(style, options).items():
        for one in value if isinstance(value, list) else [value]:
            lines.append(f'PARAMETER {name} "{one}"' if isinstance(one, str) else f"PARAMETER {name} {one}")
    return "\n".join(lines) + "\n"


def write_modelfile(style: ChatStyle, gguf: Path, out: Path, options: ModelfileOptions | None = None) -> Path:
    """Write a Modelfile that names the GGUF by its path from there, so that the folder can be moved as a whole."""
    relative = Path(os.path.relpath(gguf, out.parent)).as_posix()
    artifacts.write_text(out, modelfile_text(style, relative if relative.startswith(".") else f"./{relative}", options))
    return out
