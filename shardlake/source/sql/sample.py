"""Looking at a table on every shard, for a view that is to be drafted: columns, key, indexes, and a few documents."""

from typing import Any

from shardlake.connection.address import Shard
from shardlake.errors import ContractError
from shardlake.source.door import Sample
from shardlake.source.sql.dialect import SourceColumn
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.explain import described

SAMPLE = 200
"""Rows of the first shard in which JSON paths are looked for."""
_CURSOR_NAMES = ("updated_at", "modified_at", "last_modified", "updated", "modified", "changed_at", "updated_on", "mtime")


def sample(reference: str, shards: tuple[Shard, ...], table: str) -> Sample:
    """What a view of the table can be drafted from. Raises ContractError where the shards' columns are not alike."""
    speaker = dialect(shards[0].dialect)
    columns: dict[str, SourceColumn] = {}
    keys: list[str] = []
    indexes: dict[str, list[str]] = {}
    documents: dict[str, list[str]] = {}
    for place, shard in enumerate(shards):
        with speaker.connect(shard) as connection:
            try:
                if table not in speaker.tables(connection, shard.database):
                    raise ContractError(
                        f"{shard.name} has no table {table!r}; it has: {', '.join(speaker.tables(connection, shard.database)[:30])}",
                        hint="Check the name.",
                    )
                found = {c.name: c for c in speaker.columns(connection, speaker.quote(table))}
                if place == 0:
                    columns, keys, indexes = found, speaker.primary_key(connection, table), speaker.indexes(connection, table)
                    documents = _sample(speaker, connection, table, [c for c in found.values() if c.kind in ("json", "text")])
            except speaker.errors as error:
                raise speaker.failure(error, shard) from None
        _compare(shards[0].name, columns, shard.name, found)
    source, remarks = _source(reference, table, columns, keys, indexes)
    return Sample(source, "cursor" in source, tuple(described(c) for c in columns.values()), documents, remarks)


def _source(
    reference: str, table: str, columns: dict[str, SourceColumn], keys: list[str], indexes: dict[str, list[str]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The source's part of a view, and what is to be looked at in it."""
    leading = {first[0] for first in indexes.values() if first}
    times = [c.name for c in columns.values() if c.kind in ("datetime", "instant")]
    cursor = next((c for c in _CURSOR_NAMES if c in times), None) or next((c for c in times if c in leading), None)
    remarks = []
    source: dict[str, Any] = {"connection": reference, "table": table, "primary_key": keys or ["FILL_IN"]}
    if not keys:
        remarks.append("the table has no primary key: name the columns that are unique together and never NULL")
    if cursor:
        source |= {"cursor": cursor, "lookback": "5m"}
        if cursor not in leading:
            remarks.append(f"no index begins with {cursor}: each run would read the whole table; create one on the shards")
    else:
        remarks.append("no datetime that looks like a cursor: the table is loaded whole (write: replace)")
    return source, tuple(remarks)


def _compare(first: str, columns: dict[str, SourceColumn], name: str, found: dict[str, SourceColumn]) -> None:
    for column in columns.values():
        if column.name not in found:
            raise ContractError(
                f"{name} has no column {column.name!r}, which {first} has",
                hint="Make the shards alike, or write the view by hand with `source.drift: null`.",
            )
        if found[column.name].kind != column.kind:
            raise ContractError(
                f"{name}, {column.name}: is {found[column.name].declared} here and {column.declared} on {first}",
                hint="Make the shards alike, or convert it in an extract.sql.",
            )


def _sample(speaker: Any, connection: Any, table: str, columns: list[SourceColumn]) -> dict[str, list[str]]:
    if not columns:
        return {}
    cursor = connection.cursor()
    cursor.execute(
        f"SELECT {', '.join(speaker.safe(c, speaker.quote(c.name)) for c in columns)} FROM {speaker.quote(table)} LIMIT {SAMPLE}"
    )
    rows = cursor.fetchall()
    return {c.name: [str(row[n]) for row in rows if row[n] is not None] for n, c in enumerate(columns)}
