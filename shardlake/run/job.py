"""A job: one view with the connections that it needs, all as plain values and open pools."""

import fnmatch
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shardlake.allocators import tune_allocators
from shardlake.cancellation import Cancellation
from shardlake.connection.connection import Connection, Lake, PostgresWarehouse, Shard, Shards
from shardlake.errors import SpecError
from shardlake.ledger.database import Warehouse, open_warehouse
from shardlake.parallelism import Parallelism, of_machine
from shardlake.sink.lake.spool import Spool
from shardlake.source.sql.dialect import dialect
from shardlake.view.view import View

_gates: dict[str, threading.BoundedSemaphore] = {}
_gates_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps of a run share. `shards` are all that the source has, by name."""

    view: View
    source: Shards
    shards: dict[str, Shard]
    warehouse: Warehouse
    lake: Lake
    gate: threading.BoundedSemaphore = field(repr=False)
    parallelism: Parallelism
    spool: Spool | None = field(default=None, repr=False)
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False)

    def shard(self, name: str) -> Shard:
        """One shard. Raises SpecError that lists those there are."""
        if name not in self.shards:
            raise SpecError(f"{self.view.source.connection} has no shard {name!r}; there are: {', '.join(self.shards)}")
        return self.shards[name]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one of the source's connections: never more than its max_connections at once in this process."""
        with self.gate:
            yield


def open_job(view: View, connect: Callable[[str], Connection]) -> Job:
    """Resolve a view's connections by `connect`. Raises SpecError, SourceUnavailable, AccessRefused."""
    tune_allocators(arenas=of_machine().arenas)
    source = connect(view.source.connection)
    warehouse = connect(view.warehouse.connection)
    lake = connect(view.lake.connection)
    for given, kind, key in ((source, Shards, "source"), (warehouse, PostgresWarehouse, "warehouse"), (lake, Lake, "lake")):
        if not isinstance(given, kind):
            raise SpecError(f"{view.name}: {key}.connection is a {type(given).__name__}, which cannot be a {key}")
    assert isinstance(source, Shards)
    assert isinstance(warehouse, PostgresWarehouse)
    assert isinstance(lake, Lake)
    shards = resolve_shards(source, view.source.connection)
    with _gates_lock:
        gate = _gates.setdefault(f"{view.source.connection} {source.max_connections}", threading.BoundedSemaphore(source.max_connections))
    spool = Spool() if view.lake.layouts else None
    by_name = {s.name: s for s in shards}
    return Job(view, source, by_name, open_warehouse(warehouse), lake, gate, _parallelism(view, source, shards), spool)


def _parallelism(view: View, source: Shards, shards: tuple[Shard, ...]) -> Parallelism:
    """What the machine and the view's `run` allow, and no more readers than the source gives connections, or than it has shards."""
    found = of_machine(view.run)
    return Parallelism(found.chains, max(1, min(found.readers, source.max_connections, len(shards))))


def resolve_shards(source: Shards, reference: str) -> tuple[Shard, ...]:
    """The shards; where `databases` is a pattern the server is asked. Raises SpecError where none matches."""
    if not source.databases:
        return source.resolve()
    speaker = dialect(source.dialect)
    with speaker.connect(source.server()) as connection:
        found = speaker.databases(connection)
    matching = tuple(n for n in found if fnmatch.fnmatchcase(n, source.databases))
    if not matching:
        raise SpecError(f"{reference}: no database matches {source.databases!r}", hint="Check the pattern and the user's grants.")
    return source.resolve(matching)
