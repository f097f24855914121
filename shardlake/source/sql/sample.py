"""Looking at a table on every shard, for a view that is to be drafted: columns, key, indexes, and a few documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shardlake.connection.address import Shard
from shardlake.errors import ContractError
from shardlake.source.door import Sample
from shardlake.source.sql.changes import changes_of
from shardlake.source.sql.dialect import KEY_KINDS, Dialect, Index, SourceColumn
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.explain import described
from shardlake.source.sql.select import describe, tables
from shardlake.view.view import View

SAMPLE = 200
"""Rows that are looked at on a shard from the beginning of its key, and as many from the end, where there is one."""
_ALL, _FEWEST, _BYTES = 4_000, 20, 32 << 20
"""Rows on all shards together, on one at least, and about how many bytes in all."""
_LONGEST_KEY = 16
"""Columns of a key that is put together because there is none: Postgres's keys have 32 at most, and two are ours."""


@dataclass(slots=True)
class _Look:
    """What one shard says of the table. `values` are texts by column, of `rows` rows; None is NULL."""

    columns: dict[str, SourceColumn]
    keys: list[str]
    indexes: list[Index]
    values: dict[str, list[str | None]] = field(default_factory=dict)

    @property
    def leading(self) -> set[str]:
        """The columns that an index begins with."""
        return {index.columns[0] for index in self.indexes if index.columns}


def sample(reference: str, shards: tuple[Shard, ...], table: str) -> Sample:
    """What a view of the table can be drafted from. Raises ContractError where the shards' columns are not alike."""
    speaker = dialect(shards[0].dialect)
    looks: list[_Look] = []
    for shard in shards:
        with speaker.connect(shard) as connection:
            try:
                looks.append(_look(speaker, connection, shard, table, len(shards)))
            except speaker.errors as error:
                raise speaker.failure(error, shard) from None
        _compare(shards[0].name, looks[0].columns, shard.name, looks[-1].columns)
    columns = tuple(looks[0].columns.values())
    keys, remarks = _key(table, looks[0])
    changes = changes_of(columns, looks[0].leading)
    source: dict[str, Any] = {"connection": reference, "table": table, "primary_key": keys}
    if changes.cursor:
        source |= {"cursor": changes.cursor, "lookback": "5m"}
    without = [shard.name for shard, look in zip(shards, looks, strict=True) if changes.cursor and changes.cursor not in look.leading]
    remarks += list(changes.remarks)
    if without:
        where = "" if len(without) == len(shards) else f" on {', '.join(without)}"
        remarks.append(f"no index begins with {changes.cursor}{where}: each run would read the whole table; create one on the shards")
    if flags := [c.name for c in columns if c.flag]:
        remarks.append(f"tinyint(1) holds -128 to 127: say boolean for {', '.join(flags)} where 0 and 1 alone are meant")
    documents = _documents(looks[0].columns, looks)
    return Sample(source, changes.write, tuple(described(c) for c in columns), documents, tuple(remarks), len(shards))


def sample_of(view: View, shards: tuple[Shard, ...]) -> Sample:
    """The columns of what a view reads, a table or an extract.sql. Raises ContractError where the shards' columns are not alike."""
    source, speaker = tables(view), dialect(shards[0].dialect)
    looks: list[_Look] = []
    for shard in shards:
        with speaker.connect(shard) as connection:
            try:
                if source.table:
                    looks.append(_look(speaker, connection, shard, source.table, len(shards)))
                else:
                    looks.append(_look_at_query(view, speaker, connection, shard, len(shards)))
            except speaker.errors as error:
                raise speaker.failure(error, shard) from None
        if source.drift == "stop":
            _compare(shards[0].name, looks[0].columns, shard.name, looks[-1].columns)
    columns = {name: column for look in reversed(looks) for name, column in look.columns.items()}
    said = {"connection": source.connection, "primary_key": list(source.primary_key)}
    return Sample(said, "merge", tuple(described(c) for c in columns.values()), _documents(columns, looks), (), len(shards))


def _documents(columns: Mapping[str, SourceColumn], looks: list[_Look]) -> dict[str, list[str]]:
    """What was seen of the columns that may hold JSON."""
    wanted = [c.name for c in columns.values() if c.kind in ("json", "text")]
    return {name: [text for look in looks for text in look.values.get(name, []) if text is not None] for name in wanted}


