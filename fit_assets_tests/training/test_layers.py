"""Fewer layers: those that stay compute what they did."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fit_assets.training.layers import drop_layers
from fit_assets_tests.tiny_models import ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_layers_that_stay_compute_what_they_did(
    tiny_hf_untaught: Callable[[str], Path], architecture: str, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_hf_untaught(architecture)).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        whole = model.model(input_ids=ids, output_hidden_states=True).hidden_states
        drop_layers(model, {1})
        model.save_pretrained(tmp_path)
        again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
        got = again.model(input_ids=ids, use_cache=True)
        wanted = again.model.norm(whole[1])
    assert torch.allclose(got.last_hidden_state, wanted, atol=1e-5)
    assert again.config.num_hidden_layers == len(again.model.layers) == 1
    assert got.past_key_values.get_seq_length() == 4


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        ({0, 2}, "layer 2 is to be dropped; the model has the layers 0 to 1"),
        ({0, 1}, "every layer is to be dropped; keep some"),
    ],
)
def test_what_cannot_be_dropped_is_named(
    tiny_hf_untaught: Callable[[str], Path], dropped: set[int], message: str
) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_hf_untaught("mistral"))
    with pytest.raises(ValueError, match=message):
        drop_layers(model, dropped)
    assert len(model.model.layers) == model.config.num_hidden_layers == 2
