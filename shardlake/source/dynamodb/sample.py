"""Looking at a table for views that are to be drafted: items from every part of it, a sample for each kind of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shardlake.errors import ContractError
from shardlake.ledger.extent import Json
from shardlake.source.door import Sample
from shardlake.source.dynamodb.client import Client
from shardlake.source.dynamodb.pages import Page, pages
from shardlake.source.dynamodb.table import Table, describe, require_key
from shardlake.source.item.draft import by_key, drafted, kind_of, kinds_of
from shardlake.source.item.taken import takes
from shardlake.view.dynamodb import DynamoTable

_PARTS, _ITEMS, _SEEN = 16, 250, 5_000
"""Parts of the table that are looked at, at once, items of each, and those that are gone through at most for such as a view takes."""
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


def sample_of(client: Client, reference: str, source: DynamoTable) -> Sample:
    """A sample of the items that a view takes, which may be none. Raises ContractError, SourceUnavailable, AccessRefused."""
    table = describe(client, str(source.table))
    require_key(table, source)
    with ThreadPoolExecutor(_PARTS) as pool:
        parts = list(pool.map(lambda n: _taken(client, table, n, source), range(_PARTS)))
    key = dict(table.key)
    kind = kind_of((item for found, _ in parts for item in found), key, source.takes_text)
    return drafted(kind, key, {"connection": reference, "table": table.name}, table.name, sum(seen for _, seen in parts), (), _PARTS)


def _taken(client: Client, table: Table, number: int, source: DynamoTable) -> tuple[list[dict[str, Any]], int]:
    """A part's items that the view takes, and how many were gone through for them."""
    found: list[dict[str, Any]] = []
    seen = 0
    spared = source.read_units is not None or source.capacity is not None  # one page of each part is enough then
    for page in _pages(client, table, number, _ITEMS if source.takes is None or spared else _SEEN // 5):
        found += [item for item in page.items if takes(source.takes or (), item)]
        seen += len(page.items)
        if spared or len(found) >= _ITEMS or seen >= _SEEN:
            break
    return found[:_ITEMS], seen


def _pages(client: Client, table: Table, number: int, limit: int) -> Iterator[Page]:
    plan: Json = {
        "table": table.name, "segment": number, "segments": _PARTS, "after": None, "consistent": False, "units": None, "limit": limit
    }  # fmt: skip
    return pages(client, plan, table.name, _DEADLINE)


def _part(client: Client, table: Table, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in _pages(client, table, number, _ITEMS):
        found += page.items
        if len(found) >= _ITEMS:
            break
    return found[:_ITEMS]
