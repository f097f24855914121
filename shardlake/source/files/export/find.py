"""The data files of an export that were not read yet, in the order of its manifest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from shardlake import cancellation
from shardlake.errors import SourceFailed
from shardlake.ledger.items import Inventory
from shardlake.source.files.export.manifest import Table, open_export, read_summary
from shardlake.source.files.listing import New
from shardlake.source.files.store import Listed, Moved, Store

_PAGE = 500
"""Names that the ledger is asked for at once."""


def unread(
    store: Store, inventory: Inventory, partition: str, table: str | None, settle: timedelta, manifest: Listed, before: int
) -> Iterator[New]:
    """Of a manifest the data files that were not read, each as it lies there now, and the manifest as the last, which was read `before`
    so often. A file is known by its name and the checksum that its manifest has of it. An export of another than the view's `table`, where
    that is given, has nothing to be read.

    Raises SourceFailed where the export is not whole or its counts do not add up, before it gives the first; ContractError; Moved, also
    for a file that has been written within `settle`.
    """
    place = f"{partition}: {manifest.name}"
    summary = read_summary(store, manifest, place)
    if table and not summary.table:
        raise SourceFailed(
            f"{place} does not say of which table it is (tableArn)", hint="Copy the export anew, or leave it out of `files`."
        )
    if table and table not in (summary.table, summary.tableArn):
        yield New(manifest, before)
        return
    of = Table(manifest.name, summary.tableArn, summary.tableId) if summary.tableArn else None
    export = open_export(store, manifest, summary, place)
    export.require_sum(store)
    files = export.data_files(store)
    while page := dict(islice(files, _PAGE)):
        read = {(item.name, item.mark) for item, _ in inventory.named(partition, list(page))}
        for name, expected in page.items():
            if (name, expected.md5) in read:
                continue
            cancellation.check()
            if (found := store.find(name)) is None:
                raise SourceFailed(
                    f"{partition}: {name} is missing, which {manifest.name} names",
                    hint="Copy the export anew, or leave it out of `files`.",
                )
            if timedelta(0) <= datetime.now(UTC) - found.modified < settle:
                raise Moved(name)
            yield New(found, 0, export.order, expected, table=of)
    yield New(manifest, before, period=export.period, table=of)
