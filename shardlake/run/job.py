"""A job: one view with its source, its sinks' connections and its ledger, as plain values and open pools."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from shardlake.allocators import tune_allocators
from shardlake.cancellation import Cancellation
from shardlake.connection.kinds import Connection
from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.errors import SpecError
from shardlake.ledger.database import Warehouse, open_warehouse
from shardlake.ledger.sinks import WAREHOUSE, layout_sink
from shardlake.ledger.windows import Window
from shardlake.parallelism import Parallelism, of_machine
from shardlake.rows.supply import Supply
from shardlake.shape.chunk import Shaped
from shardlake.sink.lake.spool import Spool
from shardlake.sink.lake.typed import split
from shardlake.source.door import Source, open_source
from shardlake.view.columns import target_columns, version_type
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps of a run share. `partitions` are all that the source has; the view's rows are read as `feed`."""

    view: View
    source: Source
    feed: str
    partitions: tuple[str, ...]
    warehouse: Warehouse
    ledger: Warehouse
    lake: Lake
    supply: Supply = field(repr=False)
    spool: Spool | None = field(default=None, repr=False)
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False)

    @property
    def parallelism(self) -> Parallelism:
        """How many chains and readers the machine, the view's `run` and the source's max_connections allow."""
        found = of_machine(self.view.run)
        return replace(found, readers=max(1, min(found.readers, self.source.max_connections, len(self.partitions))))

    @property
    def sinks(self) -> list[str]:
        """The names of the view's sinks: its warehouse table, and each layout of the lake."""
        return [WAREHOUSE, *(layout_sink(layout.table) for layout in self.view.lake.layouts)]

    def partition(self, name: str) -> str:
        """A partition's name. Raises SpecError that lists those there are."""
        if name not in self.partitions:
            raise SpecError(f"{self.view.source.connection} has no shard {name!r}; there are: {', '.join(self.partitions)}")
        return name


def open_job(view: View, connect: Callable[[str], Connection]) -> Job:
    """Resolve a view's connections by `connect`. Raises SpecError, SourceUnavailable, AccessRefused."""
    tune_allocators(arenas=of_machine().arenas)
    source = connect(view.source.connection)
    warehouse = connect(view.warehouse.connection)
    lake = connect(view.lake.connection)
    for given, kind, key in ((warehouse, PostgresWarehouse, "warehouse"), (lake, Lake, "lake")):
        if not isinstance(given, kind):
            raise SpecError(f"{view.name}: {key}.connection is a {type(given).__name__}, which cannot be a {key}")
    assert isinstance(warehouse, PostgresWarehouse)
    assert isinstance(lake, Lake)
    try:
        opened = open_source(source, view.source.connection)
    except SpecError as error:
        raise SpecError(f"{view.name}: source.connection: {error.message}", hint=error.hint) from None
    target = ledger = open_warehouse(warehouse)
    spool = Spool() if view.lake.layouts else None
    feed, keep = opened.feed(view), partial(_keep, view, opened.timezone, spool) if spool else None
    supply = Supply(view, feed, opened.timezone, ledger, lake, opened.envelope, keep)
    return Job(view, opened, feed, tuple(opened.partitions()), target, ledger, lake, supply, spool)


def _keep(view: View, zone: str, spool: Spool, window: Window, chunks: Iterator[Shaped]) -> Iterator[Shaped]:
    """Keep a window's rows for the lake as they pass on to the warehouse."""
    columns = target_columns(view, version_type(window.extent.version_kind or ""))
    return spool.keep(window.window_id, chunks, lambda shaped, base: split(columns, shaped, base, zone))
