"""A part of a backfill: a slice as it can be read now, read and merged window by window, each step of which can run again."""

from dataclasses import dataclass
from typing import cast

from shardlake.ledger import backfills, windows
from shardlake.ledger.backfills import Slice
from shardlake.ledger.windows import OpenWindow
from shardlake.run import steps
from shardlake.run.job import Job
from shardlake.source.sql.dialect import Kind
from shardlake.source.sql.plan import plan_slice
from shardlake.source.sql.slices import before
from shardlake.source.sql.window import Window


@dataclass(frozen=True, slots=True)
class BackfillSlice:
    """A slice up to `upper`, which is not its end where an open transaction holds it back."""

    slice: Slice
    upper: str

    @property
    def shard(self) -> str:
        """The shard that is read."""
        return self.slice.shard

    @property
    def kind(self) -> Kind:
        """What the cursor holds; the ledger has it as text."""
        return cast(Kind, self.slice.kind)

    @property
    def held(self) -> bool:
        """Whether the end of the slice cannot be read yet. Behind the greatest number there is nothing."""
        return self.kind not in ("int", "decimal") and before(self.kind, self.upper, self.slice.upper)


def read_slice_window(job: Job, part: BackfillSlice) -> OpenWindow | None:
    """Read the part's next window into raw, or find what an earlier run has read; None where nothing is left.

    Raises what reading raises. The ledger knows the window before it is read.
    """
    with job.warehouse.connection() as connection:
        last = backfills.last_window(connection, part.slice)
    if last is not None and last[0] == "extracted":
        return last[1]
    found, window = (
        (last[1], last[1].window) if last is not None and last[0] == "open" else (None, _next(job, part, last and last[1].window))
    )
    if window is None:
        return None
    with job.reading():
        plan = plan_slice(job.view, job.shard(part.shard), window)
    if found is None:
        if not plan.anything:
            return None
        with job.warehouse.connection() as connection:
            found = windows.open_window(
                connection, part.slice.backfill, job.view.name, part.shard, window, backfill=part.slice.backfill, slice=part.slice.number
            )
    return steps.read_window(job, found, plan)


def _next(job: Job, part: BackfillSlice, last: Window | None) -> Window | None:
    """The window behind `last`, the newest that was merged: the rest of it, or what could not be read then."""
    kind, lower, upper, after = part.kind, part.slice.lower, part.upper, None
    if last is not None and last.until is None:
        lower = str(last.upper)
    elif last is not None and len(last.until or ()) == 1 + len(job.view.source.primary_key):  # else the view has another key by now
        lower, upper, after = str(last.lower), str(last.upper), last.until
    return Window(kind, lower, upper, "cursor", after, ranged=True) if before(kind, lower, upper) else None


def merge_slice_window(job: Job, part: BackfillSlice, window: OpenWindow) -> bool:
    """Stage and merge a window of the part. Returns whether the part goes on behind it."""
    staged = steps.stage_window(job, window.window_id)
    outcome = steps.merge_staged(job, part.slice.backfill, part.shard, staged)
    return outcome.more or before(part.kind, str(window.window.upper), part.upper)
