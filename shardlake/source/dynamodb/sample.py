"""Looking at a table for views that are to be drafted: items from every part of it, a sample for each kind of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shardlake.errors import ContractError
from shardlake.ledger.extent import Json
from shardlake.source.door import Sample
from shardlake.source.dynamodb.client import Client
from shardlake.source.dynamodb.pages import pages
from shardlake.source.dynamodb.table import Table, describe
from shardlake.source.item.draft import by_key, drafted, kinds_of

_PARTS, _ITEMS = 16, 250
"""Parts of the table that are looked at, at once, and items of each."""
_DEADLINE = timedelta(seconds=60)
_STAY = "items that are deleted, or become of another kind, stay in the target; say `warehouse.write: replace` where they should not"


def samples(client: Client, reference: str, name: str) -> list[Sample]:
    """A sample for each kind of item. Raises ContractError for a table without items, SourceUnavailable, AccessRefused."""
    table = describe(client, name)
    with ThreadPoolExecutor(_PARTS) as pool:
        found = [item for part in pool.map(lambda n: _part(client, table, n), range(_PARTS)) for item in part]
    if not found:
        raise ContractError(f"{name} holds no items to look at", hint="Write the view by hand.")
    key = dict(table.key)
    kinds, rest = kinds_of(found, key)
    remarks = (rest,) if rest else ()
    made = []
    for kind in kinds:
        source: dict[str, Any] = {"connection": reference, "table": table.name, "segments": 4}
        told = by_key(kind, key)
        sample = drafted(kind, key, source, table.name, len(found), remarks if told else (*remarks, _STAY), _PARTS)
        made.append(replace(sample, source=sample.source | {"deletes": "absent"}) if told else sample)
    return made


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
