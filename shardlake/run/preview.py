"""What a run would do, before it does it: windows, estimates, indexes, statements, type decisions, drift, DDL.

Reads catalogues, clocks and the ledger, and none of the rows.
"""

from dataclasses import dataclass, field
from typing import Any

from shardlake.errors import ShardlakeError
from shardlake.ledger import runs, windows
from shardlake.run.job import Job
from shardlake.sink.postgres.target import plan_ddl
from shardlake.source.sql.dialect import dialect
from shardlake.source.sql.plan import cursor_kind, drift, plan_window
from shardlake.source.sql.select import Relation, chunk_sql, describe
from shardlake.view.columns import target_columns, version_type
from shardlake.view.view import View

_EXACT: dict[str, tuple[str, ...]] = {
    "int": ("bigint", "numeric", "text"), "decimal": ("numeric", "text"), "text": ("text",), "json": ("jsonb", "text"),
    "float": ("double precision", "text"), "bytes": ("bytea",), "instant": ("timestamptz", "text"),
    "datetime": ("timestamp", "timestamptz", "text"), "date": ("date", "timestamp", "timestamptz", "text"),
    "time": ("interval", "text"), "bool": ("boolean", "text", "bigint", "numeric"), "geometry": ("text",), "array": ("text",),
}  # fmt: skip


@dataclass(slots=True)
class ShardPreview:
    """What a run would do on one shard."""

    shard: str
    lower: str | None = None
    upper: str | None = None
    order: str = ""
    unfinished: bool = False
    anything: bool = False
    table_rows: int | None = None
    window_rows: int | None = None
    index: str | None = None
    full_scan: bool = False
    select: str = ""
    notes: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(slots=True)
class Preview:
    """What a run would do."""

    view: str
    shards: list[ShardPreview] = field(default_factory=list)
    types: list[dict[str, str]] = field(default_factory=list)
    ddl: list[str] = field(default_factory=list)
    ddl_error: str | None = None
    unused: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the run could be done as it stands."""
        return self.ddl_error is None and all(s.error is None for s in self.shards)


def preview(job: Job, shards: list[str] | None = None, *, full: bool = False) -> Preview:
    """Plan every shard. A shard that cannot be planned has its error in its place."""
    found = Preview(job.view.name)
    kinds: dict[str, dict[str, str]] = {}
    relation: Relation | None = None
    for name in shards or list(job.shards):
        line = ShardPreview(name)
        found.shards.append(line)
        try:
            seen = _shard(job, line, full)
        except ShardlakeError as error:
            line.error = str(error)
            continue
        relation = relation or seen
        kinds[name] = seen.kinds()
    with job.warehouse.connection() as connection:
        odd = drift(job.view, kinds, runs.contract(connection, job.view.name)) if kinds else {}
        for line in found.shards:
            if line.shard in odd:
                line.error = str(odd[line.shard])
        if relation is not None:
            found.types = type_decisions(job.view, relation)
            found.unused = [c.name for c in relation.available if c.name not in job.view.source_columns]
            kind = cursor_kind(job.view, relation)
            try:
                found.ddl = plan_ddl(connection, job.view, target_columns(job.view, version_type(kind or "")))
            except ShardlakeError as error:
                found.ddl_error = str(error)
    return found


def _shard(job: Job, line: ShardPreview, full: bool) -> Relation:
    shard, view = job.shard(line.shard), job.view
    with job.warehouse.connection() as connection:
        mark = None if full else windows.watermark(connection, view.name, line.shard)
        line.unfinished = windows.unfinished(connection, view.name, line.shard) is not None
    planned = plan_window(view, shard, mark)
    line.lower, line.upper, line.order = planned.window.lower, planned.window.upper, planned.window.order
    line.anything, line.notes = planned.anything, list(planned.notes)
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            line.select = chunk_sql(view, speaker, relation, planned.window, after=planned.window.after, limit=10_000)
            access = speaker.explain(connection, line.select.rsplit(" LIMIT ", 1)[0])
            line.window_rows, line.index, line.full_scan = access.rows, access.index, access.full_scan
            if view.source.table:
                line.table_rows = speaker.estimate(connection, view.source.table)[0]
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None
    if line.order == "cursor" and line.full_scan:
        line.notes.append(
            f"no index serves the cursor: each run reads the whole table; on the shard: CREATE INDEX ON {view.source.table or 'the tables of extract.sql'} ({', '.join(view.source.cursors)})"
        )
    return relation


def type_decisions(view: View, relation: Relation) -> list[dict[str, str]]:
    """Each column: what it is at the source, what it becomes, and whether every value fits or each is judged."""
    declared = {c.name: c for c in relation.available}
    lines: list[dict[str, str]] = []
    for name, column in view.columns.items():
        source: Any = declared.get(column.path.column)
        if column.path.steps or column.path.column.startswith("$"):
            kind, how = "json path", "every value" if column.type.name in ("text", "jsonb") and not column.type.array else "judged by value"
        elif source is None:
            kind, how = "missing", "filled with NULL"
        else:
            kind = f"{source.declared} ({source.kind})"
            fits = column.type.name in _EXACT.get(source.kind, ()) and not column.type.sizes and not column.type.array
            how = (
                "every value"
                if fits
                and not (source.declared.endswith("unsigned") and column.type.name == "bigint" and source.declared.startswith("longlong"))
                else "judged by value"
            )
        target = f"{column.type}; in the lake {column.lake}" if column.lake else str(column.type)
        lines.append({"column": name, "from": str(column.path), "source": kind, "target": target, "fits": how})
    return lines
