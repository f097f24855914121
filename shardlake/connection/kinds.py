"""The models of connections by their kind: its slug, before the slash of `mysql-shards/shop`, finds it in `shardlake.kinds`."""

from typing import TypeVar

from shardlake import kinds
from shardlake.connection.spec import ConnectionSpec
from shardlake.errors import SpecError

Connection = ConnectionSpec
"""A connection of any kind; which, its reference's slug says."""
KINDS: dict[str, type[ConnectionSpec]] = {slug: kind.connection_spec() for slug, kind in kinds.KINDS.items()}
"""The models of the kinds that come with Shardlake, by slug."""
Kind = TypeVar("Kind", bound=ConnectionSpec)


def kind_of(reference: str) -> type[ConnectionSpec]:
    """The kind of the connection of that name. Raises SpecError that lists the kinds.

    >>> kind_of("athena-lake/main").__name__
    'Lake'
    """
    found = kinds.kind_of(reference)
    if found is None:
        raise SpecError(f"there is no kind {reference.partition('/')[0]!r}; there are: {', '.join(kinds.KINDS)}")
    spec: type[ConnectionSpec] = found.connection_spec()
    return spec


def expect(found: Connection, kind: type[Kind], where: str) -> Kind:
    """The connection as one of that kind; `where` says for what it was named. Raises SpecError."""
    if not isinstance(found, kind):
        fitting = [slug for slug, other in kinds.KINDS.items() if issubclass(other.connection_spec(), kind)]
        role = kinds.KINDS[fitting[0]].role
        raise SpecError(f"{where} is a {found.slug}, which cannot be a {role}", hint=f"Name one of {' or '.join(fitting)}.")
    return found
