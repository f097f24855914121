"""stage: a window's view rows into its own unlogged all-text table, streamed by COPY, chunk by chunk."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from shardlake.errors import ContractError
from shardlake.failpoints import failpoint
from shardlake.load.names import quoted, quoted_list, staging, staging_rejects
from shardlake.shape.chunk import Reject, Shaped
from shardlake.view import View

Connection = psycopg.Connection[Any]
_BLOCK = 1 << 18
_CSV = pa.csv.WriteOptions(include_header=False, quoting_style="needed")  # strings quoted, NULL not: '' and NULL differ


@dataclass(frozen=True, slots=True)
class Staged:
    """What is in staging: rows by kind, and the seconds of shaping and copying."""

    window_id: int
    raw_rows: int
    shaped: int
    shape_rejected: int
    staged: int
    view_rows: int
    suspects: int
    shape_seconds: float
    stage_seconds: float


def staging_columns(view: View) -> tuple[str, ...]:
    """The columns of staging, in the order of `shape_query`."""
    return (*view.columns, *(("_cursor",) if view.version_column == "_cursor" else ()), "_op", "_suspect")


def stage(connection: Connection, view: View, window_id: int, chunks: Iterable[Shaped]) -> Staged:
    """COPY shaped chunks into a fresh staging table; memory holds one chunk.

    Raises psycopg.Error; the caller's `Warehouse.connection` makes ours of it.
    """
    table, columns = staging(window_id), staging_columns(view)
    raw_rows = shaped = rejected = staged = view_rows = suspects = 0
    rejects: list[Reject] = []
    shaping = 0.0
    started = time.perf_counter()
    with connection.transaction():
        drop_staging(connection, window_id)
        lines = ", ".join(f"{quoted(c)} text" for c in columns)
        connection.execute(f"CREATE UNLOGGED TABLE {table} ({lines}) WITH (autovacuum_enabled = false)")  # type: ignore[call-overload]
        connection.execute(  # type: ignore[call-overload]
            f"CREATE UNLOGGED TABLE {staging_rejects(window_id)} (row_key jsonb, column_name text, value text, reason text)"
        )
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({quoted_list(columns)}) FROM STDIN (FORMAT csv)") as copy:  # type: ignore[call-overload]
            waited = time.perf_counter()
            for chunk in chunks:
                shaping += time.perf_counter() - waited
                if tuple(chunk.rows.column_names) != columns:
                    raise ContractError("the shaped columns are not those of staging")
                data = memoryview(_csv(chunk.rows))
                for start in range(0, len(data), _BLOCK):
                    copy.write(data[start : start + _BLOCK])
                shaped += chunk.shaped
                rejected += len(chunk.rejects)
                raw_rows += chunk.shaped + len(chunk.rejects)
                staged += chunk.rows.num_rows
                # an exploded parent without elements is a mark in staging, not a row of the view
                marks = pc.sum(pc.is_valid(chunk.rows.column("_op"))).as_py() if view.explode else 0
                view_rows += chunk.rows.num_rows - (marks or 0)
                suspects += chunk.rows.num_rows - chunk.rows.column("_suspect").null_count
                rejects += chunk.rejects
                waited = time.perf_counter()
            shaping += time.perf_counter() - waited
        if rejects:
            with connection.cursor() as cursor, cursor.copy(f"COPY {staging_rejects(window_id)} FROM STDIN") as copy:  # type: ignore[call-overload]
                for reject in rejects:
                    copy.write_row((json.dumps(reject.key).replace("\\u0000", "␀"), reject.column, reject.value, reject.reason))
    failpoint("stage.copied")
    return Staged(window_id, raw_rows, shaped, rejected, staged, view_rows, suspects, shaping, time.perf_counter() - started - shaping)


def drop_staging(connection: Connection, window_id: int) -> None:
    """Remove a window's staging tables."""
    connection.execute(f"DROP TABLE IF EXISTS {staging(window_id)}, {staging_rejects(window_id)}")  # type: ignore[call-overload]


def _csv(rows: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(rows, sink, _CSV)
    return sink.getvalue()
