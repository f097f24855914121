"""Looking at a collection on every database, for a view that is to be drafted: its key, its cursor, and a few hundred documents."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import decode, encode

from shardlake.errors import ContractError
from shardlake.source.door import Described, Sample
from shardlake.source.mongodb.client import OPTIONS, Client, collection_of
from shardlake.source.mongodb.json_text import json_text
from shardlake.source.mongodb.key import key_text
from shardlake.source.mongodb.query import both, own_filter
from shardlake.source.mongodb.rows import KEY
from shardlake.view.mongodb import DOCUMENT, MongoCollection

SAMPLED, ENDS = 400, 100
"""Documents of all databases together that are taken at random, and from either end of `_id`, since documents change their shape over
the years: a field that one in twenty has is missed once in a thousand million times."""
_FEWEST = 20
_COLUMNS = (Described(KEY, "text", "_id", "text"), Described(DOCUMENT, "json", "BSON", "jsonb"))
_LENIENT = OPTIONS.with_options(unicode_decode_error_handler="backslashreplace")
_CHANGED = re.compile(r"updat|modif|chang|edited|written", re.IGNORECASE)
_CREATED = re.compile(r"creat|insert|added", re.IGNORECASE)


@dataclass(slots=True)
class Look:
    """What one database says of a collection."""

    documents: list[str] = field(default_factory=list)
    dates: Counter[str] = field(default_factory=Counter)
    keys: list[Any] = field(default_factory=list)
    indexed: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)


def look(client: Client, database: str, name: str, databases: int, of: MongoCollection | None = None) -> Look:
    """Look at a collection, or at what a view takes of it. Raises ContractError where there is none."""
    types = {c["name"]: c["type"] for c in client[database].list_collections(authorizedCollections=True, nameOnly=True)}
    if name not in types:
        raise ContractError(
            f"{database} has no collection {name!r}; it has: {', '.join(sorted(types)[:30]) or 'none'}", hint="Check the name."
        )
    collection, found = collection_of(client, database, name), Look()
    for document in _documents(collection, databases, of, plain=types[name] == "collection"):
        found.keys.append(document.pop(KEY, None))
        found.dates.update(key for key, value in document.items() if isinstance(value, datetime))
        found.documents.append(json_text(document, encode(document, codec_options=OPTIONS)).decode())
    if types[name] == "collection":
        found.indexed = {next(iter(index["key"])) for index in collection.list_indexes()}
    return found


def _documents(collection: Any, databases: int, of: MongoCollection | None, *, plain: bool) -> list[dict[str, Any]]:
    wanted = both(own_filter(of)) if of else {}
    fields: dict[str, Any] = dict(of.projection) if of and of.projection else {}
    if of and 1 in fields.values():
        fields |= {name: 1 for name in (KEY, of.cursor) if name}
    sampled, ends = max(_FEWEST, SAMPLED // databases), max(_FEWEST, ENDS // databases)
    stages = [*([{"$match": wanted}] if wanted else []), {"$sample": {"size": sampled}}, *([{"$project": fields}] if fields else [])]
    cursors = [collection.aggregate_raw_batches(stages)]
    if plain:
        cursors += [collection.find_raw_batches(wanted, fields or None).sort("_id", direction).limit(ends) for direction in (1, -1)]
    found: dict[bytes, dict[str, Any]] = {}
    for cursor in cursors:
        for batch in cursor:
            at = 0
            while at < len(batch):
                size = int.from_bytes(batch[at : at + 4], "little")
                found.setdefault(bytes(batch[at : at + size]), decode(batch[at : at + size], _LENIENT))
                at += size
    return list(found.values())


def sample(reference: str, name: str, looks: list[Look]) -> Sample:
    """What a view of the collection can be drafted from."""
    seen = sum(len(one.documents) for one in looks)
    keys = [key for one in looks for key in one.keys]
    source: dict[str, Any] = {"connection": reference, "collection": name, "primary_key": [KEY]}
    remarks: list[str] = []
    if keys and all(isinstance(key, str) for key in keys) and any(key_text(key) != key for key in keys):
        source["ids"] = "string"
        remarks.append("every _id looked at is a string, and some read like numbers or ObjectIds: `ids: string` spells them as they are")
    elif len(types := {type(key).__name__ for key in keys}) > 1:
        remarks.append(f"_id is of several types ({', '.join(sorted(types))}): those that are spelt alike are told apart by quotes")
    cursor = _cursor(looks)
    if cursor is None:
        remarks.append("no field tells what has changed: the whole collection is read each time")
    else:
        source |= {"cursor": cursor, "lookback": "5m"}
        have = sum(one.dates[cursor] for one in looks)
        if have < seen:
            remarks.append(f"{cursor}: {seen - have} of {seen} documents looked at have no date there; they come with the first load alone")
        if _CREATED.search(cursor):
            remarks.append(f"{cursor} tells what is new, and not what has changed: choose another cursor if documents are updated")
        if any(cursor not in one.indexed for one in looks):
            remarks.append(f"no index begins with {cursor}: each run would read the whole collection; create one")
    documents = {DOCUMENT: [text for one in looks for text in one.documents]}
    return Sample(source, "merge" if cursor else "replace", _COLUMNS, documents, tuple(remarks), len(looks))


def sample_of(source: MongoCollection, looks: list[Look]) -> Sample:
    """The columns of the documents that a view takes: a field is a column, as a view's paths lead into the document."""
    documents = [text for one in looks for text in one.documents]
    said = {"connection": source.connection, "collection": source.collection, "primary_key": list(source.primary_key)}
    remarks = (f"{len(documents)} documents of {len(looks)} databases were looked at",)
    return Sample(said, "merge", _COLUMNS, {DOCUMENT: documents}, remarks, len(looks), DOCUMENT)


def _cursor(looks: list[Look]) -> str | None:
    """The field of dates that tells changes best: one whose name says so, that has an index, that most documents have."""
    dates = sum((one.dates for one in looks), Counter[str]())
    fitting = [name for name in dates if "." not in name and not name.startswith("$") and (_CHANGED.search(name) or _CREATED.search(name))]
    indexed = {name for name in fitting if all(name in one.indexed for one in looks)}
    return max(fitting, key=lambda name: (bool(_CHANGED.search(name)), name in indexed, dates[name], name), default=None)
