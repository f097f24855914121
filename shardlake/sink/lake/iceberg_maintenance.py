"""Keeping an Iceberg table: small files as large ones in one commit, old snapshots expired, and files that only they knew gone."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import (
    ArrowScan,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import FileScanTask, Table

from shardlake.sink.lake.account import require_same
from shardlake.sink.lake.files import GROUP, LEVEL, sorted_by
from shardlake.sink.lake.iceberg import Iceberg, named
from shardlake.sink.lake.rows import BATCH

_AGE = "history.expire.max-snapshot-age-ms"
_KINDS = (".parquet", ".avro", ".metadata.json")


def compact(iceberg: Iceberg, key: list[str], small: float, size: int, before: datetime) -> tuple[int, int, int]:
    """Rewrite the small files of every partition that nobody has written to since `before`, in one commit: partitions, files
    before and after. Raises LakeUnavailable where another writer was quicker, with nothing changed.
    """
    with named(iceberg.name):
        table = iceberg.open()
        if table is None:
            return 0, 0, 0
        groups = _waiting(table, small, before)
        old = [task.file for group in groups for task in group]
        new = [file for group in groups for file in _rewritten(table, group, key, size)]
        place = f"the Iceberg table {'.'.join(iceberg.name)}, a compaction of {len(old)} files"
        require_same(place, {"rows in the new files' footers": (sum(f.record_count for f in old), sum(f.record_count for f in new))})
        if old:
            with table.transaction() as transaction, transaction.update_snapshot().overwrite() as switch:
                for file in old:
                    switch.delete_data_file(file)
                for file in new:
                    switch.append_data_file(file)
        return len(groups), len(old), len(new)


def _waiting(table: Table, small: float, before: datetime) -> list[list[FileScanTask]]:
    """The small files of closed partitions that have several. Files with deletes of another writer stay as they are."""
    late, limit = _late(table, before), table.metadata.default_spec_id
    groups: dict[str, list[FileScanTask]] = defaultdict(list)
    for task in table.scan().plan_files():
        if task.file.spec_id == limit and task.file.file_size_in_bytes < small and not task.delete_files:
            groups[repr(task.file.partition)].append(task)
    return [found for partition, found in groups.items() if partition not in late and len(found) > 1]


def _late(table: Table, before: datetime) -> set[str]:
    """Partitions that were written to since."""
    snapshot, since = table.current_snapshot(), before.timestamp() * 1000
    fresh = {s.snapshot_id for s in table.metadata.snapshots if s.timestamp_ms > since}
    entries = (e for m in (snapshot.manifests(table.io) if snapshot else ()) for e in m.fetch_manifest_entry(table.io))
    return {repr(e.data_file.partition) for e in entries if e.snapshot_id in fresh}


def _rewritten(table: Table, tasks: list[FileScanTask], key: list[str], size: int) -> Iterator[DataFile]:
    """The rows of files in files of the layout's size; what fits into memory at a time is sorted by key."""
    place = tasks[0].file.file_path.rpartition("/")[0]
    pieces = _pieces(table, tasks, key)
    schema, in_files = schema_to_pyarrow(table.schema()), sanitize_column_names(table.schema())
    spelt = schema_to_pyarrow(in_files)
    piece = next(pieces, None)
    while piece is not None:
        output = table.io.new_output(f"{place}/{uuid4()}.parquet")
        with output.create(overwrite=True) as out:
            with pq.ParquetWriter(out, spelt, compression="zstd", compression_level=LEVEL, store_decimal_as_integer=True) as writer:
                while piece is not None:
                    writer.write_table(_named_as(piece.cast(schema), spelt), row_group_size=GROUP)
                    piece = next(pieces, None)
                    if out.tell() >= size:
                        break
            statistics = data_file_statistics_from_parquet_metadata(
                writer.writer.metadata,
                compute_statistics_plan(table.schema(), table.metadata.properties),
                parquet_path_to_id_mapping(in_files),
            )
        yield DataFile.from_args(
            content=DataFileContent.DATA, file_path=output.location, file_format=FileFormat.PARQUET, partition=tasks[0].file.partition,
            file_size_in_bytes=len(output), sort_order_id=None, spec_id=tasks[0].file.spec_id, equality_ids=None, key_metadata=None,
            **statistics.to_serialized_dict(),
        )  # fmt: skip


def _named_as(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the names of the files at every depth."""
    columns = zip(rows.columns, schema, strict=True)
    return pa.table([pa.chunked_array([chunk.view(f.type) for chunk in c.chunks], f.type) for c, f in columns], schema=schema)


def _pieces(table: Table, tasks: list[FileScanTask], key: list[str]) -> Iterator[pa.Table]:
    scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
    schema = schema_to_pyarrow(table.schema())
    held: list[pa.Table] = []
    size = 0
    for task in tasks:  # one at a time: given several, pyiceberg reads all of them ahead
        for batch in scan.to_record_batches([task]):
            held.append(pa.Table.from_batches([batch]).cast(schema))  # a column that a file lacks comes in larger types
            size += batch.nbytes
            if size >= BATCH:
                yield sorted_by(pa.concat_tables(held), key)
                held, size = [], 0
    if held:
        yield sorted_by(pa.concat_tables(held), key)


def expire(iceberg: Iceberg, store: ObjectStore, root: str, folder: str, grace: timedelta) -> int:
    """Expire the snapshots that are older than the grace, or than the table's own setting; remove the files, as old, that no
    snapshot knows, whoever left them. `root` is the lake's address, `folder` the table's under it. Returns how many went.
    """
    now = datetime.now(UTC)
    with named(iceberg.name):
        table = iceberg.open()
        if table is None:
            return 0
        own = table.metadata.properties.get(_AGE)
        before = now - max(grace, timedelta(milliseconds=int(own)) if own else grace)
        heads = {ref.snapshot_id for ref in table.metadata.refs.values()}
        if any(s.timestamp_ms < before.timestamp() * 1000 and s.snapshot_id not in heads for s in table.metadata.snapshots):
            table.maintenance.expire_snapshots().older_than(before).commit()
        known = {path.removeprefix("file://").removeprefix(root).lstrip("/") for path in _known(table)}
        gone = [
            str(found["path"]) for listed in obstore.list(store, prefix=f"{folder}/") for found in listed
            if found["last_modified"] < now - grace and str(found["path"]).endswith(_KINDS) and str(found["path"]) not in known
        ]  # fmt: skip
        for key in gone:
            obstore.delete(store, key)
    return len(gone)


def _known(table: Table) -> set[str]:
    """Every file that a snapshot of the table, or the table itself, knows."""
    found = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    found |= {s.statistics_path for s in (*table.metadata.statistics, *table.metadata.partition_statistics)}
    manifests = {m for s in table.metadata.snapshots for m in s.manifests(table.io)}
    found |= {s.manifest_list for s in table.metadata.snapshots} | {m.manifest_path for m in manifests}
    return found | {e.data_file.file_path for m in manifests for e in m.fetch_manifest_entry(table.io)}
