"""Tokens a second of the project's fine-tuning, against a TRL run with its defaults on the same data.

    python -m benchmarks.training_throughput --steps 20

The baseline is ``SFTTrainer`` with ``SFTConfig`` and a ``LoraConfig`` of the same rank on all linear layers, everything
else as TRL has it. Both train the same base model on ``var/dataset/train.jsonl`` (or ``--train``) for as many steps,
each in a process of its own, in turn, ``--rounds`` times. Tokens are those of questions and answers, without padding;
seconds are those of training, without loading.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def with_fit_assets(base: Path, train: Path, steps: int) -> float:
    """Tokens a second of ``fine_tune`` with the preset's defaults."""
    from fit_assets.training.finetune import FineTuneConfig, fine_tune
    from fit_assets.training.presets import get_preset

    preset = get_preset()
    with tempfile.TemporaryDirectory() as scratch:
        validation = Path(scratch) / "validation.jsonl"
        validation.write_bytes(b"".join(train.read_bytes().splitlines(keepends=True)[:2]))
        config = FineTuneConfig.for_preset(preset, max_steps=steps, evaluations=1)
        result = fine_tune(preset, base, train, validation, Path(scratch) / "adapter", config)
    return result.metrics["tokens_per_second"]


def with_trl(base: Path, train: Path, steps: int) -> float:
    """Tokens a second of plain TRL."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from fit_assets.filters import QueryFilters
    from fit_assets.training.finetune import FineTuneConfig
    from fit_assets.training.presets import get_preset
    from fit_assets.training.prompt import messages

    config = FineTuneConfig.for_preset(get_preset())
    lines = [json.loads(line) for line in train.read_bytes().splitlines()]
    rows = [{"messages": messages(line["q"], QueryFilters.parse(line["gold"]).canonical())} for line in lines]
    with tempfile.TemporaryDirectory() as scratch:
        trainer = SFTTrainer(
            model=str(base),
            args=SFTConfig(
                output_dir=scratch,
                max_steps=steps,
                per_device_train_batch_size=config.batch_size,
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                include_num_input_tokens_seen="non_padding",
            ),
            train_dataset=Dataset.from_list(rows),
            peft_config=LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules="all-linear"),
        )
        started = time.perf_counter()
        trainer.train()
        return float(trainer.state.num_input_tokens_seen / (time.perf_counter() - started))


RUNS = {"fit_assets": with_fit_assets, "TRL with its defaults": with_trl}


def main() -> None:
    from fit_assets import settings

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--base", type=Path, default=settings.models_dir() / settings.preset_name() / "base")
    parser.add_argument("--train", type=Path, default=settings.dataset_dir() / "train.jsonl")
    parser.add_argument("--run", choices=tuple(RUNS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(RUNS[options.run](options.base, options.train, options.steps)))
        return
    speeds: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(options.rounds):
        for name, measured in speeds.items():
            command = [sys.executable, "-m", "benchmarks.training_throughput", "--run", name]
            command += ["--steps", str(options.steps), "--base", str(options.base), "--train", str(options.train)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            measured.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{name}: {measured[-1]:.0f} tokens/s", flush=True)
    ours, plain = (statistics.median(measured) for measured in speeds.values())
    print(f"ratio {ours / plain:.2f} (above 1: faster than the baseline)")


if __name__ == "__main__":
    main()
