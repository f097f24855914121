"""What AWS DMS drops on S3: full loads and changes in one folder, with and without Op, header, timestamp; in the order of commits."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.landing import LandingMaker, view_of

LOAD, CHANGES = "dms/s1/orders/LOAD00000001.csv", "dms/s1/orders/20261128-101500123.csv"


def test_a_full_load_and_its_changes_come_from_one_folder_whatever_the_order_of_their_names(landing: LandingMaker) -> None:
    w = landing()
    w.land(CHANGES, 'U,1,"paid, ""at last""",1.75\nD,2,new,2.00\nI,4,new,4.00\n')  # sorts before LOAD
    w.land(LOAD, "1,new,1.50\n2,new,2.00\n")
    w.land("dms/s1/orders/LOAD0000000A.csv", '3,"two\nlines",NULL\n')
    w.land("dms/s2/orders/LOAD00000001.csv.gz", "1,ü,1.00\n")
    w.must_sync()
    assert w.target("_shard, id, status, amount::text", "1, 2") == [
        ("s1", 1, 'paid, "at last"', "1.75"), ("s1", 3, "two\nlines", None), ("s1", 4, "new", "4.00"), ("s2", 1, "ü", "1.00"),
    ]  # fmt: skip
    w.land("dms/s1/orders/2026/11/29/20261129-0000000000.csv", "D,4,new,4.00\nU,3,back,3.00\n")  # ten digits, in a date's folder
    report = w.must_sync()
    assert [(s.shard, s.state, s.read) for s in report.shards.values()] == [("s1", "merged", 2), ("s2", "nothing", 0)]
    assert w.target("_shard, id, status", "1, 2") == [("s1", 1, 'paid, "at last"'), ("s1", 3, "back"), ("s2", 1, "ü")]


def test_changes_that_come_before_their_load_are_not_undone_by_it(landing: LandingMaker) -> None:
    w = landing()
    w.land(CHANGES, "U,1,paid,1.75\nD,2,new,2.00\n")
    w.must_sync()
    w.land(LOAD, "1,new,1.50\n2,new,2.00\n3,new,3.00\n")
    w.must_sync()
    assert w.target("id, status") == [(1, "paid"), (3, "new")]


def test_a_table_that_is_loaded_anew_wins_over_the_changes_of_its_earlier_life(landing: LandingMaker) -> None:
    w = landing()
    w.land(LOAD, "1,old,1.00\n", at=1_700_000_000)
    w.land("dms/s1/orders/20231115-000000000.csv", "U,1,changed,1.00\nD,2,x,1\n")
    w.must_sync()
    (w.root / "dms/s1/orders/20231115-000000000.csv").unlink()  # as DMS does before it loads anew
    w.land(LOAD, "1,anew,1.00\n2,anew,2.00\n", at=1_790_000_000)
    w.land("dms/s1/orders/LOAD00000002.csv", "3,anew,1.00\n", at=1_790_000_001)
    w.must_sync()
    assert w.target("id, status") == [(1, "anew"), (2, "anew"), (3, "anew")]
    w.land("dms/s1/orders/20261201-000000000.csv", "U,1,changed again,1.00\n")
    w.must_sync()
    assert w.target("id, status") == [(1, "changed again"), (2, "anew"), (3, "anew")]


def test_a_load_that_is_mended_stays_behind_the_changes_that_are_there(landing: LandingMaker) -> None:
    w = landing()
    w.land(LOAD, "1,old,1.00\n2,old\n3,old,1.00\n", at=1_700_000_000)
    w.land("dms/s1/orders/20231115-000000000.csv", "U,1,changed,1.00\nD,3,x,1\n")
    w.must_sync()
    w.land(LOAD, "1,old,1.00\n2,mended,1.00\n3,old,1.00\n", at=1_790_000_000)
    w.must_sync()
    assert w.target("id, status") == [(1, "changed"), (2, "mended")]


def test_of_a_load_that_is_mended_the_later_content_counts_though_its_lines_have_moved_up(landing: LandingMaker) -> None:
    w = landing()
    w.land(LOAD, "1,new,1.00\n4,wrong,1.00\n", at=1_700_000_000)
    w.land("dms/s1/orders/20231115-000000000.csv", "I,9,new,1\n")
    w.must_sync()
    w.land(LOAD, "4,right,1.00\n", at=1_790_000_000)
    w.must_sync()
    assert w.target("id, status") == [(1, "new"), (4, "right"), (9, "new")]


