"""MongoDB as a source: a partition is a database, a first load a set of ranges of `_id`, a later window a range of the cursor."""

import fnmatch
from collections.abc import Callable, Mapping
from typing import TypeVar

from shardlake.connection.kinds import Connection
from shardlake.connection.mongodb import DATABASE, MongoDB
from shardlake.envelope import Envelope
from shardlake.errors import SpecError
from shardlake.ledger.extent import Extent, Json, Reading
from shardlake.ledger.items import Inventory
from shardlake.raw.files import RawTarget
from shardlake.source import slices
from shardlake.source.door import Explanation, Plan, Reach, Sample
from shardlake.source.mongodb import explain, plan, ranges, sample
from shardlake.source.mongodb.client import Client, connect, failures, late
from shardlake.source.mongodb.plan import Asked
from shardlake.source.mongodb.position import window_of
from shardlake.source.mongodb.read import Request, extract
from shardlake.source.mongodb.rows import VERSION, envelope_of
from shardlake.source.mongodb.waiting import TooLate, apart
from shardlake.source.turns import Turns
from shardlake.view.mongodb import MongoCollection
from shardlake.view.view import View

T = TypeVar("T")


class MongoSource:
    """The databases of one connection. Every answer but `partitions` asks for one of them."""

    timezone = "UTC"

    def __init__(self, spec: MongoDB, reference: str) -> None:
        self.spec, self.reference = spec, reference
        self.max_connections = spec.reads_at_once
        self._turns = Turns(reference, self.max_connections)
        self._inventory: Inventory | None = None
        self._unseen: set[str] = set()

    @classmethod
    def open(cls, connection: Connection, reference: str) -> "MongoSource":
        """The source. Raises SpecError."""
        if not isinstance(connection, MongoDB):
            raise SpecError(f"{reference} is a {type(connection).__name__}, which cannot be a source")
        return cls(connection, reference)

    def feed(self, view: View) -> str:
        """See Source: a window of a cursor is the view's own."""
        return view.name

    def partitions(self, view: View) -> tuple[str, ...]:
        """See Source: the connection's database, or those that match its pattern, and those that did when they were read last."""
        found, pattern = self.databases(), self.spec.databases
        if pattern is None or self._inventory is None:
            return found
        self._unseen = {name for name in self._inventory.positions() if fnmatch.fnmatchcase(name, pattern)} - set(found)
        return tuple(sorted({*found, *self._unseen}))

    def remember(self, inventory: Inventory) -> None:
        """See Inventories."""
        self._inventory = inventory

    def databases(self) -> tuple[str, ...]:
        """The databases. Raises SpecError where none matches, SourceUnavailable, AccessRefused."""
        if self.spec.databases is None:
            return (self.spec.address.database,)
        pattern = self.spec.databases
        names = self.asking(self.reference, lambda client: client.list_database_names())
        found = tuple(sorted(name for name in names if fnmatch.fnmatchcase(name, pattern) and name not in ("admin", "config", "local")))
        if not found:
            raise SpecError(f"{self.reference}: no database matches {pattern!r}", hint="Check the pattern and the user's roles.")
        if odd := [name for name in found if not DATABASE.fullmatch(name)]:
            raise SpecError(
                f"{self.reference}: the database {odd[0]!r} cannot name a partition", hint="Choose a pattern that leaves it out."
            )
        return found

    def plan(self, view: View, partition: str, position: Json | None) -> Plan:
        """See Source. Of a database that cannot be seen any more nothing is planned, and it is said."""
        if partition in self._unseen and position is not None and view.warehouse.write != "replace":
            return plan.plan_unseen(view, partition, position)
        return self.asking(partition, lambda client: plan.plan_window(self._asked(client, view, partition), position))

    def again(self, view: View, partition: str, extent: Extent) -> Plan:
        """See Rereads."""
        return self.asking(partition, lambda client: plan.plan_again(self._asked(client, view, partition), extent))

    def read(
        self, view: View, partition: str, extent: Extent, raw: RawTarget, *, as_null: tuple[str, ...] = (), smaller: int = 1
    ) -> Reading:
        """See Source; by as many connections as the connection has `ranges`."""
        window = window_of(extent.plan)
        with self._turns.turn():
            return extract(Request(view, collection(view), self.spec, partition, window, raw, self.spec.ranges, smaller))

    def envelope(self, view: View, schema: Mapping[str, str]) -> Envelope:
        """See Source."""
        by = {"instant": "date", "decimal": "number"}.get(schema.get(VERSION, ""))
        return envelope_of(view, by)  # type: ignore[arg-type]  # one of its words

    def reach(self, view: View, partition: str, position: Json | None, end: str) -> Reach:
        """See Ranges."""
        return self.asking(partition, lambda client: ranges.reach(self._asked(client, view, partition)))

    def read_range(self, kind: str, start: str, end: str, step: str | None) -> slices.Range:
        """See Ranges."""
        return slices.read_range(ranges.kind_of(kind), start, end, step, self.timezone)

    def precedes(self, kind: str, one: str, other: str) -> bool:
        """See Ranges."""
        return slices.before(ranges.kind_of(kind), one, other)

    def may_grow(self, kind: str) -> bool:
        """See Ranges: behind the greatest number there is nothing."""
        return kind != "decimal"

    def slice_extent(self, view: View, kind: str, lower: str, upper: str, last: tuple[Extent, Json] | None) -> Extent | None:
        """See Ranges."""
        return ranges.slice_extent(collection(view).ids, ranges.kind_of(kind), lower, upper, last)

    def explain(self, view: View, partition: str, position: Json | None) -> Explanation:
        """See Explains."""
        return self.asking(partition, lambda client: explain.explain(self._asked(client, view, partition), position))

    def estimate(self, view: View, partition: str, extent: Extent) -> int | None:
        """See Estimates."""
        return self.asking(partition, lambda client: explain.estimate(self._asked(client, view, partition), window_of(extent.plan)))

    def sample(self, table: str) -> Sample:
        """See Samples: `table` is a collection."""
        databases = self.databases()
        found = [self.asking(name, lambda client, name=name: sample.look(client, name, table, len(databases))) for name in databases]  # type: ignore[misc]
        return sample.sample(self.reference, table, found)

    def sample_of(self, view: View) -> Sample:
        """See SamplesView: documents that the view's `filter` takes."""
        databases, of = self.databases(), collection(view)
        found = [
            self.asking(name, lambda client, name=name: sample.look(client, name, of.collection, len(databases), of))  # type: ignore[misc]
            for name in databases
        ]
        return sample.sample_of(of, found)

    def _asked(self, client: Client, view: View, partition: str) -> Asked:
        return Asked.of(client, self.spec, view, collection(view), partition)

    def asking(self, place: str, ask: Callable[[Client], T]) -> T:
        """Ask the server, on a thread that nobody waits for longer than one answer may take and one connection.

        Raises SourceUnavailable, SourceTimeout, SourceFailed, AccessRefused, and what `ask` raises.
        """
        seconds = (self.spec.statement_timeout + self.spec.connect_timeout).total_seconds()
        with self._turns.turn(), failures(place, self.spec), connect(self.spec) as client:
            try:
                return apart([lambda: ask(client)], seconds)[0]
            except TooLate:
                raise late(client, place, self.spec, seconds) from None


def collection(view: View) -> MongoCollection:
    """What the view says of its collection."""
    assert isinstance(view.source, MongoCollection)
    return view.source
