"""Cutting a first load into ranges of `_id` that are read at once, by a sample that the server itself puts in order."""

from itertools import pairwise
from typing import Any

from pymongo.errors import OperationFailure

from shardlake.source.mongodb.client import OPTIONS
from shardlake.source.mongodb.position import BEGINNING, END, Interval, spelt_id
from shardlake.view.mongodb import MongoCollection

WORTH = 4
"""Chunks that a range has at least: below that a connection of its own gains nothing."""
_EACH, _SAMPLED = 8, 40
"""Ranges for each connection, so that none is long idle at the end; ids that are sampled for each range."""
_REPLACED = r"\ufffd"
"""What stands in JSON for bytes that are not UTF-8: an id that has them is no bound."""


def intervals(collection: Any, source: MongoCollection, connections: int) -> tuple[Interval, ...]:
    """Ranges of `_id` that hold about as much each, all types among them: one where the collection is small, or nothing is told of it."""
    count = min(connections * _EACH, _bytes(collection) // (WORTH * source.chunk)) if connections > 1 else 1
    if count < 2:
        return (Interval(),)
    sample = {"$sample": {"size": count * _SAMPLED}}
    told = collection.with_options(codec_options=OPTIONS.with_options(unicode_decode_error_handler="replace"))
    sampled = told.aggregate([sample, {"$project": {"_id": 1}}, {"$sort": {"_id": 1}}], allowDiskUse=True)
    ids = [text for text in (spelt_id(found["_id"]) for found in sampled) if _REPLACED not in text]
    edges = list(dict.fromkeys(ids[len(ids) * n // count] for n in range(1, count))) if ids else []
    return tuple(Interval(lower, upper) for lower, upper in pairwise([BEGINNING, *edges, END]))


def _bytes(collection: Any) -> int:
    """What the documents take; 0 where the user may not ask."""
    try:
        return int(collection.database.command("collStats", collection.name)["size"])
    except OperationFailure:
        return 0
