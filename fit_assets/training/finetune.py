"""LoRA fine-tuning of a base model on (question, filters) examples with TRL and PEFT.

Read it top-down: :func:`fine_tune` is the whole story. The order of all batches of all epochs is laid down before
training starts, by the seed alone, grouped by length; so a run that was killed continues from its last good
checkpoint with the very batches that it had not seen, and ends the same.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
import math
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fit_assets import artifacts, settings
from fit_assets.filters import QueryFilters, canonical_text
from fit_assets.training.answer_tokens import answer_token_ids
from fit_assets.training.presets import Preset
from fit_assets.training.prompt import messages

# Which postcode areas a place has, no question says.
_NOT_HIDDEN = frozenset({"location", "locations", "postcode_patterns"})

# Where an example stands, and its turns.
_Conversation = tuple[str, list[dict[str, str]]]


class FineTuneError(RuntimeError):
    """Training that cannot start or did not end well; the message says what to do."""


@dataclass(frozen=True)
class FineTuneConfig:
    """Hyper-parameters; the defaults suit 135M parameters on two CPU cores.

    ``learning_rate`` peaks after ``warmup_fraction`` of the steps and follows ``scheduler`` down.
    ``evaluations`` is how often, evenly spread, the validation loss is taken and a checkpoint written; the
    checkpoint with the lowest loss is what comes out. ``first_layer`` is the lowest layer that is adapted: below it
    nothing needs a gradient, which saves time. ``max_length`` is in tokens; a longer example is an error,
    never cut, because the cut end is the answer. ``max_steps`` above 0 ends a run early (for trials).
    ``copied_share`` is the part of the epochs in which an example is seen whose answer only repeats the linked values:
    copying is learnt early, and half of the examples need no more; ``seen_share`` is that part for the others. Extra
    lines are seen in every epoch. ``hidden_share`` is the part of the examples in
    which one linked value is kept from the model, which must then find it in the question's words.
    ``validation_examples`` above 0 takes the loss on so many of the validation split, of all lengths alike.
    """

    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0
    epochs: float = 2.0
    copied_share: float = 0.4
    seen_share: float = 1.0
    hidden_share: float = 0.0
    learning_rate: float = 1.5e-3
    scheduler: str = "cosine"
    warmup_fraction: float = 0.05
    weight_decay: float = 0.0
    batch_size: int = 8
    gradient_accumulation_steps: int = 1
    max_grad_norm: float = 1.0
    optimizer: str = "adamw_torch"
    gradient_checkpointing: bool = False
    first_layer: int = 0
    evaluations: int = 2
    validation_examples: int = 0
    max_length: int = 768
    max_steps: int = 0
    seed: int = 17

    @classmethod
    def for_preset(cls, preset: Preset, **overrides: Any) -> FineTuneConfig:
        """The preset's defaults with some values changed; None means "as the preset says"."""
        given = {key: value for key, value in overrides.items() if value is not None}
        config = dataclasses.replace(cls(), **{**preset.hyper_parameters, **given})
        config.check()
        return config

    def check(self) -> None:
        """Refuse combinations that cannot train.

        Raises:
            FineTuneError: names the value and its range.
        """
        for name in ("rank", "alpha", "batch_size", "gradient_accumulation_steps", "evaluations", "max_length"):
            if getattr(self, name) < 1:
                raise FineTuneError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.dropout < 1:
            raise FineTuneError(f"dropout is {self.dropout}; it must be from 0 to below 1")
        for name in ("learning_rate", "epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise FineTuneError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("first_layer", "max_steps", "validation_examples"):
            if getattr(self, name) < 0:
                raise FineTuneError(f"{name} is {getattr(self, name)}; it must be at least 0")
        for name in ("copied_share", "seen_share", "hidden_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise FineTuneError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if not 0 <= self.warmup_fraction < 1:
            raise FineTuneError(f"warmup_fraction is {self.warmup_fraction}; it must be from 0 to below 1")


@dataclass(frozen=True)
class FineTuneResult:
    """A trained adapter: its folder and digest, the log of losses, and how it went.

    ``history`` has one entry for each logged step: ``step``, ``epoch`` and ``loss`` or ``eval_loss``.
    ``metrics`` holds ``train_loss``, ``eval_loss`` (of the adapter that came out), ``tokens_per_second``,
    ``trainable_parameters``, ``examples``. ``resumed_from`` is the step that an interrupted run went on from, or 0.
    """

    adapter_dir: Path
    digest: str
    history: list[dict[str, float]]
    metrics: dict[str, float]
    seconds: float
    resumed_from: int
    reused: bool


def fine_tune(
    preset: Preset,
    base_dir: Path,
    train_path: Path,
    validation_path: Path,
    out_dir: Path,
    config: FineTuneConfig | None = None,
    *,
    extra_train_path: Path | None = None,
    start_from: Path | None = None,
    on_log: Callable[[int, dict[str, float]], None] | None = None,
    force: bool = False,
) -> FineTuneResult:
    """Train a LoRA adapter and put it at ``out_dir``.

    Args:
        preset: target modules, precision, chat style.
        base_dir: Hugging Face folder made by ``prepare_base_model``.
        train_path, validation_path: JSONL files of lines with ``q`` and ``gold``.
        out_dir: folder of the adapter; replaced only when training has ended well.
        config: hyper-parameters (default: the preset's).
        extra_train_path: further training lines, e.g. feedback.
        start_from: an adapter to go on from in place of fresh LoRA weights.
        on_log: called with (step, values) whenever the trainer logs.
        force: train even when ``out_dir`` was made of the same inputs.

    Raises:
        FineTuneError: unreadable data, an example longer than ``max_length``, modules that are not there, a loss
            that is not finite. The last good adapter stays where it is.
        artifacts.DiskFullError: no room for a checkpoint or the adapter; likewise.
    """
    config = config or FineTuneConfig.for_preset(preset)
    config.check()
    files = [path for path in (train_path, validation_path, extra_train_path) if path is not None]
    _require_inputs(base_dir, files, start_from)
    conversations = {path: _conversations(path) for path in files}
    conversations[train_path] = _with_values_hidden(conversations[train_path], config.hidden_share, config.seed)
    inputs = {
        "base": artifacts.digest_of(base_dir),
        "train": artifacts.digest_of(train_path),
        "validation": artifacts.digest_of(validation_path),
        "extra": artifacts.digest_of(extra_train_path) if extra_train_path else None,
        "start_from": artifacts.digest_of(start_from) if start_from else None,
        "config": dataclasses.asdict(config),
        "modules": list(preset.target_modules),
        "prompt": preset.chat_style.chat_template,
        # Another gazetteer or reading tells the model something else of the same question.
        "turns": artifacts.digest_of_value([turns[0]["content"] for path in files for _, turns in conversations[path]]),
    }
    if not force and (record := artifacts.finished(out_dir, inputs)):
        facts = record.facts
        return FineTuneResult(
            out_dir, record.digest, facts["history"], facts["metrics"], facts["seconds"], facts["resumed_from"], True
        )

    import torch
    from transformers import AutoTokenizer, TrainerCallback, set_seed
    from trl import SFTConfig

    from fit_assets.training.trainer import Trainer

    _reuse_freed_memory()
    torch.set_num_threads(settings.threads())
    set_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    learnt = [train_path, *([extra_train_path] if extra_train_path else [])]
    train = _rows(tokenizer, {path: conversations[path] for path in learnt}, config)
    validation = _rows(tokenizer, {validation_path: conversations[validation_path]}, config)
    validation = _of_all_lengths(validation, config.validation_examples)
    generated = len(conversations[train_path])  # every correction is seen in every epoch
    shares = [
        (config.copied_share if row["copied"] else config.seen_share) if index < generated else 1.0
        for index, row in enumerate(train)
    ]
    order = batch_order([row["length"] for row in train], config.batch_size, config.epochs, config.seed, shares)
    steps = math.ceil(len(order) / config.batch_size / config.gradient_accumulation_steps)
    steps = min(steps, config.max_steps) if config.max_steps else steps
    interval = max(1, math.ceil(steps / config.evaluations))

    model = _load_base(preset, base_dir)
    model, peft_config = _with_adapter(preset, model, config, start_from, answer_token_ids(tokenizer))
    checkpoints = out_dir.parent / "checkpoints" / artifacts.digest_of_value(inputs)[:16]
    resume = last_good_checkpoint(checkpoints)

    class Progress(TrainerCallback):  # type: ignore[misc]
        """Hands every log entry on and stops a run that has gone astray."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            values = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, int | float)}
            for key in ("loss", "eval_loss"):
                if key in values and not math.isfinite(values[key]):
                    raise FineTuneError(f"{key} is {values[key]} at step {state.global_step}; lower the learning rate")
            if on_log is not None:
                on_log(state.global_step, values)

    trainer = Trainer(
        threads=1 if config.dropout else settings.threads(),
        model=model,
        processing_class=tokenizer,
        peft_config=peft_config,
        train_dataset=_as_dataset([train[index] for index in order]),
        eval_dataset=_as_dataset(validation),
        callbacks=[Progress()],
        args=SFTConfig(
            output_dir=str(checkpoints),
            num_train_epochs=1,  # the order above holds all epochs
            max_steps=steps,
            train_sampling_strategy="sequential",
            max_length=config.max_length,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=2 * config.batch_size,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            gradient_checkpointing=config.gradient_checkpointing,
            learning_rate=config.learning_rate,
            lr_scheduler_type=config.scheduler,
            warmup_steps=int(config.warmup_fraction * steps),
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            optim=config.optimizer,
            bf16=bf16_is_fast(),
            use_cpu=not torch.cuda.is_available(),
            eval_strategy="steps",
            eval_steps=interval,
            save_strategy="steps",
            save_steps=interval,
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            logging_steps=max(1, min(10, interval)),
            logging_nan_inf_filter=False,  # it would hide a loss that is not finite from Progress
            report_to="none",
            seed=config.seed,
            data_seed=config.seed,
            dataloader_pin_memory=False,
        ),
    )
    started = time.monotonic()
    try:
        with artifacts.naming_full_disk(checkpoints):
            outcome = trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    except artifacts.DiskFullError:
        last_good_checkpoint(checkpoints)  # removes the half-written one
        raise
    seconds = time.monotonic() - started
    history = [
        {key: float(value) for key, value in entry.items() if key in ("step", "loss", "eval_loss", "learning_rate")}
        for entry in trainer.state.log_history
        if "loss" in entry or "eval_loss" in entry
    ]
    best = min((entry for entry in trainer.state.log_history if "eval_loss" in entry), key=lambda e: e["eval_loss"])
    resumed_from = int(resume.name.removeprefix("checkpoint-")) if resume else 0
    per_step = config.batch_size * config.gradient_accumulation_steps
    seen = order[resumed_from * per_step : steps * per_step]
    metrics = {
        "train_loss": float(outcome.training_loss),
        "eval_loss": float(best["eval_loss"]),
        "eval_token_accuracy": float(best.get("eval_mean_token_accuracy", math.nan)),
        "tokens_per_second": sum(train[index]["length"] for index in seen) / max(seconds, 1e-9),
        "trainable_parameters": float(sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)),
        "examples": float(len(train)),
        "steps": float(steps),
    }
    with artifacts.replacing(out_dir) as aside:
        trainer.model.save_pretrained(str(aside))
        tokenizer.save_pretrained(str(aside))
        (aside / "README.md").unlink(missing_ok=True)  # PEFT's model card carries nothing but placeholders
        require_finite(aside)
        (aside / "fine_tune.json").write_text(json.dumps(inputs, indent=1, sort_keys=True) + "\n", "utf-8")
    facts = {"history": history, "metrics": metrics, "seconds": seconds, "resumed_from": resumed_from}
    record = artifacts.write_record(out_dir, inputs, facts)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return FineTuneResult(out_dir, record.digest, history, metrics, seconds, resumed_from, reused=False)


def examples_an_epoch(train_path: Path, config: FineTuneConfig) -> int:
    """How many examples an epoch of a full training sees: what is only copied counts by its share.

    Raises:
        FineTuneError: unreadable data.
    """
    learnt = _with_values_hidden(_conversations(train_path), config.hidden_share, config.seed)
    copied = [_is_copied(turns) for _, turns in learnt]
    return round(sum(config.copied_share if only_copied else 1.0 for only_copied in copied))


def batch_order(
    lengths: Sequence[int], batch_size: int, epochs: float, seed: int, shares: Sequence[float] | None = None
) -> list[int]:
    """Indices of the examples for all epochs in a row; each batch holds examples of much the same length.

    Every epoch is shuffled, cut into chunks of 32 batches that are sorted by length, and its batches shuffled
    again; a fraction of an epoch takes its first batches. Where an epoch ends in a short batch, the next one fills
    it up, since the trainer cuts the flat list every ``batch_size``. An example with a share below 1 stands in that
    part of the epochs. The same arguments give the same order.
    """
    order: list[int] = []
    shares = shares or [1.0] * len(lengths)
    phase_of = random.Random(f"{seed}/shares")
    phases = [phase_of.random() for _ in lengths]
    for epoch in range(math.ceil(epochs)):
        rng = random.Random(f"{seed}/{epoch}")
        indices = [index for index in range(len(lengths)) if _takes_part(epoch, shares[index], phases[index])]
        rng.shuffle(indices)
        examples = len(indices)
        missing = -len(order) % batch_size
        filling, indices = indices[:missing], indices[missing:]
        chunk = 32 * batch_size
        batches: list[list[int]] = []
        for start in range(0, len(indices), chunk):
            part = sorted(indices[start : start + chunk], key=lambda index: lengths[index])
            batches += [part[first : first + batch_size] for first in range(0, len(part), batch_size)]
        short = [batch for batch in batches if len(batch) < batch_size]
        full = [batch for batch in batches if len(batch) == batch_size]
        rng.shuffle(full)
        share = min(1.0, epochs - epoch)
        order += [index for batch in [filling, *full, *short] for index in batch][: round(share * examples)]
    return order


def _takes_part(epoch: int, share: float, phase: float) -> bool:
    """Whether an example stands in an epoch: with a share of 0.4, in two of any five in a row."""
    return math.floor((epoch + 1) * share + phase) > math.floor(epoch * share + phase)


def last_good_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that can be read whole; broken ones, left by a kill or a full disk, are removed."""
    import torch
    from safetensors.torch import load_file

    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.removeprefix("checkpoint-")))
    for checkpoint in reversed(found):
        try:
            state = json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
            # The trainer takes the weights of the best checkpoint in the end, not those of the newest.
            for kept in {str(checkpoint), state.get("best_model_checkpoint") or str(checkpoint)}:
                load_file(Path(kept) / "adapter_model.safetensors")
            for part in ("optimizer.pt", "scheduler.pt"):
                torch.load(checkpoint / part, map_location="cpu", weights_only=True)
            if not (checkpoint / "rng_state.pth").is_file():
                raise ValueError("rng_state.pth is missing")
            return checkpoint
        except Exception as error:  # whatever is wrong with it, an older one may be whole
            print(f"checkpoint {checkpoint} cannot be read ({error}); it is removed and an older one tried", flush=True)
            shutil.rmtree(checkpoint, ignore_errors=True)
    return None


