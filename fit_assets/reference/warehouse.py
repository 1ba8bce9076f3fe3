"""The DuckDB file of the reference tables: opening it, replacing a table whole, and taking a table's digest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fit_assets import settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

# Tables by the Dagster asset that makes them: the error message for a missing table names it.
ASSET_OF_TABLE = {
    "installations": "installations",
    "rejected_rows": "installations",
    "tariff_rates": "tariff_rates",
    "places": "places",
    "installation_facts": "installation_facts",
    "outward_codes": "outward_codes",
    "place_coverage": "place_coverage",
}

LOCK_WAIT_SECONDS = 30.0


class WarehouseError(RuntimeError):
    """The warehouse cannot be used as it is; the message says what to do."""


@dataclass(frozen=True)
class Built:
    """What a build left in the warehouse: table, number of rows, digest, and facts worth showing."""

    table: str
    rows: int
    digest: str
    extras: dict[str, Any] = field(default_factory=dict)


@contextmanager
def connect(read_only: bool = True, *, needs: tuple[str, ...] = ()) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse, closed at the end of the block.

    DuckDB lets one process write, and nobody read meanwhile: a locked file is waited for, up to
    ``LOCK_WAIT_SECONDS``.

    Args:
        read_only: False creates the file where it is missing.
        needs: tables that must be there.

    Raises:
        WarehouseError: no warehouse, a table of ``needs`` missing (named with the asset to materialise), the
            file locked for too long, or not a DuckDB file.
    """
    path = settings.warehouse_path()
    if read_only and not path.exists():
        raise WarehouseError(f"there is no warehouse at {path} yet; {_advice(needs or ('installations',))}")
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _open(read_only)
    try:
        present = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        missing = tuple(table for table in needs if table not in present)
        if missing:
            raise WarehouseError(f"{path} has no table {', '.join(missing)}; {_advice(missing)}")
        yield connection
    finally:
        connection.close()


@dataclass(frozen=True)
class NewTable:
    """A table to be.

    Args:
        name: the table.
        content: a frame, an Arrow table, or a SELECT over the tables at hand.
        columns: DuckDB type by column for a frame, in the table's order; rows of other types are an error.
        comment: kept as the table's COMMENT.
        params: values for the SELECT's named parameters.
        extras: passed on in the result.
    """

    name: str
    content: pd.DataFrame | pa.Table | str
    columns: dict[str, str] | None = None
    comment: str = ""
    params: dict[str, Any] | None = None
    extras: dict[str, Any] = field(default_factory=dict)


def replace_table(name: str, content: pd.DataFrame | pa.Table | str, **more: Any) -> Built:
    """Put a table in place of the old one: :func:`replace_tables` for one, with the fields of :class:`NewTable`."""
    (built,) = replace_tables(NewTable(name, content, **more))
    return built


def replace_tables(*tables: NewTable) -> list[Built]:
    """Put tables in place of the old ones, all at once; whatever fails on the way leaves the old ones untouched."""
    with connect(read_only=False) as connection:
        connection.execute("BEGIN")
        try:
            for table in tables:
                _replace(connection, table)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return [
            Built(
                table.name,
                connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchall()[0][0],
                _digest(connection, table.name),
                dict(table.extras),
            )
            for table in tables
        ]


def _replace(connection: duckdb.DuckDBPyConnection, table: NewTable) -> None:
    aside = f"{table.name}__aside"
    select = table.content
    if not isinstance(select, str):
        # A copy of a frame: DuckDB cannot read one that is a reversed view.
        connection.register("incoming", select.copy() if hasattr(select, "copy") else select)
        chosen = [f'CAST("{column}" AS {kind}) AS "{column}"' for column, kind in (table.columns or {}).items()]
        select = f"SELECT {', '.join(chosen) or '*'} FROM incoming"
    connection.execute(f'CREATE OR REPLACE TABLE "{aside}" AS {select}', table.params)
    connection.execute(f'DROP TABLE IF EXISTS "{table.name}"')
    connection.execute(f'ALTER TABLE "{aside}" RENAME TO "{table.name}"')
    if table.comment:
        # COMMENT takes no parameters.
        quoted = table.comment.replace("'", "''")
        connection.execute(f"COMMENT ON TABLE \"{table.name}\" IS '{quoted}'")


def table_digest(name: str) -> str:
    """SHA-256 (hex) of a table's columns, types and rows, whatever the order of the rows."""
    with connect(needs=(name,)) as connection:
        return _digest(connection, name)


def _digest(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    query = f"""
        SELECT sha256(
            (SELECT string_agg(column_name || ' ' || data_type, ',' ORDER BY column_index)
             FROM duckdb_columns() WHERE table_name = ?)
            || coalesce((SELECT string_agg(row_hash, '' ORDER BY row_hash)
                         FROM (SELECT md5(CAST(content AS VARCHAR)) AS row_hash FROM "{name}" AS content)), '')
        )"""
    return str(connection.execute(query, [name]).fetchall()[0][0])


def _open(read_only: bool) -> duckdb.DuckDBPyConnection:
    import duckdb

    path = settings.warehouse_path()
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            # The same process may hold it in the other mode, another process may write: both pass.
            busy = "lock" in str(error) or "different configuration" in str(error)
            if not busy:
                raise WarehouseError(f"{path} cannot be opened ({error}); delete it and materialise again") from error
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"{path} is in use by another program for more than {LOCK_WAIT_SECONDS:.0f} s; close it ({error})"
                ) from error
            time.sleep(0.05)


def _advice(tables: tuple[str, ...]) -> str:
    assets = sorted({ASSET_OF_TABLE.get(table, table) for table in tables})
    return (
        f"materialise the asset {' and '.join(assets)} "
        f"(dagster asset materialize --select '{','.join(assets)}' -m fit_assets.definitions), or run: make run"
    )
