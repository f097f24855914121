"""The sweep: what may go from the lake, and nothing else. Every removal can be broken off and begun again."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import obstore

from shardlake.errors import LakeUnavailable
from shardlake.failpoints import failpoint
from shardlake.ledger import lake as ledger
from shardlake.ledger import lake_raw
from shardlake.ledger.sinks import WAREHOUSE, layout_sink
from shardlake.raw.store import address, open_store, remove
from shardlake.rows.supply import Supply
from shardlake.sink.lake.commit import alone
from shardlake.sink.lake.switch import readers_follow
from shardlake.view.layout import Layout

GRACE = timedelta(hours=24)
"""How long a file stays that was replaced, or that no line of the ledger knows: longer than any query or write takes."""
_OURS = re.compile(r"/(?:c\d{8}-\d{3}|w(\d{9})-(?:a\d{3,}-)?\d{5})\.parquet$")
"""Files that Shardlake names so; others are nobody's business here."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How many files went, by why."""

    raw: int = 0
    replaced: int = 0
    orphans: int = 0


def sweep(supply: Supply, *, grace: timedelta = GRACE, orphans: bool = True) -> Swept:
    """Remove raw files past the view's retention that every layout has, files that were replaced, and with `orphans` what no
    line of the ledger knows, and what in Delta and Iceberg tables only old versions know. Raises LakeUnavailable; what was not removed is so by the next sweep.
    """
    now = datetime.now(UTC)
    store = open_store(supply.lake)
    raw, replaced = _raw(supply, store, now), _replaced(supply, store, now - grace)
    if not orphans:
        return Swept(raw, replaced)
    return Swept(
        raw,
        replaced + sum(_versions(supply, store, layout, grace) for layout in supply.view.lake.layouts),
        _orphans(supply, store, now - grace),
    )


def _raw(supply: Supply, store: obstore.store.ObjectStore, now: datetime) -> int:
    retention = supply.view.lake.raw.retention
    if retention is None:
        return 0
    write = supply.view.warehouse.write
    modes = {WAREHOUSE: write} | {layout_sink(layout.table): layout.mode_in(write) for layout in supply.view.lake.layouts}
    replaced = [sink for sink, mode in modes.items() if mode == "replace"]
    with supply.ledger.connection() as connection:
        windows = lake_raw.expired(connection, supply.feed, {supply.view.name: list(modes)}, now - retention, replaced=replaced)
        keys = lake_raw.raw_keys(connection, windows)
        remove(store, keys)
        lake_raw.forget_raw(connection, windows)
    return len(keys)


def _replaced(supply: Supply, store: obstore.store.ObjectStore, before: datetime) -> int:
    """Files that were replaced, but none of a layout of which a catalogue may still name them."""
    with supply.ledger.connection() as connection:
        found = ledger.replaced(connection, supply.view.name, before)
    layouts, count = {t.table: t for t in supply.view.lake.layouts}, 0
    for table, keys in found.items():
        layout = layouts.get(table) or Layout(table=table)
        with alone(supply, layout) as connection:
            if connection is None or not readers_follow(connection, supply, layout):
                continue  # another run is at it, or has to finish it: they go with the next sweep
            for key in keys:
                failpoint("sweep.removing")
                remove(store, [key])
            failpoint("sweep.removed")
            ledger.forget_files(connection, keys)
            count += len(keys)
    return count


def _versions(supply: Supply, store: obstore.store.ObjectStore, layout: Layout, grace: timedelta) -> int:
    """Files of an open format's table that only old versions of it know. One that is being written is left for the next sweep."""
    if layout.format == "parquet":
        return 0
    place = f"{supply.view.lake.database}/{layout.table}"
    with alone(supply, layout) as connection:
        if connection is None:
            return 0
        if layout.format == "delta":
            from shardlake.sink.lake import delta

            return delta.vacuum(supply.lake, address(supply.lake, place), grace)
        from shardlake.sink.lake.iceberg import Iceberg
        from shardlake.sink.lake.iceberg_maintenance import expire

        return expire(Iceberg(supply.view, layout, supply.lake, supply.ledger.spec, ""), store, address(supply.lake, ""), place, grace)


def _orphans(supply: Supply, store: obstore.store.ObjectStore, before: datetime) -> int:
    view, count = supply.view, 0
    prefixes = [f"raw/{supply.feed}/", *(f"{view.lake.database}/{t.table}/" for t in view.lake.layouts if t.format == "parquet")]
    try:
        for prefix in prefixes:
            for listed in obstore.list(store, prefix=prefix):
                old = {str(f["path"]) for f in listed if f["last_modified"] < before and _OURS.search("/" + str(f["path"]))}
                count += _unknown(supply, store, old)
    except OSError as error:
        raise LakeUnavailable(f"the lake cannot be listed ({type(error).__name__})", hint="Check the rights to it.") from None
    return count


def _unknown(supply: Supply, store: obstore.store.ObjectStore, keys: set[str]) -> int:
    with supply.ledger.connection() as connection:
        lost = keys - ledger.known(connection, supply.view.name, supply.feed, sorted(keys))
        reading = lake_raw.open_windows(connection, supply.feed)
    gone = [key for key in sorted(lost) if not ((found := _OURS.search(key)) and found[1] and int(found[1]) in reading)]
    remove(store, gone)
    return len(gone)
