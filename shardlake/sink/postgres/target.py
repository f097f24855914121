"""The target table: created, given what is new, and never narrowed. Statements are planned first, then run."""

from importlib import resources
from typing import Any

import psycopg

from shardlake.errors import AccessRefused, ContractError, NarrowingRefused
from shardlake.quoting import ansi, ansi_list, postgres_text
from shardlake.sink.postgres.locks import locking
from shardlake.sink.postgres.names import index_name, target
from shardlake.sink.postgres.present import present_columns
from shardlake.view import types
from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_USERS = """
SELECT a.attname::text, min(r.ev_class::regclass::text) FROM pg_depend d
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
JOIN pg_attribute a ON d.refclassid = 'pg_class'::regclass AND a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refobjid = %s::regclass AND r.ev_class <> d.refobjid GROUP BY 1
"""


def prepare_database(connection: Connection) -> None:
    """Give a database what a sink needs there, where the ledger lives elsewhere. Two processes at once: the second waits."""
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('shardlake.migrate', 0))")
            connection.execute(resources.files("shardlake.sink.postgres").joinpath("target.sql").read_text("utf-8"))
    except psycopg.errors.InsufficientPrivilege:
        raise AccessRefused(
            "the warehouse's user may not create the schemas shardlake and shardlake_staging",
            hint="Grant CREATE on the database, or create both and make the user their owner.",
        ) from None


def plan_ddl(connection: Connection, view: View, columns: tuple[TargetColumn, ...]) -> list[str]:
    """The statements that bring the target to what the view says. Raises NarrowingRefused or ContractError."""
    name = target(view)
    statements = []
    if not _exists(connection, _SCHEMA, view.warehouse.schema_name):
        statements.append(f"CREATE SCHEMA IF NOT EXISTS {ansi(view.warehouse.schema_name)}")
    present = present_columns(connection, name, columns)
    if present is None:
        lines = ",\n  ".join(f"{ansi(c.name)} {c.type}" for c in columns)
        statements.append(f"CREATE TABLE {name} (\n  {lines},\n  PRIMARY KEY ({ansi_list(view.key)})\n)")
        if view.description:
            statements.append(f"COMMENT ON TABLE {name} IS {postgres_text(view.description)}")
        indexed: set[tuple[str, ...]] = {view.key}
    else:
        telling = (*view.key, view.version_column)
        for column in columns:
            statements += _evolve(connection, name, column, present.get(column.name), telling=column.name in telling)
        indexed = _indexes(connection, name, unique=False)
        if view.key not in _indexes(connection, name, unique=True):
            unique = index_name(view.warehouse.table_name, (*view.key, "key"))
            statements.append(f"CREATE UNIQUE INDEX {ansi(unique)} ON {name} ({ansi_list(view.key)})")
    for columns_ in view.warehouse.indexes:
        if columns_ not in indexed:
            statements.append(
                f"CREATE INDEX IF NOT EXISTS {ansi(index_name(view.warehouse.table_name, columns_))} ON {name} ({ansi_list(columns_)})"
            )
    return statements


def require_unused(connection: Connection, view: View, columns: tuple[TargetColumn, ...]) -> None:
    """That no view of the database uses a column whose type is to change: Postgres refuses that. Raises ContractError, NarrowingRefused."""
    name = target(view)
    present, telling = present_columns(connection, name, columns) or {}, (*view.key, view.version_column)
    users = dict(connection.execute(_USERS, (name,)).fetchall()) if present else {}
    for column in (c for c in columns if c.name in users and c.name in present):
        if change := _evolve(connection, name, column, present[column.name], telling=column.name in telling):
            raise ContractError(
                f"{view.warehouse.table}.{column.name} cannot become {column.type}: {users[column.name]} uses it",
                hint=f"Take that away, run by hand: {'; '.join(change)}; and make it again.",
            )


def ensure_target(connection: Connection, view: View, columns: tuple[TargetColumn, ...]) -> list[str]:
    """Run what `plan_ddl` says, in one transaction, alone. Returns the statements."""
    if not plan_ddl(connection, view, columns):
        return []
    try:
        with locking(connection, view, target(view)):
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"shardlake.target.{view.warehouse.table}",))
            if not _exists(connection, _SCHEMA, view.warehouse.schema_name):  # IF NOT EXISTS fails where two views make it at once
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('shardlake.migrate', 0))")
            statements = plan_ddl(connection, view, columns)
            for statement in statements:
                connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        raise AccessRefused(
            f"the warehouse's user may not create or change {view.warehouse.table}",
            hint=f"Grant CREATE on its schema, or make the user the owner of {view.warehouse.table}.",
        ) from None
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.DependentObjectsStillExist) as error:
        raise ContractError(
            f"{view.warehouse.table} cannot be changed as the view wants it: {error.diag.message_primary}",
            hint=f"Take away what depends on it, run by hand: {'; '.join(plan_ddl(connection, view, columns))}; and make it again.",
        ) from None
    except psycopg.errors.UniqueViolation:
        raise ContractError(
            f"{view.warehouse.table} holds rows that are equal in the key ({', '.join(view.key)})",
            hint="Choose a key that is unique, or load into a new table.",
        ) from None
    return statements


def _evolve(connection: Connection, table: str, wanted: TargetColumn, present: str | None, *, telling: bool) -> list[str]:
    """The statements for one column. Of one that tells rows or versions apart a value must stay equal to itself: it does not become text."""
    if present is None:
        return [f"ALTER TABLE {table} ADD COLUMN {ansi(wanted.name)} {wanted.type}"]
    change = f"ALTER TABLE {table} ALTER COLUMN {ansi(wanted.name)} TYPE {wanted.type} USING {ansi(wanted.name)}::{wanted.type}"
    try:
        found = types.parse(present)
    except ValueError:
        found = None
    if found == wanted.type:
        return []
    if found is not None and (wanted.type.holds(found) if telling else wanted.type.may_follow(found)):
        return [change]
    if (
        connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None
    ):  # no row can lose anything, as after a first run that rejected all
        return [f"ALTER TABLE {table} ALTER COLUMN {ansi(wanted.name)} TYPE {wanted.type} USING {ansi(wanted.name)}::text::{wanted.type}"]
    raise NarrowingRefused(
        f"{table}.{ansi(wanted.name)} is {present}, and the view says {wanted.type}: a column is widened, and no other type is changed by itself",
        hint=f"{f'Declare {found}' if found else 'Give the view another column'}, or run by hand: {change};",
    )


def _indexes(connection: Connection, table: str, *, unique: bool) -> set[tuple[str, ...]]:
    rows = connection.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, place)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indrelid = %s::regclass AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND (i.indisunique OR NOT %s) GROUP BY i.indexrelid",
        (table, unique),
    )
    return {tuple(row[0]) for row in rows.fetchall()}


def _exists(connection: Connection, query: Any, value: str) -> bool:
    return connection.execute(query, (value,)).fetchone() is not None
