"""What a run did, shard by shard: the numbers that its table, its JSON, its artifact and the ledger all show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from uuid import UUID

from shardlake.errors import shown
from shardlake.ledger.extent import Extent
from shardlake.schema.held import Held
from shardlake.sink.door import Committed

STAGES = ("plan", "extract", "raw", "shape", "stage", "merge")


@dataclass(slots=True)
class ShardReport:
    """One shard's part in a run. Counts are of rows; `seconds` are of each stage; `of_rows` are those of the notes that are on its rows."""

    shard: str
    windows: int = 0
    lower: str | None = None
    upper: str | None = None
    read: int = 0
    merged: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: int = 0
    removed: int = 0
    others: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    notes: tuple[str, ...] = ()
    error: str | None = None
    rejection: str | None = None
    of_rows: tuple[str, ...] = ()

    @property
    def all_rejected(self) -> bool:
        """Whether rows were read, and every one of them was rejected; `rejection` says why then."""
        return self.rejected > 0 and not (self.merged or self.unchanged or self.superseded or self.removed)

    @property
    def state(self) -> Literal["merged", "nothing", "rejected", "failed"]:
        """The shard's verdict. Where every row was `rejected`, its position has moved, and its rows are in raw and in the rejects."""
        if self.error is not None:
            return "failed"
        if self.all_rejected:
            return "rejected"
        return "merged" if self.windows else "nothing"

    def planned(self, extent: Extent, notes: tuple[str, ...], seconds: float) -> None:
        """A window was planned."""
        self.lower = self.lower if self.windows or self.lower is not None else extent.from_version
        self.upper, self.notes = extent.to_version, (*notes, *self.of_rows)
        self.seconds["plan"] += seconds

    def merged_window(
        self, rows: int, size: int, counts: Mapping[str, int], seconds: dict[str, float], notes: tuple[str, ...] = ()
    ) -> None:
        """A window of so many raw rows and bytes was applied; `counts` are its verdicts, by the names that the ledger has for them.
        `notes` are on its rows.
        """
        self.of_rows += notes
        self.notes += notes
        self.windows += 1
        self.read += rows
        self.bytes += size
        self.merged += counts["merged"]
        self.unchanged += counts["unchanged"]
        self.superseded += counts["superseded"]
        self.rejected += counts["rejected"] + counts["shape_rejected"]
        self.removed += counts["removed"]
        self.others += counts.get("others", 0)
        for stage in STAGES[1:]:
            self.seconds[stage] += seconds.get(stage, 0.0)

    def failed(self, error: BaseException) -> None:
        """The shard failed; the run goes on with the others."""
        self.error = shown(error)

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Self:
        """A report as `as_json` gave it."""
        window = found["window"]
        plain = {k: v for k, v in found.items() if k not in ("state", "window", "notes", "error")}
        why = {"rejection" if found["state"] == "rejected" else "error": found["error"]}
        return cls(**plain, **why, lower=window["from"], upper=window["to"], notes=tuple(found["notes"]))

    def as_json(self) -> dict[str, Any]:
        """The report as a program reads it."""
        return {
            "shard": self.shard, "state": self.state, "windows": self.windows, "window": {"from": self.lower, "to": self.upper},
            "read": self.read, "merged": self.merged, "unchanged": self.unchanged, "superseded": self.superseded,
            "rejected": self.rejected, "removed": self.removed, "others": self.others, "bytes": self.bytes,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()}, "notes": list(self.notes), "error": self.error or self.rejection,
        }  # fmt: skip


@dataclass(slots=True)
class LayoutReport:
    """One lake table's part in a run. `rows` were written; `skipped` were older than what is there; of the `rejected`, those `alone` are
    rows that this table cannot hold, and the others ones that every sink rejects.
    """

    table: str
    windows: int = 0
    rows: int = 0
    skipped: int = 0
    rejected: int = 0
    removed: int = 0
    alone: int = 0
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    error: str | None = None
    rejection: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def all_rejected(self) -> bool:
        """Whether rows came, and every one of them was rejected; `rejection` says why then."""
        return self.rejected > 0 and not (self.rows or self.skipped or self.removed)

    def wrote(self, written: Committed) -> None:
        """A commit was published."""
        total = written.total
        self.windows += len(written.windows)
        self.rows += total.merged
        self.skipped += total.unchanged + total.superseded
        self.rejected += total.rejected
        self.removed += total.removed
        self.files += written.files
        self.bytes += written.bytes
        self.seconds += written.seconds
        self.notes += written.notes

    def failed(self, error: BaseException) -> None:
        """The table could not be written; the others, and the warehouse, go on."""
        self.error = shown(error)

    def as_json(self) -> dict[str, Any]:
        """The report as a program reads it."""
        return {
            "table": self.table, "windows": self.windows, "rows": self.rows, "skipped": self.skipped, "rejected": self.rejected,
            "rejected_alone": self.alone, "files": self.files, "bytes": self.bytes, "seconds": round(self.seconds, 3),
            "error": self.error or self.rejection, "notes": list(self.notes),
        }  # fmt: skip


