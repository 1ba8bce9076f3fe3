"""``fit``: ask, parse, evaluate, feedback, serve.

Heavy imports stand inside the commands, so that ``fit --help`` answers at once. Exit codes: 0 done, 1 the parser or
the reference table failed, 2 bad input; the message names the mend.
"""

from __future__ import annotations

import csv
import getpass
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fit_assets.evaluation.evaluate import Report
    from fit_assets.evaluation.versions import Version
    from fit_assets.filters import QueryFilters
    from fit_assets.parsing.base import Parser, ParseResult
    from fit_assets.reference.answer import Answer
    from fit_assets.reproduce import Reproduction
    from fit_assets.serving.review import Contradiction

# The names of parsing.registry.PARSER_NAMES, written out so that --help imports nothing.
_PARSERS = ("auto", "gguf", "raw", "candidate", "regex", "ollama", "adapter")
_ROWS_ON_SCREEN = 20
_WIDEST_CELL = 28
_WIDTH_WITHOUT_TERMINAL = 200
_BATCH = 16

_parser_option = click.option(
    "--parser",
    "parser_name",
    type=click.Choice(_PARSERS),
    default="auto",
    show_default=True,
    help="Who parses: the model in production with the rules as fallback (auto), constrained (gguf) or plain (raw), "
    "the one that was packaged last (candidate), the rules (regex), an Ollama server, or the adapter before packaging.",
)


class Failure(click.ClickException):
    """Something of ours failed: one line on standard error, exit code 1."""


class BadInput(click.ClickException):
    """Input that cannot be used: one line on standard error that names the mend, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fit_assets", prog_name="fit")
def main() -> None:
    """Ask questions about the UK's Feed-in Tariff installations in plain English."""


@main.command()
@click.argument("question", required=False, default="")
@_parser_option
@click.option("--filters", "given", metavar="JSON", help="Use these filters; no parser is asked.")
@click.option("--limit", type=click.IntRange(min=1), help=f"Rows to show (on screen: {_ROWS_ON_SCREEN} by default).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV; everything else goes to standard error.")
@click.option("--explain", is_flag=True, help="Show the SQL and its parameters as well.")
def ask(
    question: str, parser_name: str, given: str | None, limit: int | None, as_json: bool, as_csv: bool, explain: bool
) -> None:
    """Answer QUESTION: what was understood, and the rows.

    \b
    fit ask "wind sites over 100kw in berkshire"
    fit ask --filters '{"technology":"Hydro"}' --csv
    """
    import duckdb

    from fit_assets.reference.answer import answer
    from fit_assets.reference.warehouse import WarehouseError
    from fit_assets.serving.query_log import EXECUTION_ERROR, log_query

    if as_json and as_csv:
        raise BadInput("--json and --csv exclude each other; give one of them")
    if given is None and not question.strip():
        raise BadInput('there is no question; write it in quotes: fit ask "wind sites over 100kw in berkshire"')
    result, model_failed = _given(question, given) if given is not None else _parsed(question, parser_name)
    if result.filters is None:
        log_query(question, result, rows=0, model_error=model_failed)
        if as_json:
            _print_json(_as_object(result, None, explain))
        raise Failure(_one_line(f"no filters from the parser {result.parser}: {result.error}"))
    shown = limit if limit or as_json or as_csv else _ROWS_ON_SCREEN
    try:
        found = answer(result.filters, limit=shown)
    except (WarehouseError, duckdb.Error) as error:
        log_query(question, result, rows=0, outcome=EXECUTION_ERROR, error=str(error), model_error=model_failed)
        raise Failure(_one_line(str(error))) from error
    log_query(question, result, rows=found.total, model_error=model_failed)
    if as_json:
        _print_json(_as_object(result, found, explain))
    elif as_csv:
        _print_understood(result, found, explain, to_stderr=True)
        _print_csv(found.columns, found.rows)
    else:
        _print_understood(result, found, explain)
        _print_table(found)


