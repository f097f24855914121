"""A job: one view with its source, its sinks' connections and its ledger, as plain values and open pools."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from shardlake.allocators import tune_allocators
from shardlake.cancellation import Cancellation
from shardlake.connection.connection_file import ledger_reference
from shardlake.connection.kinds import Connection, expect
from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.errors import SpecError
from shardlake.failpoints import failpoint
from shardlake.kinds import KINDS
from shardlake.ledger.database import Warehouse, open_warehouse
from shardlake.ledger.items import Inventory
from shardlake.ledger.sinks import WAREHOUSE, layout_sink
from shardlake.parallelism import Parallelism, of_machine
from shardlake.raw.store import open_store
from shardlake.rows.spool import Spool
from shardlake.rows.supply import Supply
from shardlake.run.watch import UNWATCHED, Watch, watching
from shardlake.schema.held import Held, hold
from shardlake.schema.schema import Schema
from shardlake.schema.store import keep
from shardlake.settings import connections_file
from shardlake.sink.door import Layouts, Sink, open_lake, open_sink
from shardlake.source.door import Inventories, Source, open_source
from shardlake.view.columns import target_columns, version_type
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps of a run share. `partitions` are all that the source has; the view's rows are read as `feed`. The `sinks` are
    by their names in the ledger, the warehouse first. `held` is the schema of a view whose columns are inferred.
    """

    view: View
    source: Source
    feed: str
    partitions: tuple[str, ...]
    sinks: dict[str, Sink]
    ledger: Warehouse
    lake: Lake
    layouts: Layouts = field(repr=False)
    supply: Supply = field(repr=False)
    parallelism: Parallelism
    spool: Spool | None = field(default=None, repr=False)
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False)
    watch: Watch = field(default=UNWATCHED, repr=False)
    held: Held | None = None

    @property
    def warehouse(self) -> Sink:
        """The sink that is the view's warehouse table."""
        return self.sinks[WAREHOUSE]

    @property
    def schema(self) -> Schema:
        """The schema that the view's columns are of. Raises SpecError for a view that names its columns itself."""
        if self.held is None:
            raise SpecError(f"{self.view.name}: its columns are not inferred", hint="Only views with `columns: inferred` have a schema.")
        return self.held.schema

    def layout(self, table: str) -> Sink:
        """The sink that is a layout of the lake, by its table's name."""
        return self.sinks[layout_sink(table)]

    def partition(self, name: str) -> str:
        """A partition's name. Raises SpecError that lists those there are."""
        if name not in self.partitions:
            raise SpecError(f"{self.view.source.connection} has no shard {name!r}; there are: {', '.join(self.partitions)}")
        return name


def open_job(view: View, connect: Callable[[str], Connection], ledger: str | None = None, *, infers: bool = True) -> Job:
    """Resolve a view's connections by `connect`; `ledger` names the connection of a ledger that lives apart from the warehouse.
    Where the view's columns are inferred, they come from the lake: the job's view has them. Who only reads the ledger does not infer the first.

    Raises SpecError, SourceUnavailable, AccessRefused; of columns that are inferred for the first time ContractError, LakeUnavailable.
    """
    tune_allocators(arenas=of_machine().arenas)
    source = connect(view.source.connection)
    warehouse = connect(view.warehouse.connection)
    lake = expect(connect(view.lake.connection), Lake, f"{view.name}: lake.connection")
    try:
        opened = open_source(source, view.source.connection)
    except SpecError as error:
        raise SpecError(f"{view.name}: source.connection: {error.message}", hint=error.hint) from None
    books = open_ledger(view, connect, ledger)
    written = view
    view, held = hold(view, opened, open_store(lake), infers=infers) if view.inferred else (view, None)
    spool = Spool() if view.lake.layouts else None
    feed = opened.feed(view)
    if isinstance(opened, Inventories):
        opened.remember(Inventory(books, feed))
    supply = Supply(view, feed, opened.timezone, books, lake, opened.envelope, spool=spool)
    layouts = open_lake(lake, view.lake.connection, supply)
    sink = open_sink(warehouse, view.warehouse.connection, replace(supply, keep=layouts.keep if spool else None))
    sinks = {found.name: found for found in (sink, *layouts.sinks)}
    if held and held.new:
        require_followed(sinks, view)
        if not keep(open_store(lake), held.schema):  # another was first
            return open_job(written, connect, ledger, infers=infers)
        failpoint("schema.kept")
    partitions = tuple(opened.partitions(view))
    found = of_machine(view.run)  # and no more readers than the source gives connections, or than it has partitions
    parallelism = Parallelism(found.chains, max(1, min(found.readers, opened.max_connections, len(partitions))))
    return Job(view, opened, feed, partitions, sinks, books, lake, layouts, supply, parallelism, spool, watch=watching.get(), held=held)


def require_followed(sinks: Mapping[str, Sink], view: View) -> None:
    """That each sink can take the view's columns. Raises ContractError, NarrowingRefused, and what a sink that cannot be asked raises."""
    columns = tuple(c for c in target_columns(view, version_type("")) if c.name != "_cursor")
    for sink in sinks.values():
        sink.planned(columns)


def open_ledger(view: View, connect: Callable[[str], Connection], named: str | None = None) -> Warehouse:
    """The ledger's database: the one that `ledger:` or SHARDLAKE_LEDGER names, else that of the view's warehouse. Raises SpecError."""
    reference = named or ledger_reference(connections_file()) or view.warehouse.connection
    found = connect(reference)
    where = "ledger" if reference != view.warehouse.connection else f"{view.name}: warehouse.connection"
    if not isinstance(found, PostgresWarehouse) and KINDS[found.slug].role == "warehouse":
        raise SpecError(
            f"{view.name}: the ledger cannot be kept in {reference}, a {found.slug}",
            hint=f"Name a {PostgresWarehouse.slug} for it: `ledger:` in the connections file, or SHARDLAKE_LEDGER.",
        )
    return open_warehouse(expect(found, PostgresWarehouse, where))