def _look_at_query(view: View, speaker: Dialect, connection: Any, shard: Shard, shards: int) -> _Look:
    """A look at the rows of an extract.sql, whichever come first."""
    relation = describe(view, speaker, connection, shard.name)
    look = _Look({c.name: c for c in relation.available}, list(tables(view).primary_key), [])
    wanted = [c for c in relation.available if c.kind in ("json", "text")]
    if wanted:
        selected = ", ".join(speaker.safe(c, f"q.{speaker.quote(c.name)}") for c in wanted)
        limit = max(_FEWEST, min(SAMPLE, _ALL // (2 * shards)))
        found = speaker.rowwise(shard, speaker.session(connection, shard), f"SELECT {selected} FROM {relation.text} LIMIT {limit}")
        look.values = {c.name: [_text(row[n]) for row in found] for n, c in enumerate(wanted)}
    return look


def _look(speaker: Dialect, connection: Any, shard: Shard, table: str, shards: int) -> _Look:
    tables = speaker.tables(connection, shard.database)
    if table not in tables:
        raise ContractError(f"{shard.name} has no table {table!r}; it has: {', '.join(tables[:30])}", hint="Check the name.")
    found = {c.name: c for c in speaker.columns(connection, speaker.quote(table))}
    look = _Look(found, speaker.primary_key(connection, table), speaker.indexes(connection, table))
    width = max(speaker.estimate(connection, table)[1], 1)
    limit = max(_FEWEST, min(SAMPLE, _ALL // (2 * shards), _BYTES // (2 * shards * width)))
    wanted = [c for c in found.values() if c.kind in ("json", "text") or (not look.keys and _guessable(c))]
    if wanted:
        rows = _rows(speaker, connection, shard, table, [found[k] for k in look.keys], wanted, limit)
        look.values = {c.name: [row[n] for row in rows] for n, c in enumerate(wanted)}
    return look


def _rows(
    speaker: Dialect, connection: Any, shard: Shard, table: str, keys: list[SourceColumn], wanted: list[SourceColumn], limit: int
) -> list[tuple[str | None, ...]]:
    """The first rows of a table, and the last, since documents change their shape over the years. Those of a view are any."""
    selected = [f"{speaker.safe(c, f'q.{speaker.quote(c.name)}')}" for c in (*keys, *wanted)]
    start = f"SELECT {', '.join(selected)} FROM {speaker.quote(table)} AS q"
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for direction in ("ASC", "DESC") if keys else ("",):
        order = f" ORDER BY {', '.join(f'q.{speaker.quote(k.name)} {direction}' for k in keys)}" if keys else ""
        rows = speaker.rowwise(shard, speaker.session(connection, shard), f"{start}{order} LIMIT {limit}")
        found |= {row[: len(keys)] or (n,): row[len(keys) :] for n, row in enumerate(rows)}
        if len(rows) < limit:
            break
    return [tuple(_text(value) for value in row) for row in found.values()]


def _text(value: Any) -> str | None:
    """A value as text; bytes that are no UTF-8 are spelt out, which no JSON is."""
    if value is None:
        return None
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _orders(column: SourceColumn) -> bool:
    return column.kind in KEY_KINDS and column.sorts_as_it_compares


def _always(column: SourceColumn) -> bool:
    """Whether it may be part of a key by itself: it orders rows, and is never NULL."""
    return _orders(column) and not column.nullable


def _guessable(column: SourceColumn) -> bool:
    """Whether it may be tried as a key; bytes may be long, and are not."""
    return _orders(column) and column.kind != "bytes"


def _key(table: str, look: _Look) -> tuple[list[str], list[str]]:
    """The columns that tell a row from others, and remarks where no primary key says so."""
    if odd := [look.columns[k] for k in look.keys if not _orders(look.columns[k])]:
        return look.keys, [
            f"{c.name}, a {c.declared}, cannot order rows as a key: select it as text or number in an extract.sql, or name another primary_key"
            for c in odd
        ]
    if look.keys:
        return look.keys, []
    certain = [list(i.columns) for i in look.indexes if i.unique and all(_always(look.columns[name]) for name in i.columns)]
    if certain:
        return min(certain, key=len), []
    says = f"{table} has no primary key"
    able = [c for c in look.columns.values() if _guessable(c)]
    for column in sorted(able, key=lambda c: (c.name.lower() != "id", not c.name.lower().endswith("id"))):
        values = look.values[column.name]
        if len(values) > 1 and None not in values and len(set(values)) == len(values):
            return [column.name], [
                f"{says}: {column.name} differed in the {len(values)} rows that were looked at; make sure that it always does, and is never NULL"
            ]
    guessed = [c.name for c in able if not c.nullable] or [c.name for c in able]
    return guessed[:_LONGEST_KEY], [
        f"{says}: name the columns that are unique together and never NULL, in place of those that stand in for it"
    ]


def _compare(first: str, columns: dict[str, SourceColumn], name: str, found: dict[str, SourceColumn]) -> None:
    for column in columns.values():
        if column.name not in found:
            raise ContractError(
                f"{name} has no column {column.name!r}, which {first} has",
                hint="Make the shards alike, or write the view by hand with `source.drift: missing`.",
            )
        if found[column.name].kind != column.kind:
            raise ContractError(
                f"{name}, {column.name}: is {found[column.name].declared} here and {column.declared} on {first}",
                hint="Make the shards alike, or convert it in an extract.sql.",
            )
