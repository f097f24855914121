"""The shards' rows: plain ones by the thousand, and a few that are trouble on purpose."""

import json
from collections.abc import Iterator
from typing import Any

ROWS = 20_000
"""Rows a shard."""

_CITIES = ("Berlin", "São Paulo", "東京", "Łódź", "O'Fallon", 'the "Quoted" City')
_NAMES = ("Ada Ünal", "Björk 🦆", "Zoë O'Neil", "李雷", None)

Row = tuple[int, str | None, str | None, str, str | None]
"""id, status, amount, updated_at, payload"""


def rows(shard: int) -> Iterator[Row]:
    """A shard's rows: ids 1, 4, 7 … on the first, 2, 5, 8 … on the second, 3, 6, 9 … on the third."""
    for n in range(ROWS):
        key = n * 3 + shard + 1
        yield key, ("new", "paid", "shipped 🚚", None)[n % 4], f"{key % 9973}.{key % 100:02d}", _stamp(n), document(key)
    yield from _trouble(shard)


def document(key: int, **changes: Any) -> str:
    """An order's JSON."""
    customer = {"name": _NAMES[key % 5], "age": 18 + key % 60, "address": {"city": _CITIES[key % 6], "zip": f"{key % 99999:05d}"}}
    items = [{"sku": f"A-{key % 77}", "qty": key % 3 + 1, "price": 12.5}]
    return json.dumps({"customer": customer | changes, "campaign": {"source": "news\\letter"}, "items": items}, ensure_ascii=False)


def _trouble(shard: int) -> Iterator[Row]:
    first = 900_000 + shard * 10
    if shard == 0:
        yield first, "paid", "10.00", _stamp(1), document(first, age="unknown")
        yield first + 1, "paid", "10.00", _stamp(2), '{"customer": {"name": "cut off'
        yield 999_999, "here first", "1.00", "2026-01-01 10:00:00", document(1)
    if shard == 1:
        yield first, "paid", "11.00", _stamp(3), document(first, age=99_999_999_999)
        yield first + 1, "paid", "11.00", _stamp(4), '{"customer": {"name": "half \\ud83d a pair"}}'
        yield 999_999, "moved here", "2.00", "2026-01-01 11:00:00", document(2)
    if shard == 2:
        yield first, "paid", "12.00", _stamp(5), '{"customer": {"name": "nul \\u0000 inside"}}'
        yield first + 1, None, None, _stamp(6), None


def _stamp(n: int) -> str:
    return f"2026-01-{n % 28 + 1:02d} {n % 24:02d}:{n % 60:02d}:{n % 59:02d}.{n % 1000:03d}"
