"""Base model and LoRA adapter become one 16-bit model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fit_assets import artifacts
from fit_assets.packaging import PackagingError

_WEIGHTS_AND_CONFIG = (".safetensors", ".safetensors.index.json")


def merge_adapter(base_dir: Path, adapter_dir: Path, out_dir: Path, *, force: bool = False) -> Path:
    """Add an adapter's deltas to the base model's weights and save the sum in 16 bit.

    A base in 32 bit is merged in 32 bit and saved in float16 (11 significant bits; bfloat16 has 8); a 16-bit base
    is reloaded, merged and saved in its own type, also when it was trained over 4-bit weights. The tokenizer's files
    are the base's own, byte for byte. Done once; recognised afterwards by the digests of base and adapter.

    Args:
        base_dir: Hugging Face folder made by ``prepare_base_model``.
        adapter_dir: PEFT folder made by ``fine_tune``.
        out_dir: the merged folder.
        force: merge again even when it is there.

    Raises:
        PackagingError: base or adapter is missing or damaged, the weights are not finite, or the disk is full.
    """
    for folder, needed in ((base_dir, "config.json"), (adapter_dir, "adapter_config.json")):
        if not (folder / needed).is_file():
            raise PackagingError(f"{folder}: no {needed}; materialise the asset that makes this folder first")
    inputs = {"base": artifacts.digest_of(base_dir), "adapter": artifacts.digest_of(adapter_dir)}
    if not force and artifacts.finished(out_dir, inputs):
        return out_dir
    model = _merged(base_dir, adapter_dir)
    try:
        with artifacts.replacing(out_dir) as aside:
            model.save_pretrained(aside)
            for part in base_dir.iterdir():
                if not part.name.endswith(_WEIGHTS_AND_CONFIG) and not (aside / part.name).exists():
                    shutil.copy2(part, aside / part.name)
        artifacts.write_record(out_dir, inputs, {"dtype": str(model.dtype).removeprefix("torch.")})
    except Exception as error:
        # safetensors raises a type of its own for a full disk.
        raise PackagingError(
            f"{out_dir}: the merged model cannot be written ({error}); free disk space and run again"
        ) from error
    return out_dir


def _merged(base_dir: Path, adapter_dir: Path) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    try:
        base = AutoModelForCausalLM.from_pretrained(base_dir, dtype="auto")
    except Exception as error:
        raise PackagingError(f"{base_dir}: the base model cannot be loaded ({error}); prepare it again") from error
    try:
        merged = PeftModel.from_pretrained(base, adapter_dir).merge_and_unload()
    except Exception as error:
        raise PackagingError(
            f"{adapter_dir}: the adapter does not fit {base_dir.name} ({error}); train it again"
        ) from error
    if merged.dtype == torch.float32:
        merged = merged.to(torch.float16)
    for name, tensor in merged.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise PackagingError(f"{adapter_dir}: merged weight {name} is not finite; train again with a lower rate")
    return merged
