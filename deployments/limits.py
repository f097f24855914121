"""The global concurrency limits of sources: how many reads may be under way at once, over all runs."""

from collections.abc import Iterable, Mapping

from blocks.resolve import connect
from shardlake.connection.connection_file import declared
from shardlake.connection.kinds import KINDS
from shardlake.connection.shards import Shards
from shardlake.errors import ShardlakeError
from shardlake.settings import connections_file
from shardlake.view.view import View
from tasks.limits import limit_name


def source_limits(views: Iterable[View]) -> Mapping[str, int]:
    """A limit for each source of the views, by its name. A source that is not known yet has none. Of a file no secret is read."""
    found = {}
    for reference in sorted({view.source.connection for view in views}):
        if (limit := _max_connections(reference)) is not None:
            found[limit_name(reference)] = limit
    return found


def _max_connections(reference: str) -> int | None:
    kind = KINDS.get(reference.partition("/")[0])
    if file := connections_file():
        given = declared(file, reference, "max_connections")
        return int(kind.model_fields["max_connections"].default if given is None else given) if kind else None
    try:
        source = connect(reference)
    except ShardlakeError:
        return None
    return source.max_connections if isinstance(source, Shards) else None
