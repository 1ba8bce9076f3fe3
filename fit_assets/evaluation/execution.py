"""Whether two filter objects bring the same answer out of the reference tables."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import date
from typing import Any

from fit_assets import settings
from fit_assets.filters import QueryFilters

Table = tuple[list[str], list[dict[str, Any]]]

# Whole results that are kept at a time; a plain search may bring tens of thousands of rows.
_KEPT_RESULTS = 8


class AnswerComparer:
    """Runs filters on the warehouse and compares what comes back; repeated questions are answered once.

    The answers are the same when the prediction's rows carry every column of gold's and agree on them: in gold's
    order where gold asks for a ranking, in any order otherwise. Columns that only the prediction shows do
    not count. Without a warehouse nothing is measured (None).
    """

    def __init__(self, run: Callable[[QueryFilters], Table] | None = None, *, as_of: date | None = None) -> None:
        """``run`` turns filters into columns and rows; by default the reference room, if there is a warehouse."""
        if run is None and settings.warehouse_path().exists():
            run = _reference_run(as_of or settings.as_of())
        self._run = run
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
            self._verdicts[pair] = _same_rows(self._result(gold), self._result(predicted), ordered=bool(gold.sort_by))
        return self._verdicts[pair]

    def _result(self, filters: QueryFilters) -> Table:
        key = filters.canonical()
        if key not in self._results:
            assert self._run is not None
            self._results[key] = self._run(filters)
            if len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        return self._results[key]


def _reference_run(as_of: date) -> Callable[[QueryFilters], Table]:
    from fit_assets.reference.answer import answer  # duckdb: not for those who only score

    def run(filters: QueryFilters) -> Table:
        result = answer(filters, as_of=as_of)
        return result.columns, result.rows

    return run


def _same_rows(gold: Table, predicted: Table, *, ordered: bool) -> bool:
    columns, gold_rows = gold
    if len(gold_rows) != len(predicted[1]) or not set(columns) <= set(predicted[0]):
        return False
    left = [tuple(_plain(row[column]) for column in columns) for row in gold_rows]
    right = [tuple(_plain(row[column]) for column in columns) for row in predicted[1]]
    return left == right if ordered else Counter(left) == Counter(right)


def _plain(value: Any) -> Any:
    """Figures to nine digits: sums over rows in another order differ in the last bits."""
    return f"{value:.9g}" if isinstance(value, float) else value
