"""MySQL's and MariaDB's errors as ours: by their numbers, what must be mended and what may be tried again."""

import re

import pymysql

from shardlake.connection.address import Shard
from shardlake.errors import AccessRefused, ShardlakeError, SourceFailed, SourceTimeout, SourceUnavailable

_REFUSED = {
    1045: "user or password is wrong", 1044: "the user may not use this database, or there is none of that name",
    1142: "the user may not read this table", 1143: "the user may not read a column", 1698: "user or password is wrong",
    1227: "the user lacks a privilege", 1226: "the user is over a limit, such as max_user_connections",
    1203: "the user is over max_user_connections", 1862: "the password has expired", 1820: "the password has expired",
    1129: "the server blocks this host after failed logins", 3159: "the server takes encrypted connections only",
}  # fmt: skip
_LOOK = "Correct the view; `shardlake discover` drafts one from what the shards have."
_MISSING = {1146: "there is no such table", 1054: "there is no such column", 1064: "the SQL does not parse"}
_TIMED_OUT = (1969, 3024, 1317)
_TOO_MANY = (1040,)
_NO_DATABASE = (1049,)
_GONE = (2002, 2003, 2005, 2006, 2013, 1053, 1927, 1152, 1158, 1159, 1160, 1161)


def failure(error: BaseException, shard: Shard, waited: float | None = None) -> ShardlakeError:
    """A driver's or connectorx's error as one of ours. Error numbers, and the name of what is not there,
    are all that is taken from the driver; its texts hold SQL and cell data.

    `waited` is how many seconds an answer was waited for, where that is known.
    """
    if isinstance(error, ShardlakeError):
        return error
    code = error.args[0] if isinstance(error, pymysql.Error) and error.args and isinstance(error.args[0], int) else None
    if code is None and (found := re.search(r"ERROR (\d{4})|\((\d{4})\)", str(error))):
        code = int(found[1] or found[2])
    where = f"{shard.name} ({shard.address})"
    if code in _REFUSED:
        return AccessRefused(
            f"{where} refused user {shard.user!r}: {_REFUSED[code]} (error {code})",
            hint="Check the connection's user, password and grants.",
        )
    if code in _NO_DATABASE:
        return AccessRefused(
            f"{where}: the server has no database {shard.database!r} (error {code})", hint="Create it, or correct the connection's url."
        )
    if code in _MISSING:
        found = re.search(r"Table '([^'\n]{1,130})' doesn't exist|Unknown column '([^'\n]{1,130})' in", str(error))
        named = f" as {found[1] or found[2]}" if found else ""
        return SourceFailed(f"{where}: {_MISSING[code]}{named} (error {code})", hint=_LOOK)
    if code in _TIMED_OUT:
        return SourceTimeout(
            f"{where}: a statement ran past {shard.statement_timeout:g} s (error {code})",
            hint="Check for an index on the cursor, or raise statement_timeout.",
        )
    if code in _TOO_MANY:
        return SourceUnavailable(f"{where} has no connection left (error {code})", hint="Lower max_connections of the connection.")
    if "timed out" in str(error).lower():
        return SourceTimeout(f"{where} did not answer in {f'{waited:g} s' if waited else 'time'}", hint="Check that the server is well.")
    if (
        code in _GONE
        or isinstance(error, OSError | ConnectionError)
        or re.search(r"(?i)connect|broken pipe|packets out of sync|reset by peer|os error|pool", str(error))
    ):
        return SourceUnavailable(
            f"{where} cannot be reached or broke off{f' (error {code})' if code else ''}",
            hint="Check that it runs and can be reached from here.",
        )
    return SourceFailed(
        f"{where}: {type(error).__name__}{f' (error {code})' if code else ''} while reading",
        hint="Run the statement that `shardlake plan` shows on the shard.",
    )
