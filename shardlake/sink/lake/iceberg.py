"""An Iceberg table of current rows, written by pyiceberg. Its catalogue is Glue where the lake has it, else the ledger's database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import Any

import polars as pl
import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError
from pyiceberg import expressions
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError, RESTError, ValidationException
from pyiceberg.expressions import And, BooleanExpression, Or
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import BucketTransform, DayTransform, HourTransform, IdentityTransform, MonthTransform, Transform, YearTransform
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from shardlake.connection.aws import RETRIES, client
from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse, conninfo
from shardlake.errors import AccountingError, LakeUnavailable
from shardlake.ledger.database import open_warehouse
from shardlake.sink.lake.account import require_same
from shardlake.sink.lake.arrow import frame_of, plain_arrow, rows_among
from shardlake.sink.lake.iceberg_arrow import keep_null_lists, wide
from shardlake.sink.lake.iceberg_store import properties
from shardlake.sink.lake.keys import Keys
from shardlake.view.layout import Layout, folded
from shardlake.view.view import View

_is: Any = expressions  # its constructors take what pydantic makes of them, which mypy does not see
_TRIES = 5
"""Commits that another writer was quicker than."""
_PARTS = 5_000
"""Keys in one condition."""
_TIMES: dict[str, type[Transform[Any, Any]]] = {"year": YearTransform, "month": MonthTransform, "day": DayTransform, "hour": HourTransform}


_making = Lock()


def catalog(lake: Lake, warehouse: PostgresWarehouse) -> Catalog:
    """The Iceberg catalogue: Glue, or tables in the ledger's `shardlake` schema."""
    with _making:  # a process has one, however many layouts ask for it at once
        return _catalog(lake, warehouse)


@contextmanager
def _in_turn(warehouse: PostgresWarehouse) -> Iterator[None]:
    """Alone among all processes: pyiceberg looks whether its tables and namespaces are there, and then makes them."""
    with open_warehouse(warehouse).session() as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('shardlake.iceberg', 0))")
        yield


@cache
def _catalog(lake: Lake, warehouse: PostgresWarehouse) -> Catalog:
    keep_null_lists()
    settings = properties(lake)
    if lake.glue:
        from pyiceberg.catalog.glue import GlueCatalog

        return GlueCatalog("shardlake", client(lake, "glue", endpoint_url=lake.glue_endpoint, config=RETRIES), **settings)
    from pyiceberg.catalog.sql import SqlCatalog

    shard = warehouse.shard()
    own = {k: str(v) for k, v in conninfo(shard).items() if k not in ("host", "port", "user", "password", "dbname")}  # TLS, timeouts
    options = own | {"options": "-csearch_path=shardlake"}
    url = URL.create("postgresql+psycopg", shard.user, shard.password, shard.host, shard.port, shard.database, options)
    with _in_turn(warehouse):
        return SqlCatalog("shardlake", uri=url.render_as_string(hide_password=False), pool_pre_ping="true", **settings)


@contextmanager
def named(table: tuple[str, str]) -> Iterator[None]:
    """Failures of the store and of the catalogue as one of ours; they may hold addresses."""
    try:
        yield
    except (
        CommitFailedException,
        ValidationException,
        RESTError,
        OSError,
        BaseError,
        SQLAlchemyError,
        ClientError,
        BotoCoreError,
    ) as error:
        raise LakeUnavailable(
            f"the Iceberg table {'.'.join(table)} cannot be read or written ({type(error).__name__})", hint="It is tried again."
        ) from None


