"""What the trainer keeps and leaves out gives the same outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fit_assets_tests.tiny_models import ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kept_outputs_of_frozen_layers_are_those_of_the_whole_decoder(
    tiny_hf: Callable[[str], Path], architecture: str
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from fit_assets.training.trainer import _Frozen

    decoder = AutoModelForCausalLM.from_pretrained(tiny_hf(architecture)).eval().model
    decoder.requires_grad_(False)
    decoder.layers[-1].requires_grad_(True)
    ids = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    frozen = _Frozen(decoder)
    wanted = decoder(input_ids=ids, attention_mask=mask)[0]
    for turn in ("computed", "kept"):
        got = frozen.upper(inputs_embeds=frozen.states(ids, mask), attention_mask=mask)[0]
        assert torch.allclose(got[mask.bool()], wanted[mask.bool()], atol=1e-5), turn
        frozen._lower = None if turn == "kept" else _refuse


def _refuse(**_: object) -> None:
    raise AssertionError("computed twice")
