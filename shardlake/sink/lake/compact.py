"""Compaction: the small files of a partition as few large ones, sorted by key, switched in one step.

The new files lie in a folder of their own within the partition, and the partition's location in the catalogue moves there;
the old files stay for readers that are at them, and go with a sweep. Broken off before it is settled, it leaves nothing; later,
the next run or compaction finishes it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from shardlake.ledger import lake as ledger
from shardlake.ledger.lake import LakeFile
from shardlake.ledger.sinks import Applied
from shardlake.raw.store import address, get, parquet_schema
from shardlake.rows.supply import Supply
from shardlake.sink.lake.account import require_same
from shardlake.sink.lake.commit import alone, carry_out, cleared, recorder
from shardlake.sink.lake.files import GROUP, Encoded, in_files, sorted_by
from shardlake.sink.lake.overview import SMALL
from shardlake.sink.lake.partition import folder
from shardlake.sink.lake.rows import BATCH
from shardlake.sink.lake.switch import Switch, settle
from shardlake.sink.lake.tables import from_json
from shardlake.sink.lake.upload import upload
from shardlake.view.layout import Layout, folded

CLOSED = timedelta(hours=1)
"""A partition that was written to since is left for later."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compaction did for a layout: files before and after, of so many partitions."""

    table: str
    partitions: int = 0
    before: int = 0
    after: int = 0
    note: str = ""


def compact(supply: Supply, layout: Layout, *, closed: timedelta = CLOSED) -> Compacted:
    """Compact the layout's closed partitions. Raises LakeUnavailable and CatalogueUnavailable with nothing switched."""
    if layout.format == "delta":
        from shardlake.sink.lake import delta

        before, after = delta.compact(supply.lake, address(supply.lake, f"{supply.view.lake.database}/{layout.table}"), layout.file_size)
        return Compacted(layout.table, 1, before, after)
    if layout.projection and supply.lake.glue:
        return Compacted(layout.table, note="a projected partition has one place, which cannot be switched; declare it without projection")
    if not layout.partition_by and supply.lake.glue:
        return Compacted(layout.table, note="a table without partitions has one place, which cannot be switched; partition it")
    with alone(supply, layout) as connection:
        if connection is None:
            return Compacted(layout.table, note="another run is writing it")
        if layout.format == "iceberg":
            from shardlake.sink.lake import iceberg_maintenance as iceberg_keep
            from shardlake.sink.lake.iceberg import Iceberg

            table_ = Iceberg(supply.view, layout, supply.lake, supply.ledger.spec, "")
            small = layout.file_size * SMALL
            return Compacted(layout.table, *iceberg_keep.compact(table_, _key(supply), small, layout.file_size, datetime.now(UTC) - closed))
        left = ledger.unfinished(connection, supply.view.name, layout.table)
        if left and left.settled:
            carry_out(connection, supply, layout, left)
            left = None
        if left and left.windows:
            return Compacted(layout.table, note="a commit was broken off; it is compacted when a run has finished that")
        found = ledger.table(connection, supply.view.lake.database, layout.table)
        waiting = _waiting(ledger.live_files_since(connection, supply.view.name, layout.table), layout, datetime.now(UTC) - closed)
        if not found or not waiting:
            return Compacted(layout.table)
        table = from_json(supply.view.lake.database, layout.table, found[2])
        commit = left or ledger.open_commit(connection, uuid4(), supply.view.name, layout.table, [])
        store = cleared(connection, supply, layout, commit)
        moved: dict[tuple[str | None, ...], str] = {}
        old = [f for files in waiting.values() for f in files]
        schema = pa.unify_schemas([parquet_schema(store, f.key) for f in old], promote_options="permissive")

        def rewritten() -> Iterator[Encoded]:
            for values, files in waiting.items():
                place = "/".join(filter(None, (table.location, folder(layout.partition_by, values), f"c{commit.commit_id:08d}")))
                moved[values] = place
                rows = 0
                for encoded in _rewritten(supply, layout, store, files, schema, place, f"c{commit.commit_id:08d}"):
                    rows += encoded.file.rows
                    yield encoded
                what = f"{supply.view.name}, lake table {layout.table}, compaction {commit.commit_id} of {len(files)} files into {place}"
                require_same(what, {"rows in the new files' footers": (sum(f.rows for f in files), rows)})

        new = upload(store, rewritten(), recorder(connection, supply, layout, commit))
        rows = sum(f.rows for f in new)
        switch = Switch([table], moved if layout.partition_by else {}, moves=True, replaced=[f.key for f in old])
        settle(connection, commit.commit_id, switch, Applied(view_rows=rows, merged=rows), schema.names, 0.0)
        carry_out(connection, supply, layout, replace(commit, settled=True))
    return Compacted(layout.table, len(waiting), len(old), len(new))


def _key(supply: Supply) -> list[str]:
    return [folded(k) for k in supply.view.key]


def _waiting(files: list[tuple[LakeFile, datetime]], layout: Layout, before: datetime) -> dict[tuple[str | None, ...], list[LakeFile]]:
    """Closed partitions of several small files."""
    partitions: dict[tuple[str | None, ...], list[LakeFile]] = defaultdict(list)
    late = set()
    for file, written in files:
        partitions[tuple(file.partition)].append(file)
        if written > before:
            late.add(tuple(file.partition))
    return {
        values: found for values, found in partitions.items()
        if values not in late and sum(f.bytes < layout.file_size * SMALL for f in found) > 1
    }  # fmt: skip


def _rewritten(
    supply: Supply, layout: Layout, store: ObjectStore, files: list[LakeFile], schema: pa.Schema, place: str, stem: str
) -> Iterator[Encoded]:
    """The rows of files, in files of the layout's size; what fits into memory at a time is sorted by key."""
    tables = (sorted_by(table, _key(supply)) for table in _batches(store, files, schema))
    yield from in_files(tables, layout.file_size, f"{place}/{stem}", files[0].partition)


def _batches(store: ObjectStore, files: list[LakeFile], schema: pa.Schema) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    size = 0
    for file in files:
        data = get(store, file.key)
        for batch in pq.ParquetFile(pa.BufferReader(data)).iter_batches(GROUP):
            table = pa.Table.from_batches([batch])
            missing = [f for f in schema if f.name not in table.column_names]
            for field in missing:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
            held.append(table.select(schema.names).cast(schema))
            size += table.nbytes
            if size >= BATCH:
                yield pa.concat_tables(held)
                held, size = [], 0
    if held:
        yield pa.concat_tables(held)
