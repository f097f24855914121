"""The columns that every sink of a view has: the view's own, the partition, and the version where no column holds it."""

from dataclasses import dataclass

from shardlake.view.nested import Nested
from shardlake.view.types import Type, parse
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column with its type; `_shard` and `_cursor` among them. `lake` is its type there, where nested."""

    name: str
    type: Type
    lake: Nested | None = None


def target_columns(view: View, version_type: str) -> tuple[TargetColumn, ...]:
    """The columns that a sink needs: the view's own, then `_shard`, then `_cursor` where no column holds the version."""
    own = [TargetColumn(n, c.type, c.lake) for n, c in view.columns.items()]
    own.append(TargetColumn("_shard", parse("text")))
    if view.version_column == "_cursor":
        own.append(TargetColumn("_cursor", parse(version_type)))
    return tuple(own)


def version_type(kind: str) -> str:
    """The Postgres type of `_cursor`, by what the source's versions are. An `order` is a whole number of 38 digits at most."""
    types = {"instant": "timestamptz", "datetime": "timestamp", "date": "date", "decimal": "numeric", "order": "numeric(38,0)"}
    return types.get(kind, "bigint")
