"""The ledger's items: what a source has that is read once each (files), known by name and mark, and the window that read it.

An item whose name has come to stand for other content, or that is not there any more, is gone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from shardlake.ledger.database import Warehouse
from shardlake.ledger.extent import Item, RawFile

Connection = psycopg.Connection[Any]
PAGE = 2_000
"""Items that are asked for at once: memory holds no more, whatever their number."""
_LAST = "\U0010ffff"
"""Behind every mark."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a feed has read of such items: what a source asks before it plans."""

    ledger: Warehouse
    feed: str

    def partitions(self) -> list[str]:
        """The partitions of which items were read, gone or not."""
        with self.ledger.connection() as connection:
            found = connection.execute("SELECT DISTINCT partition FROM shardlake.items WHERE feed = %s", (self.feed,))
            return [row[0] for row in found.fetchall()]

    def positions(self) -> list[str]:
        """The partitions that were read up to somewhere."""
        with self.ledger.connection() as connection:
            found = connection.execute("SELECT partition FROM shardlake.positions WHERE feed = %s", (self.feed,))
            return [row[0] for row in found.fetchall()]

    def between(self, partition: str, after: str, until: str) -> Iterator[tuple[Item, bool]]:
        """The items `after` < name <= `until`, in the order of names, and whether that content is there still; page by page."""
        mark = ""
        while True:
            with self.ledger.connection() as connection:
                page = connection.execute(
                    "SELECT name, mark, bytes, gone_at IS NULL FROM shardlake.items WHERE feed = %s AND partition = %s"
                    " AND (name, mark) > (%s, %s) AND name <= %s ORDER BY name, mark LIMIT %s",
                    (self.feed, partition, after, mark or _LAST, until, PAGE),
                ).fetchall()
            yield from ((Item(*row[:3]), row[3]) for row in page)
            if len(page) < PAGE:
                return
            after, mark = page[-1][:2]

    def named(self, partition: str, names: list[str]) -> list[tuple[Item, bool]]:
        """The items of some names, and whether that content is there still."""
        with self.ledger.connection() as connection:
            rows = connection.execute(
                "SELECT i.* FROM unnest(%s::text[]) u(name) CROSS JOIN LATERAL (SELECT name, mark, bytes, gone_at IS NULL FROM shardlake.items"
                " WHERE feed = %s AND partition = %s AND name = u.name OFFSET 0) i",  # one look-up a name, whatever is known of the table
                (names, self.feed, partition),
            ).fetchall()
        return [(Item(*row[:3]), row[3]) for row in rows]

    def raw_of(self, partition: str, item: Item) -> list[RawFile] | None:
        """The raw files of the window that has read an item; None where they are not there any more, or nothing is known of it."""
        with self.ledger.connection() as connection:
            row = connection.execute(
                "SELECT w.window_id, w.raw_removed_at IS NOT NULL OR w.status <> 'read' FROM shardlake.items i JOIN shardlake.windows w USING (window_id)"
                " WHERE i.feed = %s AND i.partition = %s AND i.name = %s AND i.mark = %s",
                (self.feed, partition, item.name, item.mark),
            ).fetchone()
            if row is None or row[1]:
                return None
            files = connection.execute("SELECT key, rows, bytes FROM shardlake.files WHERE window_id = %s ORDER BY key", (row[0],))
            return [RawFile(*file) for file in files.fetchall()]


def record(connection: Connection, feed: str, partition: str, window_id: int, read: Iterable[Item], gone: Iterable[Item]) -> None:
    """Write down the items that a window has read, and those that it found gone; within the transaction that records the window."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE shardlake.items SET gone_at = now() WHERE feed = %s AND partition = %s AND name = %s AND mark = %s AND gone_at IS NULL",
            [(feed, partition, item.name, item.mark) for item in gone],
        )
        cursor.executemany(
            "INSERT INTO shardlake.items (feed, partition, name, mark, bytes, window_id) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (feed, partition, name, mark) DO UPDATE SET window_id = excluded.window_id, read_at = now(), gone_at = NULL",
            [(feed, partition, item.name, item.mark, item.bytes, window_id) for item in read],
        )


def forget(connection: Connection, feed: str, partition: str) -> None:
    """Know nothing of a partition's items any more: it is read anew."""
    connection.execute("DELETE FROM shardlake.items WHERE feed = %s AND partition = %s", (feed, partition))
