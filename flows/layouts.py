"""The lake tables of a run: written between its windows as soon as a commit's worth waits, and at its end."""

from typing import Any
from uuid import UUID

from flows.presentation import outcome
from shardlake.run.backfill import Backfill
from shardlake.run.run import Run
from tasks.write import write


def write_all(view: str, run_id: UUID, run: Run | Backfill) -> None:
    """Every lake table that is to be written at a run's end, all at once; the failure of one is its own."""
    last: dict[str, Any] = {table: write.submit(view, run_id, table) for table in run.layouts()}
    for table, future in last.items():
        done, error = outcome(future)
        if error:
            run.not_written(table, error)
        else:
            run.wrote(table, done)


class Layouts:
    """What of a view's lake tables is being written."""

    def __init__(self, view: str, run: Run) -> None:
        self._view, self._run = view, run
        self._under_way: dict[str, Any] = {}

    def between(self) -> None:
        """Behind a merged window: begin with the tables for which a whole commit waits, each once at a time."""
        for table, future in list(self._under_way.items()):
            future.wait(timeout=0)
            if future.state.is_final():
                self._settle(table)
        for table in self._run.due():
            if table not in self._under_way:
                self._under_way[table] = write.submit(self._view, self._run.id, table, full=True)

    def finish(self) -> None:
        """Behind the last window: everything that is left, all tables at once. What failed before is tried again."""
        for table in list(self._under_way):
            self._settle(table)
        write_all(self._view, self._run.id, self._run)

    def _settle(self, table: str) -> None:
        done, error = outcome(self._under_way.pop(table))
        if error:
            self._run.put_off(table)
        else:
            self._run.wrote(table, done)
