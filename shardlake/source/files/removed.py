"""The rows of files that are gone, or have other content now, as rows that are gone: taken from raw, where they stand as they were read.

Each bears the version that it came with. So it takes out of a target what came from that file alone: a row that another file has
brought since is newer, and stays.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.envelope import FAULT
from shardlake.errors import FileGone, SourceFailed
from shardlake.ledger.extent import Item, RawFile
from shardlake.ledger.items import Inventory
from shardlake.raw.files import RawTarget, read_chunk
from shardlake.raw.store import open_store

_HINT = "Run with --full: it reads all files that there are; or say `on_removed: keep`."


def removed_rows(
    inventory: Inventory, partition: str, items: Sequence[Item], raw: RawTarget, columns: Sequence[str]
) -> Iterator[tuple[pa.Table, dict[str, str]]]:
    """The rows of such files, chunk by chunk, with `columns` that they may not have had, and what they hold.

    Each raw file is read once, whatever the number of its files that are gone. Raises SourceFailed where raw does not hold them any more.
    """
    store, windows = open_store(raw.lake), dict[tuple[RawFile, ...], list[str]]()
    for item in items:
        files = inventory.raw_of(partition, item)
        if files is None:
            raise SourceFailed(f"{partition}: {item.name} is gone, and raw does not hold its rows any more", hint=_HINT)
        windows.setdefault(tuple(files), []).append(item.name)
    for of_window, names in windows.items():
        for file in of_window:
            try:
                chunk = read_chunk(store, file)
            except FileGone as error:
                raise SourceFailed(f"{partition}: {names[0]} is gone, and of its rows raw lacks {error.message}", hint=_HINT) from None
            rows = _gone(chunk.table, names)
            if rows.num_rows:
                lacking = {name: pa.nulls(rows.num_rows, pa.large_string()) for name in columns if name not in rows.column_names}
                for name, nothing in lacking.items():
                    rows = rows.append_column(name, nothing)
                yield rows, {**dict.fromkeys(lacking, "text"), **chunk.kinds}


def _gone(table: pa.Table, names: list[str]) -> pa.Table:
    """The rows of some files, as rows that are gone."""
    file = table.column("_file")
    mine = pc.and_(pc.is_in(file, pa.array(names, file.type)), pc.is_null(table.column("_op")))
    if FAULT in table.column_names:
        mine = pc.and_(mine, pc.is_null(table.column(FAULT)))
        table = table.drop_columns([FAULT]).filter(mine)
    else:
        table = table.filter(mine)
    return table.set_column(table.column_names.index("_op"), "_op", pa.repeat(pa.scalar("r"), table.num_rows))
