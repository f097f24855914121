"""Views drafted of a table: a kind of item each, by the beginning of a key or an attribute; the drafts run as they are."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shardlake.errors import ContractError
from shardlake.run.discover import discover_kinds
from shardlake.source.door import open_source
from tests.dynamodb_world import Tables, TablesMaker, view


def drafts(w: Tables) -> dict[str, dict[str, Any]]:
    """What is drafted, by view without the table's name in it."""
    source = open_source(w.connect("dynamodb/platform"), "dynamodb/platform")
    found = [yaml.safe_load(made.text) for made in discover_kinds("dynamodb/platform", source, w.name("platform"), list(w.connections()))]
    return {content["name"].removeprefix(w.name("platform")).strip("_"): content for content in found}


def test_a_view_is_drafted_for_each_beginning_of_a_key_and_runs_as_it_is(tables: TablesMaker) -> None:
    w = tables(view(name="unused"))
    w.create()
    for n in range(20):
        pk = {"pk": {"S": f"U#{n}"}}
        w.put(
            {**pk, "sk": {"S": f"FIN#{n}"}, "amount": {"N": f"{n}.5"}, "paid_at": {"S": "2026-01-02T03:04:05Z"}, "tags": {"SS": ["a"]}},
            {**pk, "sk": {"S": "PROFILE"}, "name": {"S": "x"}, "address": {"M": {"city": {"S": "Kars"}}}, "age": {"N": "7"}},
        )
    done = w.command("discover", "dynamodb/platform", w.name("platform"), "--write")
    assert done.returncode == 0, done.stdout + done.stderr
    found = drafts(w)
    files = [yaml.safe_load(file.read_text()) for file in sorted(w.folder.glob(f"views/{w.name('platform')}*/view.yaml"))]
    assert files == [found["fin"], found["profile"]]
    assert {name: (c["source"]["item"], c["source"]["deletes"]) for name, c in found.items()} == {
        "fin": ("sk begins_with 'FIN#'", "absent"),
        "profile": ("sk = 'PROFILE'", "absent"),
    }
    assert found["fin"]["columns"] == {
        "pk": "text", "sk": "text", "amount": "numeric", "paid_at": "timestamptz", "tags": "jsonb"
    }  # fmt: skip
    assert found["profile"]["columns"] == {
        "pk": "text", "sk": "text", "name": "text", "address_city": {"type": "text", "from": "address.city"}, "age": "bigint"
    }  # fmt: skip
    for w.view in found.values():
        report = w.must_sync()
        assert sum(s.merged for s in report.shards.values()) == 20
    profiles = found["profile"]["warehouse"]["table"]
    assert w.warehouse(f"SELECT age, address_city, count(*) FROM {profiles} GROUP BY 1, 2") == [(7, "Kars", 20)]


def test_an_attribute_tells_kinds_where_keys_do_not(tables: TablesMaker) -> None:
    w = tables(view(name="unused"))
    w.create(key={"id": "S"})
    w.put(*({"id": {"S": f"{n:x}"}, "entityType": {"S": "order" if n % 3 else "user"}} for n in range(30)))
    found = drafts(w)
    assert {name: c["source"]["item"] for name, c in found.items()} == {"order": "entityType = 'order'", "user": "entityType = 'user'"}
    assert [c["source"].get("deletes") for c in found.values()] == [None, None]


def test_a_table_of_one_kind_is_one_view_and_an_empty_one_is_told(tables: TablesMaker) -> None:
    w = tables(view(name="unused"))
    w.create(key={"id": "N"})
    with pytest.raises(ContractError, match=f"{w.name('platform')} holds no items to look at. Write the view by hand"):
        drafts(w)
    w.put({"id": {"N": "5"}, "v": {"BOOL": True}})
    found = drafts(w)
    assert (list(found), found[""]["columns"]) == ([""], {"id": "numeric", "v": "boolean"})


def test_kinds_that_are_called_alike_are_drafted_each(tables: TablesMaker) -> None:
    w = tables(view(name="unused"))
    w.create()
    w.put(*({"pk": {"S": f"a{n}"}, "sk": {"S": f"{kind}#{n}"}} for n in range(6) for kind in ("FIN", "fin", "Fin")[: 3 if n else 2]))
    assert {name: c["source"]["item"] for name, c in drafts(w).items()} == {
        "fin": "sk begins_with 'FIN#'", "fin_2": "sk begins_with 'fin#'", "fin_3": "sk begins_with 'Fin#'"
    }  # fmt: skip
