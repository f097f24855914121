"""Views with `columns: inferred`: from DynamoDB Local through a schema in the lake into Postgres."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any
from unittest.mock import patch

import pytest

from shardlake.errors import ContractError, SpecError
from shardlake.run.preview import preview
from shardlake.run.renew import renew
from shardlake.run.replay import replay
from shardlake.schema.store import keep
from tests.dynamodb_world import CANARY, Tables, TablesMaker, fin, view

USER = {"pk": {"S": "a"}, "sk": {"S": "USER#1"}, "status": {"S": "x"}, "nickname": {"S": "x"}}


def schemas(w: Tables) -> dict[str, dict[str, Any]]:
    """The schemas in the lake, by their file's name."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted((w.folder / "lake" / "schemas" / w.view["name"]).glob("*"))}


def columns(schema: dict[str, Any]) -> dict[str, str]:
    """The types of a schema's columns, by name."""
    return {name: column["type"] for name, column in schema["columns"].items()}


def filled(tables: TablesMaker, *items: dict[str, Any], **changes: Any) -> Tables:
    """A world whose view infers its columns from these items."""
    w = tables(view(columns="inferred", **changes))
    w.create()
    w.put(*items)
    return w


def test_the_first_run_infers_the_columns_keeps_them_and_says_so(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1), fin("b", 2, paid={"BOOL": True}), USER)
    report = w.must_sync()
    assert w.target("pk, sk, amount::text, customer_name, status, paid", "1") == [
        ("a", "FIN#1", "1.5", "Ünal", "paid", None), ("b", "FIN#2", "1.5", "Ünal", "paid", True)
    ]  # fmt: skip
    ((name, kept),) = schemas(w).items()
    assert (name, kept["view"], kept["version"]) == ("000001.json", "finances", 1)
    assert columns(kept) == {
        "pk": "text", "sk": "text", "amount": "numeric", "customer_name": "text", "status": "text", "paid": "boolean"
    }  # fmt: skip
    assert report.notes == (f"no schema was kept yet: 6 columns were inferred and are schema 1 of {kept['at'][:10]} from now on (`shardlake plan finances`)",)  # fmt: skip
    assert w.must_sync().notes == ()
    assert list(schemas(w)) == ["000001.json"]


def test_what_does_not_fit_is_a_reject_with_a_note_until_the_next_schema_and_is_healed_by_a_replay(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1, count={"N": "7"}))
    w.must_sync()
    w.put(fin("b", 1, count={"S": "many"}, city={"S": "Ulm"}))
    report = w.sync()
    assert [(column, value) for _, _, column, value, _ in w.rejects()] == [("count", "many")]
    called = f"schema 1 of {schemas(w)['000001.json']['at'][:10]}"
    assert report.notes == (f"1 row did not fit; the columns are those of {called}: `shardlake infer finances` renews it, and `shardlake replay finances` then brings in what fits",)  # fmt: skip
    renewal = renew(w.model(), w.connect)
    assert (renewal.new, renewal.added, renewal.widened) == (True, {"city": "text"}, {"count": ("bigint", "text")})
    assert replay(w.job()).ok
    assert w.target("pk, count, city", "1") == [("a", "7", None), ("b", "many", "Ulm")]
    assert w.must_sync().notes == ()
    assert renew(w.model(), w.connect).new is False
    assert list(schemas(w)) == ["000001.json", "000002.json"]


def test_a_column_that_is_not_seen_any_more_stays_and_no_type_becomes_narrower(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1, count={"N": "1.5"}, city={"S": "Ulm"}))
    w.must_sync()
    w.put(fin("a", 1, count={"N": "7"}))
    assert renew(w.model(), w.connect).new is False
    w.must_sync()
    assert w.target("count::text, city", "1") == [("7", None)]


def test_a_plan_shows_the_schema_and_what_the_next_would_bring_and_keeps_nothing(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1, count={"N": "7"}))
    first = preview(w.job()).schema
    assert first
    assert (first.version, first.columns, first.new, first.next) == (1, 6, True, [])
    w.put(fin("b", 1, count={"N": "7.5"}, city={"S": "Ulm"}))
    found = preview(w.job())
    assert found.schema
    assert (found.schema.version, found.schema.new, found.schema.next) == (1, False, ["city text is new", "count bigint becomes numeric"])
    assert list(schemas(w)) == ["000001.json"]
    shown = w.command("plan", "finances")
    assert f"the 6 columns are those of schema 1 of {found.schema.at[:10]}" in shown.stdout
    assert "`shardlake infer finances` would bring:\n  city text is new\n  count bigint becomes numeric\n" in shown.stdout


def test_a_view_of_which_nothing_is_there_says_so_and_keeps_no_schema(tables: TablesMaker) -> None:
    w = filled(tables, USER)
    with pytest.raises(ContractError, match=r"finances: t.*platform holds nothing yet that the view takes.*shardlake infer finances"):
        w.sync()
    assert schemas(w) == {}


