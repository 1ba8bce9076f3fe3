"""The default model with its real weights, from the package to an answer: a few steps of each stage."""

from __future__ import annotations

import functools
import json
from contextlib import closing
from pathlib import Path

import pytest

from fit_assets.filters import QueryFilters
from fit_assets.packaging.gguf import build_gguf
from fit_assets.packaging.merge import merge_adapter
from fit_assets.parsing.gguf_parser import GgufParser
from fit_assets.training import base_model
from fit_assets.training.finetune import FineTuneConfig, fine_tune
from fit_assets.training.presets import get_preset
from fit_assets_tests.tiny_models import LESSONS


@pytest.mark.real_model
def test_the_default_model_learns_its_lessons_and_answers_from_a_gguf(
    tmp_path: Path, toolchain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = functools.partial(base_model.add_answer_tokens, steps=4)
    monkeypatch.setattr(base_model, "add_answer_tokens", quick)
    preset = get_preset()
    base = base_model.prepare_base_model(preset, tmp_path / "base")
    config = json.loads((base.path / "config.json").read_text("utf-8"))
    assert config["num_hidden_layers"] == 30 - len(preset.dropped_layers)

    lessons = tmp_path / "lessons.jsonl"
    lines = [json.dumps({"q": question, "gold": gold}) for question, gold in LESSONS.items()]
    lessons.write_text("\n".join(lines) + "\n", "utf-8")
    hyper_parameters = FineTuneConfig.for_preset(
        preset, epochs=16.0, copied_share=1.0, batch_size=4, evaluations=1, learning_rate=3e-3
    )
    result = fine_tune(preset, base.path, lessons, lessons, tmp_path / "adapter", hyper_parameters)
    assert result.metrics["eval_loss"] < 0.1

    merged = merge_adapter(base.path, result.adapter_dir, tmp_path / "merged")
    build_gguf(merged, tmp_path / "model.gguf", preset.quantisation, say=lambda _: None)
    with closing(GgufParser(tmp_path / "model.gguf", constrained=False)) as plain:
        for question, gold in LESSONS.items():
            answer = plain.parse(question)
            assert answer.filters == QueryFilters.parse(gold), answer.text
