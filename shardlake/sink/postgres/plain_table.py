"""Whether a new table can take a target's place with nothing lost, and taking it.

A target may have more on it than its view says: policies, triggers, others' indexes, views, foreign keys, a publication. A
new table would have none of that. So it takes the place of a plain table alone, one that has nothing but columns, a primary
key, plain indexes, rights and a comment; of any other the rows are exchanged (`exchange.py`) and the table stays.
"""

from functools import cache
from importlib import resources
from typing import Any

import psycopg

from shardlake.quoting import ansi, postgres_text
from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


def is_plain(connection: Connection, table: str, columns: tuple[TargetColumn, ...]) -> bool:
    """Whether a new table of these columns would have all that the table has, but for rights and the comment, by the catalogue."""
    row = connection.execute(_query(), {"table": table, "columns": [c.name for c in columns]}).fetchone()
    return bool(row and row[0])


@cache
def _query() -> str:
    return resources.files("shardlake.sink.postgres").joinpath("plain_table.sql").read_text("utf-8")


def carry_rights(connection: Connection, old: str, new: str) -> bool:
    """Give the new table the old one's rights and comment. Returns whether its rights are the same then: default privileges may
    have given it more, and what others than the owner have granted cannot be granted in their name.
    """
    wanted, has = _rights(connection, old), _rights(connection, new)
    for _, grantee, privilege, grantable in sorted(wanted - has):
        connection.execute(f"GRANT {privilege} ON {new} TO {grantee}{' WITH GRANT OPTION' if grantable else ''}")
    row = connection.execute("SELECT obj_description(%s::regclass, 'pg_class')", (old,)).fetchone()
    if row and row[0]:
        connection.execute(f"COMMENT ON TABLE {new} IS {postgres_text(row[0])}")
    return _rights(connection, new) == wanted


def _rights(connection: Connection, table: str) -> set[tuple[str, str, str, bool]]:
    """(grantor, grantee, privilege, whether it may be granted on) of a table; names are quoted."""
    rows = connection.execute(
        "SELECT quote_ident(pg_get_userbyid(a.grantor)), CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
        " a.privilege_type, a.is_grantable FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a"
        " WHERE c.oid = %s::regclass", (table,)
    ).fetchall()  # fmt: skip
    return {tuple(row) for row in rows}


def take_place(connection: Connection, view: View, old: str, new: str) -> None:
    """Drop the old table, which is plain, and put the new one in its place. Indexes get the old ones' names."""
    before, after = _indexes(connection, old), _indexes(connection, new)
    schema, table = ansi(view.warehouse.schema_name), ansi(view.warehouse.table_name)
    connection.execute(f"DROP TABLE {old}")
    connection.execute(f"ALTER TABLE {new} SET SCHEMA {schema}")
    connection.execute(f"ALTER TABLE {schema}.{ansi(new.rpartition('.')[2])} RENAME TO {table}")
    for columns, name in after.items():
        if columns in before:
            connection.execute(f"ALTER INDEX {schema}.{ansi(name)} RENAME TO {ansi(before[columns])}")


def _indexes(connection: Connection, table: str) -> dict[str, str]:
    """A plain table's indexes: their names by their columns, since no two have the same."""
    return dict(
        connection.execute(
            "SELECT array_agg(a.attname::text ORDER BY k.place)::text, x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
            " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, place)"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE i.indrelid = %s::regclass GROUP BY x.relname", (table,)
        ).fetchall()
    )  # fmt: skip
