"""check: a view against its promises; and what stands of alarms in the ledgers."""

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import task

from shardlake.ledger import alarms as ledger
from shardlake.ledger.alarms import Alarm
from shardlake.ledger.database import Warehouse
from shardlake.ledger.history import arrivals, delays
from shardlake.run.freshness import Judgement, judge
from tasks.retry import STAGE
from tasks.view_job import all_views, known_job


@task(name="check", task_run_name="check {name}", **{**STAGE, "retries": 1})
def check(name: str, run_id: UUID) -> tuple[Judgement, list[timedelta | None]]:
    """One view's shards, and what is wrong with them; and its delay over the day, an hour each."""
    job = known_job(name, run_id)
    with job.cancellation.working():
        now = datetime.now(UTC)
        with job.ledger.connection() as connection:
            came = arrivals(connection, name, len(job.partitions), now - timedelta(days=1))
        return judge(job, all_views(run_id)[0], now, watch=True), delays(came, now)


@dataclass(frozen=True, slots=True)
class Known:
    """What a check changed in the ledgers, `raised` and `ended`; and what people do not know yet: alarms that are `fresh` to them, and
    ends of alarms that are `over`.
    """

    raised: list[Alarm] = field(default_factory=list)
    ended: list[Alarm] = field(default_factory=list)
    fresh: list[Alarm] = field(default_factory=list)
    over: list[Alarm] = field(default_factory=list)


class Told:
    """The ledgers of a check's views: what is wrong is written there, and what people were told of."""

    def __init__(self, asked: list[str], run_id: UUID) -> None:
        self._ledgers: dict[int, tuple[Warehouse, list[str]]] = {}
        for name in asked:
            warehouse = known_job(name, run_id).ledger
            self._ledgers.setdefault(id(warehouse), (warehouse, []))[1].append(name)

    def record(self, alarms: list[Alarm], others: list[str], *, whole: bool, unknown: Set[str] = frozenset()) -> Known:
        """Write the alarms down. None of `unknown` kinds ends.

        Alarms of `others`, which could not be asked or are no views, stand in the first ledger; where there is none, all are new each time.
        """
        known = Known() if self._ledgers else Known(raised=list(alarms), fresh=list(alarms))
        every = {name for _, names in self._ledgers.values() for name in names} | set(others)
        first = True
        for warehouse, names in self._ledgers.values():
            mine = [a for a in alarms if a.view in names or (first and a.view in others)]
            with warehouse.connection() as connection:
                raised, ended = ledger.record(connection, names, sorted(every - set(names)), mine, whole=whole, unknown=unknown)
                fresh, over = ledger.untold(connection)
            for kept, found in ((known.raised, raised), (known.ended, ended), (known.fresh, fresh), (known.over, over)):
                kept += found
            first = False
        return known

    def told(self, fresh: list[Alarm], over: list[Alarm]) -> None:
        """People know of these now."""
        for warehouse, _ in self._ledgers.values():
            with warehouse.connection() as connection:
                ledger.told(connection, fresh, over)
