"""What a choice in data or training is worth: equally long trainings that differ in one thing, measured alike.

    python -m benchmarks.experiments --list
    python -m benchmarks.experiments baseline size_2000 rank_8 --steps 250

Each experiment generates its data, trains the default model for ``--steps`` updates with one setting changed, merges
and packs it, and lets the model alone (plain greedy decoding) answer the development questions; the test half is not
touched. Runs go to the MLflow experiment ``fit-experiments``; a table in Markdown is printed at the end, after each
run a line of it. The seed is of data and training both: ``--seed`` another one tells what is noise.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

EXPERIMENT = "fit-experiments"


@dataclass(frozen=True)
class Experiment:
    """One setting changed: of the generator, of the noise, or of the fine-tuning."""

    says: str
    generator: dict[str, Any] = field(default_factory=dict)
    noise: float = 1.0
    training: dict[str, Any] = field(default_factory=dict)
    linked: bool = True


EXPERIMENTS: dict[str, Experiment] = {
    "baseline": Experiment("the defaults"),
    "size_2000": Experiment("2,000 examples", {"size": 2_000}),
    "size_9000": Experiment("9,000 examples", {"size": 9_000}),
    "size_18000": Experiment("18,000 examples", {"size": 18_000}),
    "phrases_only": Experiment("no natural questions to learn from", {"natural": 0.0}),
    "natural_first": Experiment("natural questions wherever there are enough", {"natural": 1.0}),
    "noise_0": Experiment("no slips of the pen", noise=0.0),
    "noise_2": Experiment("twice the slips", noise=2.0),
    "copied_1": Experiment("what is only copied seen as often as the rest", training={"copied_share": 1.0}),
    "copied_0.2": Experiment("what is only copied seen in a fifth of the epochs", training={"copied_share": 0.2}),
    "hidden_0.15": Experiment("a linked value hidden in 15 % of the examples", training={"hidden_share": 0.15}),
    "hidden_0.3": Experiment("a linked value hidden in 30 % of the examples", training={"hidden_share": 0.3}),
    "rank_8": Experiment("rank 8, alpha 16", training={"rank": 8, "alpha": 16}),
    "rank_64": Experiment("rank 64, alpha 128", training={"rank": 64, "alpha": 128}),
    "learning_rate_5e-4": Experiment("learning rate 0.0005", training={"learning_rate": 5e-4}),
    "learning_rate_3e-3": Experiment("learning rate 0.003", training={"learning_rate": 3e-3}),
    "all_layers": Experiment("every layer adapted", training={"first_layer": 0}),
    "unlinked": Experiment("a prompt of the question alone, without linked values", linked=False),
}
SHOWN = ("json_validity", "parsing_accuracy", "field_accuracy", "capacity_parsing", "postcode_mapping")


def run(name: str, base: Path, steps: int, seed: int) -> dict[str, float]:
    """Train and measure one experiment; its figures, among them ``train_seconds``."""
    from fit_assets import settings
    from fit_assets.dataset.examples import write_jsonl
    from fit_assets.dataset.generator import GeneratorConfig, generate
    from fit_assets.dataset.noise import NoiseConfig
    from fit_assets.dataset.splits import split
    from fit_assets.defs.dataset import natural_questions
    from fit_assets.evaluation.evaluate import evaluate_parser, load_questions
    from fit_assets.packaging.gguf import build_gguf
    from fit_assets.packaging.merge import merge_adapter
    from fit_assets.parsing.registry import gguf_parsers_at_once
    from fit_assets.training.finetune import FineTuneConfig, fine_tune
    from fit_assets.training.presets import get_preset

    experiment = EXPERIMENTS[name]
    preset = get_preset()
    generator = GeneratorConfig(seed=seed, noise=NoiseConfig(scale=experiment.noise), **experiment.generator)
    parts = split(generate(generator, natural_questions()), seed)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as patched:
        if not experiment.linked:
            patched.enter_context(patch("fit_assets.training.prompt.linked_values", lambda question, gazetteer: ""))
        folder = Path(scratch)
        write_jsonl(folder / "train.jsonl", parts.train)
        write_jsonl(folder / "validation.jsonl", parts.validation[:64])
        overrides = {"max_steps": steps, "epochs": 99, "evaluations": 1, "seed": seed} | experiment.training
        started = time.perf_counter()
        trained = fine_tune(
            preset,
            base,
            folder / "train.jsonl",
            folder / "validation.jsonl",
            folder / "adapter",
            FineTuneConfig.for_preset(preset, **overrides),
        )
        seconds = time.perf_counter() - started
        merge_adapter(base, folder / "adapter", folder / "merged")
        build_gguf(folder / "merged", folder / "model.gguf", preset.quantisation, say=lambda text: None)
        parser = gguf_parsers_at_once(folder / "model.gguf", constrained=False)
        report = evaluate_parser(parser, load_questions(settings.questions_dir() / "dev.jsonl"), progress=False)
    own = {"train_loss": trained.metrics["train_loss"], "eval_loss": trained.metrics["eval_loss"]}
    return report.figures() | own | {"train_seconds": seconds, "examples": float(len(parts.train))}


def line(name: str, figures: dict[str, float]) -> str:
    """A row of the table."""
    shares = [f"{100 * figures[metric]:.1f}" for metric in SHOWN]
    losses = [f"{figures[loss]:.3f}" for loss in ("train_loss", "eval_loss")]
    cells = [f"`{name}`", EXPERIMENTS[name].says, *shares, *losses, f"{figures['train_seconds'] / 60:.1f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    from fit_assets import settings
    from fit_assets.evaluation.tracking import start_run

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], default=[], metavar="EXPERIMENT")
    parser.add_argument("--list", action="store_true", help="name the experiments")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--base", type=Path, default=settings.models_dir() / settings.preset_name() / "base")
    options = parser.parse_args()
    if options.list or not options.names:
        print("\n".join(f"{name:20} {experiment.says}" for name, experiment in EXPERIMENTS.items()))
        return
    rows = []
    for name in options.names:
        with start_run(EXPERIMENT, name, {"seed": options.seed, "steps": options.steps}) as tracked:
            figures = run(name, options.base, options.steps, options.seed)
            tracked.log_params({"steps": options.steps, "seed": options.seed, "says": EXPERIMENTS[name].says})
            tracked.log_metrics(figures)
        rows.append(line(name, figures))
        print(rows[-1], flush=True)
    header = ["experiment", "what differs", *SHOWN, "train loss", "validation loss", "minutes"]
    print("\n".join([f"\n| {' | '.join(header)} |", "|" + " --- |" * len(header), *rows]))


if __name__ == "__main__":
    main()
