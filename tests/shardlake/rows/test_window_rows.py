"""What a window's rows say to people, beside what becomes of each."""

from __future__ import annotations

import pytest

from tests.world import WorldMaker, orders_view


@pytest.mark.parametrize(
    ("source", "kind", "decoded"), [("mysql", "longtext", "JSON_UNQUOTE(payload)"), ("postgres", "json", "payload #>> '{}'")]
)
def test_documents_that_are_json_inside_a_json_string_are_noted_and_what_the_note_says_takes_them_out(
    world: WorldMaker, source: str, kind: str, decoded: str
) -> None:
    columns = {"id": "bigint", "updated_at": "timestamp", "a": {"type": "integer", "from": "payload.a"}}
    w = world(source=source, view=orders_view(columns=columns, source={"connection": f"{source}-shards/shop"}))
    w.on_all(f"CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamp NOT NULL, payload {kind})")
    for n, document in enumerate(('"{\\"a\\": 1}"', '{"a": 2}', '"{\\"a\\": 3}"')):
        w.on("shop_00", "INSERT INTO orders VALUES (%s, '2026-01-01 00:00:00', %s)", n, document)
    report = w.must_sync()
    (note,) = report.shards["shop_00"].notes
    assert note.startswith("2 documents of payload are JSON texts inside a JSON string, in which paths find nothing")
    assert decoded in note
    assert report.as_json()["shards"][0]["notes"] == [note]
    assert w.target("id, a") == [(0, None), (1, 2), (2, None)]
    w.view = orders_view(columns=columns, source={"connection": f"{source}-shards/shop", "table": None, "sql": "extract.sql"}) | {
        "sql_text": f"SELECT id, updated_at, {decoded} AS payload FROM orders"
    }
    assert w.must_sync(full=True).shards["shop_00"].notes == ()
    assert w.target("id, a") == [(0, 1), (1, 2), (2, 3)]