def test_a_change_that_was_committed_while_its_row_was_transferred_is_not_undone_by_the_load(landing: LandingMaker) -> None:
    w = landing(view=view_of({"timestamp": "at"}))
    w.land(LOAD, "2026-11-28 10:00:30.000000,1,loaded,1\n", at=1_700_000_000)  # when it was transferred
    w.land("dms/s1/orders/20261128-100100000.csv", "U,2026-11-28 10:00:10.000000,1,changed,1\n")
    w.must_sync()
    assert w.target("id, status") == [(1, "changed")]
    for file in (w.root / "dms/s1/orders").iterdir():
        file.unlink()
    w.land(LOAD, "2026-11-28 12:00:30.000000,1,loaded anew,1\n", at=1_795_867_000)  # 13:16:40
    w.land("dms/s1/orders/20261128-132000000.csv", "U,2026-11-28 12:59:00.000000,1,changed meanwhile,1\n")
    w.must_sync()
    assert w.target("id, status") == [(1, "changed meanwhile")]


def test_rows_are_ordered_by_their_commit_then_by_file_and_line(landing: LandingMaker) -> None:
    w = landing(view=view_of({"timestamp": "at"}))
    same = "2026-11-28 10:00:00.000001"
    updates = "".join(f"U,{same},1,s{n},{n}\n" for n in range(4_000))
    w.land("dms/s1/orders/20261128-100001000.csv", "".join(f"U,{same},1,s{n},{n}\n" for n in range(4_000, 8_000)))
    w.land(
        "dms/s1/orders/20261128-100002000.csv",
        "U,2026-11-28 09:59:59.999999,2,early,1\nU,2026-11-28 10:00:00.000000,1,late file of an earlier commit,1\n",
    )
    w.must_sync()
    w.land("dms/s1/orders/20261128-100000000.csv", updates)  # and the first half of the transaction is seen last
    w.land("dms/s1/orders/LOAD00000001.csv", "2026-11-28 09:00:00.000000,1,loaded,0\n2026-11-28 09:00:00.000000,2,loaded,0\n")
    w.must_sync()
    assert w.target("id, status") == [(1, "s7999"), (2, "early")]


def test_a_header_names_the_columns_in_any_order_and_tells_whether_there_is_an_op(landing: LandingMaker) -> None:
    w = landing(view=view_of({"fields": None, "timestamp": "commit_ts"}))
    w.land(LOAD, "id,status,amount\n1,new,1\n2,new,2\n")
    w.land(CHANGES, "Op,commit_ts,amount,id,status\nU,2026-11-28T10:15:00Z,1.5,1,paid\nD,2026-11-28T10:15:00Z,,2,\n")
    w.must_sync()
    assert w.target("id, status, amount::text") == [(1, "paid", "1.50")]


def test_a_delete_may_have_its_key_alone_and_a_full_load_a_null_as_its_op(landing: LandingMaker) -> None:
    w = landing()
    w.land(LOAD, "NULL,1,new,1\nNULL,2,new,2\n,3,new,3\nI,4,new,4\n")
    w.land(CHANGES, "D,1,,\nD,2,NULL,NULL\n")
    w.must_sync()
    assert w.target("id, status") == [(3, "new"), (4, "new")]


def test_records_that_cannot_be_read_are_rejects_with_file_line_and_text_and_the_others_go_in(landing: LandingMaker) -> None:
    w = landing()
    w.land(CHANGES, 'I,1,new,1\nX,2,new,2\nI,3,new\nI,4,"open,4\nI,5,new,5\nI,6,new,N/A')
    report = w.must_sync()
    assert (report.shards["s1"].read, report.shards["s1"].rejected) == (6, 4)
    assert w.target("id") == [(1,), (5,)]
    of = {"_file": CHANGES}
    assert sorted(w.rejects(), key=lambda reject: reject[1].get("_line", "9")) == [
        ("s1", {**of, "_line": "2"}, "Op", "X", "is no operation of DMS: I, U or D"),
        ("s1", {**of, "_line": "3"}, "(record)", "I,3,new", "has 3 fields, not 4"),
        ("s1", {**of, "_line": "4"}, "(record)", 'I,4,"open,4', "field 3: its quote is not closed before the file ends"),
        ("s1", {"id": "6"}, "amount", "N/A", "is not numeric(12,2)"),
    ]
    w.land(CHANGES, "I,1,new,1\nI,2,new,2\nI,3,new,3\nI,4,mended,4\nI,5,new,5\nI,6,new,6\n")
    w.must_sync()
    assert w.ledger("SELECT count(*) FROM shardlake.rejects WHERE read_again_at IS NULL") == [(0,)]
    assert w.target("id") == [(n,) for n in range(1, 7)]


