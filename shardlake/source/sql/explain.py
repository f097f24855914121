"""How a shard would be read: the statement, the index that the server takes, its own estimates. Reads none of the rows."""

from shardlake.connection.address import Shard
from shardlake.source.door import Described, Explanation
from shardlake.source.sql.dialect import SourceColumn
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.plan import plan_window
from shardlake.source.sql.position import window_of
from shardlake.source.sql.select import chunk_sql, describe, tables
from shardlake.source.sql.window import Watermark, Window
from shardlake.view.view import View


def explain(view: View, shard: Shard, mark: Watermark | None) -> Explanation:
    """The window behind `mark`, and how the shard would read it. Raises as `plan_window` does."""
    plan, source = plan_window(view, shard, mark), tables(view)
    window, speaker = window_of(plan.extent.plan), dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            statement = chunk_sql(view, speaker, relation, window, after=window.after, limit=10_000)
            access = speaker.explain(connection, statement.rsplit(" LIMIT ", 1)[0])
            rows = speaker.estimate(connection, source.table)[0] if source.table else None
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None
    notes = plan.notes
    if window.order == "cursor" and access.full_scan:
        where = source.table or "the tables of extract.sql"
        notes += (
            f"no index serves the cursor: each run reads the whole table; on the shard: CREATE INDEX ON {where} ({', '.join(source.cursors)})",
        )
    columns = tuple(described(c) for c in relation.available)
    return Explanation(plan, columns, window.order, statement, access.index, access.full_scan, access.rows, rows, notes)


def estimate(view: View, shard: Shard, window: Window) -> int | None:
    """About how many rows a window holds; None for the rest of one that was closed early, and for a statement of one's own, which some
    servers carry out in part to explain it.
    """
    if not tables(view).table or window.after is not None:
        return None
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            statement = chunk_sql(view, speaker, relation, window, after=None, limit=1)
            return speaker.explain(connection, statement.rsplit(" LIMIT ", 1)[0]).rows or None
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None


def described(column: SourceColumn) -> Described:
    """A column as the engine knows it."""
    return Described(column.name, column.kind, column.declared, column.target, column.advice)
