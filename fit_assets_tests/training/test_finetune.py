"""Real trainings of tiny models: a few steps each."""

import dataclasses
import json
import math
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fit_assets import artifacts
from fit_assets.filters import canonical_text
from fit_assets.training import finetune
from fit_assets.training.finetune import (
    FineTuneConfig,
    FineTuneError,
    FineTuneResult,
    batch_order,
    fine_tune,
    last_good_checkpoint,
)
from fit_assets.training.presets import Preset, get_preset
from fit_assets.training.prompt import messages, user_turn
from fit_assets_tests.tiny_models import ARCHITECTURES, LESSONS, chat_style, preset_name

# Six updates, a checkpoint after each second one; dropout, so that a resumed run must restore the random state.
SHORT = FineTuneConfig(
    rank=4, alpha=8, dropout=0.1, batch_size=2, epochs=3, evaluations=3, learning_rate=1e-2, copied_share=1.0
)
FILES = {
    "adapter_config.json",
    "adapter_model.safetensors",
    "chat_template.jinja",
    "fine_tune.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


class KilledError(Exception):
    """Stands in for a kill."""


def preset_of(architecture: str, *, four_bit: bool = False) -> Preset:
    return replace(get_preset(preset_name(architecture)), four_bit=four_bit)


def write_lines(path: Path, lessons: dict[str, Any]) -> Path:
    lines = [json.dumps({"q": question, "gold": gold}, ensure_ascii=False) for question, gold in lessons.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "adapter_model.safetensors"))


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


@dataclass
class Room:
    """A base model and lessons; every training has its own folder."""

    base: Path
    lessons: Path
    out: Path

    def train(self, config: FineTuneConfig = SHORT, **options: Any) -> FineTuneResult:
        preset = options.pop("preset", preset_of("mistral"))
        base, lessons = options.pop("base", self.base), options.pop("lessons", self.lessons)
        return fine_tune(preset, base, lessons, self.lessons, self.out, config, **options)

    def train_until(self, step: int) -> Path:
        """Kill a training at its log of that step, which comes before its checkpoint; returns the checkpoints."""

        def kill(now: int, _: dict[str, float]) -> None:
            if now >= step:
                raise KilledError

        with pytest.raises(KilledError):
            self.train(on_log=kill)
        [folder] = (self.out.parent / "checkpoints").iterdir()
        return folder

    def left(self) -> set[str]:
        """What lies beside the adapter, empty folders aside."""
        beside = self.out.parent
        return {path.relative_to(beside).parts[0] for path in beside.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("lessons") / "lessons.jsonl", LESSONS)


@pytest.fixture(scope="module")
def straight(
    tiny_hf_untaught: Callable[[str], Path], lessons: Path, tmp_path_factory: pytest.TempPathFactory
) -> FineTuneResult:
    """An uninterrupted training with ``SHORT``."""
    return Room(tiny_hf_untaught("mistral"), lessons, tmp_path_factory.mktemp("straight") / "adapter").train()


@pytest.fixture
def room(tiny_hf_untaught: Callable[[str], Path], lessons: Path, tmp_path: Path) -> Room:
    return Room(tiny_hf_untaught("mistral"), lessons, tmp_path / "model" / "adapter")


@pytest.fixture
def room_with_adapter(room: Room, straight: FineTuneResult) -> Room:
    """An older adapter is in place."""
    room.out.parent.mkdir()
    shutil.copytree(straight.adapter_dir, room.out)
    shutil.copy(artifacts.record_path(straight.adapter_dir), artifacts.record_path(room.out))
    return room


# What is refused before anything is loaded.


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rank": 0}, "rank is 0; it must be at least 1"),
        ({"alpha": 0}, "alpha is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps is 0"),
        ({"evaluations": 0}, "evaluations is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be from 0 to below 1"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"epochs": -1}, "epochs is -1; it must be above 0"),
        ({"warmup_fraction": 1}, "warmup_fraction is 1"),
        ({"first_layer": -1}, "first_layer is -1; it must be at least 0"),
        ({"max_steps": -1}, "max_steps is -1"),
    ],
)
def test_a_config_that_cannot_train_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(FineTuneError, match=message):
        FineTuneConfig(**wrong).check()
    with pytest.raises(FineTuneError, match=message):
        FineTuneConfig.for_preset(preset_of("mistral"), **wrong)


