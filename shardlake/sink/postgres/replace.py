"""replace: whole tables into a new one beside the target, and a switch in one transaction that readers do not notice."""

from typing import Any
from uuid import UUID

import psycopg

from shardlake.errors import AccountingError
from shardlake.failpoints import failpoint
from shardlake.ledger.sinks import Brought
from shardlake.quoting import ansi, ansi_list, postgres_text
from shardlake.sink.postgres.locks import locking
from shardlake.sink.postgres.names import target
from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


def new_table(view: View, run_id: UUID) -> str:
    """The table that a run fills."""
    return f"{ansi(view.warehouse.schema_name)}.{ansi(_new_name(view, run_id))}"


def _new_name(view: View, run_id: UUID) -> str:
    return f"{view.warehouse.table_name}__new_{run_id.hex[:6]}"


def ensure_new_table(connection: Connection, view: View, run_id: UUID) -> None:
    """Create the run's new table, alike the target."""
    with locking(connection, view, target(view)):
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"shardlake.target.{view.warehouse.table}",))
        connection.execute(f"CREATE TABLE IF NOT EXISTS {new_table(view, run_id)} (LIKE {target(view)} INCLUDING ALL)")


def drop_leftovers(connection: Connection, view: View) -> None:
    """Remove new tables that earlier runs left behind."""
    rows = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, %s)",
        (view.warehouse.schema_name, f"{view.warehouse.table_name}__new_"),
    ).fetchall()
    for (name,) in rows:
        connection.execute(f"DROP TABLE {ansi(view.warehouse.schema_name)}.{ansi(name)}")


def swap(
    connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...], kept: list[str], brought: list[Brought]
) -> None:
    """Put the new table in the target's place. The rows of the shards in `kept`, which did not arrive, stay as they are;
    `brought` is what the run's windows brought of the others.

    Rights go over to the new table. Where views of others stand on the target, rows are exchanged and the table stays.
    """
    old, new = target(view), new_table(view, run_id)
    names = ansi_list(tuple(c.name for c in columns))
    with locking(connection, view, old):
        if kept:
            connection.execute(f"DELETE FROM {new} WHERE _shard = ANY(%s)", (kept,))  # of a shard that failed in its midst
        _require_windows(connection, view, run_id, [b for b in brought if b.partition not in kept])
        if kept:
            _keep(connection, view, run_id, columns, kept)
        connection.execute(f"LOCK TABLE {old} IN ACCESS EXCLUSIVE MODE")
        if _has_dependents(connection, old):
            connection.execute(f"DELETE FROM {old}")
            written = connection.execute(f"INSERT INTO {old} ({names}) SELECT {names} FROM {new}").rowcount
            _require(view, run_id, old, written, _one(connection, f"SELECT count(*) FROM {new}"), "are in its new table")
            connection.execute(f"DROP TABLE {new}")
        else:
            for statement in _rights(connection, old, new, view.description):
                connection.execute(statement)
            connection.execute(f"DROP TABLE {old}")
            connection.execute(f"ALTER TABLE {new} RENAME TO {ansi(view.warehouse.table_name)}")
        failpoint("swap.before_commit")
    failpoint("swap.committed")


def _keep(connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...], kept: list[str]) -> None:
    """Take the rows of shards that did not arrive over from the old table; a key that another shard has now is decided as in a merge."""
    old, new, names = target(view), new_table(view, run_id), ansi_list(tuple(c.name for c in columns))
    changed = [c.name for c in columns if c.name not in view.key]
    same = " AND ".join(f"m.{ansi(k)} = o.{ansi(k)}" for k in view.key)
    stronger = " AND m._shard > o._shard" if changed else ""
    wanted = _one(
        connection,
        f"SELECT count(*) FROM {old} o WHERE o._shard = ANY(%s) AND NOT EXISTS (SELECT FROM {new} m WHERE {same}{stronger})",
        kept,
    )
    otherwise = (
        f"UPDATE SET {', '.join(f'{ansi(n)} = excluded.{ansi(n)}' for n in changed)} WHERE excluded._shard > m._shard"
        if changed
        else "NOTHING"
    )
    written = connection.execute(
        f"INSERT INTO {new} AS m ({names}) SELECT {names} FROM {old} WHERE _shard = ANY(%s) ON CONFLICT ({ansi_list(view.key)}) DO {otherwise}",
        (kept,),
    ).rowcount
    _require(view, run_id, new, written, wanted, f"of {', '.join(kept)} are to be kept")


def _require_windows(connection: Connection, view: View, run_id: UUID, brought: list[Brought]) -> None:
    """The new table holds what the run's windows brought into it, but for rows that gave way to another shard's. Raises AccountingError."""
    new = new_table(view, run_id)
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
            hint="Nothing was switched; the table is as it was. Look for a trigger or a rule on it that drops rows or adds some.",
        )


def _require(view: View, run_id: UUID, table: str, written: int, wanted: int, what: str) -> None:
    if written != wanted:
        raise AccountingError(
            f"{view.name}, run {run_id}: the switch wrote {written} rows into {table}, and {wanted} {what}",
            hint="Nothing was switched; the table is as it was. Look for a trigger or a rule on it that drops rows or adds some.",
        )


def _one(connection: Connection, statement: str, *values: object) -> int:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])


def _has_dependents(connection: Connection, table: str) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass"
        " WHERE d.refobjid = %s::regclass AND r.ev_class <> d.refobjid)"
        " OR EXISTS (SELECT FROM pg_constraint WHERE confrelid = %s::regclass)", (table, table)
    ).fetchone()  # fmt: skip
    return bool(row and row[0])


def _rights(connection: Connection, old: str, new: str, description: str) -> list[str]:
    rows = connection.execute(
        "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type, a.is_grantable"
        " FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = %s::regclass AND a.grantee <> c.relowner", (old,)
    ).fetchall()  # fmt: skip
    statements = [
        f"GRANT {privilege} ON {new} TO {grantee}{' WITH GRANT OPTION' if grantable else ''}" for grantee, privilege, grantable in rows
    ]
    return statements + ([f"COMMENT ON TABLE {new} IS {postgres_text(description)}"] if description else [])
