"""Postgres's time, and which transactions may still write rows of the past: on a replica those of its primary."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shardlake.connection.address import Shard
from shardlake.errors import SourceFailed
from shardlake.source.sql.dialect import CATCH_UP, UNSEEN, Clock, lagging

_UNSEEN = "others' open transactions cannot be seen (grant pg_read_all_stats): late commits are caught by the lookback alone"


def clock(connection: Any, shard: Shard, connect: Callable[[Shard], Any]) -> Clock:
    """The shard's time, bounded by what is open on it; of a replica by what is open on its primary, and by what it has applied."""
    now, in_recovery, applied = connection.execute(
        "SELECT clock_timestamp(), pg_is_in_recovery(), pg_last_xact_replay_timestamp()"
    ).fetchone()
    if not in_recovery:
        found = _transactions(connection)
        nothing = ("declared a replica, but it replicates nothing",) if shard.replica else ()
        return Clock(found.now, found.bound, (*found.notes, *nothing), found.oldest, found.prepared)
    bound = min(now, applied or now)
    if shard.primary is None:
        return Clock(now, bound, (UNSEEN,))
    with connect(shard.primary) as primary:
        if primary.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
            raise SourceFailed(
                f"{shard.primary.name} ({shard.primary.address}) is a replica itself",
                hint="Name the server that takes writes as `primary`.",
            )
        found = _transactions(primary)
        if _has_applied(connection, primary):  # asked later: what has ended in between is in it
            return found
    behind = max(0.0, (now - bound).total_seconds())
    notes = (*found.notes, lagging(behind))
    return Clock(found.now, min(found.bound, bound), notes, found.oldest, found.prepared, behind=True)


def _transactions(connection: Any) -> Clock:
    """A server's time and its open transactions. now() is a transaction's start here, so that even one that has written nothing yet counts.

    Of a prepared one the server tells when it was prepared, and nowhere when it began. It is asked for behind the others: whatever has
    been prepared in between stands in one list at least.
    """
    now, sees_all, oldest = connection.execute(
        "SELECT clock_timestamp(), pg_has_role('pg_read_all_stats', 'member'), (SELECT min(xact_start) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend')"
    ).fetchone()
    gids = connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared").fetchall()
    bound = now if oldest is None else min(now, oldest - timedelta(microseconds=1))
    return Clock(now, bound, () if sees_all else (_UNSEEN,), oldest, tuple(gid for (gid,) in gids))


def _has_applied(connection: Any, primary: Any) -> bool:
    """Whether a replica has all that its primary had committed; waits for it.

    What an open transaction has written last may stay in the primary's memory for long, and no replica gets it before it is on disk.
    Commits get there within three times wal_writer_delay, even where synchronous_commit is off: what is on disk then will do.
    """
    begun = time.monotonic()
    written, delay = primary.execute(
        "SELECT pg_current_wal_insert_lsn(), (SELECT 0.003 * setting::float8 FROM pg_settings WHERE name = 'wal_writer_delay')"
    ).fetchone()
    on_disk = False
    while not connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)).fetchone()[0]:
        if time.monotonic() > begun + CATCH_UP:
            return False
        if not on_disk and time.monotonic() > begun + delay:
            on_disk = True
            written = primary.execute("SELECT least(%s::pg_lsn, pg_current_wal_flush_lsn())", (written,)).fetchone()[0]
        time.sleep(0.05)
    return True