def test_overrides_go_over_the_presets_values_and_none_means_the_presets() -> None:
    config = FineTuneConfig.for_preset(preset_of("mistral"), rank=7, dropout=None, learning_rate=None)
    assert (config.rank, config.dropout, config.learning_rate) == (7, 0.1, 2e-4)
    assert FineTuneConfig.for_preset(preset_of("mistral"), dropout=0.0).dropout == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"q": "wind", "gold": ', "line 2: not an example with q and gold"),
        ('{"q": "wind"}', r"line 2: not an example .*gold"),
        ('["wind"]', "line 2: not an example"),
        ('{"q": 5, "gold": {}}', "line 2: not an example"),
        ('{"q": "wind", "gold": {"technology": "Coal"}}', "line 2: not an example .*Coal"),
        ("", "line 2: not an example"),
        (json.dumps({"q": "ж " * 150, "gold": {}}), "line 2: [0-9]+ tokens, above max_length 200; shorten"),
    ],
)
def test_a_bad_line_is_named_with_its_file(room: Room, tmp_path: Path, line: str, message: str) -> None:
    bad = tmp_path / "bad.jsonl"
    also_too_long = json.dumps({"q": "ж " * 151, "gold": {}})
    bad.write_text('{"q": "wind sites", "gold": {"technology": "Wind"}}\n' + f"{line}\n{also_too_long}\n")
    for options in ({"lessons": bad}, {"extra_train_path": bad}):
        with pytest.raises(FineTuneError, match=rf"bad\.jsonl, {message}"):
            room.train(replace(SHORT, max_length=200), **options)
    assert not room.out.parent.exists()


def test_what_is_missing_is_named_with_its_mend(room: Room, tmp_path: Path) -> None:
    with pytest.raises(FineTuneError, match="nowhere: no base model there; materialise base_model first"):
        room.train(base=tmp_path / "nowhere")
    with pytest.raises(FineTuneError, match=r"none\.jsonl: no such file; materialise the splits first"):
        room.train(lessons=tmp_path / "none.jsonl")
    with pytest.raises(FineTuneError, match="nowhere: no adapter there"):
        room.train(start_from=tmp_path / "nowhere")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(FineTuneError, match=r"empty\.jsonl: no examples"):
        room.train(lessons=tmp_path / "empty.jsonl")


