"""Postgres's errors as ours: by their SQLSTATEs, what must be mended and what may be tried again."""

import re

import psycopg

from shardlake.connection.address import Shard
from shardlake.errors import AccessRefused, ShardlakeError, SourceFailed, SourceTimeout, SourceUnavailable

_LOOK = "Correct the view; `shardlake discover` drafts one from what the shards have."
_MISSING = {"42P01": "there is no such table", "42703": "there is no such column", "42601": "the SQL does not parse"}


def failure(error: BaseException, shard: Shard) -> ShardlakeError:
    """A driver's or connectorx's error as one of ours. SQLSTATEs, and the name of what is not there,
    are all that is taken from the driver; its texts hold SQL and cell data.
    """
    if isinstance(error, ShardlakeError):
        return error
    state = getattr(error, "sqlstate", None) or next(iter(re.findall(r'SqlState\(E?(\w{5})\)|code: "?(\w{5})"?', str(error))), None)
    state = next(filter(None, state), "") if isinstance(state, tuple) else state or ""
    where, text = f"{shard.name} ({shard.address})", str(error).lower()
    code = f" ({state})" if state else ""
    if state == "3D000" or ('database "' in text and "does not exist" in text):
        return AccessRefused(
            f"{where}: the server has no database {shard.database!r} (3D000)", hint="Create it, or correct the connection's url."
        )
    if state.startswith(("28", "42501")) or "authentication failed" in text or "no password supplied" in text:
        return AccessRefused(f"{where} refused user {shard.user!r}{code}", hint="Check the connection's user, password and grants.")
    if state == "57014":
        return SourceTimeout(
            f"{where}: a statement ran past {shard.statement_timeout:g} s{code}",
            hint="Check for an index on the cursor, or raise statement_timeout.",
        )
    if state.startswith("42"):
        what = _MISSING.get(state, "a name, a type or the SQL is not what the shard has")
        found = re.search(r'(?:relation|column) "?([^"\n]{1,130}?)"? does not exist', str(error)) if state in _MISSING else None
        return SourceFailed(f"{where}: {what}{f' as {found[1]}' if found else ''}{code}", hint=_LOOK)
    if "timeout" in text or "timed out" in text:
        return SourceTimeout(f"{where} did not answer in {shard.connect_timeout:g} s", hint="Check that the server is well.")
    if (
        state.startswith(("08", "53", "57"))
        or isinstance(error, psycopg.OperationalError | OSError)
        or re.search(r"connect|closed|reset by peer|pool", text)
    ):
        return SourceUnavailable(f"{where} cannot be reached or broke off{code}", hint="Check that it runs and can be reached from here.")
    return SourceFailed(
        f"{where}: {type(error).__name__}{code} while reading", hint="Run the statement that `shardlake plan` shows on the shard."
    )