@main.command()
@click.argument("question", required=False)
@_parser_option
@click.option(
    "--batch",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='A JSONL file of {"q": "…"} lines; one line of JSON comes out for each.',
)
def parse(question: str | None, parser_name: str, batch: Path | None) -> None:
    """Print the filters that QUESTION becomes, as canonical JSON."""
    if (question is None) == (batch is None):
        raise BadInput("give either a question in quotes or --batch FILE.jsonl")
    if batch is not None:
        _parse_batch(batch, parser_name)
        return
    if not (question or "").strip():
        raise BadInput('the question is empty; write it in quotes: fit parse "hydro in Powys"')
    result = _build(parser_name).parse(question or "")
    _print_notes(result.notes)
    if result.filters is None:
        raise Failure(_one_line(f"no filters from the parser {result.parser}: {result.error}"))
    click.echo(result.filters.canonical())


@main.command()
@click.option(
    "--questions",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='A JSONL file of {"q": "…", "gold": {…}} lines.',
)
@_parser_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
def evaluate(questions: Path, parser_name: str, as_json: bool) -> None:
    """Measure a parser on questions whose right filters are known."""
    from fit_assets.evaluation.evaluate import QuestionsError, evaluate_parser, load_questions

    try:
        loaded = load_questions(questions)
    except QuestionsError as error:
        raise BadInput(_one_line(str(error))) from error
    report = evaluate_parser(_build(parser_name), loaded)
    if as_json:
        _print_json(report.to_dict())
    else:
        _print_metrics(report)


@main.group()
def feedback() -> None:
    """Keep corrected questions for the next training."""


@feedback.command("add")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--question", help="The question as it was asked.")
@click.option("--filters", "corrected", metavar="JSON", help="The filters that are right.")
@click.option("--note", default="", help="Why, for the people who read it.")
def feedback_add(file: Path | None, question: str | None, corrected: str | None, note: str) -> None:
    """Add one correction (--question, --filters), or all of a JSONL FILE.

    \b
    fit feedback add --question "wind in berks" --filters '{"technology":"Wind","location":"Berkshire"}'
    """
    from fit_assets.filters import FilterError
    from fit_assets.serving.feedback import FeedbackError, add_feedback

    if file is not None and not (question or corrected):
        _import_feedback(file)
        return
    if file is not None or question is None or corrected is None:
        raise BadInput("give either FILE.jsonl or both --question and --filters")
    try:
        added = add_feedback(question, corrected, origin="cli", user_note=note)
    except (FeedbackError, FilterError) as error:
        raise BadInput(_one_line(str(error))) from error
    click.echo(f"kept: {added.question} → {added.filters.canonical()}")


@feedback.command("review")
@click.argument("question", required=False)
@click.option("--take", type=click.IntRange(min=1), help="The reading of that number is right.")
@click.option("--filters", "given", metavar="JSON", help="None of them is right; these filters are.")
@click.option("--drop", is_flag=True, help="Nothing is to be learnt from this question.")
@click.option("--why", default="", help="The reason, kept with the decision.")
def feedback_review(question: str | None, take: int | None, given: str | None, drop: bool, why: str) -> None:
    """Show questions that were corrected in two ways, and settle QUESTION.

    \b
    fit feedback review
    fit feedback review "turbines in berks" --take 2 --why "asked the author"
    """
    from fit_assets.filters import FilterError
    from fit_assets.serving import review
    from fit_assets.serving.feedback import FeedbackError

    if question is None:
        _print_contradictions(review.contradictions())
        return
    if (take is not None) + (given is not None) + drop != 1:
        raise BadInput("say what holds: one of --take NUMBER, --filters JSON, --drop")
    try:
        filters = _reading(question, take) if take is not None else given
        decision = review.settle(question, filters, getpass.getuser(), why)
    except (FeedbackError, FilterError) as error:
        raise BadInput(_one_line(str(error))) from error
    click.echo(f"settled: {decision.question} → {decision.filters.canonical() if decision.filters else 'left out'}")


@feedback.command("withdraw")
@click.option("--origin", required=True, help="Where the corrections came from: cli, http, a file's name …")
@click.option("--since", required=True, type=click.DateTime(), help="From this moment on (UTC).")
@click.option("--why", default="", help="The reason, kept with the decision.")
def feedback_withdraw(origin: str, since: datetime, why: str) -> None:
    """Leave out all questions that were corrected from an origin: when somebody has spoiled the feedback."""
    from fit_assets.serving.review import withdraw

    left_out = withdraw(origin, since.replace(tzinfo=UTC), getpass.getuser(), why)
    click.echo(f"left out {len(left_out)} questions; correcting one of them anew takes it in again")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for every one.")
