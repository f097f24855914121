"""SQL servers as a source: a partition is a shard, a position a watermark, a window a range of the cursor."""

import fnmatch
from collections.abc import Mapping, Sequence
from typing import cast

from shardlake.connection.address import Shard
from shardlake.connection.kinds import Connection
from shardlake.connection.shards import Shards
from shardlake.envelope import Envelope
from shardlake.errors import SpecError
from shardlake.ledger.extent import Extent, Json, Reading
from shardlake.raw.files import RawTarget
from shardlake.source import slices
from shardlake.source.door import Explanation, Plan, Reach, Sample
from shardlake.source.sql import explain, plan, ranges, sample
from shardlake.source.sql.dialect import Kind
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.position import mark_of, window_of
from shardlake.source.sql.read import Request, envelope_of
from shardlake.source.sql.select import tables
from shardlake.source.sql.worker import extract_in_worker, stop, warm_up
from shardlake.source.turns import Turns
from shardlake.view.view import View


class SqlSource:
    """The shards of one connection. Every answer but `partitions` asks one shard."""

    def __init__(self, spec: Shards, reference: str, shards: Sequence[Shard]) -> None:
        self.spec, self.reference = spec, reference
        self.max_connections, self.timezone = spec.max_connections, spec.timezone
        self._shards = {shard.name: shard for shard in shards}
        self._turns = Turns(reference, spec.max_connections)

    @classmethod
    def open(cls, connection: Connection, reference: str) -> "SqlSource":
        """The source, its shards looked up. Raises SpecError, SourceUnavailable, AccessRefused."""
        if not isinstance(connection, Shards):
            raise SpecError(f"{reference} is a {type(connection).__name__}, which cannot be a source")
        return cls(connection, reference, resolve_shards(connection, reference))

    def feed(self, view: View) -> str:
        """See Source: a window of a cursor is the view's own."""
        return view.name

    def partitions(self, view: View) -> tuple[str, ...]:
        """See Source: the connection's shards."""
        return tuple(self._shards)

    def shard(self, name: str) -> Shard:
        """A partition's address."""
        return self._shards[name]

    def plan(self, view: View, partition: str, position: Json | None) -> Plan:
        """See Source."""
        with self._turns.turn():
            return plan.plan_window(view, self.shard(partition), mark_of(position))

    def again(self, view: View, partition: str, extent: Extent) -> Plan:
        """See Rereads."""
        with self._turns.turn():
            return plan.plan_again(view, self.shard(partition), extent)

    def read(
        self, view: View, partition: str, extent: Extent, raw: RawTarget, *, as_null: tuple[str, ...] = (), smaller: int = 1
    ) -> Reading:
        """See Source; in a process of its own, which is ended at the view's deadline."""
        chunk = max(tables(view).chunk // smaller, 64 << 10)
        with self._turns.turn():
            return extract_in_worker(Request(view, self.shard(partition), window_of(extent.plan), raw, as_null, chunk))

    def envelope(self, view: View, schema: Mapping[str, str]) -> Envelope:
        """See Source."""
        return envelope_of(view, schema)

    def reach(self, view: View, partition: str, position: Json | None, end: str) -> Reach:
        """See Ranges."""
        with self._turns.turn():
            return ranges.reach(view, self.shard(partition), mark_of(position), end)

    def read_range(self, kind: str, start: str, end: str, step: str | None) -> slices.Range:
        """See Ranges."""
        return slices.read_range(kind, start, end, step, self.timezone)

    def precedes(self, kind: str, one: str, other: str) -> bool:
        """See Ranges."""
        return slices.before(kind, one, other)

    def may_grow(self, kind: str) -> bool:
        """See Ranges: behind the greatest number there is nothing."""
        return kind not in ("int", "decimal")

    def slice_extent(self, view: View, kind: str, lower: str, upper: str, last: tuple[Extent, Json] | None) -> Extent | None:
        """See Ranges."""
        return ranges.slice_extent(view, cast(Kind, kind), lower, upper, last)

    def explain(self, view: View, partition: str, position: Json | None) -> Explanation:
        """See Explains."""
        with self._turns.turn():
            return explain.explain(view, self.shard(partition), mark_of(position))

    def estimate(self, view: View, partition: str, extent: Extent) -> int | None:
        """See Estimates."""
        with self._turns.turn():
            return explain.estimate(view, self.shard(partition), window_of(extent.plan))

    def sample(self, table: str) -> Sample:
        """See Samples."""
        return sample.sample(self.reference, tuple(self._shards.values()), table)

    def sample_of(self, view: View) -> Sample:
        """See SamplesView."""
        return sample.sample_of(view, tuple(self._shards.values()))

    def prepare(self, count: int) -> None:
        """Start readers while others still plan."""
        warm_up(count)

    def stop(self) -> None:
        """End the readers where nothing is being read."""
        stop(idle=True)


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
