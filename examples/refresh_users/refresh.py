"""Refreshing a table of users from a provider: an example of work that is not a view, and that views may wait for.

Ids come from the warehouse, answers go into a table there, a batch at a time: a run that is broken off has lost a batch at
most, and the next asks only for users that are not fresh.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import psycopg
from psycopg.types.json import Jsonb
from pydantic import Field, ValidationError, field_validator

from examples.refresh_users.provider import Answer, Provider
from shardlake.connection.secret import expand
from shardlake.errors import SpecError
from shardlake.ledger.database import Warehouse
from shardlake.quoting import ansi
from shardlake.spec import Duration, PlainText, Reference, Spec
from shardlake.spec_file import explain, read_yaml

Connection = psycopg.Connection[Any]
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,49}\.[A-Za-z_][A-Za-z0-9_]{0,49}", re.ASCII)
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Refresh(Spec):
    """What is to be refreshed, and how gently. `token` is a reference to the secret; the secret itself is never a part of it."""

    users: PlainText
    provider: str
    token: str
    table: str = "analytics.users"
    warehouse: Reference = "postgres-warehouse/main"
    fresh_for: Duration = timedelta(days=1)
    per_second: Annotated[float, Field(gt=0, le=1000)] = 10.0
    at_once: Annotated[int, Field(ge=1, le=64)] = 8
    timeout: Duration = timedelta(seconds=10)
    tolerated: Annotated[float, Field(ge=0, le=1)] = 0.01
    batch: Annotated[int, Field(ge=1, le=10_000)] = 200

    @field_validator("users")
    @classmethod
    def _table_or_select(cls, value: str) -> str:
        if not _TABLE.fullmatch(value) and not re.match(r"\s*(select|with)\b", value, re.IGNORECASE):
            raise ValueError(f"{value[:60]!r} is neither schema.table, of which `user_id` is read, nor a SELECT of one column")
        return value

    @field_validator("provider")
    @classmethod
    def _https(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.password or parts.username:
            raise ValueError("the URL holds a user or a password; the token is given as `token`")
        if "{id}" not in parts.path or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)):
            raise ValueError(f"{value[:100]!r} must read like https://provider.example/users/{{id}}")
        return value

    @field_validator("token")
    @classmethod
    def _reference(cls, value: str) -> str:
        if not re.fullmatch(r"\$\{[^{}]+\}", value):  # the value is not shown: it may be the token itself
            raise ValueError("the token is given by reference, as in ${PROVIDER_TOKEN}, ${file:PATH} or ${aws:SECRET_ID#key}")
        return value

    @field_validator("table")
    @classmethod
    def _qualified(cls, value: str) -> str:
        if not _TABLE.fullmatch(value) or value.lower().startswith(("shardlake", "pg_", "information_schema")):
            raise ValueError(f"{value[:60]!r} must read schema.table, and not of a schema of Shardlake or Postgres")
        return value


def read_refresh(file: Path) -> Refresh:
    """What a file says of a refresh. Raises SpecError that names what is wrong, and never shows a token."""
    try:
        return Refresh.model_validate(read_yaml(file))
    except ValidationError as error:
        raise explain(error, str(file)) from None


@dataclass(slots=True)
class Refreshed:
    """What came of a refresh: users that were asked for, those with an answer, and why the others have none."""

    asked: int = 0
    refreshed: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def headline(self) -> str:
        """The refresh in a line, with the first few that failed."""
        if not self.asked:
            return "every user is fresh"
        line = f"{self.refreshed:,} of {self.asked:,} users refreshed"
        named = [f"{id} ({reason})" for id, reason in islice(self.failed.items(), 10)]
        more = [f"and {len(self.failed) - 10:,} more"] if len(self.failed) > 10 else []
        return f"{line}; {len(self.failed):,} failed: {', '.join([*named, *more])}" if named else line

    def ok(self, tolerated: float) -> bool:
        """Whether no more than the tolerated share has failed."""
        return len(self.failed) <= tolerated * self.asked


def refresh(warehouse: Warehouse, spec: Refresh) -> Refreshed:
    """Ask for every user that is not fresh, and keep the answers. A user that fails does not stop the others.

    Raises SpecError, AccessRefused (the provider refuses the token), WarehouseUnavailable.
    """
    token, found = str(expand(spec.token, "token")), Refreshed()
    provider = Provider(spec.provider, token, per_second=spec.per_second, timeout=spec.timeout.total_seconds())
    with warehouse.session() as connection, provider, ThreadPoolExecutor(spec.at_once) as pool:
        _make_table(connection, spec)
        ids = iter(_stale(connection, spec))
        while batch := list(islice(ids, spec.batch)):
            answers = list(pool.map(provider.ask, batch))
            refused = _keep(connection, spec, [a for a in answers if a.document is not None])
            reasons = {a.id: a.reason or refused[a.id] for a in answers if a.reason or a.id in refused}
            found.asked += len(batch)
            found.refreshed += len(batch) - len(reasons)
            found.failed |= reasons
    return found


def _target(spec: Refresh) -> str:
    schema, table = spec.table.split(".")
    return f"{ansi(schema)}.{ansi(table)}"


def _make_table(connection: Connection, spec: Refresh) -> None:
    if connection.execute("SELECT to_regclass(%s)", (_target(spec),)).fetchone() != (None,):
        return
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {ansi(spec.table.split('.')[0])}")
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_target(spec)} (user_id text PRIMARY KEY, document jsonb NOT NULL, refreshed_at timestamptz NOT NULL)"
    )


def _stale(connection: Connection, spec: Refresh) -> Iterator[str]:
    """The ids of users without an answer that is fresh, in a read-only transaction."""
    text = spec.users.strip().rstrip(";")
    if _TABLE.fullmatch(text):
        text = f"SELECT user_id FROM {'.'.join(ansi(part) for part in text.split('.'))}"
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        try:
            rows = connection.execute(
                "SELECT DISTINCT u.id::text FROM (" + text.replace("%", "%%") + "\n) AS u(id) WHERE u.id IS NOT NULL"
                f" AND NOT EXISTS (SELECT FROM {_target(spec)} t WHERE t.user_id = u.id::text AND t.refreshed_at > now() - %s) ORDER BY 1",
                (spec.fresh_for,),
            ).fetchall()
        except psycopg.ProgrammingError as error:
            raise SpecError(
                f"users: Postgres refuses it: {error.diag.message_primary}", hint="Give schema.table, or a SELECT of one column."
            ) from None
    return iter([row[0] for row in rows])


def _keep(connection: Connection, spec: Refresh, answers: list[Answer]) -> dict[str, str]:
    """Write a batch; where Postgres refuses it, row by row. Returns those that it refuses, and why."""
    upsert = (
        f"INSERT INTO {_target(spec)} (user_id, document, refreshed_at) VALUES (%s, %s, now())"
        " ON CONFLICT (user_id) DO UPDATE SET document = excluded.document, refreshed_at = excluded.refreshed_at"
    )
    try:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(upsert, [(a.id, Jsonb(a.document)) for a in answers])
    except psycopg.DataError as error:
        if len(answers) == 1:
            return {answers[0].id: f"Postgres refuses the answer: {error.diag.message_primary}"}
        return {id: why for answer in answers for id, why in _keep(connection, spec, [answer]).items()}
    return {}