def require_finite(adapter_dir: Path) -> int:
    """Check that all adapter weights are finite and that the B matrices have moved away from zero.

    Returns:
        The number of tensors.

    Raises:
        FineTuneError: names the first bad tensor.
    """
    import torch
    from safetensors.torch import load_file

    try:
        weights = load_file(str(adapter_dir / "adapter_model.safetensors"))
    except Exception as error:
        raise FineTuneError(f"{adapter_dir}: no readable adapter ({error}); materialise lora_adapter again") from error
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise FineTuneError(f"{adapter_dir}: {name} holds values that are not finite; lower the learning rate")
    if not any(bool(tensor.any()) for name, tensor in weights.items() if "lora_B" in name):
        raise FineTuneError(f"{adapter_dir}: every lora_B is zero, so nothing was learnt; train for more steps")
    return len(weights)


def bf16_is_fast() -> bool:
    """Whether 16-bit training pays here: a GPU with bf16, or a CPU with bf16 instructions (AMX, AVX512-BF16)."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _require_inputs(base_dir: Path, files: Sequence[Path], start_from: Path | None) -> None:
    if not (base_dir / "config.json").is_file():
        raise FineTuneError(f"{base_dir}: no base model there; materialise base_model first")
    for file in files:
        if not file.is_file():
            raise FineTuneError(f"{file}: no such file; materialise the splits first")
    if start_from is not None and not (start_from / "adapter_config.json").is_file():
        raise FineTuneError(f"{start_from}: no adapter there; name a folder that fine_tune made")


def _conversations(path: Path) -> list[_Conversation]:
    """The examples of a file as conversations, each with where it stands."""
    found: list[_Conversation] = []
    # Bytes, since a text's splitlines would also cut at characters that JSON allows within a question.
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        where = f"{path}, line {number}"
        try:
            example = json.loads(line)
            if not isinstance(example["q"], str):
                raise TypeError("q must be a text")
            found.append((where, messages(example["q"], QueryFilters.parse(example["gold"]).canonical())))
        except (ValueError, KeyError, TypeError) as error:
            raise FineTuneError(f"{where}: not an example with q and gold ({error})") from error
    return found


def _rows(
    tokenizer: Any, conversations: Mapping[Path, Sequence[_Conversation]], config: FineTuneConfig
) -> list[dict[str, Any]]:
    """Prompt/completion conversations with their length in tokens; refuses what would be cut."""
    rows: list[dict[str, Any]] = []
    for where, turns in itertools.chain.from_iterable(conversations.values()):
        length = len(tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)["input_ids"])
        if length > config.max_length:
            raise FineTuneError(
                f"{where}: {length} tokens, above max_length {config.max_length}; "
                "shorten the example or raise max_length"
            )
        rows.append({"prompt": turns[:-1], "completion": turns[-1:], "length": length, "copied": _is_copied(turns)})
    if not rows:
        raise FineTuneError(f"{', '.join(map(str, conversations))}: no examples; materialise the splits first")
    return rows


def _of_all_lengths(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Rows by their length; with a count, about so many of them, evenly spread."""
    step = max(1, len(rows) // count) if count else 1
    return sorted(rows, key=lambda row: int(row["length"]))[::step]


def _is_copied(turns: Sequence[Mapping[str, str]]) -> bool:
    """Whether the answer is the second line of the question, the linked values, as it stands."""
    return turns[0]["content"].rpartition("\n")[2] == turns[-1]["content"]


def _with_values_hidden(conversations: Sequence[_Conversation], share: float, seed: int) -> list[_Conversation]:
    """The conversations; in some the question's second line lacks one of its values, chosen by the seed."""
    found: list[_Conversation] = []
    for index, (where, turns) in enumerate(conversations):
        rng = random.Random(f"{seed}/hidden/{index}")
        question, _, linked = turns[0]["content"].rpartition("\n")
        if rng.random() < share and question and linked.startswith("{"):
            values, end = json.JSONDecoder().raw_decode(linked)
            if keys := sorted(values.keys() - _NOT_HIDDEN):
                del values[rng.choice(keys)]
            linked = (canonical_text(values) if values else "") + linked[end:]
            turns = [{**turns[0], "content": f"{question}\n{linked.strip()}".rstrip()}, *turns[1:]]
        found.append((where, turns))
    return found


def _as_dataset(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{"prompt": row["prompt"], "completion": row["completion"]} for row in rows])


