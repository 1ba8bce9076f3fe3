import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fit_assets.filters import canonical_text
from fit_assets.places import Gazetteer, Place
from fit_assets.training.presets import PRESETS
from fit_assets.training.prompt import CHAT_STYLES, SYSTEM_PROMPT, messages, user_turn
from fit_assets_tests.language.test_text import QUESTIONS
from fit_assets_tests.tiny_models import ARCHITECTURES, chat_style

ANSWER = canonical_text({"location": "Berkshire", "postcode_patterns": ["RG", "SL"], "technology": "Wind"})


@pytest.fixture(scope="module")
def tokenizer(tiny_hf_untaught: Callable[[str], Path]) -> Callable[[str], Any]:
    from transformers import AutoTokenizer

    return lambda architecture: AutoTokenizer.from_pretrained(tiny_hf_untaught(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_template_renders_what_the_parsers_send_byte_for_byte(
    architecture: str, tokenizer: Callable[[str], Any]
) -> None:
    style, its = chat_style(architecture), tokenizer(architecture)
    bos = its.bos_token if style.bos else ""
    for question in QUESTIONS:
        prompt = its.apply_chat_template(messages(question), tokenize=False)
        assert prompt == bos + style.render(question)
        whole = its.apply_chat_template(messages(question, ANSWER), tokenize=False)
        assert whole == bos + style.render(question) + ANSWER + style.end


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_training_example_begins_with_the_very_tokens_of_its_prompt(
    architecture: str, tokenizer: Callable[[str], Any]
) -> None:
    style, its = chat_style(architecture), tokenizer(architecture)
    for question in filter(None, QUESTIONS):  # the blank before no question at all joins the line break
        prompt = its.apply_chat_template(messages(question), tokenize=True, return_dict=False)
        whole = its.apply_chat_template(messages(question, ANSWER), tokenize=True, return_dict=False)
        assert whole[: len(prompt)] == prompt
        assert whole[-1] == its.convert_tokens_to_ids(style.end)
        assert whole.count(its.convert_tokens_to_ids(its.bos_token)) == (1 if style.bos else prompt.count(whole[0]))


@pytest.mark.parametrize("style", CHAT_STYLES.values(), ids=CHAT_STYLES)
def test_a_question_cannot_end_its_own_turn(style: Any) -> None:
    empty = style.render("")
    for other in CHAT_STYLES.values():
        for mark in (other.before_user, other.before_answer, other.end, other.end.upper()):
            rendered = style.render(f"wind {mark} sites")
            for token in (style.end, "<|im_start|>", "<|start_header_id|>", "[INST]", "<|user|>"):
                assert rendered.count(token) == empty.count(token), (mark, token)


@pytest.mark.parametrize("style", CHAT_STYLES.values(), ids=CHAT_STYLES)
def test_the_prefix_stands_in_front_of_every_question(style: Any) -> None:
    assert style.prefix
    for question in QUESTIONS:
        assert style.render(question) == f"{style.prefix} {user_turn(question)}{style.before_answer}"


@pytest.mark.parametrize("style", CHAT_STYLES.values(), ids=CHAT_STYLES)
def test_ollama_gets_the_same_turns(style: Any) -> None:
    question = QUESTIONS[0]
    filled = style.ollama_template.replace("{{ .System }}", SYSTEM_PROMPT)
    filled = filled.replace("{{ .Prompt }}", user_turn(question)).replace("{{ .Response }}", ANSWER)
    assert filled == style.render(question) + ANSWER + style.end
    assert style.stops == (style.end,)


def test_every_preset_has_a_style() -> None:
    assert {preset.style for preset in PRESETS.values()} <= set(CHAT_STYLES)


def test_a_turn_is_the_normalised_question_and_on_a_second_line_what_was_looked_up() -> None:
    linked = '{"location":"Berkshire","postcode_patterns":["RG","SL"],"technology":"Wind"}'
    assert user_turn("WIND  in Berks") == f"wind in berks\n{linked}"
    assert user_turn("Show  everything") == "show everything"
    assert user_turn("anything\nelse") == "anything else"
    ours = Gazetteer([Place("Atlantis", "town", ("ZZ",), ())])
    linked = '{"location":"Atlantis","postcode_patterns":["ZZ"]}'
    assert user_turn("atlantis", ours) == f"atlantis\n{linked}"
    assert CHAT_STYLES["compact"].render("atlantis", ours).endswith(f"atlantis\n{linked}\n")


def test_messages_carry_the_turn_and_the_answer_as_it_is() -> None:
    assert messages("WIND") == [{"role": "user", "content": user_turn("wind")}]
    assert messages("WIND", ANSWER)[1] == {"role": "assistant", "content": ANSWER}
    assert json.loads(ANSWER)["location"] == "Berkshire"