def test_a_file_with_other_columns_fails_its_shard_by_name_and_no_other(landing: LandingMaker) -> None:
    w = landing()
    w.land("dms/s1/orders/LOAD00000001.csv", "1,new,1,9,9\n")
    w.land("dms/s2/orders/LOAD00000001.csv", "1,new,1\n")
    report = w.sync()
    assert {s.shard: (s.state, s.error) for s in report.shards.values()} == {
        "s1": (
            "failed",
            "s1: dms/s1/orders/LOAD00000001.csv has 5 fields, where 3 are declared (or 4 with Op); it begins with '1,new,1,9,9'."
            " Correct `fields`, or have the file written anew.",
        ),
        "s2": ("merged", None),
    }
    w.land("dms/s1/orders/LOAD00000001.csv", "1,new,1\n")
    w.must_sync()
    assert w.target("_shard, id") == [("s1", 1), ("s2", 1)]


@pytest.mark.parametrize(
    ("name", "text"),
    [(CHANGES, "U,1,paid\n"), (LOAD, "1,new,1,more\n")],
    ids=["changes that lack a column", "a load with one more"],
)
def test_columns_that_were_dropped_or_added_are_not_taken_for_the_op(landing: LandingMaker, name: str, text: str) -> None:
    w = landing(view=view_of())
    w.view["columns"] = {"id": "text", "status": "text"}
    w.land(name, text)
    assert f"s1: {name} has " in str(w.sync().shards["s1"].error)
    assert w.ledger("SELECT count(*) FROM shardlake.items") == [(0,)]


def test_transaction_files_hold_all_tables_and_a_view_takes_its_own(landing: LandingMaker) -> None:
    w = landing(view=view_of({"files": "cdc/{shard}/CDC_TXN-*.csv", "table": "shop.orders"}))
    w.land(
        "cdc/s1/CDC_TXN-20201117153046033.csv",
        'I,orders,shop,1,new,1\nI,customers,shop,7,"a ""b"", c"\nU,orders,shop,1,paid,1.5\nI,orders,other,9,new,9\nI,orders,shop,2\n',
    )
    report = w.must_sync()
    assert (report.shards["s1"].read, w.target("id, status")) == (3, [(1, "paid")])
    assert [(r[2], r[3]) for r in w.rejects()] == [("(record)", "I,orders,shop,2")]


def test_dms_writes_parquet_as_well(landing: LandingMaker) -> None:
    w = landing(view=view_of({"files": "dms/{shard}/orders/**/*.parquet", "fields": None, "timestamp": "ts"}, columns=PARQUET_COLUMNS))
    for name, op in (("LOAD00000001.parquet", None), ("20261128-101500123.parquet", ["U", "D"])):
        columns: dict[str, Any] = {
            "ts": pa.array([1_795_860_900_000_000, 1_795_860_900_000_001], pa.timestamp("us")),
            "id": pa.array([1, 2], pa.int64()),
            "big": pa.array([2**64 - 1, None], pa.uint64()),
            "at": pa.array([1, None], pa.timestamp("us")),
            "doc": pa.array(['{"a": {"b": "x"}}', None]),
            "status": pa.array(["new" if op is None else "paid", ""]),
        }
        place = w.root / "dms/s1/orders" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(({"Op": pa.array(op)} if op else {}) | columns), place)
    w.must_sync()
    assert w.target("id, big::text, at::text, b, status") == [(1, "18446744073709551615", "1970-01-01 00:00:00.000001", "x", "paid")]


PARQUET_COLUMNS = {
    "id": "bigint", "big": "numeric(20)", "at": "timestamp", "b": {"type": "text", "from": "doc.a.b"}, "status": "text",
}  # fmt: skip


@pytest.mark.parametrize("mode", ["document", "table"])
def test_mongodb_comes_through_dms_as_documents_or_as_columns(landing: LandingMaker, mode: str) -> None:
    if mode == "document":
        view = view_of({"fields": ["oid_id", "_doc"], "primary_key": ["oid_id"]}, columns=OF_DOCUMENT)
        text = '5f1,"{""_id"": {""$oid"": ""5f1""}, ""name"": ""Ünal, \\""the\\"" one"", ""n"": 1.10}"\n'
    else:
        view = view_of({"fields": None, "primary_key": ["oid__id"]}, columns=OF_TABLE)
        text = 'oid__id,array_items,customer.name,n\n5f1,"[1, 2]","Ünal, ""the"" one",1.10\n'
    w = landing(view=view)
    w.land(LOAD, text)
    w.must_sync()
    assert w.target("id, name, n::text") == [("5f1", 'Ünal, "the" one', "1.10")]


OF_DOCUMENT = {
    "id": {"type": "text", "from": "oid_id"}, "name": {"type": "text", "from": "_doc.name"}, "n": {"type": "numeric(9,2)", "from": "_doc.n"},
}  # fmt: skip
OF_TABLE = {
    "id": {"type": "text", "from": "oid__id"}, "name": {"type": "text", "from": ["customer.name"]}, "n": "numeric(9,2)",
    "items": {"type": "jsonb", "from": "array_items"},
}  # fmt: skip
