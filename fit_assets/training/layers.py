"""Parts of a decoder: a model with fewer layers, and the same weights seen as a stack of some of the layers."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any


def drop_layers(model: Any, dropped: Collection[int]) -> None:
    """Take layers out of a Hugging Face causal language model, in place; the others keep weights and order.

    A deep model's middle layers change little of what passes through them, and fine-tuning makes up for the loss of
    some (Men et al., "ShortGPT", 2024; Gromov et al., "The Unreasonable Ineffectiveness of the Deeper Layers", 2024).

    Raises:
        ValueError: names a layer that the model does not have, or all of them.
    """
    layers = model.model.layers
    if absent := sorted(set(dropped) - set(range(len(layers)))):
        raise ValueError(f"layer {absent[0]} is to be dropped; the model has the layers 0 to {len(layers) - 1}")
    kept = [layer for index, layer in enumerate(layers) if index not in dropped]
    if not kept:
        raise ValueError("every layer is to be dropped; keep some")
    for index, layer in enumerate(kept):
        layer.self_attn.layer_idx = index  # its place in the cache of keys and values
    model.model.layers = type(layers)(kept)
    model.config.num_hidden_layers = len(kept)
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = [kind for i, kind in enumerate(model.config.layer_types) if i not in dropped]


def with_layers(decoder: Any, layers: Any, norm: Any) -> Any:
    """The same decoder, weights shared, with some of its layers and another norm at the end."""
    part = copy.copy(decoder)
    part._modules = dict(decoder._modules)
    part.layers, part.norm = layers, norm
    return part
