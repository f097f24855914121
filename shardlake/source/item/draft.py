"""Views that are drafted of some items: one for each kind of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from shardlake.source.door import Described, Sample
from shardlake.source.item.kinds import ItemKind, item_kinds
from shardlake.source.item.plain import document, key_value

Item = dict[str, Any]
"""An item as DynamoDB spells it."""
_TARGETS = {"B": "bytea", "N": "numeric"}


def kinds_of(items: list[Item], key: Mapping[str, str]) -> tuple[list[ItemKind], str | None]:
    """The kinds of some items whose `key` has attributes of these types, and how many items are of none, where some are."""
    kinds = item_kinds([_plain(item, key) for item in items], tuple(key))
    seen = sum(len(kind.items) for kind in kinds)
    rest = f"{len(items) - seen} of {len(items)} items looked at are of none of the kinds that were found"
    return kinds, rest if seen < len(items) else None


def kind_of(items: Iterable[Item], key: Mapping[str, str], condition: str) -> ItemKind:
    """Items that a view takes, as one kind."""
    return ItemKind("", condition, [_plain(item, key) for item in items])


def by_key(kind: ItemKind, key: Mapping[str, str]) -> bool:
    """Whether a kind is told by the key alone."""
    return not kind.condition or kind.condition.split(" ")[0].strip('"') in key


def drafted(
    kind: ItemKind, key: Mapping[str, str], source: dict[str, Any], called: str, looked_at: int, remarks: tuple[str, ...], partitions: int
) -> Sample:
    """The sample of a kind; `source` is what the view says of its source but for the items, `called` what the table is called."""
    source = {**source, **({"item": kind.condition} if kind.condition else {}), "primary_key": list(key)}
    columns = [Described(name, "bytes" if t == "B" else "text", t, _TARGETS.get(t, "text")) for name, t in key.items()]
    texts = [document({n: v for n, v in item[""].items() if n not in key}) for item in kind.items]
    said = f"{len(kind.items)} of {looked_at} items looked at{f' have {kind.condition}' if kind.condition else ''}"
    return Sample(
        source, "merge", (*columns, Described("document", "json", "document", "jsonb")), {"document": texts}, (said, *remarks),
        partitions, name=f"{called}_{kind.name}" if kind.name else called, document="document",
    )  # fmt: skip


def _plain(item: Item, key: Mapping[str, str]) -> dict[str, Any]:
    """An item as plain JSON for a look, with itself beside it; its numbers need not be exact."""
    plain: dict[str, Any] = orjson.loads(document(item))
    return plain | {name: key_value(item[name]) if kind == "S" else None for name, kind in key.items()} | {"": item}
