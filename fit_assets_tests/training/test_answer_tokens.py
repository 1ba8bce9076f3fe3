"""The contract's words as single tokens: for every runtime alike, and learnt before they are used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fit_assets import settings
from fit_assets.dataset.natural import load_seeds
from fit_assets.filters import FILTER_KEYS, canonical_text
from fit_assets.places import load_gazetteer
from fit_assets.training.answer_tokens import add_answer_tokens, answer_token_ids, answer_tokens
from fit_assets.training.prompt import user_turn
from fit_assets_tests.tiny_models import chat_style, tiny_model


@pytest.fixture(scope="module")
def tokenizer(tiny_hf_untaught: Callable[[str], Path]) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_hf_untaught("smollm2"))


def test_every_key_and_every_fixed_value_has_its_token_first_and_further_on() -> None:
    texts = answer_tokens()
    assert len(texts) == len(set(texts)) == 84
    assert max(len(text.encode()) for text in texts) <= 32
    for key in FILTER_KEYS:
        for before in "{,":
            begins = f'{before}"{key}":' if "_m" not in key else f'{before}"{key[: key.index("_m") + 1]}'
            assert any(text.startswith(begins) for text in texts), key
    assert {'{"technology":"Wind"', ',"include_revenue":true', ',"limit":', '{"locations":["', ',"fit_id":"'} <= {
        *texts
    }


def test_no_two_answer_tokens_can_overlap() -> None:
    """Where they could, training and llama.cpp would cut a text differently; "max" or "min" stands between bounds."""
    texts = answer_tokens()
    for one in texts:
        for other in texts:
            shared = [size for size in range(1, min(len(one), len(other))) if one.endswith(other[:size])]
            assert not shared or other[: shared[-1]] == "_", (one, other)


def test_an_answer_is_a_few_tokens_and_reads_as_it_was(tokenizer: Any) -> None:
    gold = {"commissioned_year_max": 2014, "location": "Berkshire", "postcode_patterns": ["RG", "SL"]}
    text = canonical_text(gold | {"technology": "Wind"})
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert len(set(ids) & set(answer_token_ids(tokenizer))) == 4
    assert tokenizer.convert_tokens_to_ids("max") in ids
    assert len(ids) < 20


def test_what_people_type_is_no_answer_token(tokenizer: Any) -> None:
    typed = tokenizer.encode("commissioned_year_max 2014, technology: wind, limit", add_special_tokens=False)
    assert not set(typed) & set(answer_token_ids(tokenizer))


def test_llama_cpp_reads_prompts_and_answers_as_training_does(tiny_gguf: Callable[[str], Path], tokenizer: Any) -> None:
    from fit_assets.packaging.runtime import LlamaModel

    style, gazetteer = chat_style("smollm2"), load_gazetteer()
    seeds = load_seeds(settings.questions_dir() / "train.jsonl", gazetteer)
    texts = {canonical_text(seed.gold) for seed in seeds}
    for seed in seeds[::40]:
        texts.add(f"{style.prefix} {user_turn(seed.q, gazetteer)}{style.before_answer}{canonical_text(seed.gold)}")
    with closing(LlamaModel(tiny_gguf("smollm2"), context=2048, threads=1)) as model:
        for text, ids in zip(texts, tokenizer([*texts], add_special_tokens=False)["input_ids"], strict=True):
            assert model.tokenize(text) == ids, text
        for text, token in zip(answer_tokens(), answer_token_ids(tokenizer), strict=True):
            assert model.tokenize(text) == [token]
            assert model.piece(token) == text.encode()


def test_embeddings_learn_what_the_words_spelled_out_mean(
    tmp_path: Path, tiny_hf_untaught: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from fit_assets_tests import tiny_models

    monkeypatch.setattr(tiny_models, "add_answer_tokens", lambda *_, **__: None)
    plain = tiny_model(tmp_path / "plain", "smollm2")
    left = {}
    for steps in (1, 40):
        model = AutoModelForCausalLM.from_pretrained(plain)
        before = model.get_input_embeddings().weight.detach().clone()
        tokenizer = AutoTokenizer.from_pretrained(plain)
        left[steps] = add_answer_tokens(model, tokenizer, "Filter:", steps=steps)
        read, written = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        assert torch.equal(read[: len(before)], before)
        assert torch.equal(written[: len(before)], before)
        assert len(read) == len(written) == len(tokenizer)
        assert not model.config.tie_word_embeddings
    assert left[40] < 0.97 * left[1]  # random layers make little of a word that another could stand for
    with pytest.raises(ValueError, match="has tokens of the contract already"):
        add_answer_tokens(model, tokenizer, "Filter:", steps=1)
