"""Every BSON type on its way into Postgres and the lake, and what is a reject there."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from tests.collections_world import CollectionsMaker, people

DAY = datetime(2026, 1, 2, 3, 4, 5, 678000)
OID = ObjectId("507f1f77bcf86cd799439011")
UUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
VALUES: dict[str, Any] = {
    "double": 0.1, "integral": 5.0, "huge": 1e300, "nan": float("nan"), "infinite": float("-inf"), "string": "a\n\"b\" 'c' 🚚", "array": [1, [2.5]],
    "binary": b"\x00\xff", "uuid": UUID, "old_uuid": Binary(UUID.bytes, 3), "oid": OID, "yes": True, "date": DAY, "null": None,
    "regex": Regex("^a/b", "xi"), "code": Code("f()"), "scoped": Code("f()", {"x": 1}), "int": -1, "long": Int64(2**63 - 1), "timestamp": Timestamp(7, 8),
    "decimal": Decimal128("1.10"), "nested": {"price": [Decimal128("0E-3"), Decimal128("9.999999999999999999999999999999999")]},
    "not_decimal": Decimal128("NaN"), "least": MinKey(), "greatest": MaxKey(), "reference": DBRef("people", OID, "db"),
}  # fmt: skip
PRINTED = (
    '{"_id": 1, "double": 0.1, "integral": 5, "huge": 1e+300, "nan": "NaN", "infinite": "-Infinity", "string": "a\\n\\"b\\" \'c\' 🚚", "array": [1, [2.5]],'
    ' "binary": "AP8=", "uuid": "00112233-4455-6677-8899-aabbccddeeff", "old_uuid": "ABEiM0RVZneImaq7zN3u/w==", "oid": "507f1f77bcf86cd799439011",'
    ' "yes": true, "date": "2026-01-02T03:04:05.678Z", "null": null, "regex": "/^a/b/ix", "code": "f()", "scoped": {"code": "f()", "scope": {"x": 1}},'
    ' "int": -1, "long": 9223372036854775807, "timestamp": {"t": 7, "i": 8}, "decimal": 1.10,'
    ' "nested": {"price": [0.000, 9.999999999999999999999999999999999]}, "not_decimal": "NaN", "least": {"$minKey": 1}, "greatest": {"$maxKey": 1},'
    ' "reference": {"$ref": "people", "$id": "507f1f77bcf86cd799439011", "$db": "db"}, "updatedAt": "2026-01-02T03:04:05.678Z"}'
)


def test_the_document_in_raw_is_canonical_json_of_every_type(collections: CollectionsMaker) -> None:
    w = collections()
    w.people().insert_one({"_id": 1, **VALUES, "updatedAt": DAY})
    w.must_sync()
    (row,) = w.raw()
    assert row == {"_id": "1", "_version": "2026-01-02 03:04:05.678", "document": "".join(_compact(PRINTED))}


def _compact(text: str) -> str:
    return text.replace('": ', '":').replace(', "', ',"').replace(", [2.5", ",[2.5").replace(", 9.99", ",9.99")


COLUMNS = {
    "_id": "bigint", "double": "double precision", "integral": "bigint", "nan": "double precision", "infinite": "double precision", "binary": "text",
    "uuid": "uuid", "oid": "text", "yes": "boolean", "date": "timestamptz", "regex": "text", "long": "bigint", "decimal": "numeric(10,2)",
    "price": {"type": "numeric", "from": "nested.price[1]"}, "seconds": {"type": "bigint", "from": "timestamp.t"}, "not_decimal": "numeric",
    "array": "jsonb", "string": "text", "ref": {"type": "text", "from": 'reference."$id"'},
}  # fmt: skip


def test_each_type_has_a_right_value_in_postgres_and_the_same_in_the_lake(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=COLUMNS, lake={"layouts": [{"table": "people", "format": "parquet"}]}))
    w.people().insert_one({"_id": 1, **VALUES, "updatedAt": DAY})
    w.must_sync()
    assert w.rejects() == []
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    (row,) = w.target(names)
    assert row[:3] == (1, 0.1, 5)
    assert str(row[3]) == "nan"
    assert row[4:] == (
        float("-inf"), "AP8=", UUID, str(OID), True, DAY.replace(tzinfo=UTC), "/^a/b/ix", 2**63 - 1, Decimal("1.10"),
        Decimal("9.999999999999999999999999999999999"), 7, row[-4], [1, [2.5]], "a\n\"b\" 'c' 🚚", str(OID),
    )  # fmt: skip
    assert row[-4].is_nan()
    (lake,) = w.query(f"SELECT {names} FROM analytics.people_latest")
    same = [n for n, name in enumerate(COLUMNS) if name not in ("nan", "not_decimal", "array")]
    assert [str(lake[n]) for n in same] == [str(row[n]) for n in same]


def test_a_value_that_does_not_fit_is_a_reject_of_its_own_row_alone(collections: CollectionsMaker) -> None:
    w = collections()
    odd = ["41", "old", 41.5, True, [41], {"years": 41}, DAY, Decimal128("41"), 41, None, float("nan"), OID, "", Int64(41)]
    w.people().insert_many([{"_id": n, "age": age, "updatedAt": DAY} for n, age in enumerate(odd)])
    w.must_sync()
    assert w.target("_id, age", "_id::int") == [("0", 41), ("7", 41), ("8", 41), ("9", None), ("13", 41)]
    assert [(key["_id"], column, value, reason) for _, key, column, value, reason in w.rejects()] == [
        ("1", "age", "old", "is not bigint"),
        ("2", "age", "41.5", "is not bigint"),
        ("3", "age", "true", "is not bigint"),
        ("4", "age", "[41]", "is not bigint"),
        ("5", "age", '{"years":41}', "is not bigint"),
        ("6", "age", "2026-01-02T03:04:05.678Z", "is not bigint"),
        ("10", "age", "NaN", "is not bigint"),
        ("11", "age", str(OID), "is not bigint"),
        ("12", "age", "", "is not bigint"),
    ]
