"""How a database would be read: the query, the index that serves it, and about how many documents there are. Reads none of them."""

from bson import json_util

from shardlake.ledger.extent import Json
from shardlake.source.door import Described, Explanation
from shardlake.source.mongodb.plan import Asked, plan_window
from shardlake.source.mongodb.position import Window, window_of
from shardlake.source.mongodb.query import filter_of, projection_of
from shardlake.source.mongodb.rows import KEY, VERSION
from shardlake.view.mongodb import DOCUMENT


def explain(asked: Asked, position: Json | None) -> Explanation:
    """The window behind a position, and how it would be read. Raises as `plan_window` does."""
    plan, source = plan_window(asked, position), asked.source
    window = window_of(plan.extent.plan)
    by_id = bool(window.intervals)
    projection = projection_of(source, asked.view)
    said = [filter_of(source, window), *([projection] if projection else [])]
    order = ".sort({_id: 1})" if by_id else f".sort({{{source.cursor!r}: 1}})" if window.ordered else ""
    statement = f"db.getSiblingDB({asked.partition!r}).getCollection({source.collection!r}).find({', '.join(json_util.dumps(s) for s in said)}){order}"
    return Explanation(
        plan,
        columns(window),
        order=f"{len(window.intervals)} ranges of _id" if by_id else f"by {source.cursor}",
        statement=statement,
        index="_id_" if by_id else str(source.cursor) if window.ordered else None,
        full_scan=not by_id and not window.ordered,
        table_rows=asked.collection.estimated_document_count() if asked.plain else None,
        notes=plan.notes,
    )


def columns(window: Window) -> tuple[Described, ...]:
    """Raw's columns, as the engine knows them."""
    version = (Described(VERSION, "instant" if window.by == "date" else "decimal", str(window.by)),) if window.by else ()
    return Described(KEY, "text", "_id", "text"), *version, Described(DOCUMENT, "json", "BSON", "jsonb")


def estimate(asked: Asked, window: Window) -> int | None:
    """About how many documents a first load has; None for what nothing is known of without a look."""
    if not asked.plain or asked.source.filter or not window.intervals or window.goes_on:
        return None
    found: int = asked.collection.estimated_document_count()
    return found
