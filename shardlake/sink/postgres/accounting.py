"""Figures of one window that must agree, each counted by whoever did the work. Where two differ, nothing is committed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from shardlake.errors import AccountingError

Connection = psycopg.Connection[Any]
REPORT = "Nothing was committed. Run it again; if it comes back, please report it."


class WriteDiffers(AccountingError):
    """The target took other rows than it was to take: another transaction wrote the same keys meanwhile, or rows were lost."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the merge found of the staged rows, by one look at each, and what the write that followed says it did.

    `gone` are rows without values: they say that a unit has no rows any more.
    """

    new: int = 0
    newer: int = 0
    unchanged: int = 0
    superseded: int = 0
    gone: int = 0
    inserted: int = 0
    updated: int = 0

    @property
    def rows(self) -> int:
        """How many staged rows have a verdict."""
        return self.new + self.newer + self.unchanged + self.superseded + self.gone


def place_of(view: str, shard: str, window_id: int) -> str:
    """Where a figure is from, as messages begin."""
    return f"{view}, {shard}, window {window_id}"


def growth(connection: Connection, table: str) -> int | None:
    """By how many rows this transaction has made a table grow up to now, whoever wrote them: triggers are counted as well.

    It is the server's own statistics, which are kept as rows are written and cost no scan. None where they are off. Rows that a
    savepoint has rolled back stay counted, so that only the difference of two calls says something.
    Source: "Monitoring Database Activity" in Postgres's manual, pg_stat_get_xact_tuples_inserted.
    """
    row = connection.execute(
        "SELECT sum(pg_stat_get_xact_tuples_inserted(relid) - pg_stat_get_xact_tuples_deleted(relid))::bigint"
        " FROM (SELECT %s::regclass AS relid UNION SELECT relid FROM pg_partition_tree(%s)) t WHERE current_setting('track_counts')::boolean",
        (table, table),
    ).fetchone()
    assert row is not None
    return None if row[0] is None else int(row[0])


def require_copied(place: Callable[[], str], table: str, *, sent: int, taken: int) -> None:
    """COPY took what was sent. Raises AccountingError."""
    if taken != sent:
        raise AccountingError(f"{place()}: COPY into {table} took {taken} rows of {sent} that were sent", hint=_hint(table))


def require_all_seen(place: str, table: str, found: Verdicts, *, taken_out: int, expected: int) -> None:
    """Every staged row has a verdict, and no other; `taken_out` were older than other staged rows. Raises AccountingError."""
    if found.rows + taken_out != expected:
        raise AccountingError(
            f"{place}: {table} held {found.rows + taken_out} rows ({found.new} new, {found.newer} newer, {found.unchanged} unchanged,"
            f" {found.superseded + taken_out} superseded, {found.gone} gone), and {expected} were staged and not rejected",
            hint=REPORT,
        )


def require_written(place: str, table: str, found: Verdicts, *, grown: int | None, removed: int) -> None:
    """The write did what the verdicts say, by its own count and by the server's. Raises WriteDiffers."""
    if (found.inserted, found.updated) != (found.new, found.newer):
        raise WriteDiffers(
            f"{place}: the merge inserted {found.inserted} and updated {found.updated} rows of {table},"
            f" and {found.new} were to be inserted and {found.newer} updated",
            hint=_hint(table),
        )
    if grown is not None and grown != found.new - removed:
        raise WriteDiffers(
            f"{place}: {table} grew by {grown} rows, and the merge inserted {found.inserted} and removed {removed}", hint=_hint(table)
        )


def require_removed(place: str, table: str, *, removed: int, doomed: int) -> None:
    """All rows went that the merge found gone from their source. Raises WriteDiffers."""
    if removed != doomed:
        raise WriteDiffers(f"{place}: the merge removed {removed} rows of {table}, and {doomed} were to be removed", hint=_hint(table))


def require_grown(place: Callable[[], str], table: str, *, grown: int | None, copied: int) -> None:
    """A table grew by what was copied into it, by the server's own count. Raises AccountingError."""
    if grown is not None and grown != copied:
        raise AccountingError(f"{place()}: {table} grew by {grown} rows, and COPY took {copied}", hint=_hint(table))


def _hint(table: str) -> str:
    return f"Nothing was committed. Look for a trigger or a rule on {table} that drops rows or adds some."
