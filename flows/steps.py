"""The engine's steps as Prefect's tasks: what a flow's loop submits and waits for."""

import sys
from collections import deque
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

from prefect.futures import PrefectFuture
from prefect.utilities.urls import url_for

from flows.presentation import POLL, outcome
from flows.runner import on_threads
from shardlake.run.job import Job
from shardlake.run.loop import Done, Work
from shardlake.run.steps import Planned
from tasks.apply import apply
from tasks.backfill import backfill_part
from tasks.extract import extract
from tasks.look import look
from tasks.plan import plan
from tasks.write import write

Futures = list[PrefectFuture[Any]]


class Tasks:
    """An executor of Prefect's tasks, within a flow. A window is a chain of two; the first that failed is its failure. Plans of many
    shards are one task, and those that fail in it a task each.
    """

    def __init__(self, job: Job, run_id: UUID, logs: dict[str, str]) -> None:
        """`logs` gets the address of the log in which each shard or lake table failed, where it is known (PREFECT_UI_URL, or the API's)."""
        self.width = job.parallelism.chains if on_threads() else sys.maxsize  # a cluster knows its own
        self._view, self._run_id = job.view.name, run_id
        self._ended: SimpleQueue[tuple[Work | list[Work], Futures]] = SimpleQueue()
        self._plans: list[Work] = []
        self._planned: deque[Done] = deque()
        self._logs = logs

    def submit(self, work: Work) -> None:
        """See Executor."""
        if work.step == "plan":
            self._plans.append(work)
        else:
            self._go(work, self._begin(work))

    def _go(self, work: Work | list[Work], futures: Futures) -> None:
        futures[-1].add_done_callback(lambda _: self._ended.put((work, futures)))

    def _plan(self) -> None:
        """Begin the plans that were submitted."""
        plans, self._plans = self._plans, []
        if len(plans) > 1:
            self._go(plans, [look.submit(self._view, self._run_id, [work.name for work in plans], **plans[0].given)])
        else:
            for work in plans:
                self._go(work, self._begin(work))

    def _looked(self, plans: list[Work], found: dict[str, Planned]) -> None:
        """Many plans have ended: those that failed are tried again, one by one."""
        self._planned.extend(Done(work, found[work.name]) for work in plans if work.name in found)
        for work in plans:
            if work.name not in found:
                self._go(work, self._begin(work))

    def next_done(self) -> Done:
        """See Executor. A run that is timed out or cancelled while it waits ends here."""
        self._plan()
        while not self._planned:
            try:
                work, futures = self._ended.get(timeout=POLL)
            except Empty:
                continue
            if isinstance(work, list):
                self._looked(work, outcome(futures[0])[0] or {})
                continue
            result, error = None, None
            for future in futures:
                result, error = outcome(future)
                if error:
                    part = work.given.get("part")
                    self._logs[part.shard if part else work.name] = url_for("task-run", future.task_run_id) or ""
                    break
            return Done(work, result, error)
        return self._planned.popleft()

    def _begin(self, work: Work) -> Futures:
        view, run_id, name, given = self._view, self._run_id, work.name, work.given
        if work.step == "plan":
            return [plan.submit(view, run_id, name, **given)]
        if work.step == "layout":
            return [write.submit(view, run_id, name, **given)]
        if work.step == "slice":
            return [backfill_part.submit(view, run_id, given["part"])]
        planned = given["planned"]
        window: Any = extract.submit(view, run_id, planned)
        return [window, apply.submit(view, run_id, planned, window)]