@click.option("--port", type=click.IntRange(0, 65535), default=8300, show_default=True, help="0 for any free one.")
@click.option(
    "--parser",
    "parser_name",
    type=click.Choice(("auto", "regex", "ollama")),
    default="auto",
    show_default=True,
    help="Who parses: the packaged model (auto), an Ollama server, or the rules alone. The rules are the fallback.",
)
def serve(host: str, port: int, parser_name: str) -> None:
    """Answer questions over HTTP, with a page for people at /.

    \b
    fit serve
    curl -s localhost:8300/ask -H 'Content-Type: application/json' -d '{"question": "hydro in Powys"}'
    """
    from fit_assets.parsing.registry import ParserUnavailable
    from fit_assets.places import GazetteerError
    from fit_assets.serving.server import serve as run

    try:
        run(parser_name, host, port, lambda line: click.echo(line, err=True))
    except OSError as error:
        raise Failure(_one_line(f"cannot listen on {host}:{port} ({error}); choose another with --port")) from error
    except ImportError as error:
        raise Failure(_one_line(f"{error}; install it: pip install -c constraints.txt -e '.[scale]'")) from error
    except ParserUnavailable as error:
        raise Failure(_one_line(str(error))) from error
    except (GazetteerError, ValueError) as error:
        raise BadInput(_one_line(str(error))) from error


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the versions as JSON.")
@click.option("--moves", "with_moves", is_flag=True, help="Who moved the alias of production, when and why.")
def versions(as_json: bool, with_moves: bool) -> None:
    """List the registered versions of the model, newest first."""
    from fit_assets.evaluation import versions as registry

    if with_moves:
        for move in registry.moves():
            came = f"version {move.version} in place of {move.before or 'none'}"
            click.echo(_one_line(f"{move.at:%Y-%m-%d %H:%M:%S} {came}, by {move.who or 'unknown'}: {move.why}"))
        return
    found = registry.list_versions()
    if as_json:
        _print_json({"versions": [version.to_dict() for version in found]})
    elif not found:
        click.echo("no version yet; the asset model_version registers one: make run")
    else:
        _print_versions(found)


@main.command()
@click.argument("version", type=int)
@click.option("--why", default="", help="The reason, kept with the model.")
def promote(version: int, why: str) -> None:
    """Put VERSION into production."""
    from fit_assets.evaluation import versions as registry

    _moved(lambda: registry.promote(version, getpass.getuser(), why))


@main.command()
@click.option("--why", default="", help="The reason, kept with the model.")
def rollback(why: str) -> None:
    """Put the version before the present one back into production."""
    from fit_assets.evaluation import versions as registry

    _moved(lambda: registry.rollback(getpass.getuser(), why))


@main.command()
@click.argument("version", type=int)
def reproduce(version: int) -> None:
    """Train VERSION again from what it names, and say whether its metrics agree within their intervals."""
    from fit_assets.reproduce import ReproductionError
    from fit_assets.reproduce import reproduce as again

    try:
        outcome = again(version, lambda line: click.echo(line, err=True))
    except ReproductionError as error:
        raise BadInput(_one_line(str(error))) from error
    _print_reproduction(outcome)
    if not outcome.agrees:
        raise Failure(f"version {version} was not reproduced: metrics lie outside the intervals that were registered")


def _moved(move: Callable[[], Version]) -> None:
    from fit_assets.packaging.ollama import OllamaError
    from fit_assets.serving.follow import PackageError, follow_everywhere

    try:
        version = move()
    except ValueError as error:
        raise BadInput(_one_line(str(error))) from error
    click.echo(f"version {version.version} is in production: {version.gguf_path}")
    try:
        follow_everywhere(click.echo)
    except (PackageError, OllamaError) as error:
        raise Failure(_one_line(str(error))) from error


# Parsing ------------------------------------------------------------------------------------------------------------


def _build(parser_name: str) -> Parser:
    from fit_assets.parsing.registry import ParserUnavailable, build_parser
    from fit_assets.places import GazetteerError

    try:
        return build_parser(parser_name)
    except ParserUnavailable as error:
        raise Failure(_one_line(str(error))) from error
    except GazetteerError as error:
        raise BadInput(_one_line(str(error))) from error


def _parsed(question: str, parser_name: str) -> tuple[ParseResult, bool]:
    """What the parser made of it, and whether the model failed (even if the fallback answered)."""
    result = _build(parser_name).parse(question)
    return result, result.model_error is not None or result.error is not None


