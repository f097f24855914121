"""replace: whole tables into a new one beside the target, and a switch in one transaction that readers do not notice."""

import re
from typing import Any
from uuid import UUID

import psycopg

from shardlake.errors import AccountingError
from shardlake.failpoints import failpoint
from shardlake.ledger.migrate import STAGING
from shardlake.ledger.sinks import Brought
from shardlake.quoting import ansi, ansi_list, postgres_text
from shardlake.sink.postgres.exchange import exchange, require
from shardlake.sink.postgres.locks import locking
from shardlake.sink.postgres.names import target
from shardlake.sink.postgres.plain_table import carry_rights, is_plain, take_place
from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


def new_table(run_id: UUID) -> str:
    """The table that a run fills. It lies in Shardlake's own schema, and its name is the run's id: the ledger knows it again."""
    return f"{STAGING}.new_{run_id.hex}"


def ensure_new_table(connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...]) -> None:
    """Create the run's new table: one that can take a plain target's place, or one that only holds the rows until they are exchanged."""
    new, old = new_table(run_id), target(view)
    if _exists(connection, new):
        return
    with locking(connection, view, old):
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"shardlake.target.{view.warehouse.table}",))
        if _exists(connection, new):
            return
        if is_plain(connection, old, columns):
            connection.execute(f"CREATE TABLE {new} (LIKE {old} INCLUDING INDEXES)")
        else:
            names = ansi_list(tuple(c.name for c in columns))
            connection.execute(f"CREATE UNLOGGED TABLE {new} AS SELECT {names} FROM {old} WITH NO DATA")
            connection.execute(f"ALTER TABLE {new} ADD PRIMARY KEY ({ansi_list(view.key)})")


def leftovers(connection: Connection, view: View) -> dict[str, str]:
    """Tables here that may be new tables of runs that were killed: each with what the run's id begins with, for the ledger to tell."""
    rows = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, 'new_')"
        " OR schemaname = %s AND starts_with(tablename, %s)",  # as earlier versions named them
        (STAGING, view.warehouse.schema_name, f"{view.warehouse.table_name}__new_"),
    ).fetchall()
    found = {f"{ansi(schema)}.{ansi(name)}": re.search("(?:^|__)new_([0-9a-f]{6}|[0-9a-f]{32})$", name) for schema, name in rows}
    return {table: run[1] for table, run in found.items() if run}


def drop(connection: Connection, table: str) -> None:
    """Remove a new table that a run has left behind."""
    connection.execute(f"DROP TABLE IF EXISTS {table}")


def swap(
    connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...], kept: list[str], brought: list[Brought]
) -> None:
    """Put what the new table holds in the target's place. The rows of the shards in `kept`, which did not arrive, stay as they are;
    `brought` is what the run's windows brought of the others.

    A plain target gives way to the new table itself, with its rights. Any other stays, and its rows are exchanged.
    """
    old, new = target(view), new_table(run_id)
    with locking(connection, view, old):
        if kept:
            connection.execute(f"LOCK TABLE {old} IN SHARE ROW EXCLUSIVE MODE")  # what is taken over from it must not change meanwhile
            connection.execute(f"DELETE FROM {new} WHERE {_of(kept)}")  # of a shard that failed in its midst
        _require_windows(connection, view, run_id, [b for b in brought if b.partition not in kept])
        if kept:
            _keep(connection, view, run_id, columns, kept)
        if _gives_way(connection, columns, old, new):
            take_place(connection, view, old, new)
        else:
            exchange(connection, view, run_id, columns, old, new)
        failpoint("swap.before_commit")
    failpoint("swap.committed")


def _gives_way(connection: Connection, columns: tuple[TargetColumn, ...], old: str, new: str) -> bool:
    """Whether the new table can take the target's place with nothing lost. It is locked then, and its rights are carried over."""
    if _one(connection, "SELECT count(*) FROM pg_class WHERE oid = %s::regclass AND relpersistence = 'p'", new) == 0:
        return False
    if not is_plain(connection, old, columns):
        return False
    connection.execute(f"LOCK TABLE {old} IN ACCESS EXCLUSIVE MODE")
    return is_plain(connection, old, columns) and carry_rights(connection, old, new)


def _of(shards: list[str], prefix: str = "") -> str:
    """Whether a row is of one of the shards. Texts, not parameters: psycopg would look for more of them in names that hold a %."""
    return f"{prefix}_shard IN ({', '.join(map(postgres_text, shards))})"


def _keep(connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...], kept: list[str]) -> None:
    """Take the rows of shards that did not arrive over from the old table; a key that another shard has now is decided as in a merge."""
    old, new, names = target(view), new_table(run_id), ansi_list(tuple(c.name for c in columns))
    changed = [c.name for c in columns if c.name not in view.key]
    same = " AND ".join(f"m.{ansi(k)} = o.{ansi(k)}" for k in view.key)
    stronger = " AND m._shard > o._shard" if changed else ""
    wanted = _one(
        connection,
        f"SELECT count(*) FROM {old} o WHERE {_of(kept, 'o.')} AND NOT EXISTS (SELECT FROM {new} m WHERE {same}{stronger})",
    )
    otherwise = (
        f"UPDATE SET {', '.join(f'{ansi(n)} = excluded.{ansi(n)}' for n in changed)} WHERE excluded._shard > m._shard"
        if changed
        else "NOTHING"
    )
    written = connection.execute(
        f"INSERT INTO {new} AS m ({names}) SELECT {names} FROM {old} WHERE {_of(kept)} ON CONFLICT ({ansi_list(view.key)}) DO {otherwise}"
    ).rowcount
    require(view, run_id, new, "wrote", written, f"{wanted} of {', '.join(kept)} are to be kept")


def _require_windows(connection: Connection, view: View, run_id: UUID, brought: list[Brought]) -> None:
    """The new table holds what the run's windows brought into it, but for rows that gave way to another shard's. Raises AccountingError."""
    new = new_table(run_id)
    held = dict(connection.execute(f"SELECT _shard, count(*) FROM {new} GROUP BY 1").fetchall())
    by_shard = {b.partition: b for b in brought}
    rows = [
        (shard, held.get(shard, 0), b.merged if b else 0, b.removed if b else 0, b.windows if b else "")
        for shard in sorted({*held, *by_shard}) for b in (by_shard.get(shard),)
    ]  # fmt: skip
    if sum(row[1] for row in rows) != sum(row[2] - row[3] for row in rows):
        shards = "; ".join(
            f"{shard}: {held} rows, and {merged} were merged by windows {ids}" for shard, held, merged, _, ids in rows if held != merged
        )
        raise AccountingError(
            f"{view.name}, run {run_id}: the new table {new} holds other rows than its windows merged ({shards};"
            f" {sum(row[3] for row in rows)} gave way to another shard's)",
            hint="Nothing was switched; the table is as it was. A crash of the server may empty the new one: run it again.",
        )


def _one(connection: Connection, statement: str, *values: object) -> int:
    row = connection.execute(statement, values or None).fetchone()
    assert row is not None
    return int(row[0])


def _exists(connection: Connection, new: str) -> bool:
    """Not by to_regclass, which may remember within a transaction what it has found before."""
    return _one(connection, "SELECT count(*) FROM pg_tables WHERE schemaname || '.' || tablename = %s", new) == 1
