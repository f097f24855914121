"""A window of a scan into raw: pages of one segment from a key on, and, where the scan is whole, what is absent from it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pyarrow as pa

from shardlake.envelope import FAULT, Envelope
from shardlake.errors import SourceTimeout, SourceUnavailable, WatermarkRefused
from shardlake.failpoints import failpoint
from shardlake.ledger.extent import Extent, Json, Reading
from shardlake.raw.files import RawTarget, RawWriter
from shardlake.raw.store import open_store
from shardlake.source.dynamodb.client import Client
from shardlake.source.dynamodb.keys import Keys
from shardlake.source.dynamodb.pages import Page, pages
from shardlake.source.dynamodb.position import Key, Position, key_of, key_text, position_of
from shardlake.source.dynamodb.table import describe, require_same
from shardlake.source.item.plain import document, key_value

CHUNK = 8 << 20
"""Bytes of answers that become a raw file: as Python values they take five times as much."""
Kinds = dict[str, str]


def envelope_of(key: tuple[str, ...]) -> Envelope:
    """The envelope of raw rows."""
    return Envelope(key, "_version", "instant", "_op")


@dataclass
class _Rows:
    """Rows on their way into raw files, counted by the server's own figures. `keys` are those of all rows."""

    writer: RawWriter
    key: tuple[tuple[str, str], ...]
    scan: str
    chunk: int
    came: int = 0
    keys: list[pa.Table] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _size: int = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of raw: the key, the scan, what is deleted, the whole item, and why it cannot be read."""
        own = [(name, pa.large_binary() if kind == "B" else pa.large_string()) for name, kind in self.key]
        return pa.schema([*own, *((name, pa.large_string()) for name in ("_version", "_op", "document", FAULT))])

    def add(self, page: Page, items: list[dict[str, Any]]) -> None:
        """A page's items."""
        self.came += page.count
        self._rows += [self._row(item) for item in items]
        self._size += page.size
        if self._size >= self.chunk:
            self.flush()

    def flush(self) -> None:
        """What has come so far becomes a file."""
        if self._rows:
            table = pa.Table.from_pylist(self._rows, self.schema)
            self.keys.append(table.select([name for name, _ in self.key]))
            self.writer.write(table)
            failpoint("extract.chunk")
        self._rows, self._size = [], 0

    def add_absent(self, keys: pa.Table) -> None:
        """Keys of items that are deleted."""
        self.came += keys.num_rows
        texts = pa.nulls(keys.num_rows, pa.large_string())
        columns = {
            "_version": pa.repeat(pa.scalar(self.scan, pa.large_string()), keys.num_rows),
            "_op": pa.repeat(pa.scalar("d", pa.large_string()), keys.num_rows),
        }
        own = {name: keys.column(name) for name, _ in self.key}
        self.writer.write(pa.table({**own, **columns, "document": texts, FAULT: texts}).cast(self.schema))

    def _row(self, item: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {name: key_value(item[name]) for name, _ in self.key} | {"_version": self.scan}
        try:
            return row | {"document": document(item)}
        except (ValueError, RecursionError) as error:
            return row | {FAULT: json.dumps(["document", None, f"cannot be read as JSON: {error}"])}


def read_window(
    client: Client, feed: str, partition: str, extent: Extent, raw: RawTarget, *, window: int, deadline: timedelta, smaller: int = 1
) -> Reading:
    """Read from where the extent begins until the segment ends, `window` bytes were read, or half of the deadline is over.

    A window that is read again ends at the key at which it ended before, or at the segment's end where that key is gone or where it
    ended there; it has the deadline for each page of it.
    """
    plan, began = extent.plan, time.monotonic()
    key = tuple((name, kind) for name, kind in plan["key"])
    names = tuple(name for name, _ in key)
    rows = _Rows(raw.writer(plan["kinds"], envelope_of(names)), key, plan["scan"], max(CHUNK // smaller, 64 << 10))
    end, after, size = position_of(extent.end), key_of(plan["after"]), 0
    last = key_of(end.after) if end else None
    cuts = last is None and not plan.get("again")
    try:
        for page in pages(client, plan, f"{plan['table']}, {partition}", deadline):
            items, is_last = _up_to(last, page.items)
            rows.add(replace(page, count=len(items)) if is_last else page, items)
            after, size = page.after, size + page.size
            if is_last or (cuts and after and (size >= window or time.monotonic() - began > deadline.total_seconds() / 2)):
                after = last if is_last else after
                break
    except (SourceUnavailable, SourceTimeout):
        if not cuts or not size:  # else what came so far is a window, and the next one says whether the failure lasts
            raise
    rows.flush()
    if plan["deletes"]:
        if after is None:
            require_same(describe(client, plan["table"]), plan["id"])
        _tell_absent(
            Keys(open_store(raw.lake), feed, partition, names),
            rows,
            extent,
            f"w{raw.window_id:09d}-a{raw.attempt:03d}",
            whole=after is None,
            if_empty=lambda: _require_items(client, plan, f"{plan['table']}, {partition}", deadline),
        )
    here = None if after is None else Position(plan["scan"], plan["began"], key_text(after), _before(extent), plan["id"])
    position = here.json() if here else None
    return Reading(tuple(rows.writer.files), rows.came, position, here is not None, here is None, {"raw": rows.writer.seconds})


def _tell_absent(keys: Keys, rows: _Rows, extent: Extent, window: str, *, whole: bool, if_empty: Callable[[], None]) -> None:
    """Keep the keys that a window has read; where its scan is whole with it, what is absent becomes rows, too.

    `if_empty` is asked before all that a segment held is told to be absent; not for a run with --full, which has no position before
    it: whoever orders one means it.
    """
    start, before = position_of(extent.start), _before(extent)
    if rows.keys:
        keys.write(rows.scan, window, rows.keys)
    if whole:
        empty = not rows.came and start is not None and not extent.plan.get("again")
        for table in keys.absent(rows.scan, before):
            if empty:
                if_empty()
                empty = False
            rows.add_absent(table)
        keys.finish(rows.scan)
        if before and not extent.plan.get("again"):
            keys.forget_before(before)


def _require_items(client: Client, plan: Json, place: str, deadline: timedelta) -> None:
    """That a table holds items at all, where one of its segments does not any more. Raises WatermarkRefused."""
    whole = plan | {"segment": 0, "segments": 1, "after": None, "limit": 1}
    if not any(page.items for page in pages(client, whole, place, deadline)):
        raise WatermarkRefused(
            f"{plan['table']}: the table is empty, and all that was read of it would count as deleted",
            hint="Look whether it is the right one and restored; if it is meant to be empty, run with --full.",
        )


def _before(extent: Extent) -> str | None:
    """The whole scan before the one that a window belongs to."""
    start = position_of(extent.start)
    return None if start is None else start.before if start.scan == extent.plan["scan"] else start.scan


def _up_to(last: Key | None, items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """The items up to and with the one that has a key, and whether it is among them."""
    if last is None:
        return items, False
    for place, item in enumerate(items):
        if all(item.get(name) == value for name, value in last.items()):
            return items[: place + 1], True
    return items, False
