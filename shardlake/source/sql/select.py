"""The SELECT of a window's chunk, built from the shard's own catalogue. Text only: nothing here runs it."""

import re
from dataclasses import dataclass

from shardlake.errors import ContractError
from shardlake.source.sql.dialect import CURSOR_KINDS, KEY_KINDS, Dialect, SourceColumn
from shardlake.source.sql.window import Position, Window
from shardlake.view.source import SqlTables
from shardlake.view.view import View

CURSOR = "_cursor"
"""The name under which the cursor is read where it is the greatest of several columns."""


def tables(view: View) -> SqlTables:
    """What a view says of a source of SQL servers."""
    assert isinstance(view.source, SqlTables)
    return view.source


@dataclass(frozen=True, slots=True)
class Relation:
    """What is read from one shard: FROM text, the columns wanted in reading order, and the names that are missing.

    `unique` says whether the table itself holds the view's primary_key to be unique and never NULL; None where nobody can know.
    """

    text: str
    columns: tuple[SourceColumn, ...]
    available: tuple[SourceColumn, ...]
    missing: tuple[str, ...] = ()
    unique: bool | None = None

    def kinds(self) -> dict[str, str]:
        """Column and kind, as drift is compared."""
        return {c.name: c.kind for c in self.columns}

    def column(self, name: str) -> SourceColumn:
        """The column of that name."""
        return next(c for c in self.columns if c.name == name)


def unreadable(column: SourceColumn) -> str:
    """Why a column of the kind `other` is not read, with what to write in place of it, where that is known."""
    return f"the type {column.declared} cannot be read exactly" + (f"; {column.advice}" if column.advice else "")


def describe(view: View, dialect: Dialect, connection: object, shard: str) -> Relation:
    """Ask the shard what it has of what the view wants. Raises ContractError for what is missing or cannot be read."""
    source = tables(view)
    text = dialect.quote(source.table) if source.table else f"({bind(str(view.sql_text), None, dialect)}) AS q"
    available = tuple(dialect.columns(connection, text))
    by_name = {c.name: c for c in available}
    columns, missing = [], []
    for name in view.source_columns:
        column = by_name.get(name)
        if column is None and (name in source.primary_key or name in source.cursors or source.drift == "stop"):
            have = ", ".join(by_name)
            raise ContractError(
                f"{shard}, {source.table or source.sql}: there is no column {name!r}; there are: {have}",
                hint="Correct the view, or say `source.drift: missing` to fill it with NULL.",
            )
        if column is None:
            missing.append(name)
        elif column.kind == "other":
            raise ContractError(f"{shard}, {name}: {unreadable(column)}", hint="Convert it in extract.sql, or leave it out.")
        else:
            columns.append(column)
    for name in source.primary_key:
        if by_name[name].kind not in KEY_KINDS or not by_name[name].sorts_as_it_compares:
            raise ContractError(
                f"{shard}, {name}: a column of type {by_name[name].declared} cannot order rows as a key",
                hint="Choose another primary_key, or convert it in extract.sql.",
            )
    for name in source.cursors:
        if by_name[name].kind not in CURSOR_KINDS:
            raise ContractError(
                f"{shard}, {name}: a {by_name[name].declared} cannot be a cursor", hint="Choose a date, datetime or integer column."
            )
    known = dialect.unique_keys(connection, source.table) if source.table else None
    unique = None if known is None else any({*key} <= {*source.primary_key} for key in known)
    return Relation(text, tuple(columns), available, tuple(missing), unique)


def bind(sql: str, window: Window | None, dialect: Dialect) -> str:
    """extract.sql with `:lower` and `:upper` bound to the window's bounds, where it uses them.

    Without a window (to ask for the columns alone) both are NULL, which is of any type.
    """

    def bound(found: re.Match[str]) -> str:
        if window is None or window.kind is None:
            return "NULL"
        value = window.lower if found[1] == "lower" else window.upper
        return _EDGES[window.kind in ("int", "decimal")][found[1]] if value is None else dialect.literal(window.kind, value)

    return re.sub(r"(?<![:\w]):(lower|upper)\b", bound, sql)


_EDGES = {False: {"lower": "'1000-01-01'", "upper": "'9999-12-31'"}, True: {"lower": f"-{10**38}", "upper": f"{10**38}"}}
"""Bounds where a window has none: of times, and (True) of numbers."""


def cursor_expression(view: View, dialect: Dialect) -> str:
    """The cursor in SQL, of a relation named q; of several columns the greatest that is not NULL."""
    names = [f"q.{dialect.quote(c)}" for c in tables(view).cursors]
    if len(names) == 1 or dialect.name == "postgres":  # Postgres's GREATEST passes over NULLs by itself
        return names[0] if len(names) == 1 else f"GREATEST({', '.join(names)})"
    any_of = [f"COALESCE({', '.join([n, *(m for m in names if m != n)])})" for n in names]
    return f"GREATEST({', '.join(any_of)})"


def within(view: View, dialect: Dialect, relation: Relation, window: Window) -> str:
    """What is read, named q, with extract.sql bound to a window."""
    return f"{relation.text} AS q" if tables(view).table else f"({bind(str(view.sql_text), window, dialect)}) AS q"


