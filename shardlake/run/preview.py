"""What a run would do, before it does it: windows, estimates, indexes, statements, type decisions, drift, DDL.

Reads catalogues, clocks and the ledger, and none of the rows, but for a look at some where columns are inferred.
"""

from dataclasses import dataclass, field
from typing import Any

from shardlake.errors import ShardlakeError
from shardlake.ledger import runs, windows
from shardlake.run.contract import drift
from shardlake.run.job import Job
from shardlake.run.renew import next_of
from shardlake.source.door import Described, Explains, Explanation
from shardlake.view.columns import target_columns, version_type
from shardlake.view.view import View

_NARROWER = {"numeric": ("bigint", "boolean"), "bigint": ("boolean",)}
"""By the type that a draft declares, those that hold less: of unsigned numbers, of bits."""
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
    unreachable: dict[str, int] = field(default_factory=dict)
    error: str | None = None


@dataclass(slots=True)
class SchemaPreview:
    """The schema that a view's columns are of, and what the next one would bring, as a look at the source has found it; a line each."""

    version: int
    at: str
    columns: int
    new: bool
    next: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(slots=True)
class Preview:
    """What a run would do. `schema` is of a view whose columns are inferred."""

    view: str
    shards: list[ShardPreview] = field(default_factory=list)
    types: list[dict[str, str]] = field(default_factory=list)
    ddl: list[str] = field(default_factory=list)
    ddl_error: str | None = None
    unused: list[str] = field(default_factory=list)
    schema: SchemaPreview | None = None

    @property
    def ok(self) -> bool:
        """Whether the run could be done as it stands."""
        return self.ddl_error is None and all(s.error is None for s in self.shards)


def preview(job: Job, shards: list[str] | None = None, *, full: bool = False) -> Preview:
    """Plan every shard. A shard that cannot be planned has its error in its place."""
    found = Preview(job.view.name, schema=_schema(job))
    schemas: dict[str, dict[str, str]] = {}
    first: Explanation | None = None
    for name in shards or job.partitions:
        line = ShardPreview(name)
        found.shards.append(line)
        try:
            seen = _shard(job, line, full)
        except ShardlakeError as error:
            line.error = str(error)
            continue
        first = first or seen
        schemas[name] = seen.plan.schema
    with job.ledger.connection() as connection:
        odd = drift(job.view, schemas, runs.contract(connection, job.feed)) if schemas else {}
    for line in found.shards:
        if line.shard in odd:
            line.error = str(odd[line.shard])
    if first is not None:
        found.types = type_decisions(job.view, first.columns)
        found.unused = [c.name for c in first.columns if c.name not in job.view.source_columns]
        kind = first.plan.extent.version_kind
        for sink in job.sinks.values():
            try:
                found.ddl += sink.planned(target_columns(job.view, version_type(kind or "")))
            except ShardlakeError as error:
                found.ddl_error = found.ddl_error or str(error)
    return found


def _schema(job: Job) -> SchemaPreview | None:
    """The schema of the job's columns. Where the source cannot be looked at, that says why."""
    if job.held is None:
        return None
    now = job.held.schema
    found = SchemaPreview(now.version, now.at.isoformat(), len(now.columns), job.held.new, remarks=list(now.remarks))
    if not job.held.new:
        try:
            following = next_of(job)
            found.next, found.remarks = following.changes(), list(following.remarks)
        except ShardlakeError as error:
            found.error = str(error)
    return found


def _shard(job: Job, line: ShardPreview, full: bool) -> Explanation:
    name, view = job.partition(line.shard), job.view
    with job.ledger.connection() as connection:
        position = None if full else windows.position(connection, job.feed, name)
        line.unfinished = windows.unfinished(connection, job.feed, name) is not None
    if isinstance(job.source, Explains):
        found = job.source.explain(view, name, position)
    else:
        plan = job.source.plan(view, name, position)
        found = Explanation(plan, tuple(Described(n, kind, kind) for n, kind in plan.schema.items()), notes=plan.notes)
    extent = found.plan.extent
    line.lower, line.upper, line.order = extent.from_version, extent.to_version, found.order
    line.anything, line.notes, line.select = found.plan.anything, list(found.notes), found.statement
    line.window_rows, line.index, line.full_scan, line.table_rows = found.window_rows, found.index, found.full_scan, found.table_rows
    line.unreachable = dict(found.plan.unreachable)
    return found


def type_decisions(view: View, columns: tuple[Described, ...]) -> list[dict[str, str]]:
    """Each column: what it is at the source, what it becomes, and whether every value fits or each is judged."""
    declared = {c.name: c for c in columns}
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
            how = "every value" if fits and column.type.name not in _NARROWER.get(source.target, ()) else "judged by value"
        target = f"{column.type}; in the lake {column.lake}" if column.lake else str(column.type)
        lines.append({"column": name, "from": str(column.path), "source": kind, "target": target, "fits": how})
    return lines
