"""Whether two filter objects bring the same answer out of the reference tables."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import date
from typing import Any

from fit_assets import settings
from fit_assets.filters import QueryFilters

Table = tuple[list[str], list[tuple[Any, ...]]]

# What the SQL of an answer reads.
_ASKED_TABLES = {"installations", "installation_facts", "tariff_rates"}

# Whole results that are kept at a time; a plain search may bring tens of thousands of rows.
_KEPT_RESULTS = 8


class AnswerComparer:
    """Runs filters on the warehouse and compares what comes back; repeated questions are answered once.

    The answers are the same when the prediction's rows carry every column of gold's and agree on them: in gold's
    order where gold asks for a ranking, in any order otherwise. Columns that only the prediction shows do
    not count. Without a warehouse, or with one that is not complete, nothing is measured (None).
    """

    def __init__(self, run: Callable[[QueryFilters], Table] | None = None, *, as_of: date | None = None) -> None:
        """``run`` turns filters into columns and rows; by default the reference room, if its tables are there."""
        self._run = run or _reference_run(as_of or settings.as_of())
        self._verdicts: dict[tuple[str, str], bool] = {}
        self._results: OrderedDict[str, Table] = OrderedDict()

    def same(self, gold: QueryFilters, predicted: QueryFilters | None) -> bool | None:
        """Whether ``predicted`` brings gold's rows or figures; None where there is no warehouse to ask."""
        if self._run is None:
            return None
        if predicted is None:
            return False
        if predicted.same_as(gold):
            return True
        if "unsupported" in (gold.query_type, predicted.query_type):
            return False
        pair = gold.canonical(), predicted.canonical()
        if pair not in self._verdicts:
            tables = self._result(self._run, gold), self._result(self._run, predicted)
            self._verdicts[pair] = _same_rows(*tables, ordered=gold.sort_by is not None)
        return self._verdicts[pair]

    def _result(self, run: Callable[[QueryFilters], Table], filters: QueryFilters) -> Table:
        key = filters.canonical()
        if key not in self._results:
            self._results[key] = run(filters)
            if len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        return self._results[key]


def _reference_run(as_of: date) -> Callable[[QueryFilters], Table] | None:
    """Runs filters on the warehouse, opened for each of them: an open one would keep writers out."""
    if not settings.warehouse_path().exists():
        return None
    from fit_assets.reference.query import to_sql
    from fit_assets.reference.warehouse import connect

    with connect() as connection:
        present = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not present >= _ASKED_TABLES:
        return None

    def run(filters: QueryFilters) -> Table:
        query = to_sql(filters, as_of)
        with connect() as connection:
            connection.execute("SET threads = 1")  # sums of floating-point numbers come out the same each time
            result = connection.execute(query.sql, query.params)
            return [column[0] for column in result.description or ()], result.fetchall()

    return run


def _same_rows(gold: Table, predicted: Table, *, ordered: bool) -> bool:
    if len(gold[1]) != len(predicted[1]) or not set(gold[0]) <= set(predicted[0]):
        return False
    left, right = _projected(gold, gold[0]), _projected(predicted, gold[0])
    return left == right if ordered else Counter(left) == Counter(right)


def _projected(table: Table, columns: list[str]) -> list[tuple[Any, ...]]:
    """The rows with these columns; figures to nine digits, since sums in another order differ in the last bits."""
    positions = [table[0].index(column) for column in columns]
    return [tuple(_rounded(row[position]) for position in positions) for row in table[1]]


def _rounded(value: Any) -> Any:
    return f"{value:.9g}" if isinstance(value, float) else value
