"""From packages and folders that are made here; nothing is downloaded."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fit_assets import artifacts
from fit_assets.training.base_model import BaseModelError, prepare_base_model
from fit_assets.training.presets import Preset, get_preset


def of_package(name: str) -> Preset:
    return replace(get_preset("mistral-7b"), name="tiny", base=f"package:{name}")


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


@pytest.fixture
def source(tiny_hf_untaught: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a tiny model that stands in for the download."""
    folder = Path(shutil.copytree(tiny_hf_untaught("mistral"), tmp_path / "source"))
    monkeypatch.setenv("FIT_ASSETS_BASE_MODEL", str(folder))
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package without a model."""
    folder = tmp_path / "site" / "tiny_llm_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


def test_a_local_folder_becomes_the_base_model(source: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    preset = get_preset("mistral-7b")
    settings = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps(settings | {"padding_side": "left", "eos_token": "<s>"}))
    (source / "chat_template.jinja").write_text("the maker's own")
    base = prepare_base_model(preset, tmp_path / "base")
    assert base.path == tmp_path / "base"
    assert base.digest == artifacts.digest_of(base.path)
    assert base.parameters == sum(tensor.numel() for tensor in weights(source).values())
    assert (base.chat_style, base.reused) == ("mistral", False)
    assert all(bool((tensor == weights(source)[name]).all()) for name, tensor in weights(base.path).items())
    tokenizer = AutoTokenizer.from_pretrained(base.path)
    assert tokenizer.chat_template == preset.chat_style.chat_template
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.padding_side) == ("</s>", "<unk>", "right")
    # The folder that was named is the user's own.
    assert (source / "chat_template.jinja").read_text() == "the maker's own"


def test_it_is_done_once_until_something_changes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset, out = get_preset("mistral-7b"), tmp_path / "base"
    first = prepare_base_model(preset, out)
    assert prepare_base_model(preset, out) == replace(first, reused=True)
    assert not prepare_base_model(preset, out, force=True).reused
    (out / "config.json").write_text("{}")
    assert prepare_base_model(preset, out) == first
    other = Path(shutil.copytree(source, tmp_path / "other"))
    (other / "generation_config.json").write_text('{"temperature": 0.5, "do_sample": true}')
    monkeypatch.setenv("FIT_ASSETS_BASE_MODEL", str(other))
    assert prepare_base_model(preset, out).digest != first.digest


def test_the_gguf_in_a_package_becomes_the_base_model(
    package: Path, tiny_hf_untaught: Callable[[str], Path], toolchain: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from fit_assets.packaging.gguf import convert

    original = tiny_hf_untaught("mistral")
    convert(original, package / "tiny.gguf", "f32", say=lambda _: None)
    base = prepare_base_model(of_package("tiny-llm-package"), tmp_path / "base")
    model, loading = AutoModelForCausalLM.from_pretrained(base.path, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert model.dtype == torch.float32
    assert "quantization_config" not in json.loads((base.path / "config.json").read_text())
    tokens = torch.tensor([[1, 50, 60, 70, 80]])
    expected = AutoModelForCausalLM.from_pretrained(original)(tokens).logits
    assert torch.allclose(model(tokens).logits, expected, atol=1e-3)
    assert AutoTokenizer.from_pretrained(base.path).chat_template == of_package("").chat_style.chat_template


def test_a_package_that_is_not_there_or_not_whole_says_what_to_install(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "base"
    with pytest.raises(BaseModelError, match="no-such-llm is not installed; run: pip install no-such-llm"):
        prepare_base_model(of_package("no-such-llm"), out)
    with pytest.raises(BaseModelError, match=r"one \.gguf file and holds 0; reinstall tiny-llm-package"):
        prepare_base_model(of_package("tiny-llm-package"), out)
    (package / "cut.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
    with pytest.raises(BaseModelError, match=r"cut\.gguf cannot be read \(.*\); reinstall tiny-llm-package"):
        prepare_base_model(of_package("tiny-llm-package"), out)
    assert not out.exists()
    assert not out.with_name("base.partial").exists()


def test_a_download_that_fails_says_what_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: object, **__: object) -> None:
        raise OSError("401 gated")

    monkeypatch.delenv("FIT_ASSETS_BASE_MODEL", raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(BaseModelError, match=r"Mistral-7B.* cannot be downloaded \(OSError: 401 gated\); .*HF_TOKEN"):
        prepare_base_model(get_preset("mistral-7b"), tmp_path / "base")


def harm(folder: Path, what: str) -> None:
    from safetensors.torch import save_file

    if what == "config":
        (folder / "config.json").unlink()
    elif what == "weights":
        (folder / "model.safetensors").unlink()
    elif what == "cut":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").unlink()  # the prepared model has a hard link to it
        (folder / "model.safetensors").write_bytes(whole[:5000])
    elif what == "nan":
        values = weights(folder)
        values["model.norm.weight"][3] = float("nan")
        save_file(values, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        (folder / "tokenizer.json").write_text("{")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("config", r"FIT_ASSETS_BASE_MODEL=.*source: no config\.json there; name a Hugging Face folder"),
        ("weights", r"no \.safetensors weights; the download is not complete"),
        ("cut", r"model\.safetensors cannot be read .*; fetch the model again"),
        ("nan", r"model\.norm\.weight holds values that are not finite; fetch the model again"),
        ("tokenizer", "source: no readable tokenizer"),
    ],
)
def test_a_damaged_folder_is_refused_and_the_last_good_one_stays(
    source: Path, tmp_path: Path, what: str, message: str
) -> None:
    good = prepare_base_model(get_preset("mistral-7b"), tmp_path / "base")
    harm(source, what)
    with pytest.raises(BaseModelError, match=message):
        prepare_base_model(get_preset("mistral-7b"), tmp_path / "base", force=True)
    assert artifacts.digest_of(good.path) == good.digest
    assert not good.path.with_name("base.partial").exists()


def test_another_models_tokenizer_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"its tokenizer has no token '<\|end\|>'; wrong base for phi-3-mini\?"):
        prepare_base_model(get_preset("phi-3-mini"), tmp_path / "base")


def test_a_full_disk_leaves_the_last_good_one(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = prepare_base_model(get_preset("mistral-7b"), tmp_path / "base")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(artifacts.DiskFullError, match=f"the disk is full: {good.path} cannot be written"):
        prepare_base_model(get_preset("mistral-7b"), good.path, force=True)
    assert artifacts.digest_of(good.path) == good.digest
