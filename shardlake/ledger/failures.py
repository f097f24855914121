"""psycopg's errors as ours: what may be retried, and what must be mended, with the next step."""

import re
from collections.abc import Iterable

import psycopg
from psycopg_pool import PoolTimeout

from shardlake.connection.address import Shard
from shardlake.connection.secret import redact
from shardlake.errors import AccessRefused, ContractError, ShardlakeError, SourceFailed, WarehouseBusy, WarehouseUnavailable
from shardlake.quoting import ansi

_REFUSED = ("28", "3D", "42501")
_WORDS_OF_REFUSAL = r"authentication failed|no password supplied|role \".*\" does not exist|no pg_hba.conf entry"
"""What libpq says of a connection that was refused, for which psycopg has no code."""
_NO_DATABASE = r"database \".*\" does not exist"
_LOCKED = ("55P03", "40P01", "40001")
_PASSING = ("08", "53", "57", "58")
"""Connections lost, resources, operators, the system: what may be over in a moment."""
_BY_CODE = {
    "53100": ("has no disk space left", "Make room; the run goes on from where it stopped."),
    "53300": ("has no connection left", "End some, raise max_connections there, or give the connection a lower max_connections."),
    "57014": ("broke off a statement", "Look at the user's statement_timeout there, and at who cancels statements."),
}
_RULES = {
    "23502": "a NOT NULL", "23503": "a foreign key", "23505": "a unique constraint or index", "23514": "a check or a partition's bounds",
    "23P01": "an exclusion constraint", "P0001": "a trigger",
}  # fmt: skip


def failure(error: Exception, shard: Shard, secrets: Iterable[str]) -> ShardlakeError:
    """A psycopg error as one of ours. Holds no data, but for what the server's own first line says."""
    state = getattr(error, "sqlstate", None) or ""
    where, code = f"the warehouse ({shard.address})", f" ({state})" if state else ""
    if state == "3D000" or (not state and re.search(_NO_DATABASE, str(error))):
        return AccessRefused(
            f"{where}: there is no database {shard.database!r} on the server{code}",
            hint=f"Create it there: `CREATE DATABASE {ansi(shard.database)}`; or mend the connection's url.",
        )
    if state.startswith(_REFUSED) or (not state and re.search(_WORDS_OF_REFUSAL, str(error))):
        return AccessRefused(f"{where} refused user {shard.user!r}{code}", hint="Check the connection's user, password and grants.")
    if state == "25006":
        return AccessRefused(f"{where} is read-only{code}", hint="Name the primary in the connection's url: a replica takes no rows.")
    if state in _LOCKED:
        return WarehouseBusy(f"{where}: a lock was not granted in time{code}", hint="It is tried again; see who holds it in pg_locks.")
    if state in _BY_CODE:
        what, hint = _BY_CODE[state]
        return WarehouseUnavailable(f"{where} {what}{code}", hint=hint)
    if state.startswith(_PASSING) or (not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout)):
        return WarehouseUnavailable(
            f"{where} cannot be reached or broke off{code}", hint="Check that it runs and can be reached from here."
        )
    diag = getattr(error, "diag", None)
    text = getattr(diag, "message_primary", "") or f"{type(error).__name__}: {error}"
    text = redact(text, secrets)  # the one place where a server's own words pass
    if state in _RULES:
        of = f"{diag.schema_name}.{diag.table_name}: " if diag and diag.table_name else ""
        return ContractError(
            f"{where}: {of}{_RULES[state]} refuses rows of the view: {text}{code}",
            hint="Nothing of them was committed; they are in raw. Mend it there or the rows at their source; the next run brings them in.",
        )
    return SourceFailed(f"{where}: {text}{code}", hint="This should have been caught before; please report it.")
