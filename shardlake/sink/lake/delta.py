"""A Delta table of current rows, written by delta-rs."""

import os
import tempfile
from datetime import timedelta
from decimal import Decimal
from functools import cache
from math import ceil
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.dataset import FileSystemDataset, ParquetFragmentScanOptions

from shardlake.connection.lake import Lake
from shardlake.errors import AccountingError, LakeUnavailable
from shardlake.quoting import ansi
from shardlake.sink.lake.account import require_same
from shardlake.sink.lake.arrow import frame_of, plain_arrow, rows_among
from shardlake.sink.lake.files import GROUP, LEVEL
from shardlake.sink.lake.keys import Keys
from shardlake.sink.lake.partition import values_of
from shardlake.view.layout import Layout, folded
from shardlake.view.view import View

_GONE = "_shardlake_gone"
_RETENTION = "delta.deletedFileRetentionDuration"
_LOCAL = ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True, buffer_size=1 << 20)
"""As little of a table in memory at a time as Arrow can be brought to. On S3 it would read column by column."""
_MOST = Decimal(2**63 - 1)
_WRITER = WriterProperties(compression="ZSTD", compression_level=LEVEL, max_row_group_size=GROUP)
"""As our own files are; by default Snappy, and a million rows are held for a row group."""


@cache
def _on_one_thread() -> None:
    """Have delta-rs make one thread, as it does at its first use: each holds rows and a row group of its own, so that two take
    twice the memory of one, at the same CPU. obstore, which reads the same setting, is left as it is.
    """
    if "TOKIO_WORKER_THREADS" in os.environ:
        return
    os.environ["TOKIO_WORKER_THREADS"] = "1"
    try:
        DeltaTable.is_deltatable(tempfile.gettempdir())
    finally:
        del os.environ["TOKIO_WORKER_THREADS"]


def storage(lake: Lake) -> dict[str, str]:
    """delta-rs's settings for the lake, with the keys as they are now; nothing for a folder."""
    _on_one_thread()
    if not lake.url.startswith("s3://"):
        return {}
    from shardlake.connection.aws import keys  # boto3 takes a tenth of a second

    found = {"aws_conditional_put": "etag"}
    found |= {"aws_region": lake.region} if lake.region else {}
    if lake.endpoint:
        found |= {"aws_endpoint": lake.endpoint, "aws_allow_http": str(lake.endpoint.startswith("http://")).lower()}
    if lake.kms_key:
        found |= {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": lake.kms_key}
    if own := keys(lake):
        found |= dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), map(str, filter(None, own)), strict=False))
    return found


class Delta:
    """The table at `uri`; made, or given new columns, by the first batch. Raises LakeUnavailable."""

    def __init__(self, view: View, layout: Layout, lake: Lake, uri: str) -> None:
        self._layout, self._uri, self._lake = layout, uri, lake
        self._keys = Keys.of(view)
        self._seen = -1
        self._derived = {t.name: t for t in layout.partition_by if t.unit != "identity"}

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri, storage_options=storage(self._lake))
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeUnavailable(
                f"the Delta table {self._uri} cannot be opened ({type(error).__name__})", hint="It is tried again."
            ) from None

    def rows_of(self, units: pl.DataFrame) -> pl.DataFrame | None:
        """As `CurrentTable` has it."""
        table = self._open()
        if table is None:
            return None
        self._seen = table.version()
        dataset: Any = table.to_pyarrow_dataset()
        columns = [n for n in dataset.schema.names if n not in self._derived]
        first = next(k for k in self._keys.unit if k != "_shard")
        inside = None
        if found := _exact(self._keys.bounds(units, first)):
            inside = (pc.field(first) >= pa.scalar(found[0])) & (pc.field(first) <= pa.scalar(found[1]))
            if isinstance(
                found[0], str
            ):  # delta-rs writes text as string_view, which Arrow compares with nothing: whole files are passed over
                files = list(dataset.get_fragments(filter=inside))
                dataset, inside = FileSystemDataset(files, dataset.schema, dataset.format, dataset.filesystem), None
        rows = [frame_of(pa.Table.from_batches([], schema=pa.schema([dataset.schema.field(c) for c in columns])))]
        for part in dataset.to_batches(
            columns=columns,
            filter=inside,
            batch_size=16_384,
            batch_readahead=1,
            fragment_readahead=1,
            fragment_scan_options=None if self._uri.startswith("s3://") else _LOCAL,
        ):
            if part.num_rows:
                rows.append(rows_among(pa.Table.from_batches([part]), units, self._keys))
        return pl.concat(rows, how="vertical_relaxed")

    def apply(self, upserts: pl.DataFrame, gone: pl.DataFrame, *, replaced: int) -> None:
        """As `CurrentTable` has it."""
        columns = upserts.columns
        upserts = upserts.with_columns(values_of(_unfolded(upserts, t.column), t).alias(n) for n, t in self._derived.items())
        try:
            table = self._open() or self._create(plain_arrow(upserts.clear()).schema)
            if replaced or table.version() != self._seen:
                figures = self._merge(table, upserts, gone, columns)
            else:  # a merge would read the whole table to find that
                rows = _rows(table)
                write_deltalake(table, plain_arrow(upserts), mode="append", schema_mode="merge", writer_properties=_WRITER)
                figures = {"rows added": (upserts.height, _rows(table) - rows)}
            self._require(table, figures)
        except (DeltaError, OSError) as error:
            raise LakeUnavailable(
                f"the Delta table {self._uri} did not take a commit ({type(error).__name__})", hint="It is tried again."
            ) from None

    def _create(self, schema: pa.Schema) -> DeltaTable:
        """An empty table: what the first batch adds can be taken back as any other can."""
        table = DeltaTable.create(
            self._uri, schema, mode="error", partition_by=[t.name for t in self._layout.partition_by] or None,
            storage_options=storage(self._lake), configuration={"delta.logRetentionDuration": "interval 7 days"},
        )  # fmt: skip
        self._seen = table.version()
        return table

    def _merge(self, table: DeltaTable, upserts: pl.DataFrame, gone: pl.DataFrame, columns: list[str]) -> dict[str, tuple[int, int]]:
        source = pl.concat([upserts.with_columns(pl.lit(False).alias(_GONE)), gone.with_columns(pl.lit(True).alias(_GONE))], how="diagonal")
        every = {n: f"s.{ansi(n)}" for n in (*columns, *self._derived)}
        same = " AND ".join(f"t.{ansi(k)} = s.{ansi(k)}" for k in self._keys.key)
        found = (
            table.merge(plain_arrow(source), same, source_alias="s", target_alias="t", merge_schema=True, writer_properties=_WRITER)
            .when_matched_delete(f"s.{_GONE}")
            .when_matched_update(every, f"NOT s.{_GONE}")
            .when_not_matched_insert(every, f"NOT s.{_GONE}")
            .execute()
        )
        written = found["num_target_rows_inserted"] + found["num_target_rows_updated"]
        return {
            "rows inserted or updated": (upserts.height, written), "rows deleted": (gone.height, found["num_target_rows_deleted"]),
        }  # fmt: skip

    def _require(self, table: DeltaTable, figures: dict[str, tuple[int, int]]) -> None:
        """Take the commit back where the table says other figures than ours."""
        try:
            require_same(f"the Delta table {self._uri}, version {table.version()}", figures)
        except AccountingError:
            before = table.version() - 1
            table.restore(before)
            if before != self._seen:
                raise LakeUnavailable(f"another writer changed rows of the Delta table {self._uri}", hint="It is tried again.") from None
            raise


