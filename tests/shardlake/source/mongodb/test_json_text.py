"""BSON as JSON: the fast way and the exact one spell alike, whatever the document, and both as a model says."""

from __future__ import annotations

import json
import math
import time
import uuid
from base64 import b64encode
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp, decode, encode
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import create_decimal128_context
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shardlake.source.mongodb.client import OPTIONS
from shardlake.source.mongodb.decimal128 import decimal_text
from shardlake.source.mongodb.exact import Walk
from shardlake.source.mongodb.json_text import json_text
from shardlake.source.mongodb.key import key_text
from shardlake.source.mongodb.position import id_of, spelt_id

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["$ref", "$id", "a.b", "$x", "", '"']
)
DECIMALS = st.builds(
    lambda sign, digits, exponent: Decimal128(create_decimal128_context().create_decimal(Decimal((sign, digits, exponent)))),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=34).map(tuple),
    st.integers(-6176, 6100),
)
SCALARS = st.one_of(
    st.floats(), st.integers(-100, 100).map(float), TEXT, st.booleans(), st.none(), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.binary(max_size=9), st.uuids(), st.binary(min_size=16, max_size=16).map(lambda data: Binary(data, 3)),
    st.integers(-(2**63), 2**63 - 1).map(DatetimeMS), st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda d: d.replace(microsecond=d.microsecond // 1000 * 1000)),
    DECIMALS, st.sampled_from([Decimal128(text) for text in ("NaN", "-Infinity", "1.10", "-0")]), st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.builds(Regex, st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=5), st.sampled_from([0, 2, 8, 64 | 2])),
    TEXT.map(Code), st.sampled_from([MinKey(), MaxKey()]), st.builds(lambda text, x: Code(text, {"x": x}), TEXT, st.floats()),
    st.builds(lambda oid: DBRef("people", oid), st.binary(min_size=12, max_size=12).map(ObjectId)),
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=6)


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS)
@example({"a": ":5.0,", "b": [-0.0, 5.0, 2.0**53, 2.0**53 + 2, -1e16 + 2, 1e16, 2.0**60]})
@example({"a": {"$ref": 5, "$id": None}, "b": float("nan"), "c": None})
def test_the_fast_way_and_the_exact_one_spell_every_document_alike_and_as_it_is(document: dict[str, Any]) -> None:
    bson = encode(document, codec_options=OPTIONS)
    exact = Walk(bson).json_text()
    try:
        decoded = decode(bson, OPTIONS)
    except Exception:
        assert b"$ref" in bson
    else:
        assert json_text(decoded, bson) == exact
    assert json.loads(exact, parse_float=Decimal, parse_int=Decimal) == {name: modelled(value) for name, value in document.items()}


def modelled(value: Any) -> Any:
    """A value as its JSON reads, numbers exact: what docs/how-to/read-mongodb.md says of each type."""
    match value:
        case Code():
            return str(value) if value.scope is None else {"code": str(value), "scope": modelled(dict(value.scope))}
        case bool() | None:
            return value
        case float() | Decimal128():
            number = (
                value.to_decimal() if isinstance(value, Decimal128) else Decimal(repr(value)) if math.isfinite(value) else Decimal(value)
            )
            return number if number.is_finite() else "NaN" if number.is_nan() else "Infinity" if number > 0 else "-Infinity"
        case int():
            return Decimal(int(value))
        case ObjectId() | uuid.UUID():
            return str(value)
        case bytes():
            return b64encode(value).decode()
        case DatetimeMS():
            return _date(int(value))
        case datetime():
            return value.isoformat(timespec="milliseconds") + "Z"
        case Timestamp():
            return {"t": Decimal(value.time), "i": Decimal(value.inc)}
        case Regex():
            return f"/{value.pattern}/{''.join(letter for letter, bit in (('i', 2), ('m', 8), ('x', 64)) if int(value.flags) & bit)}"
        case MinKey():
            return {"$minKey": Decimal(1)}
        case MaxKey():
            return {"$maxKey": Decimal(1)}
        case DBRef():
            return modelled(dict(value.as_doc()))
        case list():
            return [modelled(item) for item in value]
        case dict():
            return {name: modelled(item) for name, item in value.items()}
        case _:
            return value


def _date(milliseconds: int) -> str:
    """A date by moving it by whole turns of 400 years into those that Python has."""
    turns, rest = divmod(milliseconds - 946_684_800_000, 146_097 * 86_400_000)
    within = datetime(2000, 1, 1) + timedelta(milliseconds=rest)
    year = within.year + 400 * turns
    return f"{'-' * (year < 0)}{abs(year):04d}{within.isoformat(timespec='milliseconds')[4:]}Z"


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_a_decimal128_of_any_bits_reads_as_the_driver_reads_it(bits: bytes) -> None:
    assert decimal_text(Decimal128.from_bid(bits)) == str(Decimal128.from_bid(bits))


@settings(max_examples=300, deadline=None)
@given(SCALARS | DOCUMENTS)
def test_an_id_comes_back_from_the_ledger_as_it_was_stored(value: Any) -> None:
    again = id_of(spelt_id(value))
    assert spelt_id(again) == spelt_id(value)
    if "NaN" not in spelt_id(value):  # which has a sign, and bits that nobody looks at
        assert encode({"_id": again}, codec_options=OPTIONS) == encode({"_id": value}, codec_options=OPTIONS)


ALIKE = ["5", 5, "507f1f77bcf86cd799439011", ObjectId("507f1f77bcf86cd799439011"), '"5"', "true", True, "null", None, "0.1", 0.1, Decimal128("0.1"),
         '{"$minKey": 1}', MinKey(), {"a": 5}, {"a": "5"}, '{"a": 5}', uuid.UUID(int=5), str(uuid.UUID(int=5)), Timestamp(1, 2), float("nan"), "NaN"]  # fmt: skip


def test_ids_that_differ_are_spelt_otherwise_and_ids_that_are_one_to_the_server_alike() -> None:
    for ids in ("any", "string"):
        assert len({key_text(value, ids) for value in ALIKE}) == len(ALIKE)
        assert len({key_text(value, ids) for value in (5, 5.0, Int64(5), Decimal128("5.00"), Decimal128("0.5E1"))}) == 1
        same: list[Any] = [5, 5.0, Int64(5), Decimal128("5.00")]
        assert {key_text({"a": [{"b": value}]}, ids) for value in same} == {'{"a": [{"b": 5}]}'}
    assert key_text("5", "string") == "5"


def test_looking_for_numbers_that_json_has_not_takes_as_long_as_the_document_is() -> None:
    document = {"a": "\x01" * 300_000, "b": None}
    began = time.process_time()
    json_text(document, encode(document))
    assert time.process_time() - began < 2  # 24 s where each byte is looked at once for each before it


def test_text_that_is_not_utf8_is_told_by_its_path() -> None:
    walk = Walk(encode({"a": [{"b": "abc"}]}).replace(b"abc", b"\xed\xa0\x80"))
    assert walk.json_text() == b'{"a":[{"b":"\\\\xed\\\\xa0\\\\x80"}]}'
    assert walk.fault == ("a.0.b", "\\xed\\xa0\\x80")
