"""The lake of a world, read by others than Shardlake, and compared with the warehouse value by value."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.failpoints import NAMES
from shardlake.sink.lake.columns import arrow_type
from shardlake.sink.lake.iceberg import catalog
from shardlake.view.layout import folded
from shardlake.view.types import Type
from tests.world import World

EVERY_FORMAT: list[dict[str, Any]] = [{"table": f"lake_{f}", "format": f} for f in ("parquet", "delta", "iceberg")]
"""Three layouts, one a format."""
IN_THE_LAKE = tuple(name for name in NAMES if name.startswith("lake."))
"""The failpoints of a commit; `lake/test_faults.py` ends a run at each."""


def readers(w: World) -> dict[str, list[dict[str, Any]]]:
    """The rows of EVERY_FORMAT's tables, each by readers of their own: name and rows."""
    root = w.folder / "lake" / "analytics"
    lake, warehouse = w.connect("athena-lake/main"), w.connect("postgres-warehouse/main")
    assert isinstance(lake, Lake)
    assert isinstance(warehouse, PostgresWarehouse)
    history: pa.Table = ds.dataset(root / "lake_parquet", format="parquet").to_table()
    newest = max(history.column("_window").to_pylist(), default=0)
    iceberg = catalog(lake, warehouse).load_table(("analytics", "lake_iceberg"))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        by_duckdb = connection.sql(
            f"SELECT * FROM read_parquet('{root}/lake_parquet/**/*.parquet') WHERE _window = {newest}"
        ).to_arrow_table()
    return {
        "parquet by pyarrow": history.filter(pa.compute.equal(history.column("_window"), newest)).to_pylist(),
        "parquet by DuckDB": by_duckdb.to_pylist(),
        "delta by deltalake": DeltaTable(str(root / "lake_delta")).to_pyarrow_table().to_pylist(),
        "iceberg by pyiceberg": iceberg.scan().to_arrow().to_pylist(),
    }


def agrees(w: World, types: dict[str, Type]) -> None:
    """Every reader sees each of the warehouse's rows with the same values, but for those that are rejects of the lake."""
    rejected = {int(key["id"]) for (key,) in w.warehouse("SELECT DISTINCT row_key FROM shardlake.rejects WHERE stage = 'lake'")}
    items = ", ".join(_shown(n, t) for n, t in types.items())
    table = w.view["warehouse"]["table"]
    rows_ = w.warehouse(f"SELECT id, {items} FROM {table} WHERE id <> ALL(%s)", sorted(rejected))
    expected = {row[0]: row[1:] for row in rows_}
    for reader, rows in readers(w).items():
        found = {row["id"]: tuple(row[folded(n)] for n in types) for row in rows}
        assert found.keys() == expected.keys(), reader
        for id_, values in found.items():
            for (name, type_), mine, theirs in zip(types.items(), values, expected[id_], strict=True):
                assert _plain(type_, mine) == _plain(type_, theirs), f"{reader}: {name} of {id_}"


def _shown(name: str, type_: Type) -> str:
    """A column as the lake has it; a cast to text would add the mask of a whole address."""
    if type_.name == "inet" and not type_.array:
        return f"abbrev({_quoted(name)})"
    return f"{_quoted(name)}::text" if _as_text(type_) else _quoted(name)


def _as_text(type_: Type) -> bool:
    return not type_.array and arrow_type(type_) == pa.string()


def _plain(type_: Type, value: Any) -> Any:
    if value is None:
        return None
    if type_.name == "jsonb":
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return struct.pack("<f", value) if type_.name == "real" else struct.pack("<d", value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC)
    if isinstance(value, memoryview | bytes):
        return bytes(value)
    if isinstance(value, list):
        return [str(v) if isinstance(v, Decimal) else _plain(Type(type_.name), v) for v in value]
    return value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