def _exact(bounds: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
    """Bounds by which files may be passed over. Those that Delta's log has for decimals are floats, or cut to 64 bits; Arrow compares no bytes."""
    if bounds is None or isinstance(bounds[0], bytes):
        return None
    if isinstance(bounds[0], Decimal) and (bounds[0].as_tuple().exponent or not -_MOST < bounds[0] <= bounds[1] < _MOST):
        return None
    return bounds


def files(lake: Lake, uri: str) -> list[tuple[str, int, int]]:
    """The files of the table's newest version: path under the table, rows and bytes. There are none before its first row."""
    try:
        actions = pa.table(DeltaTable(uri, storage_options=storage(lake)).get_add_actions(flatten=True))
    except TableNotFoundError:
        return []
    return list(zip(*(actions.column(c).to_pylist() for c in ("path", "num_records", "size_bytes")), strict=True))


def compact(lake: Lake, uri: str, size: int) -> tuple[int, int]:
    """Compact the table by its own means; files before and after. What was replaced goes with a sweep.

    Raises AccountingError where the table has other rows afterwards than before, with the compaction taken back.
    """
    try:
        table = DeltaTable(uri, storage_options=storage(lake))
        before, rows, seen = len(table.file_uris()), _rows(table), table.version()
        table.optimize.compact(target_size=size, max_concurrent_tasks=1, writer_properties=_WRITER)
        table = DeltaTable(uri, storage_options=storage(lake))
        try:
            require_same(f"the Delta table {uri}, compacted as version {table.version()}", {"rows": (rows, _rows(table))})
        except AccountingError:
            table.restore(seen)
            raise
        return before, len(table.file_uris())
    except TableNotFoundError:
        return 0, 0
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"the Delta table {uri} cannot be compacted ({type(error).__name__})", hint="It is tried again.") from None


def _rows(table: DeltaTable) -> int:
    """The rows of a table's files, by its log."""
    return sum(filter(None, pa.table(table.get_add_actions(flatten=True)).column("num_records").to_pylist()))


def vacuum(lake: Lake, uri: str, grace: timedelta) -> int:
    """Remove the files that the newest version does not know, when they are older than the grace or than the table's own setting."""
    try:
        table = DeltaTable(uri, storage_options=storage(lake))
        hours = None if _RETENTION in table.metadata().configuration else ceil(grace / timedelta(hours=1))
        if not table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True):
            return 0  # nothing is written down where nothing goes
        return len(table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))
    except TableNotFoundError:
        return 0
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"the Delta table {uri} cannot be swept ({type(error).__name__})", hint="It is tried again.") from None


def _unfolded(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    return frame.select(pl.col(folded(column)).alias(column))
