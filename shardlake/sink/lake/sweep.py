"""The sweep: what may go from the lake, and nothing else. Every removal can be broken off and begun again."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import obstore

from shardlake.errors import LakeUnavailable
from shardlake.ledger import lake as ledger
from shardlake.ledger import lake_raw
from shardlake.raw.store import address, open_store, remove
from shardlake.run.job import Job
from shardlake.sink.lake.commit import alone
from shardlake.view.layout import Layout

GRACE = timedelta(hours=24)
"""How long a file stays that was replaced, or that no line of the ledger knows: longer than any query or write takes."""
_OURS = re.compile(r"/(?:c\d{8}-\d{3}|w(\d{9})-\d{5})\.parquet$")
"""Files that Shardlake names so; others are nobody's business here."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How many files went, by why."""

    raw: int = 0
    replaced: int = 0
    orphans: int = 0


def sweep(job: Job, *, grace: timedelta = GRACE, orphans: bool = True) -> Swept:
    """Remove raw files past the view's retention that every layout has, files that were replaced, and with `orphans` what no
    line of the ledger knows, and what in Delta and Iceberg tables only old versions know. Raises LakeUnavailable; what was not removed is so by the next sweep.
    """
    now = datetime.now(UTC)
    store = open_store(job.lake)
    raw, replaced = _raw(job, store, now), _replaced(job, store, now - grace)
    if not orphans:
        return Swept(raw, replaced)
    return Swept(
        raw, replaced + sum(_versions(job, store, layout, grace) for layout in job.view.lake.layouts), _orphans(job, store, now - grace)
    )


def _raw(job: Job, store: obstore.store.ObjectStore, now: datetime) -> int:
    retention = job.view.lake.raw.retention
    if retention is None:
        return 0
    layouts = [layout.table for layout in job.view.lake.layouts]
    with job.warehouse.connection() as connection:
        windows = lake_raw.expired(connection, job.view.name, layouts, now - retention)
        keys = lake_raw.raw_keys(connection, windows)
        remove(store, keys)
        lake_raw.forget_raw(connection, windows)
    return len(keys)


def _replaced(job: Job, store: obstore.store.ObjectStore, before: datetime) -> int:
    with job.warehouse.connection() as connection:
        keys = ledger.replaced(connection, job.view.name, before)
        remove(store, keys)
        ledger.forget_files(connection, keys)
    return len(keys)


def _versions(job: Job, store: obstore.store.ObjectStore, layout: Layout, grace: timedelta) -> int:
    """Files of an open format's table that only old versions of it know. One that is being written is left for the next sweep."""
    if layout.format == "parquet":
        return 0
    place = f"{job.view.lake.database}/{layout.table}"
    with alone(job, layout) as connection:
        if connection is None:
            return 0
        if layout.format == "delta":
            from shardlake.sink.lake import delta

            return delta.vacuum(job.lake, address(job.lake, place), grace)
        from shardlake.sink.lake.iceberg import Iceberg
        from shardlake.sink.lake.iceberg_maintenance import expire

        return expire(Iceberg(job.view, layout, job.lake, job.warehouse.spec, ""), store, address(job.lake, ""), place, grace)


def _orphans(job: Job, store: obstore.store.ObjectStore, before: datetime) -> int:
    view, count = job.view, 0
    prefixes = [f"raw/{view.name}/", *(f"{view.lake.database}/{t.table}/" for t in view.lake.layouts if t.format == "parquet")]
    try:
        for prefix in prefixes:
            for listed in obstore.list(store, prefix=prefix):
                old = {str(f["path"]) for f in listed if f["last_modified"] < before and _OURS.search("/" + str(f["path"]))}
                count += _unknown(job, store, old)
    except OSError as error:
        raise LakeUnavailable(f"the lake cannot be listed ({type(error).__name__})", hint="Check the rights to it.") from None
    return count


def _unknown(job: Job, store: obstore.store.ObjectStore, keys: set[str]) -> int:
    with job.warehouse.connection() as connection:
        lost = keys - ledger.known(connection, job.view.name, sorted(keys))
        reading = lake_raw.open_windows(connection, job.view.name)
    gone = [key for key in sorted(lost) if not ((found := _OURS.search(key)) and found[1] and int(found[1]) in reading)]
    remove(store, gone)
    return len(gone)
