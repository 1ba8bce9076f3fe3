"""What a choice in data or training is worth: equally long trainings that differ in one thing, measured alike.

    python -m benchmarks.experiments --list
    python -m benchmarks.experiments baseline size_2000 rank_8 --steps 250

Each experiment generates its data, trains the default model for ``--steps`` updates with one setting changed, merges
and packs it, and lets the model alone (plain greedy decoding) answer the development questions; the test half is not
touched. How long to train is another ``--steps`` of the baseline. Runs go to the MLflow experiment ``fit-experiments``,
their reports to ``var/experiments``; after each run its line of a Markdown table is printed. Where the baseline of the
same steps and seed has run before, the line says how many questions were won and lost against it, with McNemar's exact
test. The seed is of data and training both: ``--seed`` another one tells what is noise.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from fit_assets.dataset.splits import Splits
    from fit_assets.evaluation.evaluate import Report
    from fit_assets.training.presets import Preset

EXPERIMENT = "fit-experiments"
BASELINE = "baseline"


@dataclass(frozen=True)
class Experiment:
    """One setting changed: of the generator, of the noise, of the fine-tuning, of TRL, or of the prompt.

    ``wordings`` is the share that is used of the phrase files' lines and of the natural questions; ``style`` is how
    turns are marked, ``system_prompt`` what opens the user's turn.
    """

    says: str
    generator: dict[str, Any] = field(default_factory=dict)
    wordings: float = 1.0
    noise: float = 1.0
    training: dict[str, Any] = field(default_factory=dict)
    trl: dict[str, Any] = field(default_factory=dict)
    linked: bool = True
    style: str | None = None
    system_prompt: str | None = None


INSTRUCTION = "Turn this question about Feed-in Tariff installations into a JSON object of filters:"
EXPERIMENTS: dict[str, Experiment] = {
    BASELINE: Experiment("the defaults"),
    "size_2000": Experiment("2,000 examples", {"size": 2_000}),
    "size_9000": Experiment("9,000 examples", {"size": 9_000}),
    "size_18000": Experiment("18,000 examples", {"size": 18_000}),
    "phrases_only": Experiment("no natural questions to learn from", {"natural": 0.0}),
    "natural_first": Experiment("natural questions wherever there are enough", {"natural": 1.0}),
    "wordings_0.25": Experiment(
        "a quarter of the phrases and of the natural questions, each four times as often",
        {"max_variants": 16},
        wordings=0.25,
    ),
    "noise_0": Experiment("no slips of the pen", noise=0.0),
    "noise_2": Experiment("twice the slips", noise=2.0),
    "copied_1": Experiment("what is only copied seen as often as the rest", training={"copied_share": 1.0}),
    "copied_0.2": Experiment("what is only copied seen in a fifth of the epochs", training={"copied_share": 0.2}),
    "hidden_0.15": Experiment("a linked value hidden in 15 % of the examples", training={"hidden_share": 0.15}),
    "hidden_0.3": Experiment("a linked value hidden in 30 % of the examples", training={"hidden_share": 0.3}),
    "rank_8": Experiment("rank 8, alpha 16", training={"rank": 8, "alpha": 16}),
    "rank_64": Experiment("rank 64, alpha 128", training={"rank": 64, "alpha": 128}),
    "rank_128": Experiment("rank 128, alpha 256", training={"rank": 128, "alpha": 256}),
    "learning_rate_5e-4": Experiment("learning rate 0.0005", training={"learning_rate": 5e-4}),
    "learning_rate_8e-4": Experiment("learning rate 0.0008", training={"learning_rate": 8e-4}),
    "learning_rate_3e-3": Experiment("learning rate 0.003", training={"learning_rate": 3e-3}),
    "all_layers": Experiment("every layer adapted", training={"first_layer": 0}),
    "loss_on_all": Experiment("loss on the question's tokens too", trl={"completion_only_loss": False}),
    "unlinked": Experiment("a prompt of the question alone, without linked values", linked=False),
    "chatml": Experiment("turns named, as in ChatML", style="chatml"),
    "instructed": Experiment("a sentence of instruction for the one word", system_prompt=INSTRUCTION),
}
SHOWN = ("json_validity", "parsing_accuracy", "field_accuracy", "capacity_parsing", "postcode_mapping")


def reports_dir() -> Path:
    """Where the reports are kept, and what is trained meanwhile."""
    from fit_assets import settings

    return settings.var_dir() / "experiments"


def fewer(lines: Sequence[Any], share: float, seed: int) -> tuple[Any, ...]:
    """A share of the lines, chosen at random, at least one."""
    return tuple(random.Random(seed).sample(lines, math.ceil(share * len(lines))))


def examples_of(experiment: Experiment, seed: int) -> Splits:
    """The data of an experiment, split."""
    from fit_assets.dataset import generator
    from fit_assets.dataset.natural import load_seeds
    from fit_assets.dataset.noise import NoiseConfig
    from fit_assets.dataset.phrases import Phrase, PhraseBook, load_phrases
    from fit_assets.dataset.splits import split
    from fit_assets.defs.dataset import natural_questions

    config = generator.GeneratorConfig(seed=seed, noise=NoiseConfig(scale=experiment.noise), **experiment.generator)
    with ExitStack() as patched:
        if experiment.wordings < 1:
            some = partial(fewer, share=experiment.wordings, seed=seed)

            def thinned(lines: Sequence[Phrase]) -> tuple[Phrase, ...]:
                """Some of those of each shape, so that no meaning is left without words."""
                shapes = groupby(sorted(lines, key=lambda line: sorted(line.names)), lambda line: line.names)
                return tuple(line for _, alike in shapes for line in some(list(alike)))

            files = load_phrases().files
            book = PhraseBook({file: {name: thinned(lines) for name, lines in files[file].items()} for file in files})
            patched.enter_context(patch.object(generator, "load_phrases", lambda: book))
            patched.enter_context(patch.object(generator, "load_seeds", lambda *args: some(load_seeds(*args))))
        return split(generator.generate(config, natural_questions()), seed)


@contextmanager
def changed(experiment: Experiment, base: Path, scratch: Path) -> Iterator[tuple[Preset, Path]]:
    """The program with the experiment's prompt and loss; the preset and the base model to train in it."""
    from trl import SFTConfig

    from fit_assets.training.presets import get_preset

    preset = get_preset()
    preset = replace(preset, style=experiment.style or preset.style)
    with ExitStack() as patched:
        if not experiment.linked:
            patched.enter_context(patch("fit_assets.training.prompt.linked_values", lambda question, gazetteer: ""))
        if experiment.trl:
            patched.enter_context(patch("trl.SFTConfig", partial(SFTConfig, **experiment.trl)))
        if experiment.system_prompt:
            patched.enter_context(patch("fit_assets.training.prompt.SYSTEM_PROMPT", experiment.system_prompt))
        if experiment.style or experiment.system_prompt:
            base = Path(shutil.copytree(base, scratch / "base", copy_function=os.link))
            (base / "chat_template.jinja").unlink()  # a hard link: written over it would change the base model
            (base / "chat_template.jinja").write_text(preset.chat_style.chat_template, "utf-8")
        yield preset, base


