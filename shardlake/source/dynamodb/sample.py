"""Looking at a table for views that are to be drafted: items from every part of it, a sample for each kind of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson

from shardlake.errors import ContractError
from shardlake.ledger.extent import Json
from shardlake.source.door import Described, Sample
from shardlake.source.dynamodb.client import Client
from shardlake.source.dynamodb.item_kinds import ItemKind, item_kinds
from shardlake.source.dynamodb.pages import pages
from shardlake.source.dynamodb.plain import document, key_value
from shardlake.source.dynamodb.table import Table, describe

_PARTS, _ITEMS = 16, 250
"""Parts of the table that are looked at, at once, and items of each."""
_DEADLINE = timedelta(seconds=60)


def samples(client: Client, reference: str, name: str) -> list[Sample]:
    """A sample for each kind of item. Raises ContractError for a table without items, SourceUnavailable, AccessRefused."""
    table = describe(client, name)
    with ThreadPoolExecutor(_PARTS) as pool:
        found = [item for part in pool.map(lambda n: _part(client, table, n), range(_PARTS)) for item in part]
    if not found:
        raise ContractError(f"{name} holds no items to look at", hint="Write the view by hand.")
    key = tuple(attribute for attribute, _ in table.key)
    kinds = item_kinds([_keyed(item, table) for item in found], key)
    seen = sum(len(kind.items) for kind in kinds)
    rest = (f"{len(found) - seen} of {len(found)} items looked at are of none of the kinds that were found",) if seen < len(found) else ()
    return [_sample(reference, table, kind, len(found), rest) for kind in kinds]


def _part(client: Client, table: Table, number: int) -> list[dict[str, Any]]:
    plan: Json = {
        "table": table.name, "segment": number, "segments": _PARTS, "after": None, "consistent": False, "units": None, "limit": _ITEMS
    }  # fmt: skip
    found: list[dict[str, Any]] = []
    for page in pages(client, plan, table.name, _DEADLINE):
        found += page.items
        if len(found) >= _ITEMS:
            break
    return found[:_ITEMS]


def _keyed(item: dict[str, Any], table: Table) -> dict[str, Any]:
    """An item as plain JSON for a look; its numbers need not be exact."""
    plain: dict[str, Any] = orjson.loads(document(item))
    return plain | {name: key_value(item[name]) if kind == "S" else None for name, kind in table.key} | {"": item}


def _sample(reference: str, table: Table, kind: ItemKind, looked_at: int, remarks: tuple[str, ...]) -> Sample:
    key = tuple(name for name, _ in table.key)
    by_key = not kind.condition or kind.condition.split(" ")[0].strip('"') in key
    source: dict[str, Any] = {"connection": reference, "table": table.name, "segments": 4}
    source |= {"item": kind.condition} if kind.condition else {}
    source |= {"primary_key": list(key)} | ({"deletes": "absent"} if by_key else {})
    columns = [Described(name, "bytes" if t == "B" else "text", t, {"B": "bytea", "N": "numeric"}.get(t, "text")) for name, t in table.key]
    texts = [document({n: v for n, v in item[""].items() if n not in key}) for item in kind.items]
    said = f"{len(kind.items)} of {looked_at} items looked at{f' have {kind.condition}' if kind.condition else ''}"
    if not by_key:
        remarks += (
            "items that are deleted, or become of another kind, stay in the target; say `warehouse.write: replace` where they should not",
        )
    return Sample(
        source, "merge", (*columns, Described("document", "json", "document", "jsonb")), {"document": texts}, (said, *remarks),
        _PARTS, name=f"{table.name}_{kind.name}" if kind.name else table.name, document="document",
    )  # fmt: skip
