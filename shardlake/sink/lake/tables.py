"""The lake's tables as readers know them: their columns and partitions, how they evolve, and the views on them."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import psycopg
import pyarrow as pa

from shardlake.errors import ContractError
from shardlake.ledger import lake as ledger
from shardlake.quoting import ansi
from shardlake.sink.lake.columns import arrow_type, glue_type, lake_type
from shardlake.view.columns import TargetColumn
from shardlake.view.layout import Layout, Transform, folded
from shardlake.view.types import Type
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_PARTITION_TYPES = {"day": "date", "year": "int", "month": "string", "hour": "string", "bucket": "int"}


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table: `columns` and `partitions` as (name, Hive type), `location` under the lake's URL.

    A view on another table has `sql` in place of a location; its text is read by Athena and DuckDB alike.
    """

    database: str
    name: str
    format: str
    columns: tuple[tuple[str, str], ...]
    partitions: tuple[tuple[str, str], ...] = ()
    location: str = ""
    sql: str = ""
    projection: dict[str, str] = field(default_factory=dict)
    partitioned_by: str = ""

    def as_json(self) -> dict[str, Any]:
        """The definition as the ledger keeps it."""
        return {k: v for k, v in asdict(self).items() if k not in ("database", "name")}


def from_json(database: str, name: str, found: dict[str, Any]) -> LakeTable:
    """A definition as the ledger has it."""

    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        return tuple((str(n), str(t)) for n, t in found[key])

    return LakeTable(
        database,
        name,
        found["format"],
        pairs("columns"),
        pairs("partitions"),
        found["location"],
        found["sql"],
        found["projection"],
        found["partitioned_by"],
    )


def table_of(view: View, layout: Layout, columns: tuple[TargetColumn, ...], location: str) -> LakeTable:
    """The table that a layout makes."""
    hidden = layout.format == "iceberg"  # its partitions are no columns
    identity = set() if hidden else {t.column for t in layout.partition_by if t.unit == "identity"}
    own = [(folded(c.name), glue_type(lake_type(c))) for c in columns if c.name not in (*identity, "_shard")]
    system = [("_op", "string"), ("_seq", "bigint"), *([] if "_shard" in identity else [("_shard", "string")]), ("_window", "bigint")]
    if layout.mode_in(view.warehouse.write) in ("merge", "rewrite"):
        system = [s for s in system if s[0] == "_shard"]
    types = {c.name: c.type for c in columns}
    partitions = () if hidden else tuple((t.name, _partition_type(t, types)) for t in layout.partition_by)
    by = ", ".join(map(str, layout.partition_by))
    return LakeTable(view.lake.database, layout.table, layout.format, (*own, *system), partitions, location, "", _projection(layout), by)


def _partition_type(transform: Transform, types: dict[str, Type]) -> str:
    if transform.unit != "identity":
        return _PARTITION_TYPES[transform.unit]
    found = glue_type(arrow_type(types.get(transform.column, Type("text"))))
    return "string" if found == "boolean" else found


def _projection(layout: Layout) -> dict[str, str]:
    """Athena's parameters by which partitions need not be registered. Values of text are given in the query (`injected`)."""
    if not layout.projection:
        return {}
    found = {"projection.enabled": "true"}
    for transform in layout.partition_by:
        key = f"projection.{transform.name}"
        if transform.unit in ("day", "month", "hour"):
            form = {"day": "yyyy-MM-dd", "month": "yyyy-MM", "hour": "yyyy-MM-dd-HH"}[transform.unit]
            begin = {"day": "2000-01-01", "month": "2000-01", "hour": "2000-01-01-00"}[transform.unit]
            unit = {"day": "DAYS", "month": "MONTHS", "hour": "HOURS"}[transform.unit]
            found |= {
                f"{key}.type": "date", f"{key}.format": form, f"{key}.range": f"{begin},NOW", f"{key}.interval": "1",
                f"{key}.interval.unit": unit,
            }  # fmt: skip
        elif transform.unit == "year":
            found |= {f"{key}.type": "integer", f"{key}.range": "2000,2100"}
        elif transform.unit == "bucket":
            found |= {f"{key}.type": "integer", f"{key}.range": f"0,{transform.buckets - 1}"}
        else:
            found |= {f"{key}.type": "injected"}
    return found