class Iceberg:
    """The table `database.name` at `uri`; made, or given new columns, by the first batch. Raises LakeUnavailable."""

    def __init__(self, view: View, layout: Layout, lake: Lake, warehouse: PostgresWarehouse, uri: str) -> None:
        self._catalog, self._warehouse = catalog(lake, warehouse), warehouse
        self.name = (view.lake.database, layout.table)
        self._layout, self._keys = layout, Keys.of(view)
        self._seen: int | None = None
        self._uri = uri if uri.startswith("s3://") else f"file://{uri}"

    def open(self) -> Table | None:
        """The table as it is; None where there is none yet."""
        try:
            return self._catalog.load_table(self.name)
        except NoSuchTableError:
            return None

    def rows_of(self, units: pl.DataFrame) -> pl.DataFrame | None:
        """As `CurrentTable` has it."""
        with named(self.name):
            return self._rows_of(units)

    def _rows_of(self, units: pl.DataFrame) -> pl.DataFrame | None:
        table = self.open()
        if table is None:
            return None
        snapshot = table.current_snapshot()
        self._seen = snapshot.snapshot_id if snapshot else None
        first = next(k for k in self._keys.unit if k != "_shard")
        edges = self._keys.bounds(units, first)
        inside = And(_is.GreaterThanOrEqual(first, edges[0]), _is.LessThanOrEqual(first, edges[1])) if edges else _is.AlwaysTrue()
        reader = table.scan(row_filter=inside).to_arrow_batch_reader()
        found = [frame_of(pa.Table.from_batches([], schema=reader.schema))]
        for part in reader:
            if part.num_rows:
                found.append(rows_among(pa.Table.from_batches([part]), units, self._keys))
        return pl.concat(found, how="vertical_relaxed")

    def apply(self, upserts: pl.DataFrame, gone: pl.DataFrame, *, replaced: int) -> None:
        """As `CurrentTable` has it."""
        rows, keys = wide(plain_arrow(upserts)), pl.concat([upserts.select(*self._keys.key), gone])
        with named(self.name):
            for left in reversed(range(_TRIES)):
                try:
                    self._commit(rows, keys.clear() if not replaced and left == _TRIES - 1 else keys, upserts.height - replaced)
                    return
                except CommitFailedException:
                    if not left:
                        raise
                    time.sleep(0.2)

    def _commit(self, rows: pa.Table, keys: pl.DataFrame, more: int) -> None:
        """One commit: the rows of these keys go, and the new ones come; the table has so many more rows by it."""
        table = self.open() or self._create(rows.schema)
        self._evolve(table, rows.schema)
        before = {s.snapshot_id for s in table.metadata.snapshots}
        with table.transaction() as transaction:
            if table.current_snapshot() is not None:
                for condition in _conditions(keys, self._keys.key):
                    transaction.delete(condition)
            if rows.num_rows:
                transaction.append(rows)
            # nothing is committed yet: what is raised here leaves the table as it was
            summaries = [s.summary for s in transaction.table_metadata.snapshots if s.snapshot_id not in before and s.summary]
            found = sum(int(s["added-records"] or 0) - int(s["deleted-records"] or 0) for s in summaries)
            self._require(table, more, found)

    def _require(self, table: Table, ours: int, theirs: int) -> None:
        snapshot = table.current_snapshot()
        try:
            require_same(f"the Iceberg table {'.'.join(self.name)}", {"rows more than before": (ours, theirs)})
        except AccountingError:
            if (snapshot.snapshot_id if snapshot else None) != self._seen:
                raise LakeUnavailable(
                    f"another writer changed rows of the Iceberg table {'.'.join(self.name)}", hint="It is tried again."
                ) from None
            raise

    def _create(self, schema: pa.Schema) -> Table:
        with _in_turn(self._warehouse), suppress(NamespaceAlreadyExistsError):
            self._catalog.create_namespace(self.name[0])
        # one transaction: a table that was made without its partitions would stay without
        with (
            self._catalog.create_table_transaction(self.name, schema, location=self._uri) as made_at_once,
            made_at_once.update_spec() as update,
        ):
            for transform in self._layout.partition_by:
                made: Transform[Any, Any] = (
                    BucketTransform(transform.buckets) if transform.unit == "bucket"
                    else _TIMES[transform.unit]() if transform.unit in _TIMES else IdentityTransform()
                )  # fmt: skip
                name = transform.name if transform.unit != "identity" else None
                update.add_field(folded(transform.column), made, name)
        return self._catalog.load_table(self.name)

    @staticmethod
    def _evolve(table: Table, schema: pa.Schema) -> None:
        if set(schema.names) - {f.name for f in table.schema().fields}:
            with table.update_schema() as update:
                update.union_by_name(schema)


def _conditions(keys: pl.DataFrame, names: tuple[str, ...]) -> Iterator[BooleanExpression]:
    """Conditions that hold for these keys alone: `a = 1 AND b IN (…)`, the column of most values in the list."""
    if not keys.height:
        return
    widest = max(names, key=lambda n: keys.get_column(n).n_unique())
    rest = [n for n in names if n != widest]
    groups = keys.group_by(rest, maintain_order=True) if rest else [((), keys)]
    held: list[BooleanExpression] = []
    size = 0
    for values, group in groups:
        listed = group.get_column(widest).to_list()
        for start in range(0, len(listed), _PARTS):
            part: BooleanExpression = _is.In(widest, listed[start : start + _PARTS])
            for name, value in zip(rest, values, strict=True):
                part = And(_is.EqualTo(name, value), part)
            held.append(part)
            size += min(_PARTS, len(listed) - start)
            if size >= _PARTS or len(held) >= 100:
                yield _any(held)
                held, size = [], 0
    if held:
        yield _any(held)


def _any(parts: list[BooleanExpression]) -> BooleanExpression:
    return parts[0] if len(parts) == 1 else Or(parts[0], parts[1], *parts[2:])


def schema(lake: Lake, warehouse: PostgresWarehouse, database: str, name: str) -> Schema:
    """The table's columns, with their numbers."""
    return catalog(lake, warehouse).load_table((database, name)).schema()


def files(lake: Lake, warehouse: PostgresWarehouse, database: str, name: str) -> list[tuple[str, int, int]]:
    """The data files of the table's newest snapshot: full path, rows and bytes. There are none before its first row."""
    try:
        table = catalog(lake, warehouse).load_table((database, name))
    except NoSuchTableError:
        return []
    return [(task.file.file_path, task.file.record_count, task.file.file_size_in_bytes) for task in table.scan().plan_files()]
