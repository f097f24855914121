"""A slice of a backfill as it can be read now: read and applied window by window, each step of which can run again."""

from dataclasses import dataclass

from shardlake.errors import SpecError
from shardlake.ledger import backfills, windows
from shardlake.ledger.backfills import Slice
from shardlake.ledger.windows import Window
from shardlake.run import deliver, steps
from shardlake.run.job import Job
from shardlake.source.door import Ranges, Rereads


@dataclass(frozen=True, slots=True)
class BackfillSlice:
    """A slice up to `upper`. Where it is `held`, that is not its end, which cannot be read yet."""

    slice: Slice
    upper: str
    held: bool

    @property
    def shard(self) -> str:
        """The shard that is read."""
        return self.slice.shard


def ranges_of(job: Job) -> Ranges:
    """The source as one of which ranges can be read again. Raises SpecError."""
    if not isinstance(job.source, Ranges):
        raise SpecError(f"{job.view.source.connection} cannot be read again by ranges", hint="Run with --full, which reads all of it.")
    return job.source


def read_slice_window(job: Job, part: BackfillSlice) -> Window | None:
    """Read the slice's next window into raw, or find what an earlier run has read; None where nothing is left.

    Raises what reading raises. The ledger knows the window before it is read.
    """
    with job.ledger.connection() as connection:
        last = backfills.last_window(connection, part.slice, job.view.name)
    if last is not None and last[0] == "read":
        return last[1]
    source = ranges_of(job)
    assert isinstance(source, Rereads)
    if last is not None and last[0] == "open":
        found, extent = last[1], last[1].extent
    else:
        before = (last[1].extent, last[1].extent.end) if last else None
        found, next_extent = None, source.slice_extent(job.view, part.slice.kind, part.slice.lower, part.upper, before)
        if next_extent is None:
            return None
        extent = next_extent
    plan = source.again(job.view, part.shard, extent)
    if found is None:
        if not plan.anything:
            return None
        with job.ledger.connection() as connection:
            found = windows.open_window(
                connection, part.slice.backfill, job.feed, part.shard, extent, backfill=part.slice.backfill, slice=part.slice.number
            )
    return steps.read_window(job, found, plan)


def merge_slice_window(job: Job, part: BackfillSlice, window: Window) -> bool:
    """Bring a window of the slice into the warehouse. Returns whether the slice goes on behind it."""
    outcome = deliver.bring(job, part.slice.backfill, window.window_id)
    return outcome.more or ranges_of(job).precedes(part.slice.kind, str(window.extent.to_version), part.upper)
