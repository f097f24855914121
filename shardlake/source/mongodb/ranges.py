"""Ranges of the cursor that are read again: how far a database can be read, and the windows of a slice of a backfill."""

from typing import Literal

from shardlake.errors import SpecError
from shardlake.ledger.extent import Extent, Json
from shardlake.source.door import Reach
from shardlake.source.mongodb.cursor import By, of_moment, version_kind
from shardlake.source.mongodb.key import Ids
from shardlake.source.mongodb.plan import Asked, cursor_type, extent_of, upper_bound
from shardlake.source.mongodb.position import Window
from shardlake.source.mongodb.rows import kinds_of
from shardlake.source.slices import before

Kind = Literal["instant", "decimal"]
_TYPES: dict[Kind, By] = {"instant": "date", "decimal": "number"}


def kind_of(kind: str) -> Kind:
    """What versions are, as the engine says it."""
    return "instant" if kind == "instant" else "decimal"


def reach(asked: Asked) -> Reach:
    """Ask for the type of the cursor, and how far it can be read. Raises SpecError for ObjectIds, which nobody writes as bounds."""
    by = cursor_type(asked)
    if by == "objectId":
        raise SpecError(
            f"{asked.partition}: {asked.source.cursor} holds ObjectIds, of which no range can be written",
            hint="Run with --full: it reads all that there is.",
        )
    latest = of_moment(by, asked.now - asked.source.safety_lag).text if by == "date" else None
    return Reach(asked.partition, kind_of(version_kind(by)), upper_bound(asked, by).text, latest, kinds_of(asked.view, by))


def slice_extent(ids: Ids, kind: Kind, lower: str, upper: str, last: tuple[Extent, Json] | None) -> Extent | None:
    """The window of a slice `(lower, upper]` behind `last`, its newest, which is read whole; None where nothing is left."""
    if last is not None:
        lower = str(last[0].to_version)
    if not before(kind, lower, upper):
        return None
    return extent_of(Window(_TYPES[kind], ids, lower, upper), None)