def test_a_damaged_schema_is_named_and_its_predecessor_takes_its_place(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1))
    w.must_sync()
    home = w.folder / "lake" / "schemas" / "finances"
    for content in (b"{", b"[]", (home / "000001.json").read_bytes(), b'{"view": "finances", "version": 2, "columns": {}}'):
        (home / "000002.json").write_bytes(content)
        with pytest.raises(
            SpecError, match=r"the lake's schemas/finances/000002\.json is damaged: .*\. Remove schemas/finances/000002\.json"
        ):
            w.sync()
    (home / "000002.json").unlink()
    w.must_sync()


def test_no_secret_stands_in_a_schema(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1))
    w.must_sync()
    assert all(CANARY not in path.read_text("utf-8") for path in Path(w.folder, "lake", "schemas").rglob("*.json"))


def test_two_renewals_at_once_keep_one_version_each_of_which_has_all(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1))
    w.must_sync()
    w.put(fin("b", 1, city={"S": "Ulm"}))
    barrier, met = Barrier(2), set[int]()

    def both_at_once(store: Any, schema: Any) -> bool:
        if get_ident() not in met:  # the second time round each is alone
            met.add(get_ident())
            barrier.wait(30)
        return keep(store, schema)

    with patch("shardlake.run.renew.keep", both_at_once), ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: renew(w.model(), w.connect), range(2)))
    assert sorted((one.new, one.schema.version) for one in done) == [(False, 2), (True, 2)]
    assert list(schemas(w)) == ["000001.json", "000002.json"]


def test_a_run_that_is_killed_when_its_schema_is_kept_is_followed_by_one_that_has_it(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1))
    assert w.engine_process(SHARDLAKE_FAILPOINT="schema.kept=kill").returncode == -signal.SIGKILL
    before = schemas(w)
    assert list(before) == ["000001.json"]
    w.put(fin("a", 1, city={"S": "Ulm"}))
    assert w.must_sync().notes == ()
    assert schemas(w) == before


def test_windows_that_were_read_under_an_older_schema_are_applied_by_the_newest(tables: TablesMaker) -> None:
    w = filled(tables, fin("a", 1, count={"N": "7"}))
    w.must_sync()
    w.put(fin("b", 1, count={"N": "7.5"}, city={"S": "Ulm"}))
    assert w.engine_process(SHARDLAKE_FAILPOINT="extract.recorded=kill").returncode == -signal.SIGKILL
    assert renew(w.model(), w.connect).schema.version == 2
    w.must_sync()
    assert w.target("pk, count::text, city", "1") == [("a", "7", None), ("b", "7.5", "Ulm")]
    assert w.rejects() == []


def test_a_column_of_the_key_and_one_that_a_layout_is_laid_out_by_keep_their_types(tables: TablesMaker) -> None:
    lake = {"layouts": [{"table": "by_code", "partition_by": ["code"]}]}
    w = filled(tables, fin("a", 1, code={"N": "7"}), lake=lake, warehouse={"key": ["pk", "sk", "code"]})
    w.must_sync()
    w.put(fin("b", 1, code={"S": "seven"}))
    found = renew(w.model(), w.connect)
    assert (found.new, found.remarks) == (False, ("code stays bigint, though text was found: it is of the key",))


def test_no_column_is_called_as_a_partition_of_a_layout_is(tables: TablesMaker) -> None:
    lake = {"layouts": [{"table": "by_status", "partition_by": ["bucket(4, status)"]}]}
    w = filled(tables, fin("a", 1, status_bucket={"S": "x"}), lake=lake)
    assert {str(c.path): name for name, c in w.job().view.columns.items()}["document.status_bucket"] == "status_bucket_2"


@pytest.mark.parametrize("layout", [{"format": "delta"}, {"format": "iceberg"}, {"format": "parquet"}], ids=lambda one: one["format"])
def test_every_layout_takes_new_columns_and_keeps_the_types_that_it_cannot_widen(tables: TablesMaker, layout: dict[str, Any]) -> None:
    w = filled(tables, fin("a", 1, count={"N": "7"}), lake={"layouts": [{"table": "lake_finances", **layout}]})
    w.must_sync()
    w.put(fin("b", 1, count={"N": "7.5"}), fin("c", 1, amount={"S": "much"}, city={"S": "Ulm"}))
    w.sync()
    assert sorted((column, value) for _, _, column, value, _ in w.rejects()) == [("amount", "much"), ("count", "7.5")]
    found = renew(w.model(), w.connect)
    assert (found.added, found.widened) == ({"city": "text"}, {"amount": ("numeric", "text")})
    assert found.remarks == (
        "count stays bigint, though numeric was found: the lake table analytics.lake_finances: count is bigint, the view says string,"
        " which its files do not hold",
    )
    w.put(fin("b", 1, count={"N": "8"}))
    w.must_sync()
    latest = "lake_finances_latest" if layout["format"] == "parquet" else "lake_finances"
    rows = [("a", 7, "1.5", None), ("b", 8, "1.5", None), ("c", None, "much", "Ulm")]
    assert w.query(f"SELECT pk, count, amount, city FROM {latest} ORDER BY pk") == rows
    assert w.target("pk, count, amount, city", "1") == rows
