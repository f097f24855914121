"""The rows of files that are gone, or have other content now, as rows that are gone: taken from raw, where they stand as they were read.

Each bears the version that it came with. So it takes out of a target what came from that file alone: a row that another file has
brought since is newer, and stays.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.envelope import FAULT
from shardlake.errors import FileGone, SourceFailed
from shardlake.ledger.extent import Item
from shardlake.ledger.items import Inventory
from shardlake.raw.files import RawTarget, read_chunk
from shardlake.raw.store import open_store


def removed_rows(inventory: Inventory, partition: str, item: Item, raw: RawTarget) -> Iterator[pa.Table]:
    """The rows of one such file, chunk by chunk. Raises SourceFailed where raw does not hold them any more."""
    files, store = inventory.raw_of(partition, item), open_store(raw.lake)
    hint = "Run with --full: it reads all files that there are; or say `on_removed: keep`."
    if files is None:
        raise SourceFailed(f"{partition}: {item.name} is gone, and raw does not hold its rows any more", hint=hint)
    for file in files:
        try:
            table = read_chunk(store, file).table
        except FileGone as error:
            raise SourceFailed(f"{partition}: {item.name} is gone, and of its rows raw lacks {error.message}", hint=hint) from None
        mine = pc.equal(table.column("_file"), item.name)
        if FAULT in table.column_names:
            mine = pc.and_(mine, pc.is_null(table.column(FAULT)))
        table = table.filter(pc.and_(mine, pc.is_null(table.column("_op"))))
        if table.num_rows:
            gone = pa.repeat(pa.scalar("r"), table.num_rows)
            yield table.set_column(table.column_names.index("_op"), "_op", gone)
