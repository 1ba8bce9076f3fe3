import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fit_assets import artifacts
from fit_assets.packaging import PackagingError
from fit_assets.packaging.merge import merge_adapter


@pytest.fixture(scope="module")
def base(tiny_hf: Callable[[str], Path]) -> Path:
    return tiny_hf("mistral")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapter") / "adapter")


def make_adapter(base: Path, folder: Path, fill: float = 0.02) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, fill)
    model.save_pretrained(folder)
    return folder


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_merged_weights_are_base_plus_deltas_in_16_bit(base: Path, adapter: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    merged = weights(merge_adapter(base, adapter, tmp_path / "merged"))
    before, lora = weights(base), load_file(adapter / "adapter_model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    prefix = f"base_model.model.{name}"
    delta = 8 / 4 * lora[f"{prefix}.lora_B.weight"] @ lora[f"{prefix}.lora_A.weight"]
    assert delta.abs().max() > 0.001
    assert torch.allclose(merged[f"{name}.weight"].float(), before[f"{name}.weight"] + delta, atol=1e-3)
    assert {tensor.dtype for tensor in merged.values()} == {torch.float16}
    assert set(merged) == set(before)


def test_the_folder_holds_exactly_what_the_converter_needs(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge_adapter(base, adapter, tmp_path / "merged")
    assert {file.name for file in merged.iterdir()} == {file.name for file in base.iterdir()}
    for file in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja"):
        assert (merged / file).read_bytes() == (base / file).read_bytes()


def test_a_16_bit_base_keeps_its_type(base: Path, adapter: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    half = Path(shutil.copytree(base, tmp_path / "half"))
    AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(half)
    merged = merge_adapter(half, adapter, tmp_path / "merged")
    assert {tensor.dtype for tensor in weights(merged).values()} == {torch.bfloat16}
    record = artifacts.read_record(merged)
    assert record is not None
    assert record.facts["dtype"] == "bfloat16"


def test_finished_work_is_recognised_and_damage_is_not(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge_adapter(base, adapter, tmp_path / "merged")
    first = (merged / "model.safetensors").stat()
    merge_adapter(base, adapter, merged)
    assert (merged / "model.safetensors").stat().st_ino == first.st_ino
    (merged / "config.json").write_text("{}")
    merge_adapter(base, adapter, merged)
    assert (merged / "config.json").read_text() != "{}"


def test_weights_that_are_not_finite_are_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge_adapter(base, adapter, tmp_path / "merged")
    digest = artifacts.digest_of(merged)
    # 16-bit floats end at 65504: finite before, infinite after.
    broken = make_adapter(base, tmp_path / "broken", fill=1e7)
    with pytest.raises(PackagingError, match="not finite"):
        merge_adapter(base, broken, merged)
    assert artifacts.digest_of(merged) == digest


def test_a_full_disk_leaves_the_old_model(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    merged = merge_adapter(base, adapter, tmp_path / "merged")
    digest = artifacts.digest_of(merged)

    def full(self: Any, folder: Path, **_: Any) -> None:
        Path(folder).mkdir()
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", full)
    with pytest.raises(PackagingError, match=rf"the disk is full: {merged} cannot be written.*free disk space"):
        merge_adapter(base, adapter, merged, force=True)
    assert artifacts.digest_of(merged) == digest
    assert not (tmp_path / "merged.partial").exists()


def test_missing_and_damaged_inputs(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"no adapter_config.json"):
        merge_adapter(base, tmp_path, tmp_path / "merged")
    damaged = Path(shutil.copytree(adapter, tmp_path / "damaged"))
    (damaged / "adapter_model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(PackagingError, match="train it again"):
        merge_adapter(base, damaged, tmp_path / "merged")
    damaged_base = Path(shutil.copytree(base, tmp_path / "damaged_base"))
    (damaged_base / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(PackagingError, match="prepare it again"):
        merge_adapter(damaged_base, adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
