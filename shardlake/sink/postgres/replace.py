"""replace: whole tables into a new one beside the target, and a switch in one transaction that readers do not notice."""

from typing import Any
from uuid import UUID

import psycopg

from shardlake.failpoints import failpoint
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


def swap(connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...], kept: list[str]) -> None:
    """Put the new table in the target's place. The rows of the shards in `kept`, which did not arrive, stay as they are.

    Rights go over to the new table. Where views of others stand on the target, rows are exchanged and the table stays.
    """
    old, new = target(view), new_table(view, run_id)
    names = ansi_list(tuple(c.name for c in columns))
    with locking(connection, view, old):
        if kept:
            connection.execute(f"DELETE FROM {new} WHERE _shard = ANY(%s)", (kept,))  # of a shard that failed in its midst
            rest = ", ".join(f"{ansi(c.name)} = excluded.{ansi(c.name)}" for c in columns if c.name not in view.key)
            otherwise = f"UPDATE SET {rest} WHERE excluded._shard > m._shard" if rest else "NOTHING"
            connection.execute(
                f"INSERT INTO {new} AS m ({names}) SELECT {names} FROM {old} WHERE _shard = ANY(%s) ON CONFLICT ({ansi_list(view.key)}) DO {otherwise}", (kept,)
            )  # fmt: skip
        connection.execute(f"LOCK TABLE {old} IN ACCESS EXCLUSIVE MODE")
        if _has_dependents(connection, old):
            connection.execute(f"DELETE FROM {old}")
            connection.execute(f"INSERT INTO {old} ({names}) SELECT {names} FROM {new}")
            connection.execute(f"DROP TABLE {new}")
        else:
            for statement in _rights(connection, old, new, view.description):
                connection.execute(statement)
            connection.execute(f"DROP TABLE {old}")
            connection.execute(f"ALTER TABLE {new} RENAME TO {ansi(view.warehouse.table_name)}")
        failpoint("swap.before_commit")
    failpoint("swap.committed")


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