def _load_base(preset: Preset, base_dir: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {"dtype": torch.bfloat16 if bf16_is_fast() else torch.float32}
    if preset.four_bit:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        options["dtype"] = torch.bfloat16
        options["device_map"] = {"": 0} if torch.cuda.is_available() else {"": "cpu"}
    try:
        return AutoModelForCausalLM.from_pretrained(base_dir, **options)
    except Exception as error:
        raise FineTuneError(
            f"{base_dir}: the base model cannot be loaded ({type(error).__name__}: {error}); "
            "materialise base_model with force"
        ) from error


def _with_adapter(
    preset: Preset, model: Any, config: FineTuneConfig, start_from: Path | None, new_tokens: list[int]
) -> tuple[Any, Any]:
    """The model and the LoRA config for TRL, or the model with an adapter already on it and None."""
    from peft import LoraConfig, PeftModel, prepare_model_for_kbit_training

    leaves = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    absent = [module for module in preset.target_modules if module not in leaves]
    if absent:
        raise FineTuneError(
            f"preset {preset.name}: the base model has no modules {', '.join(absent)}; is it another architecture?"
        )
    if preset.four_bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=config.gradient_checkpointing)
    layers = model.config.num_hidden_layers
    if config.first_layer >= layers:
        raise FineTuneError(f"first_layer is {config.first_layer}; the base model has the layers 0 to {layers - 1}")
    if start_from is not None:
        try:
            return PeftModel.from_pretrained(model, str(start_from), is_trainable=True), None
        except Exception as error:
            raise FineTuneError(f"{start_from}: the adapter does not fit the base model ({error})") from error
    return model, LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        bias="none",
        task_type="CAUSAL_LM",
        target_modules=list(preset.target_modules),
        layers_to_transform=list(range(config.first_layer, layers)),
        trainable_token_indices={"lm_head": new_tokens} if new_tokens else None,
    )


def _reuse_freed_memory() -> None:
    """Ask glibc to keep freed memory: mapping and clearing it anew for every tensor costs a fifth of a CPU step."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_top_pad, 256 << 20)
    except (OSError, AttributeError):
        pass  # not glibc: nothing to gain here
