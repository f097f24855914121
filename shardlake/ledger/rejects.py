"""The ledger's rejects: those of a window, and which of earlier ones are settled by it.

A row that is read again is told by its key: what the newer reading makes of it counts, and the old line becomes history. So a
row that was mended at the source leaves the list by itself, and one that is still bad stands there once.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from shardlake.quoting import ansi, postgres_text
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
Line = tuple[str, str, str, str | None, str]
"""A reject: its stage, its row's key as JSON, column, value, reason."""
KEYS = "pg_temp.shardlake_keys"
"""Where the keys of a window's rows are while it is recorded, as texts under their columns' names."""


def any_open(connection: Connection, view: str, partition: str, before: int) -> bool:
    """Whether earlier windows have rejects whose rows were not read again."""
    row = connection.execute(
        "SELECT 1 FROM shardlake.rejects WHERE view = %s AND shard = %s AND read_again_at IS NULL AND window_id < %s LIMIT 1",
        (view, partition, before),
    ).fetchone()
    return row is not None


def commonest(connection: Connection, view: str, *, shard: str | None = None, layout: str | None = None) -> tuple[str, str] | None:
    """The column and the reason that most rejected rows have which were not read again: of a shard, or those of a layout's own."""
    row = connection.execute(
        "SELECT column_name, reason FROM shardlake.rejects WHERE view = %s AND read_again_at IS NULL AND (%s::text IS NULL OR shard = %s)"
        " AND CASE WHEN %s::text IS NULL THEN stage <> 'lake' ELSE stage = 'lake' AND layout = %s END"
        " GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT 1", (view, shard, shard, layout, layout)
    ).fetchone()  # fmt: skip
    return (row[0], row[1]) if row else None


def key_names(view: View) -> tuple[str, ...]:
    """The columns by which a row is told: those that hold its source's key, and those of its own."""
    own = [t for k in view.source.primary_key if (t := view.target_of(k)) is not None]
    return tuple(dict.fromkeys([*own, *(k for k in view.key if k != "_shard")]))


def record(connection: Connection, view: View, partition: str, window_id: int, lines: Iterable[Line]) -> int:
    """Write down a window's rejects, but for a sink's own, in place of those that stand there. Returns how many the server took.

    Those whose row a later window has read again stay history.
    """
    settled = [
        key for key, again in connection.execute(
            "DELETE FROM shardlake.rejects WHERE view = %s AND window_id = %s AND stage <> 'lake' RETURNING row_key::text, read_again_at",
            (view.name, window_id),
        ).fetchall() if again is not None
    ]  # fmt: skip
    with connection.cursor() as cursor:
        with cursor.copy("COPY shardlake.rejects (window_id, view, shard, stage, row_key, column_name, value, reason) FROM STDIN") as copy:
            for line in lines:
                copy.write_row((window_id, view.name, partition, *line))
        count = cursor.rowcount
    if settled:
        connection.execute(
            "UPDATE shardlake.rejects SET read_again_at = now() WHERE view = %s AND window_id = %s AND stage <> 'lake' AND row_key::text = ANY(%s)",
            (view.name, window_id, settled),
        )
    return count


def settle(connection: Connection, view: View, partition: str, window_id: int) -> None:
    """Mark the rejects of earlier windows whose rows this window has read: their keys stand in KEYS."""
    of_view = f"r.view = {postgres_text(view.name)} AND r.shard = {postgres_text(partition)} AND r.read_again_at IS NULL"
    for same in (_same_file(window_id), *_same_row(view, window_id)):
        connection.execute(f"UPDATE shardlake.rejects r SET read_again_at = now() WHERE {of_view} AND r.window_id < {window_id} AND {same}")
    connection.execute(f"UPDATE shardlake.rejects r SET read_again_at = now() WHERE {of_view} AND r.window_id < ({_snapshot(window_id)})")


def _snapshot(window_id: int) -> str:
    """The first window of the snapshot that ends with this one; NULL where it ends none. Behind it every row has been read again."""
    same = "w.feed = e.feed AND w.partition = e.partition AND w.backfill_id IS NULL AND w.snapshot"
    return (
        f"SELECT max(w.window_id) FROM shardlake.windows e JOIN shardlake.windows w ON {same} AND w.start_position IS NULL"
        f" AND w.status <> 'abandoned' AND w.window_id <= e.window_id WHERE e.window_id = {window_id} AND e.backfill_id IS NULL AND e.ends_snapshot"
    )


def _same_file(window_id: int) -> str:
    """A condition that a reject `r` is of a record of a file that this window has read, with other content."""
    return (
        "r.stage = 'shape' AND r.row_key ->> '_file' IN (SELECT i.name FROM shardlake.items i JOIN shardlake.windows w USING (feed, partition)"
        f" WHERE w.window_id = {window_id} AND i.window_id = {window_id})"
    )


def _same_row(view: View, window_id: int) -> Iterator[str]:
    """Conditions that a reject `r` is of a row of this window. Shape names a row by its source's key, the judge by the view's.

    A row is known by its source's key alone: two rows of a partition may have one key in the view.
    """
    targets = {k: view.target_of(k) for k in view.source.primary_key}
    known = {k: t for k, t in targets.items() if t is not None}
    rejected = f"(SELECT s.row_key FROM shardlake.rejects s WHERE s.view = {postgres_text(view.name)} AND s.window_id = {window_id} AND s.stage = 'shape')"
    yield f"r.stage = 'shape' AND r.row_key IN {rejected}"
    if len(known) < len(targets):
        return
    spelt = {t: _AS_IT_IS if view.columns[t].type.name in ("text", "varchar") else _SPELT for t in known.values()}
    yield f"r.stage = 'shape' AND {_among(known, spelt)}"
    if {*known.values()} <= {*view.key}:
        yield f"r.stage <> 'shape' AND {_among({t: t for t in known.values()}, spelt)}"
        same = " AND ".join(
            f"{spelt[t].format(f's.row_key ->> {postgres_text(k)}')} = {spelt[t].format(f'r.row_key ->> {postgres_text(t)}')}"
            for k, t in known.items()
        )
        yield f"r.stage <> 'shape' AND EXISTS (SELECT FROM {rejected} s WHERE {same})"


_AS_IT_IS = "{}"
_SPELT = "regexp_replace(lower({}), '^\\\\x|\\+00$', '', 'g')"
"""A key as shape writes it into a reject and as the rows have it, alike: bytes, instants and booleans are spelt in two ways. Texts
are not, and two that differ in capitals are two."""


def _among(columns: dict[str, str], spelt: dict[str, str]) -> str:
    """Whether a row of the window has the reject's key: `columns` maps its names to the rows'. Keys are kept to 500 characters."""
    same = (
        f"{spelt[c].format(f'left(s.{ansi(c)}, 500)')} = {spelt[c].format(f'r.row_key ->> {postgres_text(k)}')}" for k, c in columns.items()
    )
    return f"EXISTS (SELECT FROM {KEYS} s WHERE {' AND '.join(same)})"
