"""What is asked of a collection: the filter of a window, the projection, and the questions that a plan has."""

from collections import Counter
from datetime import datetime
from typing import Any

from bson import json_util

from shardlake.source.mongodb.cursor import FUTURE, By, of_moment
from shardlake.source.mongodb.position import Window
from shardlake.view.mongodb import MongoCollection
from shardlake.view.view import View

COUNTED = 10_000
"""So many documents that no window takes are counted at most: the count is by the index, and a look at it, no census."""
Filter = dict[str, Any]


def filter_of(source: MongoCollection, window: Window) -> Filter:
    """The documents of a window: a first load takes all but those whose cursor lies behind its end.

    A cursor that is an array takes part in the first load alone: to the server it lies wherever one of its items does.
    """
    clauses = own_filter(source)
    if window.by and window.upper is not None:
        upper = window.bound(window.upper).bson(highest=True)
        if window.intervals:
            clauses.append({"$or": [{str(source.cursor): {"$not": {"$gt": upper}}}, *in_arrays(str(source.cursor))]})
        else:
            assert window.lower is not None
            clauses.append({str(source.cursor): {"$gt": window.bound(window.lower).bson(highest=False), "$lte": upper}})
            clauses += not_in_arrays(str(source.cursor))
    return both(clauses)


def own_filter(source: MongoCollection) -> list[Filter]:
    """The view's own filter, as a list of clauses."""
    return [json_util.loads(source.filter)] if source.filter else []


def in_arrays(name: str) -> list[Filter]:
    """Clauses of which one is true where a field is an array, or stands in one."""
    return [{prefix: {"$type": "array"}} for prefix in _prefixes(name)]


def not_in_arrays(name: str) -> list[Filter]:
    """Clauses that are all true where a field has one value."""
    return [{prefix: {"$not": {"$type": "array"}}} for prefix in _prefixes(name)]


def _prefixes(name: str) -> list[str]:
    keys = name.split(".")
    return [".".join(keys[: n + 1]) for n in range(len(keys))]


def both(clauses: list[Filter]) -> Filter:
    """Clauses that must all be true."""
    return {"$and": clauses} if len(clauses) > 1 else clauses[0] if clauses else {}


def projection_of(source: MongoCollection, view: View) -> dict[str, int] | None:
    """The fields that come: `_id`, the cursor and the deletes field always do."""
    if not source.projection:
        return None
    needed = [name for name in (source.cursor, view.deletes.column if view.deletes else None) if name]
    chosen: dict[str, int] = {**source.projection}
    if 0 in chosen.values():
        return {name: 0 for name in chosen if not any(f"{field}.".startswith(f"{name}.") for field in needed)} or None
    for field in needed:
        if not any(f"{field}.".startswith(f"{name}.") for name in chosen):
            chosen = {name: 1 for name in chosen if not name.startswith(f"{field}.")} | {field: 1}
    return {**chosen, "_id": 1}


def any_of(collection: Any, source: MongoCollection, clause: Filter) -> bool:
    """Whether a document is there."""
    return holds(collection, both([*own_filter(source), clause] if clause else own_filter(source)))


def holds(collection: Any, query: Filter) -> bool:
    """Whether a document is there that a whole query finds."""
    return any(collection.find_raw_batches(query, {"_id": 1}).limit(1))  # raw: an id need not be text that can be decoded


def untold(collection: Any, source: MongoCollection, by: By, now: datetime, *, arrays: bool) -> dict[str, int]:
    """How many documents there are whose changes the cursor does not tell, by why; COUNTED + 1 at most.

    It is one look by the index, unless there may be `arrays`: those are looked for in all documents.
    """
    name = str(source.cursor)
    told = {"$gt": float("-inf"), "$lt": float("inf")} if by == "number" else {"$lte": of_moment(by, now + FUTURE).bson()}
    of_type = {"$group": {"_id": {"$type": f"${name}"}, "count": {"$sum": 1}}}
    clause = {name: {"$not": told}}
    query = both([*own_filter(source), {"$or": [clause, *in_arrays(name)]} if arrays else clause])
    found: Counter[str] = Counter()
    for group in collection.aggregate([{"$match": query}, {"$project": {name: 1}}, {"$limit": COUNTED + 1}, of_type]):
        kind = group["_id"]
        if kind in ("missing", "null", "undefined"):
            why = "no cursor"
        elif kind == by:
            why = "a cursor in the future"
        else:
            why = f"a cursor that is no {'finite number' if by == 'number' else by}"
        found[f"{why} ({name})"] += group["count"]
    return dict(sorted(found.items(), reverse=True))