def test_a_damaged_or_foreign_base_model_is_refused(room: Room, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(room.base, tmp_path / "damaged"))
    (damaged / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(FineTuneError, match=r"damaged: the base model cannot be loaded .* materialise base_model with"):
        room.train(base=damaged)
    with pytest.raises(FineTuneError, match=r"no modules qkv_proj, gate_up_proj; is it another architecture\?"):
        room.train(preset=preset_of("phi3"))
    with pytest.raises(FineTuneError, match="first_layer is 2; the base model has the layers 0 to 1"):
        room.train(replace(SHORT, first_layer=2))


# The order of the examples.


def test_the_order_depends_on_its_arguments_alone() -> None:
    lengths = [random.Random(1).randrange(20, 300) for _ in range(500)]
    order = batch_order(lengths, 16, 2, seed=17)
    random.seed(99)
    assert batch_order(lengths, 16, 2, seed=17) == order
    assert batch_order(lengths, 16, 2, seed=18) != order


@pytest.mark.parametrize("examples", [7, 96, 500, 1601])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_every_epoch_has_each_example_once_and_another_order(examples: int, batch_size: int) -> None:
    rng = random.Random(2)
    order = batch_order([rng.randrange(20, 300) for _ in range(examples)], batch_size, 3, seed=17)
    epochs = [order[start : start + examples] for start in range(0, len(order), examples)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(examples))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("examples", [1600, 1607])
def test_a_batch_holds_examples_of_much_the_same_length(examples: int) -> None:
    rng = random.Random(3)
    lengths = [rng.randrange(20, 300) for _ in range(examples)]
    order = batch_order(lengths, 16, 3, seed=17)
    batches = [[lengths[index] for index in order[start : start + 16]] for start in range(0, len(order), 16)]
    padding = sum(max(batch) * len(batch) - sum(batch) for batch in batches) / sum(map(sum, batches))
    # In random order it is some 70 %.
    assert padding < 0.06
    # Sorted through and through, training would go from short answers to long ones.
    assert sum(map(max, batches[:20])) == pytest.approx(sum(map(max, batches[20:40])), rel=0.3)


def test_an_example_with_a_share_stands_in_that_part_of_the_epochs() -> None:
    shares = [0.4 if index % 2 else 1.0 for index in range(500)]
    order = batch_order([50] * 500, 8, 10, seed=17, shares=shares)
    counts = Counter(order)
    assert {counts[index] for index in range(0, 500, 2)} == {10}
    assert {counts[index] for index in range(1, 500, 2)} == {4}
    assert len(batch_order([50] * 500, 8, 1, seed=17, shares=shares)) == pytest.approx(350, abs=25)
    assert batch_order([50] * 500, 8, 10, seed=17, shares=shares) == order


def test_only_an_answer_that_repeats_the_linked_values_is_copied() -> None:
    linked = user_turn("wind in Devon").splitlines()[1]
    assert finetune._is_copied(messages("wind in Devon", linked))
    assert not finetune._is_copied(messages("wind in Devon", '{"technology":"Wind"}'))
    assert not finetune._is_copied(messages("a joke", '{"query_type":"unsupported"}'))


def test_a_fraction_of_an_epoch() -> None:
    lengths = [50] * 400
    assert len(batch_order(lengths, 16, 0.1, seed=1)) == 40
    assert len(batch_order(lengths, 16, 2.5, seed=1)) == 1000
    assert batch_order(lengths, 16, 0.5, seed=1) == batch_order(lengths, 16, 1, seed=1)[:200]
    assert len(set(batch_order(lengths, 16, 0.5, seed=1))) == 200


def test_a_part_of_the_validation_split_has_all_lengths() -> None:
    rows = [{"length": length} for length in (5, 1, 4, 2, 3, 6)]
    assert [row["length"] for row in finetune._of_all_lengths(rows, 0)] == [1, 2, 3, 4, 5, 6]
    assert [row["length"] for row in finetune._of_all_lengths(rows, 3)] == [1, 3, 5]
    assert len(finetune._of_all_lengths(rows, 100)) == 6


# Training.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_all_its_modules(
    architecture: str, tiny_hf_untaught: Callable[[str], Path], room: Room
) -> None:
    from transformers import AutoModelForCausalLM

    preset = preset_of(architecture)
    config = replace(SHORT, max_steps=2, evaluations=1)
    result = room.train(config, preset=preset, base=tiny_hf_untaught(architecture))
    trained = weights(result.adapter_dir)
    layers = 2
    assert len(trained) == layers * len(preset.target_modules) * 2 + preset.answer_tokens
    if preset.answer_tokens:
        rows = trained["base_model.model.lm_head.token_adapter.trainable_tokens_delta"]
        begun = AutoModelForCausalLM.from_pretrained(tiny_hf_untaught(architecture)).lm_head.weight[-len(rows) :]
        assert ((rows - begun).abs().amax(dim=1) > 0).all(), "an answer token was not trained"
    for layer in range(layers):
        for module in preset.target_modules:
            [name] = (
                name for name in trained if f"layers.{layer}." in name and name.endswith(f".{module}.lora_B.weight")
            )
            assert trained[name].any(), f"{name} was not trained"
            assert trained[name.replace("lora_B", "lora_A")].shape[0] == SHORT.rank
    assert result.metrics["trainable_parameters"] == sum(tensor.numel() for tensor in trained.values())
    assert {file.name for file in result.adapter_dir.iterdir()} == FILES
    assert (result.adapter_dir / "chat_template.jinja").read_text() == chat_style(architecture).chat_template


