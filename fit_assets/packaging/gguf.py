"""A Hugging Face folder becomes a GGUF file: llama.cpp's converter, then llama.cpp's quantiser."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fit_assets import artifacts, settings
from fit_assets.packaging import PackagingError, toolchain
from fit_assets.packaging.runtime import LlamaModel, style_of
from fit_assets.training.prompt import CHAT_STYLES, messages

# Our names of the kinds and llama.cpp's (enum llama_ftype in llama.h).
KINDS: dict[str, str] = {
    "f16": "LLAMA_FTYPE_MOSTLY_F16",
    "bf16": "LLAMA_FTYPE_MOSTLY_BF16",
    "q8_0": "LLAMA_FTYPE_MOSTLY_Q8_0",
    "q6_k": "LLAMA_FTYPE_MOSTLY_Q6_K",
    "q5_k_m": "LLAMA_FTYPE_MOSTLY_Q5_K_M",
    "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M",
}


@dataclass(frozen=True)
class GgufInfo:
    """What a loaded GGUF says of itself."""

    parameters: int
    tensor_bytes: int
    chat_style: str | None

    @property
    def bits_per_weight(self) -> float:
        """Average over all tensors."""
        return 8 * self.tensor_bytes / self.parameters


def build_gguf(
    hf_dir: Path, out: Path, kind: str, *, force: bool = False, say: Callable[[str], None] = print
) -> artifacts.Record:
    """Convert and quantise; done once, recognised afterwards by the model's digest, kind and llama.cpp's version.

    Args:
        hf_dir: merged model with tokenizer and chat template.
        out: the GGUF file.
        kind: one of ``KINDS``.
        force: build again even when it is there.
        say: takes one line of progress at a time.

    Raises:
        PackagingError: nothing that llama.cpp can convert, or the disk is full; an older file stays.
    """
    if kind not in KINDS:
        raise PackagingError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    if not (hf_dir / "config.json").is_file():
        raise PackagingError(f"{hf_dir}: no config.json; materialise merged_model first")
    inputs = {
        "model": artifacts.digest_of(hf_dir),
        "kind": kind,
        "llama_cpp_python": toolchain.installed_version(),
    }
    if not force and (record := artifacts.finished(out, inputs)):
        return record
    out.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("f16", "bf16"):
        convert(hf_dir, out, kind, say=say)
    else:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".f16-") as scratch:
            full = convert(hf_dir, Path(scratch) / "full.gguf", "auto", say=say)
            say(f"quantising to {kind}")
            quantise(full, out, kind)
    info = verify_gguf(out)
    return artifacts.write_record(
        out,
        inputs,
        {
            "parameters": info.parameters,
            "chat_style": info.chat_style,
            "bits_per_weight": round(info.bits_per_weight, 2),
            "file_bytes": out.stat().st_size,
        },
    )


def convert(hf_dir: Path, out: Path, outtype: str = "f16", *, say: Callable[[str], None] = print) -> Path:
    """Run llama.cpp's converter on a Hugging Face folder.

    Args:
        hf_dir: weights, config, tokenizer with chat template.
        out: the GGUF file; replaced only by one that loads.
        outtype: ``f16``, ``bf16``, ``f32``, ``q8_0`` or ``auto`` (the 16-bit type that keeps most).
        say: takes one line of progress at a time.

    Raises:
        PackagingError: with the last lines that the converter wrote.
    """
    script = toolchain.converter(say)
    say(f"converting {hf_dir.name} to GGUF ({outtype})")
    try:
        with artifacts.replacing(out) as aside:
            command = [sys.executable, str(script), str(hf_dir), "--outfile", str(aside), "--outtype", outtype]
            command += ["--model-name", _model_name(hf_dir)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                tail = "\n".join(done.stderr.strip().splitlines()[-5:])
                raise PackagingError(
                    f"{hf_dir}: llama.cpp's converter failed (exit {done.returncode}); check the model folder and the "
                    f"free disk space. It said:\n{tail}"
                )
            verify_gguf(aside)
    except (OSError, ValueError) as error:
        raise PackagingError(f"{out}: cannot be made ({error}); check {hf_dir} and the free disk space") from error
    return out


def quantise(source: Path, target: Path, kind: str) -> Path:
    """Write a GGUF in fewer bits with ``llama_model_quantize``.

    Args:
        source: a 16- or 32-bit GGUF.
        target: the new file; replaced only by one that loads.
        kind: one of ``KINDS``.

    Raises:
        PackagingError: the source is damaged or the disk is full; an older target stays.
    """
    if kind not in KINDS:
        raise PackagingError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    verify_gguf(source)
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, KINDS[kind])
    params.nthread = settings.threads()
    try:
        with artifacts.replacing(target) as aside:
            if llama_cpp.llama_model_quantize(str(source).encode(), str(aside).encode(), ctypes.byref(params)):
                raise PackagingError(
                    f"{target}: llama.cpp could not write {kind} from {source.name}; free disk space and run again"
                )
            verify_gguf(aside)
    except OSError as error:
        raise PackagingError(f"{target}: cannot be written ({error}); free disk space and run again") from error
    return target


def verify_gguf(path: Path) -> GgufInfo:
    """Load a GGUF, evaluate one token, and look whether what it says of itself fits the trained prompt.

    Raises:
        PackagingError: it does not load or compute, or a runtime would begin the prompt with another BOS than ours.
    """
    import numpy as np

    with closing(LlamaModel(path, context=64, threads=1)) as model:
        if not np.isfinite(model.evaluate([max(model.bos, 0)])).all():
            raise PackagingError(f"{path}: the model's logits are not finite; build it again from a sound model")
        style = next((style for style in CHAT_STYLES.values() if style.chat_template == model.chat_template), None)
        if style is not None and model.adds_bos != style.bos:
            raise PackagingError(
                f"{path}: its metadata {'puts a' if model.adds_bos else 'puts no'} BOS token in front of a prompt, "
                f"unlike the chat style {style.name}; prepare the base model again with the preset's own tokenizer"
            )
        return GgufInfo(model.parameters, model.size_bytes, style.name if style else None)


def cut_otherwise(path: Path, hf_dir: Path, examples: Sequence[tuple[str, str]]) -> list[str]:
    """Those questions that, with prompt and answer, llama.cpp cuts into other tokens than the model was trained on.

    Added tokens are where the two can differ: the model then reads what it has never seen, and nothing else tells.

    Args:
        path: the GGUF.
        hf_dir: what it was made of.
        examples: questions and their answers.

    Raises:
        PackagingError: the GGUF has none of the known chat styles.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(hf_dir)
    differing: list[str] = []
    with closing(LlamaModel(path, context=64, threads=1)) as model:
        style = style_of(model)
        for question, answer in examples:
            trained = tokenizer.apply_chat_template(messages(question, answer), tokenize=True, return_dict=False)
            served = model.tokenize(f"{style.render(question)}{answer}{style.end}")
            if ([model.bos] if style.bos else []) + served != trained:
                differing.append(question)
    return differing


def _model_name(hf_dir: Path) -> str:
    """The name for the metadata; llama.cpp takes Phi-3's rule for spaces after control tokens from it."""
    architecture = json.loads((hf_dir / "config.json").read_text("utf-8")).get("model_type", "")
    return f"FIT filters {architecture}".strip()
