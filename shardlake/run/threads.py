"""Steps on threads of this process, without Prefect."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from shardlake.errors import Retryable, ShardlakeError
from shardlake.run import deliver, steps
from shardlake.run.backfill_slice import merge_slice_window, read_slice_window
from shardlake.run.job import Job
from shardlake.run.loop import Done, Work

T = TypeVar("T")
PAUSES = (0.5, 2.0)
"""Seconds before a step is tried again."""
POLL = 0.5
"""Seconds after which a wait looks up."""


class Threads:
    """An executor of `width` threads. What else than a ShardlakeError ends a step is raised by `next_done`; where it does not `raises`
    that is the step's failure, as any other.

    Left by an exception it begins no further step; those under way are the run's to end.
    """

    def __init__(self, job: Job, run_id: UUID, width: int, *, raises: bool = True) -> None:
        self.width = width
        self._raises = raises
        self._job, self._run_id = job, run_id
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._pool = ThreadPoolExecutor(width)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=True)

    def submit(self, work: Work) -> None:
        """See Executor."""
        future = self._pool.submit(self._carry_out, work)
        future.add_done_callback(lambda ended: self._put(work, ended))

    def next_done(self) -> Done:
        """See Executor."""
        done = None
        while done is None:  # a signal may reach another thread, which wakes none that waits without an end
            with suppress(Empty):
                done = self._done.get(timeout=POLL)
        if self._raises and done.error and not isinstance(done.error, ShardlakeError):
            raise done.error
        return done

    def _put(self, work: Work, ended: Future[Any]) -> None:
        if not ended.cancelled():
            error = ended.exception()
            self._done.put(Done(work, error=error) if error else Done(work, ended.result()))

    def _carry_out(self, work: Work) -> Any:
        job, run_id, given = self._job, self._run_id, work.given
        if work.step == "plan":
            with job.cancellation.working():
                return steps.plan(job, work.name, **given)
        if work.step == "layout":
            return self._persistent(lambda: deliver.catch_up(job, run_id, work.name, **given))
        if work.step == "slice":
            found = self._persistent(lambda: read_slice_window(job, given["part"]))
            return found is not None and self._persistent(lambda: merge_slice_window(job, given["part"], found))
        planned = given["planned"]
        window = self._persistent(lambda: steps.extract(job, run_id, planned))
        return self._persistent(lambda: deliver.into_warehouse(job, run_id, planned, window))

    def _persistent(self, step: Callable[[], T]) -> T:
        return persistent(step, self._job)


def persistent(step: Callable[[], T], job: Job) -> T:
    """Carry a step of a run out, and again where that can help."""
    for pause in PAUSES:
        try:
            with job.cancellation.working():
                return step()
        except Retryable:
            job.cancellation.pause(pause)
    with job.cancellation.working():
        return step()
