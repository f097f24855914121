"""The kinds of connections: one line a kind. Its slug finds it, before the slash of `mysql-shards/shop`."""

from typing import TypeVar, get_args

from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.connection.shards import MySQLShards, PostgresShards
from shardlake.connection.spec import ConnectionSpec
from shardlake.errors import SpecError

Connection = MySQLShards | PostgresShards | PostgresWarehouse | Lake
"""A connection of any kind. A new kind is a spec of its own, and a name here."""
KINDS: dict[str, type[Connection]] = {kind.slug: kind for kind in get_args(Connection)}
"""The kinds by slug."""
Kind = TypeVar("Kind", bound=ConnectionSpec)


def kind_of(reference: str) -> type[Connection]:
    """The kind of the connection of that name. Raises SpecError that lists the kinds.

    >>> kind_of("athena-lake/main").purpose
    'lake'
    """
    slug = reference.partition("/")[0]
    if slug not in KINDS:
        raise SpecError(f"there is no kind {slug!r}; there are: {', '.join(KINDS)}")
    return KINDS[slug]


def expect(found: Connection, kind: type[Kind], where: str) -> Kind:
    """The connection as one of that kind; `where` says for what it was named. Raises SpecError."""
    if not isinstance(found, kind):
        fitting = [slug for slug, other in KINDS.items() if issubclass(other, kind)]
        raise SpecError(f"{where} is a {found.slug}, which cannot be a {kind.purpose}", hint=f"Name one of {' or '.join(fitting)}.")
    return found
