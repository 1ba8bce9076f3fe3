"""The contract's words as tokens of their own: ``,"query_type":"aggregation"`` is one token where it was eight.

An answer, and the line of looked-up values in front of it, are mostly keys and fixed values. With a token for each,
prompt and answer together have 56 tokens for 88 (development questions), and a question is read in two thirds of the
time. What such a token means where it is read is learnt here, before any fine-tuning: its embedding moves until the
lowest layers make of it what they make of the words spelled out. Where it is written, its row of the output layer is
trained with the adapter.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
from collections.abc import Mapping
from typing import Any

from fit_assets.filters import canonical_text, json_schema
from fit_assets.training.layers import with_layers

# A full training of the default model leaves the lowest layers as they are: those must not notice the difference, and
# the next ones hardly. 160 steps leave a tenth of the variance of their output unexplained, half of it is at the start.
_LAYERS = 10
_STEPS = 160
_TEXTS_A_STEP = 8
_LEARNING_RATE = 5e-3

# In bytes: llama-cpp-python's ``Llama`` drops a token whose text is longer from its answer.
_LONGEST = 32
_BOUND = re.compile(r"(?P<of>.*_)(?:max|min)(?P<unit>_.*)?")
_OPENINGS = {"string": '"', "array": '["'}
_NUMBERS = (3, 5, 7.5, 10, 50, 100, 250, 450, 500, 550, 1500, 2010, 2012, 2015, 2019, 2030)
_TEXTS = ("Berkshire", "Yorkshire", "Scotland", "Kent", "Swansea", "Greater Manchester", "Argyll and Bute", "4004")
_LISTED = ("RG", "SL", "YO", "CT", "SA", "M", "PA34", "CB7", "EH", "Wind", "Anaerobic digestion", "Hydro", "Devon")


def answer_tokens() -> list[str]:
    """Each key with each of its fixed values, or up to where its value begins; first in the object, and further on.

    Where both together are longer than ``_LONGEST``, they are two tokens. No token begins with what another ends with:
    of two that overlap in a text, training takes the leftmost and llama.cpp the longest. "max" and "min" stay the words
    that they are: as parts of a token that is new to it, the model takes the one for the other.
    """
    keys: list[str] = []
    values: list[str] = []
    for key, field in json_schema()["properties"].items():
        if bound := _BOUND.fullmatch(key):
            keys.append(f'"{bound["of"]}')
            values += [f'{bound["unit"]}":'] if bound["unit"] else []
            continue
        fixed = [json.dumps(value) for value in _fixed_values(field)]
        long = [value for value in fixed if len(f',"{key}":{value}') > _LONGEST]
        keys += [f'"{key}":{value}' for value in fixed if value not in long]
        keys += [f'"{key}":{_OPENINGS.get(field["type"], "")}'] if long or not fixed else []
        values += [value.removeprefix('"') for value in long]
    return list(dict.fromkeys([before + text for before in "{," for text in keys] + values))


def answer_token_ids(tokenizer: Any) -> list[int]:
    """The numbers of the answer tokens in a tokenizer; none where it was not given them."""
    known = tokenizer.get_added_vocab()
    return sorted(known[text] for text in answer_tokens() if text in known)


def add_answer_tokens(model: Any, tokenizer: Any, prefix: str, *, seed: int = 17, steps: int = _STEPS) -> float:
    """Give a Hugging Face causal language model and its tokenizer the answer tokens, in place.

    Input and output embeddings are two matrices from then on: the one is done, the other is still to be trained.

    Args:
        model: in 32 bit, with all of its layers.
        tokenizer: its tokenizer, as its maker made it.
        prefix: what stands in front of every question.
        seed: of the made-up texts.
        steps: updates of the embeddings.

    Returns:
        The share of the variance of the lowest layers' output that is left unexplained, in the last 20 steps.

    Raises:
        ValueError: the tokenizer knows one of the texts already.
    """
    import torch
    from tokenizers import AddedToken

    texts = answer_tokens()
    parts = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    first = len(tokenizer)
    if tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in texts]) != len(texts):
        raise ValueError("its tokenizer has tokens of the contract already; take the model as its maker made it")
    known = model.get_input_embeddings().weight.detach()
    start = _apart(torch.stack([known[part].mean(0) for part in parts]), float(known.norm(dim=1).mean()), seed)
    read, unexplained = _taught(model, tokenizer, dict(enumerate(parts, start=first)), start, prefix, seed, steps)
    _untie(model)
    model.resize_token_embeddings(first + len(texts), mean_resizing=False)
    with torch.no_grad():
        # As all others: a model with tied embeddings copies a word because what it reads is what it writes.
        model.get_input_embeddings().weight[first:] = read
        model.get_output_embeddings().weight[first:] = read
    return unexplained


def _apart(means: Any, norm: float, seed: int) -> Any:
    """Embeddings about these ones, as long as others are, each with a direction of its own.

    The means of what ``"capacity_max_kw":`` and ``"capacity_min_kw":`` are made of have a cosine of 0.98, so that a
    model takes the one for the other. The layers that read them make little of a random direction, and the next ones
    tell them apart by it.
    """
    import torch

    own = torch.randn(means.shape, generator=torch.Generator().manual_seed(seed))
    length = (norm**2 - means.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    return means + own / own.norm(dim=1, keepdim=True) * length


def _taught(
    model: Any, tokenizer: Any, parts: Mapping[int, list[int]], read: Any, prefix: str, seed: int, steps: int
) -> tuple[Any, float]:
    """The embeddings (tokens, hidden size) after learning, and the share of variance left unexplained."""
    import torch

    decoder, embed = model.requires_grad_(False).model, model.get_input_embeddings()
    lowest: Any = with_layers(decoder, decoder.layers[:_LAYERS], torch.nn.Identity())
    first = min(parts)
    rng = random.Random(f"{seed}/answer tokens")
    read = torch.nn.Parameter(read)
    optimizer = torch.optim.Adam([read], lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    shares: list[float] = []
    for _ in range(steps):
        # What is padded on the right is seen by nothing before it.
        texts = [tokenizer.encode(_made_up(rng, prefix), add_special_tokens=False) for _ in range(_TEXTS_A_STEP)]
        spelled = [[parts.get(token, [token]) for token in ids] for ids in texts]
        ends = _padded([list(itertools.accumulate(map(len, words), initial=-1))[1:] for words in spelled])
        ids = _padded(texts)
        with torch.no_grad():
            states = lowest(input_ids=_padded([[*itertools.chain.from_iterable(words)] for words in spelled]))[0]
            wanted = states.take_along_dim(ends[..., None], dim=1)
            known = embed(ids.clamp(max=first - 1))
        rows = read[(ids - first).clamp(min=0)]
        got = lowest(inputs_embeds=torch.where(ids[..., None] >= first, rows, known))[0]
        # The first position has no answer token before it, and states far larger than all others.
        counted = _padded([[0] + [1] * (len(text) - 1) for text in texts]).bool()
        got, wanted = got[counted], wanted[counted]
        loss = (got - wanted).square().mean() / (wanted - wanted.mean(0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        shares.append(loss.item())
    model.requires_grad_(True)
    return read.detach(), sum(shares[-20:]) / len(shares[-20:])


def _padded(rows: list[list[int]]) -> Any:
    import torch

    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def _made_up(rng: random.Random, prefix: str) -> str:
    """A prompt and its answer with some keys and values; what they say need make no sense."""
    fields = json_schema()["properties"]
    values = {key: _value(fields[key], rng) for key in rng.sample(sorted(fields), rng.randint(1, 5))}
    text = canonical_text(values)
    return f"{prefix} wind in {rng.choice(_TEXTS).lower()}\n{text}\n{text}"


def _value(field: Mapping[str, Any], rng: random.Random) -> Any:
    if fixed := _fixed_values(field):
        return rng.choice(fixed)
    if field["type"] == "array":
        return rng.sample(_LISTED, rng.randint(1, 4))
    return rng.choice(_TEXTS if field["type"] == "string" else _NUMBERS)


def _fixed_values(field: Mapping[str, Any]) -> list[Any]:
    return [field["const"]] if "const" in field else list(field.get("enum", []))


def _untie(model: Any) -> None:
    """Give the output layer weights of its own."""
    import torch

    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(copy.deepcopy(head.weight.detach()))
    model.config.tie_word_embeddings = False
