"""The queues of a work pool: runs that hang fill their own queue, and no other.

Limits stand on the queues alone. A worker's `--limit` and a pool's concurrency limit are shared by all queues, so that views that
hang would keep `check-freshness` from beginning.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shardlake.errors import SpecError


@dataclass(frozen=True, slots=True)
class Queue:
    """A work queue. Of runs that are due at the same moment, those of the lowest priority's number begin first."""

    name: str
    priority: int
    concurrency_limit: int | None = None


ALARMS, RUNS, SHARDS, BACKFILLS = "alarms", "runs", "shards", "backfills"
STANDARD = (Queue(ALARMS, 1), Queue(RUNS, 2), Queue(SHARDS, 3), Queue(BACKFILLS, 4))
"""What every pool has. Shards that run as runs of their own do not wait behind the runs that wait for them."""

CHECK = "flows.check_freshness.check_freshness"
"""The flow that watches: it is never behind what it watches."""
INFER = "flows.infer_schemas.infer_schemas"
"""The flow that only views with `columns: inferred` have work for."""
_OF = {
    CHECK: ALARMS,
    "flows.backfill.backfill": BACKFILLS,
    "flows.compact_lake.compact_lake": BACKFILLS,
    INFER: BACKFILLS,
}


def queue_of(entrypoint: str) -> str:
    """The queue of a deployment that names none.

    >>> queue_of("flows.check_freshness.check_freshness"), queue_of("flows.sync_view.sync_view")
    ('alarms', 'runs')
    """
    return _OF.get(entrypoint, RUNS)


def read_queues(file: Path, pool: dict[str, Any]) -> tuple[Queue, ...]:
    """A pool's queues: the standard ones, with what prefect.yaml says of them, and others that it names. Raises SpecError."""
    given = pool.get("queues") or {}
    where = f"{file}: definitions.work_pools: {pool.get('name')}: queues"
    if not isinstance(given, dict):
        raise SpecError(f"{where}: is a mapping", hint="It reads like `queues: {runs: {concurrency_limit: 4}}`.")
    found = {queue.name: queue for queue in STANDARD}
    for name, keys in given.items():
        keys = keys or {}
        if not isinstance(keys, dict) or any(key not in ("priority", "concurrency_limit") for key in keys):
            raise SpecError(f"{where}.{name}: has other keys than priority and concurrency_limit", hint="Remove them.")
        for key, value in keys.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SpecError(f"{where}.{name}.{key}: {value!r} is no whole number of 1 or more", hint="Leave it out for no limit.")
        found[name] = replace(found.get(name, Queue(str(name), len(found) + 1)), **keys)
    taken = [queue.priority for queue in found.values()]
    if twice := sorted({p for p in taken if taken.count(p) > 1}):
        raise SpecError(f"{where}: two have the priority {twice[0]}", hint=f"These have one of their own: {_spelt(STANDARD)}.")
    return tuple(sorted(found.values(), key=lambda queue: queue.priority))


def _spelt(queues: tuple[Queue, ...]) -> str:
    return ", ".join(f"{queue.name} {queue.priority}" for queue in queues)