def latest_of(view: View, layout: Layout, table: LakeTable) -> LakeTable:
    """`<table>_latest`: of every row (or exploded parent) what the newest version says, by the order in which the warehouse merges."""
    types = dict(table.columns)
    unit = ", ".join(_one_form(view, k, types) for k in view.unit_key)
    newest = "" if view.version_column is None else f"{ansi(folded(view.version_column))} DESC NULLS LAST, "
    order = "_window, _seq" if view.warehouse.write == "append" else f"{newest}_shard DESC, _window DESC, _seq DESC"
    kept = [c for c in (*table.columns, *table.partitions) if c[0] not in ("_op", "_window", "_seq")]
    names = ", ".join(ansi(n) for n, _ in kept)
    sql = (
        f"SELECT {names} FROM (SELECT *, rank() OVER (PARTITION BY {unit} ORDER BY {order}) AS _rank"
        f" FROM {ansi(table.database)}.{ansi(table.name)}) AS versions WHERE _rank = 1 AND _op IS NULL"
    )
    return LakeTable(table.database, f"{layout.table}_latest", "view", tuple(kept), (), "", sql)


def _one_form(view: View, key: str, types: dict[str, str]) -> str:
    """A key's column such that equal values are equal. Numerics without a size and addresses are text here: 1.5 may be spelt 1.50."""
    name, type_ = ansi(folded(key)), view.columns[key].type.name if key in view.columns else ""
    if type_ == "inet":
        return (
            f"CASE WHEN {name} LIKE '%/128' THEN substr({name}, 1, length({name}) - 4)"
            f" WHEN {name} LIKE '%/32' AND {name} NOT LIKE '%:%' THEN substr({name}, 1, length({name}) - 3) ELSE {name} END"
        )
    if type_ == "numeric" and types.get(folded(key)) == "string":
        return f"CASE WHEN {name} LIKE '%.%' THEN trim(TRAILING '.' FROM trim(TRAILING '0' FROM {name})) ELSE {name} END"
    return name


def raw_table(feed: str, schema: pa.Schema) -> LakeTable:
    """`raw.<feed>`: the rows as they were read."""
    columns = tuple((folded(f.name), glue_type(_plain(f.type))) for f in schema)
    return LakeTable("raw", feed, "parquet", columns, (("load_date", "date"), ("shard", "string")), f"raw/{feed}")


def _plain(type_: pa.DataType) -> pa.DataType:
    return pa.binary() if pa.types.is_large_binary(type_) else type_


def evolved(present: LakeTable | None, wanted: LakeTable) -> LakeTable:
    """The table as it is to be: new columns behind those that are there. Raises ContractError for what old files cannot serve."""
    if present is None or present.format == "view":
        return wanted
    where = f"the lake table {wanted.database}.{wanted.name}"
    hint = "Give the layout another table name: it is filled from raw; the old one stays until you remove it."
    if present.format != wanted.format:
        raise ContractError(f"{where} is {present.format}, the view says {wanted.format}", hint=hint)
    if (present.partitioned_by, present.partitions) != (wanted.partitioned_by, wanted.partitions):
        old, new = present.partitioned_by or "nothing", wanted.partitioned_by or "nothing"
        raise ContractError(f"{where} is partitioned by {old}, the view says {new}", hint=hint)
    types = dict(present.columns)
    for name, type_ in wanted.columns:
        if types.setdefault(name, type_) != type_:
            raise ContractError(f"{where}: {name} is {types[name]}, the view says {type_}, which its files do not hold", hint=hint)
    return replace(wanted, columns=tuple(types.items()))


def planned(connection: Connection, view: View, layout: Layout, columns: tuple[TargetColumn, ...], location: str) -> LakeTable:
    """The layout's table as it is to be. Raises ContractError: another view's table, or a change that its files cannot serve."""
    wanted = table_of(view, layout, columns, location)
    found = ledger.table(connection, wanted.database, wanted.name)
    if found is None:
        return wanted
    owner, of_layout, definition = found
    if owner != view.name or of_layout != layout.table:
        raise ContractError(
            f"the lake table {wanted.database}.{wanted.name} belongs to the view {owner}", hint="Give the layout another table name."
        )
    return evolved(from_json(wanted.database, wanted.name, definition), wanted)