def _given(question: str, filters: str) -> tuple[ParseResult, bool]:
    from fit_assets.filters import FilterError, QueryFilters
    from fit_assets.parsing.base import ParseResult

    start = time.perf_counter()
    try:
        parsed: QueryFilters = QueryFilters.parse(filters)
    except FilterError as error:
        raise BadInput(_one_line(f"--filters: {error}")) from error
    return ParseResult(question, parsed, "given", (time.perf_counter() - start) * 1000, parsed.canonical()), False


def _parse_batch(path: Path, parser_name: str) -> None:
    """Parse a file's questions; bad lines are named on standard error and make exit code 2, the others are parsed."""
    questions, bad = _read_questions(path)
    for problem in bad:
        click.echo(problem, err=True)
    if questions:
        parser = _build(parser_name)
        for start in range(0, len(questions), _BATCH):
            for result in parser.parse_batch(questions[start : start + _BATCH]):
                click.echo(json.dumps(_as_line(result), ensure_ascii=False))
    if bad or not questions:
        counted = f"{len(bad)} bad line{'s' * (len(bad) != 1)}" if bad else "no questions"
        raise BadInput(f'{path}: {counted}; write one {{"q": "…"}} a line')


def _read_questions(path: Path) -> tuple[list[str], list[str]]:
    from fit_assets.serving.jsonl import read_lines

    questions, bad = [], []
    for line in read_lines(path):
        question = (line.content or {}).get("q")
        if isinstance(question, str) and question.strip():
            questions.append(question)
        else:
            reason = line.reason or 'has no question; write {"q": "…"}'
            bad.append(f"{path}, line {line.number}: {reason}")
    return questions, bad


def _import_feedback(file: Path) -> None:
    from fit_assets.serving.feedback import import_feedback

    outcome = import_feedback(file)
    click.echo(f"kept {outcome.added}, already known {outcome.duplicates}, refused {len(outcome.refused)}")
    for number, reason in outcome.refused:
        click.echo(_one_line(f"{file}, line {number}: {reason}"), err=True)
    if outcome.refused:
        raise BadInput(f"{file}: mend the lines named above and add the file again; what was kept is not added twice")


def _reading(question: str, number: int) -> QueryFilters:
    """The reading of that number of a contradiction, as the review lists them."""
    from fit_assets.language.text import normalise_question
    from fit_assets.serving.review import contradictions

    for found in contradictions():
        if normalise_question(found.question) == normalise_question(question):
            if number <= len(found.readings):
                return found.readings[number - 1].filters
            raise BadInput(f"there are {len(found.readings)} readings of {question!r}, no number {number}")
    raise BadInput(f"{question!r} was not corrected in two ways; see: fit feedback review")


# Printing -----------------------------------------------------------------------------------------------------------


def _as_line(result: ParseResult) -> dict[str, Any]:
    line: dict[str, Any] = {
        "q": result.question,
        "filters": None if result.filters is None else result.filters.to_dict(),
        "parser": result.parser,
        "latency_ms": round(result.latency_ms, 3),
    }
    return line | ({"error": result.error} if result.error else {})


def _as_object(result: ParseResult, found: Answer | None, explain: bool) -> dict[str, Any]:
    answered: dict[str, Any] = {
        "question": result.question,
        "filters": None if result.filters is None else result.filters.to_dict(),
        "parser": result.parser,
        "latency_ms": round(result.latency_ms, 3),
        "rows": found.rows if found else [],
        "total": found.total if found else 0,
        "sentence": found.sentence if found else "",
        "notes": [*result.notes, *(found.notes if found else [])],
    }
    if result.error:
        answered["error"] = result.error
    if explain and found:
        answered |= {"sql": found.sql, "params": found.params}
    return answered


def _print_json(value: dict[str, Any]) -> None:
    """One object; dates in ISO form, figures that are no number as null."""
    from fit_assets.serving.jsonl import plain

    click.echo(json.dumps(plain(value), ensure_ascii=False, default=str, allow_nan=False))


