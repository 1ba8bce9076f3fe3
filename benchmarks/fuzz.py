"""Ask a parser thousands of questions that nobody should ask, and count what must not happen.

    python -m benchmarks.fuzz --parser regex --count 10000
    python -m benchmarks.fuzz --parser gguf --count 1000

An answer is right here when it is valid filters or a clear error, when no value in it is from nowhere (nothing in the
question licenses it), and when it comes within ``--limit`` seconds. Ends with status 1 where one is not.
"""

from __future__ import annotations

import argparse
import sys
import time

from fit_assets_tests.fuzzed import fuzzed


def main() -> None:
    from fit_assets.filters import QueryFilters
    from fit_assets.parsing.ground import ungrounded
    from fit_assets.parsing.registry import build_parser

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--parser", default="regex")
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--limit", type=float, default=10.0, help="seconds that one answer may take")
    given = options.parse_args()
    parser = build_parser(given.parser)
    bad: list[str] = []
    refused = errors = 0
    slowest = 0.0
    for done, question in enumerate(fuzzed(given.count, given.seed), start=1):
        start = time.perf_counter()
        try:
            answer = parser.parse(question)
        except Exception as error:
            bad.append(f"raised {type(error).__name__}: {error}: {question[:100]!r}")
            continue
        slowest = max(slowest, seconds := time.perf_counter() - start)
        if seconds > given.limit:
            bad.append(f"took {seconds:.1f} s: {question[:100]!r}")
        if answer.filters is None:
            errors += 1
            if not answer.error:
                bad.append(f"neither filters nor an error: {question[:100]!r}")
            continue
        refused += answer.filters.query_type == "unsupported"
        if QueryFilters.parse(answer.filters.canonical()) != answer.filters:
            bad.append(f"not what its own text says: {question[:100]!r}")
        if made_up := ungrounded(question, answer.filters):
            bad.append(f"from nowhere: {', '.join(made_up)} in {answer.filters.canonical()}: {question[:100]!r}")
        if done % max(1, given.count // 10) == 0:
            print(f"{done} of {given.count}: {len(bad)} bad", flush=True)
    print(
        f"{given.parser}: {given.count} questions, {refused} refused, {errors} errors, slowest {slowest:.2f} s, "
        f"{len(bad)} bad"
    )
    print("\n".join(bad[:50]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
