"""Exports of DynamoDB to S3: full and incremental ones, read in whatever order, once each."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
import yaml

from embedded.seaweedfs import SeaweedFS
from shardlake.errors import ContractError
from shardlake.run.discover import discover_kinds
from shardlake.source.door import open_source
from shardlake.source.files import listing
from shardlake.source.files.store import Folder, Listed, Moved
from shardlake.view.view import View
from tests.dynamodb_world import TablesMaker, view
from tests.exports import change, changes, export_view, fin, full, into, micros
from tests.landing import Landing, LandingMaker

_numbers = itertools.count(1)


def of(landing: LandingMaker, **changed: Any) -> Landing:
    return landing(view=export_view(**changed))


def rows(w: Landing, columns: str = "pk, sk, status") -> list[tuple[Any, ...]]:
    return w.target(columns, "1, 2")


def in_bucket(landing: LandingMaker, server: SeaweedFS) -> tuple[Landing, Any]:
    """A world whose exports lie in a bucket of its own, and what puts a file there."""
    name = f"exports-{next(_numbers)}"
    server.create_bucket(name)
    keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
    w = landing(view=export_view(), bucket={"url": f"s3://{name}/lake", "endpoint": server.endpoint, "region": "us-east-1", **keys})
    return w, lambda key, data: server.client().put_object(Bucket=name, Key=f"lake/{key}", Body=data)


def test_a_full_export_and_what_has_changed_since_come_from_a_bucket_once(landing: LandingMaker, seaweedfs: SeaweedFS) -> None:
    w, put = in_bucket(landing, seaweedfs)
    full("01-aaaa", 0, [fin("a"), fin("b"), fin("c")], files=3, prefix="lake/").write(put)
    report = w.must_sync()
    assert rows(w, "pk, status, amount::text, customer_name") == [(pk, "paid", "1.5", "Ünal") for pk in "abc"]
    assert report.shards["files"].read == 3
    assert w.must_sync().shards["files"].state == "nothing"
    new, gone = fin("d", status="new"), change(6, old=fin("b"))
    changes("02-bbbb", 0, 15, [change(5, fin("a", status="late"), fin("a")), gone, change(7, new)], files=2, prefix="lake/").write(put)
    w.must_sync()
    assert rows(w) == [("a", "FIN#1", "late"), ("c", "FIN#1", "paid"), ("d", "FIN#1", "new")]
    assert w.must_sync().shards["files"].state == "nothing"
    assert [(name.split("/", 1)[1], there) for name, _, there in w.items()] == [
        *((f"01-aaaa/data/000{n}.json.gz", True) for n in range(3)), ("01-aaaa/manifest-summary.json", True),
        ("02-bbbb/manifest-summary.json", True), ("data/02-bbbb-0000.json.gz", True), ("data/02-bbbb-0001.json.gz", True),
    ]  # fmt: skip


def test_an_older_export_that_is_read_later_undoes_nothing(landing: LandingMaker) -> None:
    w = of(landing)
    put = into(w)
    changes("09", 10, 20, [change(12, fin("a", status="newer"), fin("a")), change(11, old=fin("b"))]).write(put)
    w.must_sync()
    full("01", 10, [fin("a"), fin("b"), fin("c")]).write(put)
    changes("02", 5, 10, [change(6, fin("a", status="old")), change(7, fin("b"))]).write(put)
    w.must_sync()
    assert rows(w) == [("a", "FIN#1", "newer"), ("c", "FIN#1", "paid")]
    assert w.target("pk, trunc(_cursor / 1e22)::bigint") == [("a", micros(12)), ("c", micros(10))]


def test_a_change_at_the_very_time_of_a_full_export_is_newer_than_it(landing: LandingMaker) -> None:
    w = of(landing)
    changes("01", 10, 20, [change(10, fin("a", status="newer"))]).write(into(w))
    w.must_sync()
    full("02", 10, [fin("a")]).write(into(w))
    w.must_sync()
    assert rows(w) == [("a", "FIN#1", "newer")]


def test_a_period_that_no_export_tells_of_is_noted_until_one_does(landing: LandingMaker) -> None:
    w = of(landing)
    full("01", 0, [fin("a")]).write(into(w))
    changes("02", 0, 15, [change(1, fin("b"))]).write(into(w))
    full("03", 20, [fin("a")]).write(into(w))
    assert "no export tells of" not in str(w.must_sync().as_json())
    changes("05", 30, 45, []).write(into(w))
    said = "no export tells of 2026-11-28 00:15:00 to 2026-11-28 00:30:00: what was deleted then stays; export these periods, too"
    for _ in range(2):
        assert said in str(w.must_sync().as_json())
    changes("04", 15, 30, [change(16, old=fin("b"))]).write(into(w))
    assert "no export tells of" not in str(w.must_sync().as_json())
    assert rows(w) == [("a", "FIN#1", "paid")]
    assert w.ledger("SELECT shown FROM shardlake.positions") == [("2026-11-28 00:45:00",)]


def test_exports_of_another_table_are_refused_unless_the_view_names_its_own(landing: LandingMaker) -> None:
    w = of(landing)
    full("01", 0, [fin("a")]).write(into(w))
    w.must_sync()
    other = {"tableArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/other"}
    full("02", 5, [fin("a", status="other")], extra=other | {"outputFormat": "ION"}).write(into(w))
    full("03", 5, [fin("a", status="other")], extra=other).write(into(w))
    full("04", 5, [fin("b")]).write(into(w))
    (w.root / "AWSDynamoDB/02/manifest-summary.json").unlink()
    said = "AWSDynamoDB/03/manifest-summary.json is an export of arn:aws:dynamodb:eu-west-1:123456789012:table/other, and those before it are of"
    report = w.sync()
    assert said in str(report.shards["files"].error)
    assert "Say which table is meant, as in `table: platform`, or with its whole ARN; or narrow `files` down." in str(
        report.shards["files"].error
    )
    full("02", 5, [fin("a", status="other")], extra=other | {"outputFormat": "ION"}).write(into(w))
    w.view["source"]["table"] = "platform"
    w.must_sync()
    assert rows(w) == [("a", "FIN#1", "paid"), ("b", "FIN#1", "paid")]
    assert w.must_sync().shards["files"].state == "nothing"
    source = open_source(w.connect("s3-files/landing"), "s3-files/landing")
    (w.root / "AWSDynamoDB/02/manifest-summary.json").unlink()
    drafts = discover_kinds("s3-files/landing", source, "AWSDynamoDB/*/manifest-summary.json", list(w.connections()))
    assert [(d.view.name, d.view.source.table) for d in drafts] == [("other", "other"), ("platform", "platform")]  # type: ignore[union-attr]


def test_an_export_of_a_table_that_was_made_anew_or_lies_elsewhere_is_refused_before_a_file_of_it_is_read(landing: LandingMaker) -> None:
    w = of(landing, source={"window": 1})
    full("01", 0, [fin("a")]).write(into(w))
    w.must_sync()
    full("02", 5, [fin("a", status="other"), fin("b")], files=2, extra={"tableId": "new"}).write(into(w))
    said = str(w.sync().shards["files"].error)
    assert (
        "AWSDynamoDB/02/manifest-summary.json is an export of another table than those before it, which had the same name: its tableId is"
        in said
    )
    far = "arn:aws:dynamodb:us-east-1:123456789012:table/platform"
    full("02", 5, [fin("a", status="other"), fin("b")], files=2, extra={"tableArn": far}).write(into(w))
    w.view["source"]["table"] = "platform"
    assert f"AWSDynamoDB/02/manifest-summary.json is an export of {far}, and those before it are of" in str(w.sync().shards["files"].error)
    assert rows(w) == [("a", "FIN#1", "paid")]
    w.view["source"]["table"] = "arn:aws:dynamodb:eu-west-1:123456789012:table/platform"
    w.must_sync()
    assert rows(w) == [("a", "FIN#1", "paid")]


def test_an_export_is_read_when_its_summary_is_there(landing: LandingMaker) -> None:
    w = of(landing)
    export = full("01", 0, [fin("a")]).write(into(w), summary=False)
    assert w.must_sync().shards["files"].read == 0
    export.put_summary(into(w))
    w.must_sync()
    assert rows(w) == [("a", "FIN#1", "paid")]


def test_an_export_that_was_copied_elsewhere_is_known_by_its_own_folder(landing: LandingMaker) -> None:
    w = of(landing, source={"files": "copies/{shard}/**/manifest-summary.json"})
    full("01", 0, [fin("a")], prefix="theirs/old/", folder="copies/eu").write(into(w))
    changes("02", 0, 15, [change(1, fin("b"))], prefix="theirs/", folder="copies/us/deep").write(into(w))
    w.must_sync()
    assert w.target("_shard, pk", "1, 2") == [("eu", "a"), ("us", "b")]


def test_a_copy_of_an_export_that_was_read_has_nothing_to_read_but_its_manifest(landing: LandingMaker) -> None:
    w = of(landing)
    full("01", 0, [fin("a")], files=2).write(into(w))
    w.must_sync()
    full("01", 0, [fin("a")], files=2).write(into(w))
    assert w.must_sync().shards["files"].read == 0
    assert w.must_sync().shards["files"].state == "nothing"


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_an_export_larger_than_a_window_is_read_in_several_and_each_file_once(
    landing: LandingMaker, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 3)
    if place == "bucket":
        w, put = in_bucket(landing, seaweedfs)
    else:
        put = into(w := of(landing))
    full("01", 0, [fin(f"{n:02}") for n in range(10)], files=10).write(put)
    changes("02", 0, 15, [change(1, fin(f"{n:02}", status="new")) for n in range(4)], files=2).write(put)
    report = w.must_sync()
    assert report.shards["files"].read == 14
    assert [s for _, _, s in rows(w)] == ["new"] * 4 + ["paid"] * 6
    files = w.ledger("SELECT jsonb_array_length(plan -> 'files') FROM shardlake.windows ORDER BY window_id")
    assert [n for (n,) in files] == [3, 3, 3, 3, 2]
    assert len(w.items()) == 14


def test_keys_of_numbers_and_of_bytes_and_exact_values_arrive_as_from_the_table(landing: LandingMaker) -> None:
    digits = "12345678901234567890123456789012345678"
    columns = {"id": "bytea", "n": "numeric", "big": "numeric", "tags": "jsonb", "raw": {"type": "text", "from": "blob"}, "item": {"type": "jsonb", "from": "document"}}  # fmt: skip
    w = of(landing, columns=columns, source={"primary_key": ["id", "n"]})
    key = {"id": {"B": base64.b64encode(b"\0\xff").decode()}, "n": {"N": "7"}}
    more = {
        "big": {"N": digits},
        "tags": {"SS": ["b", "a"]},
        "blob": {"B": "AQI="},
        "e": {"S": ""},
        "z": {"NULL": True},
        "$odd": {"L": [{"N": "1E-7"}]},
    }
    full("01", 0, [{**key, **more}]).write(into(w))
    w.must_sync()
    assert w.target("id, n::text, big::text, tags::text, raw, item ->> 'e', item -> 'z', (item -> '$odd')::text") == [
        (b"\0\xff", "7", digits, '["a", "b"]', "AQI=", "", None, "[0.0000001]")
    ]
    changes("02", 0, 15, [change(1, old={**key, **more}, key=("id", "n"))]).write(into(w))
    w.must_sync()
    assert w.target("id") == []


def test_a_table_and_its_export_give_the_same_rows_by_one_view(tables: TablesMaker, landing: LandingMaker) -> None:
    columns = {
        "pk": "text",
        "sk": "text",
        "amount": "numeric",
        "city": {"type": "text", "from": "a.city"},
        "item": {"type": "jsonb", "from": "document"},
    }
    item = "sk begins_with 'FIN#' and amount exists"
    scanned = tables(view=view(columns=columns, source={"item": item, "deletes": None}))
    scanned.create()
    odd = [
        {"amount": {"N": "1.1"}, "a": {"M": {"city": {"S": "Ünal \n \u0007"}}}, "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["10", "9.5"]}},
        {"amount": {"N": "-12345678901234567890123456789012345678"}, "b": {"B": "AQI="}, "bs": {"BS": ["/w==", "AA=="]}, "e": {"S": ""}},
        {"amount": {"NULL": True}, "l": {"L": [{"BOOL": False}, {"L": []}, {"M": {}}]}},
        {"x": {"S": "no amount"}},
    ]
    items = [{"pk": {"S": f"{n}"}, "sk": {"S": "FIN#1"}, **more} for n, more in enumerate(odd)]
    scanned.put(*items)
    scanned.must_sync()
    exported = of(landing, columns=columns, source={"item": item})
    full("01", 0, items).write(into(exported))
    exported.must_sync()
    shown = "pk, sk, amount::text, city, item::text"
    assert rows(exported, shown) == scanned.target(shown, "1, 2")
    assert [pk for pk, *_ in rows(exported, shown)] == ["0", "1", "2"]


def test_a_period_without_changes_says_nothing_of_the_keys_types(landing: LandingMaker) -> None:
    columns = {"id": "bytea", "v": "text"}
    w = of(landing, columns=columns, source={"primary_key": ["id"], "files": "{shard}/*/manifest-summary.json"})
    for shard in ("eu", "us"):
        full("01", 0, [{"id": {"B": "AP8="}, "v": {"S": shard}}], folder=shard).write(into(w))
    w.must_sync()
    changes("02", 0, 15, [change(1, {"id": {"B": "AA=="}}, key=("id",))], folder="eu").write(into(w))
    changes("02", 0, 15, [], folder="us").write(into(w))
    w.must_sync()
    assert w.target("_shard, encode(id, 'hex')", "1, 2") == [("eu", "00"), ("eu", "00ff"), ("us", "00ff")]


@pytest.mark.parametrize("images", ["NEW_AND_OLD_IMAGES", "NEW_IMAGE"])
def test_an_item_that_leaves_the_view_leaves_the_target_and_others_are_counted(landing: LandingMaker, images: str) -> None:
    w = of(landing, source={"item": "sk begins_with 'FIN#' and status = 'paid'"})
    other = {"pk": {"S": "u"}, "sk": {"S": "PROFILE"}, "status": {"S": "paid"}}
    full("01", 0, [fin("a"), fin("b"), fin("c"), fin("d", status="open"), other]).write(into(w))
    report = w.must_sync()
    assert rows(w) == [(pk, "FIN#1", "paid") for pk in "abc"]
    assert w.ledger("SELECT raw_rows, shaped, others FROM shardlake.sink_windows") == [(5, 3, 2)]
    assert "2 of 5 rows are of no view on finances" in str(report.as_json())
    found = [
        change(1, fin("a", status="open"), fin("a")),
        change(2, old=fin("b")),
        change(3, fin("d"), fin("d", status="open")),
        change(4, old=other),
    ]
    if images == "NEW_IMAGE":
        for line in found:
            line.pop("OldImage", None)
    changes("02", 0, 15, found, view=images).write(into(w))
    w.must_sync()
    assert rows(w) == [(pk, "FIN#1", "paid") for pk in "cd"]
    assert w.ledger("SELECT raw_rows, shaped, others FROM shardlake.sink_windows ORDER BY window_id DESC LIMIT 1") == [(4, 3, 1)]


def test_a_mended_item_is_made_good_by_a_replay_since_raw_does_not_depend_on_it(landing: LandingMaker) -> None:
    w = of(landing, source={"item": "status = 'paid'"})
    full("01", 0, [fin("a"), fin("b", status="open")]).write(into(w))
    changes("02", 0, 15, [change(1, fin("a", status="open"), fin("a"))]).write(into(w))
    w.must_sync()
    assert rows(w) == []
    w.view["source"]["item"] = "status = 'open'"
    done = w.command("replay", "finances")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(w) == [("a", "FIN#1", "open"), ("b", "FIN#1", "open")]


def test_views_are_drafted_for_each_kind_of_item_and_run_as_they_are(landing: LandingMaker) -> None:
    w = of(landing)
    profiles = [{"pk": {"S": f"U#{n}"}, "sk": {"S": "PROFILE"}, "age": {"N": "7"}} for n in range(5)]
    full("01", 0, [*(fin(f"U#{n}") for n in range(5)), *profiles], files=2).write(into(w))
    source = open_source(w.connect("s3-files/landing"), "s3-files/landing")
    drafts = [
        yaml.safe_load(d.text)
        for d in discover_kinds("s3-files/landing", source, "AWSDynamoDB/*/manifest-summary.json", list(w.connections()))
    ]
    assert {d["name"]: d["source"]["item"] for d in drafts} == {
        "platform_fin": "sk begins_with 'FIN#'", "platform_profile": "sk = 'PROFILE'"
    }  # fmt: skip
    assert drafts[1]["columns"] == {"pk": "text", "sk": "text", "age": "bigint"}
    for w.view in drafts:
        w.view["source"]["settle"] = "0s"
        assert w.must_sync().shards["files"].read == 10
        assert len(w.target()) == 5
        done = w.command("check"), w.command("plan", w.view["name"])
        assert [d.returncode for d in done] == [0, 0], done


def test_a_draft_has_the_key_that_changes_tell_and_else_a_guess_that_it_remarks(landing: LandingMaker) -> None:
    w = of(landing)
    source = open_source(w.connect("s3-files/landing"), "s3-files/landing")

    def draft() -> str:
        [found] = discover_kinds("s3-files/landing", source, "AWSDynamoDB/*/manifest-summary.json", list(w.connections()))
        return found.text

    with pytest.raises(ContractError, match="nothing matches AWSDynamoDB/"):
        draft()
    full("01", 0, []).write(into(w))
    with pytest.raises(ContractError, match="hold no items to look at"):
        draft()
    items = [{"no": {"N": f"{n}"}, "day": {"S": "x"}, "v": {"BOOL": True}} for n in range(3)]
    full("02", 0, items).write(into(w))
    assert yaml.safe_load(draft())["source"]["primary_key"] == ["no"]
    assert "a full export does not say what the table's key is; no is taken for it: check primary_key" in draft()
    changes("03", 0, 15, [change(1, items[0], key=("day", "no")), change(2, old=items[1], key=("day", "no"))]).write(into(w))
    assert yaml.safe_load(draft())["source"]["primary_key"] == ["day", "no"]
    assert "check primary_key" not in draft()


def test_a_look_at_exports_passes_over_what_a_run_rejects_and_what_goes_meanwhile(
    landing: LandingMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = of(landing)
    values: list[Any] = [{"N": "x"}, {"N": 1}, {"N": "1e999"}, {"NS": ["1", "x"]}, {"S": 5}, {"Q": "1"}, {}, 5, {"L": "no"}, {"M": [1]}]
    bad = [json.dumps({"Item": {"pk": {"S": "x"}, "sk": {"S": "FIN#1"}, "v": value}}) for value in values]
    full("01", 0, [*bad, '{"Item": [1]}', "[1]", fin("a")]).write(into(w))
    keys: list[Any] = [{"pk": {}}, {"pk": 5}, [1], {"pk": {"BOOL": True}}, {"pk": {"N": "x"}}]
    whole = change(1, fin("b"))
    changes("02", 0, 15, [*({**whole, "Keys": key} for key in keys), whole]).write(into(w))
    full("03", 5, [fin("z")]).write(into(w))
    honest = Folder.stream
    away = list[str]()

    def moving(self: Folder, file: Listed) -> Any:
        if file.name in away:
            raise Moved(file.name)
        return honest(self, file)

    monkeypatch.setattr(Folder, "stream", moving)
    source = open_source(w.connect("s3-files/landing"), "s3-files/landing")
    for name in ("manifest-summary.json", "data/0000.json.gz"):
        away[:] = [f"AWSDynamoDB/03/{name}"]
        [draft] = discover_kinds("s3-files/landing", source, "AWSDynamoDB/*/manifest-summary.json", list(w.connections()))
        assert "2 items looked at" in draft.text
        assert yaml.safe_load(draft.text)["source"]["primary_key"] == ["pk", "sk"]


def test_what_an_export_cannot_be_is_refused_when_the_view_is_read() -> None:
    for changed, said in (
        ({"warehouse": {"connection": "postgres-warehouse/main", "table": "a.b", "write": "replace"}}, "`replace` is not for `format: dynamodb-export`"),
        ({"source": {"on_removed": "delete"}}, "an export that has been removed says nothing of its items"),
        ({"source": {"files": "AWSDynamoDB/**/*.json.gz"}}, "are the manifests of exports, as in AWSDynamoDB/"),
        ({"source": {"timestamp": "at"}}, "exports have the times of their rows themselves"),
        ({"source": {"fields": ["a"]}}, "it is for CSV"),
        ({"source": {"item": "sk.x = 1"}}, "leads into sk, which is of the key"),
        ({"source": {"primary_key": ["pk", "sk", "x"]}}, "a table's key has one attribute or two"),
        ({"source": {"format": "jsonl", "item": "a = 1"}}, "source.item: it is for `format: dynamodb-export`"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            View.model_validate(export_view(**changed))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"primary_key": ["pk"], "item": None}, r"the table's key is pk and sk, and the view names pk\. Write `primary_key: \[pk, sk\]`"),
        ({"item": "sk = 7"}, "sk is a text, and `item` compares it with a number. Write it as in `sk = '7'`"),
    ],
)
def test_a_view_that_does_not_fit_the_tables_key_is_told_what_to_write(landing: LandingMaker, source: dict[str, Any], said: str) -> None:
    w = of(landing, source=source, columns={"pk": "text", "sk": "text"})
    changes("01", 0, 15, [change(1, fin("a"))]).write(into(w))
    job = w.job()
    w.ledger("SELECT 1")
    with pytest.raises(ContractError, match=said):
        job.source.plan(job.view, "files", None)
