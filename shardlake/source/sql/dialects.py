"""The kinds of SQL servers by name: the one place where a new one is named."""

from shardlake.errors import SpecError
from shardlake.source.sql.dialect import Dialect


def dialect(name: str) -> Dialect:
    """The dialect of that name; modules are imported when they are needed."""
    if name == "mysql":
        from shardlake.source.sql.mysql import MySQL

        return MySQL()
    if name == "postgres":
        from shardlake.source.sql.postgres import Postgres

        return Postgres()
    raise SpecError(f"there is no source dialect {name!r}")