def _print_understood(result: ParseResult, found: Answer, explain: bool, to_stderr: bool = False) -> None:
    assert result.filters is not None
    click.echo(f"{result.filters.canonical()}   ({result.parser}, {result.latency_ms:.0f} ms)", err=to_stderr)
    click.echo(found.sentence, err=to_stderr)
    if explain:
        click.echo(f"{found.sql}\n{found.params}", err=to_stderr)
    for note in (*result.notes, *found.notes):
        click.echo(f"note: {note}", err=to_stderr)


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _print_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_table(found: Answer) -> None:
    """The rows as a table; columns from the right that the terminal has no room for are named below it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not found.rows:
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)
    cells = [[_cell(row.get(column)) for column in found.columns] for row in found.rows]
    widths = [_width(column, [row[index] for row in cells]) for index, column in enumerate(found.columns)]
    fitting = [index for index in range(len(widths)) if sum(widths[: index + 1]) + 3 * (index + 1) < console.width]
    shown = fitting or [0]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="bold", pad_edge=False)
    for index in shown:
        column = found.columns[index]
        numeric = any(isinstance(row.get(column), int | float) for row in found.rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", width=widths[index])
    for row in cells:
        table.add_row(*(_shortened(row[index], widths[index]) for index in shown))
    console.print(table, markup=False, highlight=False)
    if len(shown) < len(found.columns):
        click.echo(
            f"no room for {', '.join(found.columns[len(shown) :])}: a wider terminal, --csv or --json shows them"
        )
    if found.total > len(found.rows):
        click.echo(f"{len(found.rows):,} of {found.total:,} rows; --limit N shows more")


def _width(column: str, cells: Sequence[str]) -> int:
    """Characters for a column: its longest value within reason, and no word of its heading broken."""
    return max(*(len(word) for word in column.split("_")), min(max(map(len, cells)), _WIDEST_CELL))


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return str(value)


def _print_contradictions(found: Sequence[Contradiction]) -> None:
    for one in found:
        click.echo(one.question)
        for number, reading in enumerate(one.readings, 1):
            came = f"{reading.times} ×, from {', '.join(filter(None, reading.origins)) or 'unknown'}"
            click.echo(f"  {number}. {reading.filters.canonical()}   ({came}, last {reading.last:%Y-%m-%d %H:%M})")
            for note in reading.notes:
                click.echo(f"     {_one_line(note)}")
    if found:
        click.echo(f'{len(found)} to settle: fit feedback review "{found[0].question}" --take 1 --why "…"')
    else:
        click.echo("no question was corrected in two ways")


def _print_versions(found: Sequence[Version]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    for heading in ("version", "date", "training examples", "accuracy", "status", "improvements"):
        table.add_column(heading)
    for version in found:
        accuracy = version.parsing_accuracy
        table.add_row(
            str(version.version),
            f"{version.registered_at:%Y-%m-%d %H:%M}",
            "" if version.training_examples is None else f"{version.training_examples:,}",
            "" if accuracy is None else f"{accuracy:.1%}",
            version.status,
            version.improvements,
        )
    Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL).print(table)


def _print_reproduction(outcome: Reproduction) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"version {outcome.version}, made again", header_style="bold")
    for heading in ("metric", "registered", "now", "agrees"):
        table.add_column(heading)
    for metric in outcome.metrics:
        table.add_row(metric.name, str(metric.registered), str(metric.reproduced), "yes" if metric.agrees else "no")
    Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL).print(table)
    for what, same in (("adapter", outcome.same_adapter), ("GGUF", outcome.same_gguf)):
        click.echo(f"{what}: {'the same to the byte' if same else 'other bytes'}")
    for difference in outcome.differences:
        click.echo(f"unlike then: {difference}")


def _print_metrics(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{report.parser} on {len(report.predictions):,} questions", header_style="bold")
    for heading in ("metric", "value (95 % interval)", "target", "met"):
        table.add_column(heading)
    for cells in _metric_rows(report):
        table.add_row(*cells)
    console = Console()
    console.print(table)
    if report.latency:
        times = report.latency
        console.print(f"latency: p50 {times.p50_ms:.1f} ms, p95 {times.p95_ms:.1f} ms, p99 {times.p99_ms:.1f} ms")
    for result in report.critical:
        if not result.passed:
            console.print(f"critical test failed: {result.question}: {result.reason}", markup=False)


def _metric_rows(report: Report) -> Iterator[tuple[str, str, str, str]]:
    for metric in report.metrics.values():
        met = {True: "yes", False: "no", None: ""}[metric.met]
        yield metric.name, str(metric), str(metric.target or ""), met


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
