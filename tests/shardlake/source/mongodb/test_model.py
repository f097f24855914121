"""Random documents of all BSON types: what stands in Postgres and in the lake is what a model says, and so are the rejects."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from tests.collections_world import CollectionsMaker, people
from tests.shardlake.source.mongodb.test_json_text import modelled

DAY = datetime(2026, 1, 2)
HOSTILE = ["a.b", "$set", "it's", 'say "hi"', "new\nline", "🚚", "x" * 300, " ", "ключ", "_shard"]
COLUMNS: dict[str, Any] = {
    "_id": "text",
    "whole": {"type": "jsonb", "from": "document"},
    "price": {"type": "numeric(12,2)", "from": "document.price"},
    "seen": {"type": "timestamptz", "from": "document.seen"},
    **{f"odd_{n}": {"type": "jsonb", "from": ["document", name]} for n, name in enumerate(HOSTILE)},
}
NAMES = ", ".join(COLUMNS)
TYPES = {name: column if isinstance(column, str) else column["type"] for name, column in COLUMNS.items()}


def value(chance: random.Random, depth: int = 0) -> Any:
    """A value of any type."""
    kinds: list[Any] = [
        lambda: chance.choice([0.5, 5.0, -0.0, 1e22, float("nan"), float("inf"), 0.1 + 0.2]),
        lambda: chance.choice(["", "a", "it's \"q\"", "\\u0041", "[1]", '{"a":1}', "🚚\n", "x" * 400, "null"]),
        lambda: chance.randbytes(4), lambda: ObjectId(chance.randbytes(12)), lambda: chance.random() < 0.5, lambda: DAY, lambda: None,
        lambda: chance.randint(-9, 9), lambda: Int64(chance.randint(-(2**63), 2**63 - 1)), lambda: Decimal128(f"{chance.randint(-(10**33), 10**33)}E-{chance.randint(0, 40)}"),
        lambda: Timestamp(chance.randint(0, 9), 1), lambda: Regex("^a", "i"), lambda: Code("f()"), lambda: chance.choice([MinKey(), MaxKey()]),
    ]  # fmt: skip
    if depth < 3:
        kinds += [lambda: [value(chance, depth + 1) for _ in range(chance.randint(0, 3))]] * 2
        kinds += [lambda: {name: value(chance, depth + 1) for name in chance.sample([*HOSTILE[2:], "a", "b"], 2)}] * 2
    return chance.choice(kinds)()


def document(chance: random.Random, n: int) -> dict[str, Any]:
    """A document with fields of hostile names; some prices and dates do not fit."""
    names = chance.sample(HOSTILE[2:], 3)
    prices = [1, 2.5, Int64(7), Decimal128("9.10"), "3.25", None, "N/A", 1.005, float("nan"), [1], Decimal128("12345678901.00")]
    seen = [DAY, DAY + timedelta(milliseconds=1), None, "2026-01-02T03:04:05+01:00", "yesterday", 7]
    fields = {"price": chance.choice(prices), "seen": chance.choice(seen), **{name: value(chance) for name in names}}
    return {"_id": n, "updatedAt": DAY, **fields}


def expected(found: dict[str, Any]) -> tuple[Any, ...] | str:
    """The view row of a document, or the column for which it is a reject."""
    price, seen = found["price"], found["seen"]
    if price in ("N/A", 1.005, [1]) or str(price) == "12345678901.00":
        return "price"
    if seen in ("yesterday", 7):
        return "seen"
    number = None if price is None else "NaN" if str(price) == "nan" else Decimal(str(price))
    instant = seen.replace(tzinfo=UTC) if isinstance(seen, datetime) else datetime.fromisoformat(seen) if seen else None
    return (str(found["_id"]), modelled(found), number, instant, *(modelled(found.get(name)) for name in HOSTILE))


def as_modelled(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose JSON is text, as `expected` has it."""
    json_texts = [json.loads(text, parse_float=Decimal, parse_int=Decimal) if text is not None else None for text in (row[1], *row[4:])]
    return (row[0], json_texts[0], "NaN" if row[2] is not None and row[2].is_nan() else row[2], row[3], *json_texts[1:])


def test_what_arrives_in_postgres_and_in_the_lake_is_what_the_model_says_and_a_rerun_changes_nothing(
    collections: CollectionsMaker,
) -> None:
    chance = random.Random(1)
    layouts = [{"table": "people", "format": "parquet"}]
    w = collections(view=people(source={"chunk": 4000}, columns=COLUMNS, lake={"layouts": layouts}), connection_changes={"ranges": 3})
    documents = [document(chance, n) for n in range(250)]
    w.people().insert_many(documents)
    w.must_sync()
    model = {d["_id"]: expected(d) for d in documents}
    rows = {row[0]: row for row in model.values() if not isinstance(row, str)}
    selected = ", ".join(f"{name}::text" if column == "jsonb" else name for name, column in TYPES.items())
    assert {row[0]: as_modelled(row) for row in w.target(selected)} == rows
    assert {row[0]: as_modelled(row) for row in w.query(f"SELECT {NAMES} FROM analytics.people_latest")} == {
        key: row for key, row in rows.items() if row[2] != "NaN"
    }
    assert {key["_id"] for _, key, column, _, _ in w.lake_rejects() if column == "price"} == {
        key for key, row in rows.items() if row[2] == "NaN"
    }
    assert {(int(key["_id"]), column) for _, key, column, _, _ in w.rejects()} == {
        (n, column) for n, column in model.items() if isinstance(column, str)
    }
    before = w.warehouse("SELECT _id, xmin::text FROM analytics.people ORDER BY _id")
    report = w.must_sync(full=True)
    assert [(s.merged, s.unchanged) for s in report.shards.values()] == [(0, len(rows))]
    assert w.warehouse("SELECT _id, xmin::text FROM analytics.people ORDER BY _id") == before
