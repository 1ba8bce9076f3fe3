"""How long a question takes, against plain decoding of the same model and against transformers.

    python -m benchmarks.parse_latency --questions data/questions/dev.jsonl --count 100

Four parsers answer the same questions one by one in turn, so that what else the machine does meets all of them: the
parser that is served (``gguf``), plain greedy decoding of the same file as llama-cpp-python's ``Llama`` does it
(``llama.cpp``), the same through this program's own runtime, which keeps the prompt's fixed part and copies no logits
(``raw``), and ``generate`` of transformers on the adapter merged into its base. Threads are pinned to ``--threads``
cores. Each parser answers one question beforehand; its time to load and the memory of the process are told apart.
``ratio`` is a parser's median divided by that of ``gguf``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from fit_assets.filters import QueryFilters
    from fit_assets.parsing.base import Parser, ParseResult

WANTED = {"p50": 100.0, "p99": 250.0}  # milliseconds, of the parser that is served


class Generate:
    """``generate`` of transformers, greedy and with its key-value cache."""

    name = "transformers"

    def __init__(self, base: Path, adapter: Path) -> None:
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from fit_assets import settings

        torch.set_num_threads(settings.threads())
        self._tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
        self._model = PeftModel.from_pretrained(model, adapter).merge_and_unload().eval()

    def parse(self, question: str) -> ParseResult:
        """One question; what is not JSON of the contract has no filters."""
        from fit_assets.parsing.base import ParseResult
        from fit_assets.training.prompt import messages

        start = time.perf_counter()
        prompt = self._tokenizer.apply_chat_template(
            messages(question), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        whole = self._model.generate(
            **prompt, max_new_tokens=512, do_sample=False, pad_token_id=self._tokenizer.eos_token_id
        )
        text = self._tokenizer.decode(whole[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        return ParseResult(question, filters_of(text), self.name, (time.perf_counter() - start) * 1000, text)


class Completion:
    """``create_completion`` of llama-cpp-python, greedy, without a grammar."""

    name = "llama.cpp"

    def __init__(self, gguf: Path) -> None:
        from llama_cpp import Llama

        from fit_assets import settings
        from fit_assets.training.presets import get_preset

        threads = settings.threads()
        self._style = get_preset().chat_style
        self._model = Llama(str(gguf), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False)

    def parse(self, question: str) -> ParseResult:
        """One question; what is not JSON of the contract has no filters."""
        from fit_assets.parsing.base import ParseResult

        start = time.perf_counter()
        answer = self._model.create_completion(
            self._style.render(question), max_tokens=512, temperature=0.0, stop=list(self._style.stops)
        )
        text = answer["choices"][0]["text"]
        return ParseResult(question, filters_of(text), self.name, (time.perf_counter() - start) * 1000, text)


def filters_of(text: str) -> QueryFilters | None:
    """The filters of an answer; None where it is not JSON of the contract."""
    from fit_assets.filters import FilterError, QueryFilters

    with contextlib.suppress(FilterError):
        return QueryFilters.parse(text)
    return None


def loaded(name: str) -> tuple[Parser | Generate | Completion, float, float]:
    """A parser, the seconds it took to load and answer once, and the megabytes that the process grew by."""
    from fit_assets import settings
    from fit_assets.parsing.registry import build_parser, candidate_gguf
    from fit_assets.served import served

    process = psutil.Process()
    before = process.memory_info().rss
    start = time.perf_counter()
    folder = settings.models_dir() / settings.preset_name()
    parser: Parser | Generate | Completion
    if name == "transformers":
        parser = Generate(folder / "base", folder / "adapter")
    else:
        found = served()
        gguf = found.gguf if found else candidate_gguf()
        parser = Completion(gguf) if name == "llama.cpp" else build_parser(name)
    parser.parse("wind sites over 100kw in berkshire")
    return parser, time.perf_counter() - start, (process.memory_info().rss - before) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, default=Path("data/questions/dev.jsonl"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parsers", nargs="+", default=["gguf", "llama.cpp", "raw", "transformers"])
    options = parser.parse_args()
    os.environ["FIT_ASSETS_THREADS"] = str(options.threads)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])

    from fit_assets.evaluation.evaluate import load_questions

    questions = load_questions(options.questions)
    questions = random.Random(1).sample(questions, min(options.count, len(questions)))
    parsers: dict[str, Parser | Generate | Completion] = {}
    for name in options.parsers:
        parsers[name], seconds, grown = loaded(name)
        print(f"{name}: first answer after {seconds:.1f} s, {grown:,.0f} MB", flush=True)

    took: dict[str, list[float]] = {name: [] for name in parsers}
    right = dict.fromkeys(parsers, 0)
    for question in questions:
        for name, each in parsers.items():
            start = time.perf_counter()
            answer = each.parse(question.q)
            took[name].append((time.perf_counter() - start) * 1000)
            right[name] += bool(answer.filters and answer.filters.same_as(question.gold))

    first = statistics.median(next(iter(took.values())))
    print(f"\n{len(questions)} questions, {options.threads} threads, load average {os.getloadavg()[0]:.1f}")
    print(f"{'parser':14}{'p50':>9}{'p95':>9}{'p99':>9}{'ratio':>8}{'right':>8}")
    for name, times in took.items():
        cuts = statistics.quantiles(times, n=100, method="inclusive")
        middle = statistics.median(times)
        print(
            f"{name:14}{middle:6.0f} ms{cuts[94]:6.0f} ms{cuts[98]:6.0f} ms{middle / first:8.2f}"
            f"{right[name] / len(questions):8.1%}"
        )
        if name == "gguf":
            verdict = "kept" if middle <= WANTED["p50"] and cuts[98] <= WANTED["p99"] else "NOT kept"
            print(f"{'':14}wanted: p50 {WANTED['p50']:.0f} ms, p99 {WANTED['p99']:.0f} ms: {verdict}")


if __name__ == "__main__":
    main()