def test_a_training_that_goes_on_from_an_adapter_keeps_its_answer_tokens(
    tiny_hf_untaught: Callable[[str], Path], room: Room, tmp_path: Path
) -> None:
    rows = "base_model.model.lm_head.token_adapter.trainable_tokens_delta"
    given = {"preset": preset_of("smollm2"), "base": tiny_hf_untaught("smollm2")}
    first = room.train(replace(SHORT, max_steps=2, evaluations=1), **given)
    before = Path(shutil.copytree(first.adapter_dir, tmp_path / "before"))
    config = replace(SHORT, max_steps=1, evaluations=1, learning_rate=1e-4, warmup_fraction=0)
    after = weights(room.train(config, start_from=before, **given).adapter_dir)[rows]
    moved = (after - weights(before)[rows]).abs().max().item()
    assert 0 < moved < 1e-3


def test_the_big_presets_four_bit_loading_trains_too(tiny_hf_untaught: Callable[[str], Path], room: Room) -> None:
    config = replace(SHORT, max_steps=1, evaluations=1, gradient_checkpointing=True)
    result = room.train(config, preset=preset_of("llama", four_bit=True), base=tiny_hf_untaught("llama"))
    assert all(tensor.any() for name, tensor in weights(result.adapter_dir).items() if "lora_B" in name)


def test_halves_of_a_batch_learn_what_the_whole_one_does(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    # Adam makes a whole step of the smallest rounding where a gradient is next to nothing.
    config = replace(SHORT, dropout=0.0, batch_size=3, optimizer="sgd", learning_rate=0.1)
    monkeypatch.setattr(finetune, "bf16_is_fast", lambda: False)  # 16 bit round halves otherwise than the whole
    monkeypatch.setenv("FIT_ASSETS_THREADS", "2")
    halved = room.train(config)
    learnt = weights(halved.adapter_dir)
    monkeypatch.setenv("FIT_ASSETS_THREADS", "1")
    whole = room.train(config, force=True)
    assert same(learnt, weights(whole.adapter_dir))
    assert halved.metrics["eval_loss"] == pytest.approx(whole.metrics["eval_loss"], abs=1e-5)


def test_only_the_answer_and_its_end_are_labels(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    import trl
    from transformers import AutoTokenizer

    seen: list[tuple[list[int], list[int]]] = []
    prepared = trl.SFTTrainer._prepare_inputs

    def watch(self: Any, inputs: Any) -> Any:
        seen.extend(zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), strict=True))
        return prepared(self, inputs)

    monkeypatch.setattr(trl.SFTTrainer, "_prepare_inputs", watch)
    room.train(replace(SHORT, batch_size=4, epochs=1, evaluations=1))
    tokenizer, style = AutoTokenizer.from_pretrained(room.base), chat_style("mistral")
    answers = {}
    for tokens, labels in seen:
        learnt = [index for index, label in enumerate(labels) if label != -100]
        assert learnt == list(range(learnt[0], learnt[-1] + 1))
        assert [labels[index] for index in learnt] == [tokens[index] for index in learnt]
        assert all(token == tokenizer.pad_token_id for token in tokens[learnt[-1] + 1 :])
        answers[tokenizer.decode(tokens[: learnt[0]])] = tokenizer.decode(tokens[learnt[0] : learnt[-1] + 1])
    assert len(seen) == 2 * len(LESSONS)
    assert {prompt.replace("<s> ", "<s>"): answer for prompt, answer in answers.items()} == {
        f"<s>{style.render(question)}": canonical_text(gold) + style.end for question, gold in LESSONS.items()
    }


