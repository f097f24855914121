"""The next schema: what is kept, with the columns and types that were found besides. Columns stay, and no type becomes narrower."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from shardlake.schema.columns import free_name
from shardlake.view.jsonpath import Path
from shardlake.view.types import Type
from shardlake.view.view import Column

Columns = Mapping[str, Column]
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
TEXT, JSON = Type("text"), Type("jsonb")


@dataclass(frozen=True, slots=True)
class Widening:
    """The next columns: those that are new, those of another type than before, and those that a wider type was found for and
    that keep theirs: the type found, and why.
    """

    columns: dict[str, Column]
    added: tuple[str, ...]
    widened: tuple[str, ...]
    kept: dict[str, tuple[Type, str]]

    @property
    def anything(self) -> bool:
        """Whether the next schema is another than the one before."""
        return bool(self.added or self.widened)


def joined(kept: Type, found: Type, *, in_json: bool) -> Type:
    """The narrowest of our types that has room for what both hold. `in_json` says that the values are parts of a JSON document, so
    that jsonb holds each of them.

    >>> [str(joined(Type(a), Type(b), in_json=True)) for a, b in (("bigint", "numeric"), ("numeric", "bigint"), ("boolean", "bigint"))]
    ['numeric', 'numeric', 'text']
    >>> str(joined(Type("jsonb"), Type("text"), in_json=True)), str(joined(Type("jsonb"), Type("text"), in_json=False))
    ('jsonb', 'text')
    >>> [str(joined(Type(a), Type(b), in_json=False)) for a, b in (("bigint", "double precision"), ("real", "double precision"))]
    ['numeric', 'double precision']
    """
    if kept.holds(found) or kept == TEXT or (kept == JSON and in_json):
        return kept
    if found.holds(kept):
        return found
    if kept.name in _NUMBERS and found.name in _NUMBERS and not (kept.array or found.array):
        return Type("numeric")
    return TEXT


def widen(kept: Columns, found: Columns, fixed: Mapping[str, str]) -> Widening:
    """The columns of `kept`, widened by those of `found`, which are told by where they come from. `fixed` columns keep their type, and why.

    Nothing below a source column is new where that column is no jsonb: each row whose text is no JSON would be a reject.
    """
    by_path = {column.path: column for column in found.values()}
    known = {column.path for column in kept.values()}
    parents = _parents({*known, *by_path})
    columns: dict[str, Column] = {}
    refused: dict[str, tuple[Type, str]] = {}
    for name, column in kept.items():
        wider = _wider(column, by_path, parents)
        if wider != column.type and name in fixed:
            refused[name] = (wider, fixed[name])
        columns[name] = column if name in fixed else column.model_copy(update={"type": wider})
    widened = tuple(name for name, column in columns.items() if column.type != kept[name].type)
    plain = {column.path.column for column in columns.values() if not column.path.steps and column.type != JSON}
    added: list[str] = []
    for name, column in found.items():
        if column.path not in known and not (column.path.steps and column.path.column in plain):
            added.append(free_name(name, {*columns}))
            columns[added[-1]] = column.model_copy(update={"type": JSON}) if column.path in parents else column
    return Widening(columns, tuple(added), widened, refused)


def _wider(column: Column, found: Mapping[Path, Column], parents: Set[Path]) -> Type:
    """The type for what a column held and what was found where it comes from; where that is an object in some documents, of which the
    parts have columns, text or jsonb.
    """
    in_json, type_ = bool(column.path.steps), column.type
    if same := found.get(column.path):
        type_ = joined(type_, same.type, in_json=in_json)
    return joined(type_, JSON, in_json=in_json) if column.path in parents else type_


def _parents(paths: Set[Path]) -> set[Path]:
    """The paths within a document that lead to an object of which parts have paths, too."""
    return {Path(path.column, path.steps[:n]) for path in paths for n in range(1, len(path.steps))}
