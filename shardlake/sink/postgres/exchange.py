"""exchange: a target's rows become those of a new table, and the table itself stays, with all that stands on it.

Only what differs is written: rows that are gone are deleted, changed ones updated, new ones inserted. So a foreign key of
others' tables looks at rows that are really gone, triggers see what really changes, and others read the old rows until the
commit.
"""

from typing import Any
from uuid import UUID

import psycopg

from shardlake.errors import AccountingError
from shardlake.quoting import ansi, ansi_list
from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


def exchange(connection: Connection, view: View, run_id: UUID, columns: tuple[TargetColumn, ...], old: str, new: str) -> None:
    """Give the target `old` the rows of `new`, within a transaction. Raises AccountingError where it took other rows."""
    names = tuple(c.name for c in columns)
    same = " AND ".join(f"o.{ansi(k)} = n.{ansi(k)}" for k in view.key)
    # *<> compares values as they are stored, as REFRESH MATERIALIZED VIEW CONCURRENTLY does: 1.0 is not 1.00
    differs = f"ROW({ansi_list(names, 'o.')})::record *<> ROW({ansi_list(names, 'n.')})::record"
    connection.execute(f"LOCK TABLE {old} IN SHARE ROW EXCLUSIVE MODE")
    connection.execute(f"ANALYZE {new}")
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE n.ctid IS NULL), count(*) FILTER (WHERE o.ctid IS NOT NULL AND n.ctid IS NOT NULL AND"
        f" {differs}), count(*) FILTER (WHERE o.ctid IS NULL) FROM {old} o FULL JOIN {new} n ON {same}"
    ).fetchone()
    assert row is not None
    changes = ", ".join(f"{ansi(n)} = n.{ansi(n)}" for n in names)
    statements = {
        "deleted": f"DELETE FROM {old} o WHERE NOT EXISTS (SELECT FROM {new} n WHERE {same})",
        "updated": f"UPDATE {old} o SET {changes} FROM {new} n WHERE {same} AND {differs}",
        "inserted": f"INSERT INTO {old} ({ansi_list(names)}) SELECT {ansi_list(names, 'n.')} FROM {new} n"
        f" WHERE NOT EXISTS (SELECT FROM {old} o WHERE {same})",
    }
    for (what, statement), wanted in zip(statements.items(), row, strict=True):
        require(view, run_id, old, what, connection.execute(statement).rowcount, f"{wanted} were to be")
    connection.execute(f"DROP TABLE {new}")


def require(view: View, run_id: UUID, table: str, what: str, written: int, wanted: str) -> None:
    """A statement of the switch wrote as many rows as were counted: `wanted` begins with their number. Raises AccountingError."""
    if written != int(wanted.partition(" ")[0]):
        raise AccountingError(
            f"{view.name}, run {run_id}: the switch {what} {written} rows of {table}, and {wanted}",
            hint="Nothing was switched; the table is as it was. Look for a trigger or a rule on it that drops rows or adds some.",
        )