def test_the_loss_falls_and_what_comes_out_is_the_best(room: Room) -> None:
    logged: list[int] = []
    config = replace(SHORT, rank=16, alpha=32, dropout=0, batch_size=4, epochs=24, learning_rate=2e-2)
    result = room.train(config, on_log=lambda step, _: logged.append(step))
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    validation = {int(entry["step"]): entry["eval_loss"] for entry in result.history if "eval_loss" in entry}
    assert losses[-1] < losses[0] / 2
    assert list(validation) == [8, 16, 24]
    assert result.metrics["eval_loss"] == min(validation.values())
    assert set(logged) >= set(validation)
    assert result.metrics["examples"] == len(LESSONS)
    assert result.metrics["steps"] == 24
    assert not result.reused
    assert result.resumed_from == 0
    assert room.left() == {"adapter", "adapter.digest.json"}


def test_finished_work_is_recognised_unless_forced_or_changed(
    room_with_adapter: Room, straight: FineTuneResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trl

    def not_now(*_: Any, **__: Any) -> None:
        raise KilledError

    monkeypatch.setattr(trl.SFTTrainer, "train", not_now)
    room = room_with_adapter
    again = room.train()
    assert again == dataclasses.replace(straight, adapter_dir=room.out, reused=True)
    more = write_lines(room.out.parent / "more.jsonl", LESSONS)
    for options in (
        {"force": True},
        {"config": replace(SHORT, seed=18)},
        {"extra_train_path": more},
        {"start_from": straight.adapter_dir},
    ):
        with pytest.raises(KilledError):
            room.train(**options)
    (room.out / "adapter_model.safetensors").write_bytes(b"harmed")
    with pytest.raises(KilledError):
        room.train()


def test_force_trains_again_and_gives_the_same(room_with_adapter: Room, straight: FineTuneResult) -> None:
    again = room_with_adapter.train(force=True)
    assert not again.reused
    assert again.digest == straight.digest


@pytest.mark.parametrize(
    ("damage", "resumed_from"),
    [((), 4), (("4/adapter_model.safetensors",), 2), (("4/optimizer.pt", "2/trainer_state.json"), 0)],
)
def test_a_killed_run_goes_on_from_its_last_whole_checkpoint_and_ends_the_same(
    room: Room, straight: FineTuneResult, damage: tuple[str, ...], resumed_from: int
) -> None:
    checkpoints = room.train_until(6)
    assert {path.name for path in checkpoints.glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-4"}
    assert not room.out.exists()
    for file in damage:
        harmed = checkpoints / f"checkpoint-{file}"
        harmed.write_bytes(harmed.read_bytes()[: harmed.stat().st_size // 2])
    steps: list[int] = []
    result = room.train(on_log=lambda step, values: steps.append(step) if "loss" in values else None)
    assert result.resumed_from == resumed_from
    assert steps == list(range(resumed_from + 2, 7, 2))
    assert same(weights(result.adapter_dir), weights(straight.adapter_dir))
    assert [entry["step"] for entry in result.history] == [entry["step"] for entry in straight.history]
    assert room.left() == {"adapter", "adapter.digest.json"}


def test_a_checkpoint_whose_best_is_damaged_is_not_resumed(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    for step in (1, 2):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file({"a": torch.ones(64)}, folder / "adapter_model.safetensors")
        state = {"best_model_checkpoint": str(tmp_path / "checkpoint-1")}
        (folder / "trainer_state.json").write_text(json.dumps(state))
        for part in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            torch.save({}, folder / part)
    assert last_good_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    best = tmp_path / "checkpoint-1" / "adapter_model.safetensors"
    best.write_bytes(best.read_bytes()[:100])
    assert last_good_checkpoint(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_ends_the_run(room_with_adapter: Room, straight: FineTuneResult) -> None:
    with pytest.raises(FineTuneError, match=r"^loss is (nan|inf) at step [0-9]+; lower the learning rate"):
        room_with_adapter.train(replace(SHORT, learning_rate=1e30))
    assert artifacts.digest_of(room_with_adapter.out) == straight.digest


def test_training_goes_on_from_an_adapter(room: Room, straight: FineTuneResult, tmp_path: Path) -> None:
    # A line separator within a question is no end of its line.
    more = write_lines(tmp_path / "more.jsonl", {"hydro\u2028sites": {"technology": "Hydro"}})
    config = replace(SHORT, learning_rate=1e-5, max_steps=1, evaluations=1, warmup_fraction=0)
    result = room.train(config, start_from=straight.adapter_dir, extra_train_path=more)
    assert result.metrics["examples"] == len(LESSONS) + 1
    before, after = weights(straight.adapter_dir), weights(result.adapter_dir)
    moved = max(float((after[name] - before[name]).abs().max()) for name in before)
    assert 0 < moved < 1e-4


def test_an_adapter_of_another_model_is_refused(room: Room, straight: FineTuneResult, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    other = Path(shutil.copytree(straight.adapter_dir, tmp_path / "other"))
    wrong = {name: tensor.repeat(2, 2) for name, tensor in weights(other).items()}
    save_file(wrong, other / "adapter_model.safetensors")
    with pytest.raises(FineTuneError, match="other: the adapter does not fit the base model"):
        room.train(start_from=other)


def test_layers_below_the_first_stay_as_they_are(room: Room) -> None:
    result = room.train(replace(SHORT, first_layer=1, max_steps=1, evaluations=1))
    assert {".layers.0." in name for name in weights(result.adapter_dir)} == {False}


# A full disk.


def test_a_disk_that_is_full_for_the_adapter_leaves_the_old_one_and_loses_no_step(
    room_with_adapter: Room, straight: FineTuneResult
) -> None:
    import peft
    from safetensors import SafetensorError

    room = room_with_adapter
    saved = peft.PeftModel.save_pretrained

    def full(self: Any, folder: str, *args: Any, **options: Any) -> Any:
        if not folder.endswith(".partial"):
            return saved(self, folder, *args, **options)
        Path(folder).mkdir()
        (Path(folder) / "adapter_model.safetensors").write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peft.PeftModel, "save_pretrained", full)
        with pytest.raises(artifacts.DiskFullError, match=rf"the disk is full: {room.out} cannot be written"):
            room.train(force=True)
    assert artifacts.digest_of(room.out) == straight.digest
    assert room.left() == {"adapter", "adapter.digest.json", "checkpoints"}
    result = room.train(force=True)
    assert result.resumed_from == 6
    assert same(weights(result.adapter_dir), weights(straight.adapter_dir))
    assert result.metrics["eval_loss"] == pytest.approx(straight.metrics["eval_loss"])


def test_a_disk_that_is_full_for_a_checkpoint_leaves_no_half_of_it(
    room: Room, straight: FineTuneResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    saved = transformers.Trainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if not folder.endswith("-4"):
            return saved(self, folder)
        (Path(folder) / "optimizer.pt").write_bytes(b"half")
        # What torch makes of it: no errno and no word of the disk.
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    monkeypatch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(artifacts.DiskFullError, match=r"the disk is full: .*checkpoints.* with 0 MiB free"):
        room.train()
    [folder] = (room.out.parent / "checkpoints").iterdir()
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-2"]
    monkeypatch.undo()
    result = room.train()
    assert result.resumed_from == 2
    assert same(weights(result.adapter_dir), weights(straight.adapter_dir))


def test_hidden_values_are_looked_up_ones_other_than_places() -> None:
    question = "wind over 250kw in aberdeenshire"
    conversations = [(f"line {number}", messages(question, "{}")) for number in range(400)]
    hidden = finetune._with_values_hidden(conversations, 0.3, seed=1)
    assert hidden == finetune._with_values_hidden(conversations, 0.3, seed=1)
    changed = [turns[0]["content"] for _, turns in hidden if turns[0]["content"] != user_turn(question)]
    assert 80 < len(changed) < 160
    for content in changed:
        first, second = content.split("\n")
        assert first == question
        assert {"location", "postcode_patterns"} <= json.loads(second).keys()
    assert {len(json.loads(content.split("\n")[1])) for content in changed} == {3}
    assert finetune._with_values_hidden(conversations, 0.0, seed=1) == conversations