def run(name: str, base: Path, steps: int, seed: int) -> tuple[Report, dict[str, float]]:
    """Train and measure one experiment: its report, and figures of the training, among them ``train_seconds``."""
    from fit_assets import settings
    from fit_assets.dataset.examples import write_jsonl
    from fit_assets.evaluation.evaluate import evaluate_parser, load_questions
    from fit_assets.packaging.gguf import build_gguf
    from fit_assets.packaging.merge import merge_adapter
    from fit_assets.parsing.registry import gguf_parsers_at_once
    from fit_assets.training.finetune import FineTuneConfig, fine_tune

    experiment = EXPERIMENTS[name]
    parts = examples_of(experiment, seed)
    reports_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=reports_dir()) as scratch:
        folder = Path(scratch)
        write_jsonl(folder / "train.jsonl", parts.train)
        write_jsonl(folder / "validation.jsonl", parts.validation[:64])
        with changed(experiment, base, folder) as (preset, base):
            # Enough of them where an example is seen in a fifth of the epochs only.
            epochs = math.ceil(5 * FineTuneConfig().batch_size * steps / len(parts.train))
            overrides = {"max_steps": steps, "epochs": epochs, "evaluations": 1, "seed": seed} | experiment.training
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
    own = {loss: trained.metrics[loss] for loss in ("train_loss", "eval_loss")}
    return report, own | {"train_seconds": seconds, "examples": float(len(parts.train))}


def against(baseline: Report, report: Report) -> str:
    """How many questions were won and lost against the baseline, and how likely that is by chance."""
    from fit_assets.evaluation.compare import compare

    found = compare(baseline, report)
    return f"+{found.only_b} -{found.only_a}, p = {found.p_value:.2g}"


def line(name: str, figures: dict[str, float], compared: str) -> str:
    """A row of the table."""
    shares = [f"{100 * figures[metric]:.1f}" for metric in SHOWN]
    losses = [f"{figures[loss]:.3f}" for loss in ("train_loss", "eval_loss")]
    cells = [f"`{name}`", EXPERIMENTS[name].says, *shares, compared, *losses, f"{figures['train_seconds'] / 60:.1f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    from fit_assets import settings
    from fit_assets.evaluation.evaluate import Report
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
    header = ["experiment", "what differs", *SHOWN, "against the baseline", "train loss", "validation loss", "minutes"]
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}", flush=True)
    for name in options.names:
        with start_run(EXPERIMENT, name, {"seed": options.seed, "steps": options.steps}) as tracked:
            report, own = run(name, options.base, options.steps, options.seed)
            figures = report.figures() | own
            saved = reports_dir() / f"{name}-{options.steps}-{options.seed}.json"
            report.save(saved)
            tracked.log_params({"steps": options.steps, "seed": options.seed, "says": EXPERIMENTS[name].says})
            tracked.log_metrics(figures)
            tracked.log_artifact(saved)
        standard = reports_dir() / f"{BASELINE}-{options.steps}-{options.seed}.json"
        compared = against(Report.load(standard), report) if name != BASELINE and standard.is_file() else ""
        print(line(name, figures, compared), flush=True)


if __name__ == "__main__":
    main()
