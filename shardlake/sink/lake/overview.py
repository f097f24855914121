"""What a view has in the lake: layouts, partitions, files, bytes, small files, last write."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shardlake.ledger import lake as ledger
from shardlake.raw.store import address
from shardlake.rows.supply import Supply
from shardlake.view.layout import Layout

SMALL = 0.25
"""A file below this part of the layout's file size is a small one."""


@dataclass(frozen=True, slots=True)
class LayoutStatus:
    """A layout as it stands. `pending` windows were read and are not written yet."""

    table: str
    format: str
    write: str
    partition_by: str
    location: str
    partitions: int
    files: int
    rows: int
    bytes: int
    small: int
    pending: int
    last_write: datetime | None

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {name: getattr(self, name) for name in self.__slots__}


def overview(supply: Supply) -> list[LayoutStatus]:
    """Every layout of a view."""
    return [_status(supply, layout) for layout in supply.view.lake.layouts]


def _status(supply: Supply, layout: Layout) -> LayoutStatus:
    view = supply.view
    place = f"{view.lake.database}/{layout.table}"
    with supply.ledger.connection() as connection:
        files = ledger.live_files(connection, view.name, layout.table)
        last, waiting = ledger.last_write(connection, view.name, layout.table, supply.feed)
    found = [(tuple(f.partition), f.rows, f.bytes) for f in files]
    if layout.format == "delta" and last:
        from shardlake.sink.lake import delta

        found = [((path.rpartition("/")[0],), rows, size) for path, rows, size in delta.files(supply.lake, address(supply.lake, place))]
    elif layout.format == "iceberg" and last:
        from shardlake.sink.lake import iceberg

        listed = iceberg.files(supply.lake, supply.ledger.spec, view.lake.database, layout.table)
        found = [((path.rpartition("/")[0],), rows, size) for path, rows, size in listed]
    small = sum(size < layout.file_size * SMALL for _, _, size in found)
    return LayoutStatus(
        f"{view.lake.database}.{layout.table}", layout.format, layout.mode, ", ".join(map(str, layout.partition_by)), place,
        len({values for values, _, _ in found}), len(found), sum(rows for _, rows, _ in found), sum(size for _, _, size in found),
        small, waiting, last,
    )  # fmt: skip
