from pathlib import Path

import duckdb
import pandas as pd
import pytest

from fit_assets.reference.warehouse import WarehouseError, connect, replace_table, table_digest

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
COLUMNS = {"a": "BIGINT", "b": "VARCHAR"}


@pytest.mark.usefixtures("empty_warehouse")
def test_digest_ignores_the_order_of_rows_and_sees_every_value() -> None:
    first = replace_table("t", FRAME, columns=COLUMNS)
    assert replace_table("t", FRAME[::-1], columns=COLUMNS).digest == first.digest == table_digest("t")
    assert first.rows == 3
    changed = [
        replace_table("t", FRAME.assign(a=[1, 2, 4]), columns=COLUMNS),
        replace_table("t", FRAME, columns=COLUMNS | {"a": "DOUBLE"}),
        replace_table("t", FRAME[:2], columns=COLUMNS),
        replace_table("t", FRAME.rename(columns={"a": "c"}), columns={"c": "BIGINT", "b": "VARCHAR"}),
    ]
    assert len({first.digest, *(built.digest for built in changed)}) == 5


@pytest.mark.usefixtures("empty_warehouse")
def test_a_failed_replacement_leaves_the_old_table() -> None:
    old = replace_table("t", FRAME, columns=COLUMNS)
    with pytest.raises(duckdb.Error):
        replace_table("t", "SELECT no_such_column FROM t")
    with pytest.raises(duckdb.Error):
        replace_table("t", FRAME.assign(a="not a number"), columns=COLUMNS)
    with pytest.raises(duckdb.Error):  # fails halfway, while rows stream in
        replace_table("t", "SELECT CASE WHEN a = 3 THEN error('disk') ELSE a END AS a FROM t")
    assert table_digest("t") == old.digest
    with connect() as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("t",)]


@pytest.mark.usefixtures("empty_warehouse")
def test_the_comment_is_kept_with_its_quotes() -> None:
    replace_table("t", FRAME, comment="Ofgem's report")
    with connect() as connection:
        assert connection.execute("SELECT comment FROM duckdb_tables()").fetchall() == [("Ofgem's report",)]


def test_no_warehouse_names_the_asset_to_materialise(empty_warehouse: Path) -> None:
    with pytest.raises(WarehouseError, match=r"no warehouse .*materialise the asset installation_facts"):
        table_digest("installation_facts")
    assert not empty_warehouse.exists()


@pytest.mark.usefixtures("empty_warehouse")
def test_a_missing_table_names_its_asset() -> None:
    replace_table("t", FRAME)
    with pytest.raises(WarehouseError, match="has no table rejected_rows; materialise the asset installations"):
        table_digest("rejected_rows")


def test_a_file_that_is_no_warehouse(empty_warehouse: Path) -> None:
    empty_warehouse.mkdir(parents=True)
    (empty_warehouse / "warehouse.duckdb").write_text("not a database " * 1000)
    with pytest.raises(WarehouseError, match=r"cannot be opened .*delete it"):
        table_digest("t")
