"""Files as a source: a partition is what `{shard}` stands for, a position a pass over its files, a window some files."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from shardlake.connection.files import S3Files
from shardlake.connection.kinds import Connection
from shardlake.envelope import Envelope
from shardlake.errors import ContractError, SourceFailed, SpecError
from shardlake.ledger.extent import Extent, Item, Json, Reading
from shardlake.ledger.items import Inventory
from shardlake.raw.files import RawTarget
from shardlake.source.door import Plan, Sample
from shardlake.source.files import plan, sample
from shardlake.source.files.export.told import gaps, time_of
from shardlake.source.files.listing import Found
from shardlake.source.files.order import KIND
from shardlake.source.files.pattern import Pattern
from shardlake.source.files.raw_rows import envelope
from shardlake.source.files.read import CHUNK, OWN_KINDS, Chunks, Planned, read_files
from shardlake.source.files.removed import removed_rows
from shardlake.source.files.schema import schema_of
from shardlake.source.files.store import Store, open_files
from shardlake.source.turns import Turns
from shardlake.view.files import OWN, Files
from shardlake.view.view import View

ALL = "files"
"""The one partition of files that are not told apart by `{shard}`."""
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class FilesSource:
    """The files of one connection."""

    def __init__(self, spec: S3Files, reference: str) -> None:
        self.spec, self.reference = spec, reference
        self.max_connections, self.timezone = spec.max_connections, spec.timezone
        self._turns = Turns(reference, spec.max_connections)
        self._passes: set[str] = set()

    @classmethod
    def open(cls, connection: Connection, reference: str) -> "FilesSource":
        """The source; nothing is asked yet. Raises SpecError."""
        if not isinstance(connection, S3Files):
            raise SpecError(f"{reference} is a {type(connection).__name__}, which holds no files")
        return cls(connection, reference)

    @cached_property
    def store(self) -> Store:
        """Where the files lie."""
        return open_files(self.spec)

    def remember(self, inventory: Inventory) -> None:
        """See Inventories."""
        self._inventory = inventory

    def feed(self, view: View) -> str:
        """See Source: which files are read is the view's own."""
        return view.name

    def partitions(self, view: View) -> Sequence[str]:
        """See Source: those of which there are files, and those of which files were read."""
        source = files(view)
        if "{shard}" not in source.files:
            return (ALL,)
        found = self._shards(Pattern(source.files))
        if odd := [name for name in sorted(found) if not _SHARD.fullmatch(name)]:
            raise ContractError(
                f"{self.reference}: {odd[0]!r} stands for {{shard}} in {source.files}, and cannot name a shard",
                hint="Shards have letters, digits, _ . and -, 63 at most: narrow `files` down, or have the folder renamed.",
            )
        found |= set(self._inventory.partitions())
        if not found:
            raise ContractError(f"{self.reference}: nothing matches {source.files}", hint="Check `files`, and the connection's url.")
        return sorted(found)

    def _shards(self, pattern: Pattern) -> set[str]:
        """What stands for `{shard}`: the names of folders, or of files where it is a part of those."""
        folders = pattern.text.split("/")
        place = next(n for n, part in enumerate(folders) if "{shard}" in part)
        if place == len(folders) - 1:
            names = (one.name for page in self.store.listing(pattern.prefix) for one in page)
            return {shard for name in names if (shard := pattern.shard(name))}
        of_folder = Pattern("/".join(folders[: place + 1]))
        return {shard for name in self.store.folders("/".join(folders[:place])) if (shard := of_folder.shard(name))}

    def envelope(self, view: View, schema: Mapping[str, str]) -> Envelope:
        """See Source."""
        return envelope(files(view))

    def plan(self, view: View, partition: str, position: Json | None) -> Plan:
        """See Source: the next files that were not read, as they are now."""
        source, pattern = files(view), self._pattern(view, partition)
        ours = position is not None and "after" in position and position["began"] in self._passes
        on = plan.going_on(pattern, position) if ours and position else plan.next_pass(pattern, source, position)
        self._passes.add(on.began.isoformat())
        with self._turns.turn():
            found = plan.find(self.store, pattern, source, self._inventory, partition, on)
        if found.waiting and view.warehouse.write == "replace":
            raise SourceFailed(f"{partition}: {found.waiting[0]} is being written", hint="The table stays as it is; run again.")
        loads = plan.loads_of(position, found, self._inventory, partition) if source.format == "dms" else {}
        end = plan.end_position(pattern, source, position, on, found, loads)
        chosen = plan.planned_files(source, loads, found)
        gone = [[item.name, item.mark, item.bytes] for item in found.gone]
        held = end.get("held")
        complete = on.began if found.after is None and not held else None
        extent = Extent(
            {"files": [one.as_json() for one in chosen], "gone": gone}, position, end, KIND, snapshot=position is None,
            complete_to=complete, held_by=f"{held} is being written" if held else None, shown=_shown(end),
        )  # fmt: skip
        schema = schema_of(self.store, source, chosen, partition)
        return Plan(partition, extent, schema, anything=bool(chosen or gone), notes=tuple(_notes(source, found, end)))

    def again(self, view: View, partition: str, extent: Extent) -> Plan:
        """See Rereads: the files that the window has read, which must be what they were."""
        chosen = [Planned.of(one) for one in extent.plan["files"]]
        known = {(item.name, item.mark) for item, _ in self._inventory.named(partition, [one.file.name for one in chosen])}
        read = [one.as_json() for one in chosen if (one.item.name, one.item.mark) in known]
        given = Extent({**extent.plan, "files": read, "again": True}, extent.start, extent.end, KIND, complete_to=extent.complete_to)
        return Plan(partition, given, {}, anything=True)

    def read(
        self, view: View, partition: str, extent: Extent, raw: RawTarget, *, as_null: tuple[str, ...] = (), smaller: int = 1
    ) -> Reading:
        """See Source. A file that has moved since it was planned is left for the next pass."""
        source = files(view)
        writer = raw.writer(OWN_KINDS, envelope(source))
        chunks = Chunks(writer, CHUNK // smaller)
        wanted = tuple(name for name in view.source_columns if name not in OWN)
        gone = [Item(*one) for one in extent.plan["gone"]]
        removed = 0
        if source.on_removed == "delete":
            for rows, kinds in removed_rows(self._inventory, partition, gone, raw, view.source_columns):
                removed += rows.num_rows
                chunks.add(rows, kinds)
        planned = [Planned.of(one) for one in extent.plan["files"]]
        with self._turns.turn():
            done = read_files(self.store, planned, source, wanted, partition, self.timezone, chunks, as_null)
        chunks.flush()
        if done.moved and view.warehouse.write == "replace":
            raise SourceFailed(f"{partition}: {done.moved[0]} has changed while it was read", hint="The table stays as it is; run again.")
        if done.moved and extent.plan.get("again"):
            raise SourceFailed(
                f"{partition}: {done.moved[0]} is not there any more as it was read, and raw has lost its rows",
                hint="Run with --full: it reads all files that there are.",
            )
        moved: Json | None = {**extent.end, "held": done.moved[0]} if done.moved else None  # raw is not complete up to then
        return Reading(
            tuple(writer.files), done.records + removed, moved, more="after" in extent.end, seconds={"raw": writer.seconds},
            items=tuple(done.items), gone=tuple(gone),
        )  # fmt: skip

    def sample(self, table: str) -> Sample:
        """See Samples: `table` is a pattern of files."""
        return self.samples(table)[0]

    def samples(self, table: str) -> Sequence[Sample]:
        """See SamplesKinds: exports hold several kinds of items."""
        return sample.samples(self.reference, self.store, table)

    def sample_of(self, view: View) -> Sample:
        """See SamplesView: some of the view's files, first ones and last ones."""
        with self._turns.turn():
            return sample.sample_of(self.reference, self.store, files(view), view.warehouse.key or ())

    def _pattern(self, view: View, partition: str) -> Pattern:
        found = Pattern(files(view).files)
        return found.of(partition) if "{shard}" in found.text else found


def files(view: View) -> Files:
    """What a view says of its files."""
    assert isinstance(view.source, Files)
    return view.source


def _shown(end: Json) -> str | None:
    if end.get("until"):
        return time_of(end["until"])  # up to which exports tell of their table
    return f"{end['files']:,} files" if end["files"] else None


def _notes(source: Files, found: Found, end: Json) -> list[str]:
    notes = [said] if found.after is None and (said := gaps(end.get("told", []))) else []
    if found.new:
        more = ", and there are more" if found.after is not None else ""
        notes.append(
            f"{len(found.new)} files to read, {found.bytes:,} bytes, from {found.new[0].file.name} to {found.new[-1].file.name}{more}"
        )
    changed = {one.file.name for one in found.new if one.before}
    if away := [item.name for item in found.gone if item.name not in changed]:
        fate = "their rows are deleted" if source.on_removed == "delete" else "their rows stay (on_removed: keep)"
        notes.append(f"{len(away)} files that were read are gone, such as {away[0]}: {fate}")
    if changed:
        notes.append(f"{len(changed)} files have other content now and are read again, such as {min(changed)}")
    if found.waiting:
        notes.append(f"{len(found.waiting)} files are still being written, such as {found.waiting[0]}: they wait for the next run")
    return notes