def nullable_cursor(view: View, relation: Relation) -> bool:
    """Whether rows may have no cursor at all."""
    return bool(tables(view).cursors) and all(relation.column(c).nullable for c in tables(view).cursors)


def takes_nulls(view: View, relation: Relation, window: Window, dialect: Dialect) -> bool:
    """Whether the rows without a cursor are read after the others; those with one that is no time (a zero date) are among them."""
    if window.order != "cursor" or window.ranged or not window.nulls or not tables(view).cursors:
        return False
    return nullable_cursor(view, relation) or dialect.untimed("", window.kind) is not None


def chunk_sql(
    view: View, dialect: Dialect, relation: Relation, window: Window, *, after: Position | None, limit: int,
    up_to: Position | None = None, nulls: bool = False,
) -> str:  # fmt: skip
    """One chunk: columns by exact expressions, the window's bounds, the position to go on from and the last one, order and limit.

    With `nulls`, the rows that have no cursor, in key order; they belong to every window in cursor order.
    """
    selected = [f"{dialect.safe(c, f'q.{dialect.quote(c.name)}')} AS {dialect.quote(c.name)}" for c in relation.columns]
    cursor = cursor_expression(view, dialect) if tables(view).cursors else None
    if cursor and len(tables(view).cursors) > 1:
        kind = relation.column(tables(view).cursors[0])
        selected.append(f"{dialect.safe(kind, cursor)} AS {dialect.quote(CURSOR)}")
    # q. everywhere: a bare name in ORDER BY is the selected expression, a text that sorts 10 before 9 and has no index
    keys = (relation.column(k) for k in tables(view).primary_key)
    order = [str(cursor)] if window.order == "cursor" and not nulls else []
    order += [f"q.{dialect.quote(k.name)}" + (dialect.nulls_first() if k.nullable else "") for k in keys]
    found = _found(view, dialect, relation, window, after=after, up_to=up_to, nulls=nulls)
    return f"SELECT {', '.join(selected)} {found} ORDER BY {', '.join(order)} LIMIT {limit}"


def count_sql(
    view: View, dialect: Dialect, relation: Relation, window: Window, *, after: Position | None, up_to: Position | None, nulls: bool
) -> str:
    """How many rows of the window lie behind one position, up to and with another."""
    return f"SELECT COUNT(*) AS found {_found(view, dialect, relation, window, after=after, up_to=up_to, nulls=nulls)}"


def tied_sql(view: View, dialect: Dialect, relation: Relation, window: Window, *, at: Position, nulls: bool) -> str:
    """How many rows of the window have one position, as the server compares."""
    return f"SELECT COUNT(*) AS found {_found(view, dialect, relation, window, at=at, nulls=nulls)}"


def _found(
    view: View, dialect: Dialect, relation: Relation, window: Window, *, after: Position | None = None,
    up_to: Position | None = None, at: Position | None = None, nulls: bool,
) -> str:  # fmt: skip
    """FROM and WHERE."""
    cursor = cursor_expression(view, dialect) if tables(view).cursors else None
    where = _bounds(dialect, window, cursor, nulls, nullable_cursor(view, relation))
    steps = [(cursor, window.kind)] if window.order == "cursor" and not nulls else []
    steps += [(f"q.{dialect.quote(k)}", relation.column(k).kind) for k in tables(view).primary_key]
    last = up_to if up_to is not None or nulls else window.until
    for place, bound in ((after, _beyond), (last, _up_to), (at, _at)):
        if place is not None:
            literals = [
                (str(expression), dialect.literal(kind, value)) for (expression, kind), value in zip(steps, place, strict=True) if kind
            ]
            where.append(bound(literals))
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return f"FROM {within(view, dialect, relation, window)}{condition}"


def _bounds(dialect: Dialect, window: Window, cursor: str | None, nulls: bool, nullable: bool) -> list[str]:
    if cursor is None or window.kind is None:
        return []
    if nulls:
        untimed = dialect.untimed(cursor, window.kind)
        return [f"({cursor} IS NULL OR {untimed})" if untimed else f"{cursor} IS NULL"]
    where = [f"{cursor} > {dialect.literal(window.kind, window.lower)}"] if window.lower is not None else []
    if window.upper is not None:
        bound = f"{cursor} <= {dialect.literal(window.kind, window.upper)}"
        where.append(f"({bound} OR {cursor} IS NULL)" if window.order == "key" and nullable else bound)
    return where


def _beyond(steps: list[tuple[str, str]]) -> str:
    """`(a, b) > (x, y)` spelt out, since MySQL takes no range of an index from a row comparison."""
    first, value = steps[0]
    if len(steps) == 1:
        return f"{first} > {value}"
    return f"({first} > {value} OR ({first} = {value} AND {_beyond(steps[1:])}))"


def _up_to(steps: list[tuple[str, str]]) -> str:
    """`(a, b) <= (x, y)`, with a range of the index; a key that is NULL comes first."""
    first, value = steps[0]
    if len(steps) == 1:
        return f"({first} <= {value} OR {first} IS NULL)"
    return f"(({first} <= {value} OR {first} IS NULL) AND ({first} < {value} OR {first} IS NULL OR {_up_to(steps[1:])}))"


def _at(steps: list[tuple[str, str]]) -> str:
    """`(a, b) = (x, y)`."""
    return " AND ".join(f"{name} = {value}" for name, value in steps)
