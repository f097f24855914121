"""The door in: what a source is to the engine. A kind of source is a folder beside this module, and a line in `shardlake.kinds`.

A source has partitions that are read in parallel. Of each it knows a position, which is JSON that it alone reads. It plans
the next window behind a position, and reads a window into raw; every raw row carries the envelope (`envelope.Envelope`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from shardlake.connection.kinds import Connection
from shardlake.envelope import Envelope
from shardlake.errors import SpecError
from shardlake.kinds import KINDS, source_kind
from shardlake.ledger.extent import Extent, Json, Reading
from shardlake.ledger.items import Inventory
from shardlake.raw.files import RawTarget
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Plan:
    """A partition's next window: what it reads, whether it holds `anything`, and what kind of values each column has (`schema`).

    A `rescan` reads once more what was read whole before; it is not begun while windows of that wait for the view's warehouse: of views that share a
    feed, the first to run reads for all. `unreachable` counts rows that the source holds and no window will take, by why. `notes` are for people.
    """

    partition: str
    extent: Extent
    schema: dict[str, str]
    anything: bool
    notes: tuple[str, ...] = ()
    unreachable: Mapping[str, int] = field(default_factory=dict)
    rescan: bool = False


class Source(Protocol):
    """What every source can do."""

    max_connections: int
    """Reads of it that may be under way at once."""
    timezone: str
    """The zone of its times that name none."""

    def feed(self, view: View) -> str:
        """What the view's rows are read with: the view's own name, or what several views share."""

    def partitions(self, view: View) -> Sequence[str]:
        """The partitions that the view's rows come from, in order. Raises SourceUnavailable, AccessRefused."""

    def plan(self, view: View, partition: str, position: Json | None) -> Plan:
        """The window behind `position` (None: from the beginning); reads no data.

        Raises SourceUnavailable, AccessRefused, ContractError, WatermarkRefused.
        """

    def read(
        self, view: View, partition: str, extent: Extent, raw: RawTarget, *, as_null: tuple[str, ...] = (), smaller: int = 1
    ) -> Reading:
        """Read a window into raw. Columns in `as_null` are filled with NULL; chunks are `smaller` times smaller than usual.

        Raises SourceUnavailable, SourceTimeout, SourceFailed, ContractError, WorkerDied, LakeUnavailable.
        """

    def envelope(self, view: View, schema: Mapping[str, str]) -> Envelope:
        """The envelope of its rows, for raw files that are older than envelopes are."""


@runtime_checkable
class Rereads(Protocol):
    """A source that can read a window again, long after: what raw has lost, a range of a backfill."""

    def again(self, view: View, partition: str, extent: Extent) -> Plan:
        """The plan of a window that is given: its columns as they are now, and whether it holds anything. Raises as `plan` does."""


@runtime_checkable
class Inventories(Protocol):
    """A source of things that are read once each: it is told what the ledger knows of them."""

    def remember(self, inventory: Inventory) -> None:
        """Take the ledger's inventory of the feed, before anything is planned."""


@dataclass(frozen=True, slots=True)
class Described:
    """A column of the source: what it holds (`kind`), how the server itself calls that, and the type that a draft declares for it.

    `target` is None where it cannot be read; `advice` says what to do then.
    """

    name: str
    kind: str
    declared: str
    target: str | None = None
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a window would be read: the statement, the order, the index that serves it, and about how many rows there are."""

    plan: Plan
    columns: tuple[Described, ...]
    order: str = ""
    statement: str = ""
    index: str | None = None
    full_scan: bool = False
    window_rows: int | None = None
    table_rows: int | None = None
    notes: tuple[str, ...] = ()


@runtime_checkable
class Explains(Protocol):
    """A source that can say how it would read: what `shardlake plan` shows."""

    def explain(self, view: View, partition: str, position: Json | None) -> Explanation:
        """The next window and how it would be read; reads no data. Raises as `plan` does."""


@runtime_checkable
class Estimates(Protocol):
    """A source that can say about how many rows a window holds: what a run shows as a bar."""

    def estimate(self, view: View, partition: str, extent: Extent) -> int | None:
        """About how many rows a window holds, by what the server guesses without a look at them; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a view can be drafted from: the source's part of it, how its rows are written, its columns, values of those that may be
    JSON (no NULLs), remarks for people, and how many `partitions` there are. `document` is the column that holds whole rows, of a
    source of documents; `name` is what the view may be called, where not like the table.
    """

    source: dict[str, Any]
    write: Literal["merge", "append", "replace"]
    columns: tuple[Described, ...]
    documents: dict[str, list[str]]
    remarks: tuple[str, ...] = ()
    partitions: int = 1
    document: str | None = None
    name: str | None = None


@runtime_checkable
class Samples(Protocol):
    """A source of which a view can be drafted: what `shardlake discover` asks."""

    def sample(self, table: str) -> Sample:
        """Look at a table on every partition. Raises ContractError where they are not alike, SourceUnavailable, AccessRefused."""


@runtime_checkable
class SamplesKinds(Protocol):
    """A source whose tables hold several kinds of rows, each of which is a view."""

    def samples(self, table: str) -> Sequence[Sample]:
        """Look at a table, and give a sample for each kind. Raises as `Samples.sample` does."""


@runtime_checkable
class SamplesView(Protocol):
    """A source that can look at what a view takes of it: what `columns: inferred` asks."""

    def sample_of(self, view: View) -> Sample:
        """Look at the view's rows on every partition; the view may have no columns yet. Raises as `Samples.sample` does."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a partition can be read, on the scale of its versions, which are of `kind`: up to `upper`. `latest` is its clock less the
    lag, None for numbers; `kinds` say what its columns hold.
    """

    shard: str
    kind: Any
    upper: str
    latest: str | None
    kinds: dict[str, str]
    notes: tuple[str, ...] = ()


class Range(Protocol):
    """A range of versions `(lower, upper]`, and the step that it is cut by."""

    kind: Any
    lower: str
    upper: str
    step: str

    def slices(self) -> list[tuple[str, str]]:
        """The range cut into steps, in order. Raises SpecError where they are too many."""


@runtime_checkable
class Ranges(Protocol):
    """A source of which a range of versions can be read again, slice by slice: what a backfill needs."""

    def read_range(self, kind: str, start: str, end: str, step: str | None) -> Range:
        """A range as people write it. Raises SpecError that says what to write."""

    def reach(self, view: View, partition: str, position: Json | None, end: str) -> Reach:
        """How far a partition can be read, and of which kind its versions are. Raises as `plan` does."""

    def precedes(self, kind: str, one: str, other: str) -> bool:
        """Whether one version lies before another."""

    def may_grow(self, kind: str) -> bool:
        """Whether versions up to a slice's end may still come when the end cannot be read yet."""

    def slice_extent(self, view: View, kind: str, lower: str, upper: str, last: tuple[Extent, Json] | None) -> Extent | None:
        """The window of a slice behind `last`, its newest with the position that it reached; None where nothing is left."""


def open_source(connection: Connection, reference: str) -> Source:
    """The source behind a connection. Raises SpecError for one that is no source, SourceUnavailable, AccessRefused."""
    try:
        found: Any = source_kind(reference).open()
    except ValueError:
        fitting = ", ".join(slug for slug, kind in KINDS.items() if kind.role == "source")
        raise SpecError(f"{reference} is a {connection.slug}, which cannot be a source", hint=f"Name one of these: {fitting}.") from None
    source: Source = found(connection, reference)
    return source
