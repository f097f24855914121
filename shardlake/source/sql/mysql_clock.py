"""MySQL's and MariaDB's time, and which transactions may still write rows of the past: on a replica those of its primary."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql

from shardlake.connection.address import Shard
from shardlake.errors import SourceUnavailable
from shardlake.source.sql.dialect import CATCH_UP, UNSEEN, Clock, lagging

_STARTING = timedelta(minutes=10)
"""Behind a server's start: an XA transaction of no session that is said to have begun then may have been prepared before it."""
_UNSEEN = "open transactions cannot be seen (grant PROCESS): late commits are caught by the lookback alone"


def clock(connection: Any, shard: Shard, connect: Callable[[Shard], Any]) -> Clock:
    """The shard's time, bounded by what is open on it; of a replica by what is open on its primary, and by what it has applied."""
    with connection.cursor() as cursor:
        if shard.primary is None:
            found = _transactions(cursor)
            return _applied(cursor, found, declared=shard.replica)
        with connect(shard.primary) as primary, primary.cursor() as asked:
            found = _transactions(asked)
            written = _written(asked)  # later: what has ended in between is in it
        if _has_applied(cursor, written):
            return found
        return _applied(cursor, found, declared=True, known=True)


def _transactions(cursor: Any) -> Clock:
    """A server's time and its open transactions. InnoDB lists them as of up to a tenth of a second before: the safety lag covers that.

    A prepared XA transaction stands in the list with its own start; but after a restart of the server with that of the server.
    """
    cursor.execute("SELECT UTC_TIMESTAMP(6)")
    now: datetime = cursor.fetchone()[0].replace(tzinfo=UTC)
    try:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")
        started = now - timedelta(seconds=int(cursor.fetchone()[1]))
        cursor.execute("SET time_zone = 'SYSTEM'")  # the zone in which trx_started stands
        cursor.execute(
            "SELECT trx_id, trx_mysql_thread_id, TIMESTAMPDIFF(MICROSECOND, trx_started, SYSDATE(6)) FROM information_schema.innodb_trx"
            " WHERE trx_mysql_thread_id <> CONNECTION_ID() AND trx_is_read_only = 0"
        )
        # trx_started has whole seconds: it may have begun up to one later
        open_since = {(name, thread): now - timedelta(microseconds=int(age), seconds=1) for name, thread, age in cursor.fetchall()}
    except pymysql.Error:
        return Clock(now, now, (_UNSEEN,))
    finally:
        cursor.execute("SET time_zone = '+00:00'")
    prepared = tuple(f"{name}" for (name, thread), since in open_since.items() if thread == 0 and since < started + _STARTING)
    oldest = min(open_since.values(), default=None)
    return Clock(now, oldest or now, (), oldest, prepared)


def _applied(cursor: Any, found: Clock, *, declared: bool, known: bool = False) -> Clock:
    """The time of a replica: what it has applied bounds it, too. With `known` the primary's open transactions are in `found`."""
    behind, note = _behind(cursor, declared=declared)
    if behind is None and note is None:
        return found  # no replica
    bound = min(found.bound, found.now - timedelta(seconds=behind or 0))
    lag = lagging(behind) if known else UNSEEN
    return Clock(found.now, bound, (*found.notes, *([note] if note else []), lag), found.oldest, found.prepared, behind=known)


def _behind(cursor: Any, *, declared: bool) -> tuple[float | None, str | None]:
    """Seconds that a replica is behind, and a note where it will not say; twice None for what is none."""
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            cursor.execute(statement)
            row = cursor.fetchone()
            names = [d[0].lower() for d in cursor.description or ()]
        except pymysql.Error:
            continue
        if row is None:
            return None, "declared a replica, but it replicates nothing" if declared else None
        status = dict(zip(names, row, strict=True))
        seconds = status.get("seconds_behind_source", status.get("seconds_behind_master"))
        if seconds is None and declared:
            raise SourceUnavailable("the replica has stopped applying", hint="Start its replication, or read the source.")
        return None if seconds is None else float(seconds) + 1, None
    said = "how far the replica is behind cannot be seen (grant REPLICA MONITOR or REPLICATION CLIENT)"
    return None, said if declared else None


def _written(cursor: Any) -> tuple[str, str] | None:
    """All that a primary has committed: the function by which a replica waits for it, and its argument. None where it has no GTIDs."""
    for mode, position, function in (
        ("'ON'", "@@GLOBAL.gtid_binlog_pos", "MASTER_GTID_WAIT"),
        ("@@GLOBAL.gtid_mode", "@@GLOBAL.gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET"),
    ):
        try:
            cursor.execute(f"SELECT {position}, {mode}")
        except pymysql.Error:
            continue  # the other kind of server
        found, on = cursor.fetchone()
        if on == "ON" and found:
            return function, str(found).replace("\n", "")
    return None


def _has_applied(cursor: Any, written: tuple[str, str] | None) -> bool:
    """Whether a replica has all that its primary had committed; waits for it."""
    if written is None:
        return False
    cursor.execute(f"SELECT {written[0]}(%s, %s)", (written[1], CATCH_UP))
    return bool(cursor.fetchone()[0] == 0)
