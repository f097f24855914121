"""The global concurrency limits of sources: how many reads may be under way at once, over all runs."""

from collections.abc import Iterable, Mapping

from shardlake.connection.connection_file import declared
from shardlake.errors import ShardlakeError
from shardlake.kinds import kind_of
from shardlake.settings import connections_file
from shardlake.view.view import View
from tasks.connect import connect
from tasks.limits import limit_name


def source_limits(views: Iterable[View]) -> Mapping[str, int]:
    """A limit for each source of the views, by its name. A source that is not known yet has none. Of a file no secret is read."""
    found = {}
    for reference in sorted({view.source.connection for view in views}):
        if (limit := _reads_at_once(reference)) is not None:
            found[limit_name(reference)] = limit
    return found


def _reads_at_once(reference: str) -> int | None:
    kind = kind_of(reference)
    if file := connections_file():
        fields = kind.connection_spec().model_fields if kind and kind.role == "source" else {}
        given = {name: declared(file, reference, name) for name in ("max_connections", "ranges") if name in fields}
        said = {name: int(fields[name].default if value is None else value) for name, value in given.items()}
        return said["max_connections"] // said.get("ranges", 1) if said else None
    try:
        return connect(reference).reads_at_once
    except ShardlakeError:
        return None