@dataclass(slots=True)
class RunReport:
    """A run of one view. It was `left_out` where a later run had done all that it was for; `held` is the schema that its columns are of,
    where they are inferred.
    """

    view: str
    run_id: UUID
    shards: dict[str, ShardReport]
    lake: dict[str, LayoutReport] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    left_out: bool = False
    held: Held | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the run as a whole."""
        return self.held.notes(self.totals().rejected) if self.held else ()

    @property
    def ok(self) -> bool:
        """Whether all went well, on every shard: nothing failed, and of no shard or lake table every row was rejected."""
        return self.came_to_its_end and not any(part.all_rejected for part in self._parts())

    @property
    def came_to_its_end(self) -> bool:
        """Whether nothing failed; rows may have been rejected."""
        return self.error is None and all(part.error is None for part in self._parts())

    def _parts(self) -> tuple[ShardReport | LayoutReport, ...]:
        return (*self.shards.values(), *self.lake.values())

    def headline(self) -> str:
        """The run in a line: `9/10 shards merged; shop_03: …`."""
        if self.left_out:
            return "left out: a run that began after this one was due has read what it would have"
        if self.error:
            return self.error
        bad = {s.shard: s.error or s.rejection for s in self.shards.values() if s.error or s.all_rejected}
        lines = [f"{len(self.shards) - len(bad)}/{len(self.shards)} shards merged"]
        lines += [f"{shard}: {(why or 'every row was rejected').removeprefix(shard).lstrip(':, ')}" for shard, why in bad.items()]
        told = any(s.all_rejected for s in self.shards.values())  # a lake table need not say it once more
        lake = {part.table: part.error or (None if told else part.rejection) for part in self.lake.values()}
        return "; ".join([*lines, *(f"lake table {table}: {why}" for table, why in lake.items() if why)])

    def totals(self) -> ShardReport:
        """All shards together."""
        total = ShardReport("all")
        for shard in self.shards.values():
            for name in ("windows", "read", "merged", "unchanged", "superseded", "rejected", "removed", "others", "bytes"):
                setattr(total, name, getattr(total, name) + getattr(shard, name))
            for stage, seconds in shard.seconds.items():
                total.seconds[stage] += seconds
        return total

    def as_json(self) -> dict[str, Any]:
        """The report as a program reads it."""
        total = self.totals().as_json()
        return {
            "view": self.view, "run_id": str(self.run_id), "ok": self.ok, "message": self.headline(), "error": self.error, "seconds": round(self.seconds, 3), "notes": list(self.notes),
            "totals": {k: total[k] for k in ("windows", "read", "merged", "unchanged", "superseded", "rejected", "removed", "others", "bytes", "seconds")},
            "shards": [s.as_json() for s in self.shards.values()], "lake": [part.as_json() for part in self.lake.values()],
        }  # fmt: skip


@dataclass(slots=True)
class BackfillReport(RunReport):
    """A backfill, with all that its earlier runs have merged. `before` of its slices were done when this run began."""

    lower: str = ""
    upper: str = ""
    step: str = ""
    slices: int = 0
    before: int = 0
    done: int = 0

    def headline(self) -> str:
        """The backfill in a line."""
        line = RunReport.headline(self)
        if self.error:
            return line
        first, _, rest = line.partition("; ")
        went_on = f" ({self.before} of them by earlier runs)" if self.before else ""
        line = f"{self.done}/{self.slices} slices merged{went_on}" if self.slices else first
        return "; ".join([line, *([rest] if rest else []), *([] if self.came_to_its_end else ["the same command again goes on"])])

    def as_json(self) -> dict[str, Any]:
        """The report as a program reads it."""
        own = {"id": str(self.run_id), "from": self.lower, "to": self.upper, "step": self.step}
        counts = {"slices": self.slices, "done": self.done, "done_before": self.before}
        return {**RunReport.as_json(self), "backfill": {**own, **counts}}
