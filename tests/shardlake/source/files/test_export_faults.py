"""What exports of DynamoDB must survive: damage, counts that do not add up, hostile keys and lines, kills."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import signal
from contextlib import suppress
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardlake import failpoints
from shardlake.errors import ContractError, ShardlakeError, SourceFailed
from shardlake.source.files import listing, read
from shardlake.source.files.export import find, rows
from shardlake.source.files.export.lines import lines
from shardlake.source.files.export.manifest import Expected
from shardlake.source.files.export.unique import Unique
from tests.breaking import broken_at
from tests.exports import Export, change, changes, export_view, fin, full, into
from tests.landing import Landing, LandingMaker

STEPS = [name for name in failpoints.NAMES if name.split(".")[0] in ("window", "extract", "merge")]
FIRST = [("a", "paid"), ("b", "paid"), ("c", "paid")]
AFTER = [("b", "late"), ("c", "paid")]


def of(landing: LandingMaker, **changed: Any) -> Landing:
    return landing(view=export_view(**changed))


def found(w: Landing) -> list[tuple[Any, ...]]:
    return w.target("pk, status", "1, 2")


def failed(w: Landing) -> str:
    """What a run says of the one partition, which must fail with nothing in the target."""
    report = w.sync()
    assert not report.ok
    assert w.ledger("SELECT coalesce(sum(raw_rows), 0)::int FROM shardlake.sink_windows WHERE applied_at IS NOT NULL") == [(0,)]
    return str(report.shards["files"].error)


def first(**options: Any) -> Export:
    return full("01-aaaa", 0, [fin("a"), fin("b"), fin("c")], files=2, **options)


def wrong(**said: Any) -> Any:
    """The last line of the list of files with something else in it."""
    return lambda listed: [*listed[:-1], listed[-1] | said]


FILE = "AWSDynamoDB/01-aaaa/data/0001.json.gz"


def test_a_file_that_lacks_a_byte_or_has_another_fails_the_window_and_a_good_copy_mends_it(landing: LandingMaker) -> None:
    w = of(landing)
    for damage in (
        lambda data: data[:-12],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda _: b"",
        lambda _: gzip.compress(json.dumps({"Item": fin("b")}).encode()),
    ):
        first(damage=lambda name, data, of=damage: of(data) if name.endswith("0001.json.gz") else data).write(into(w))
        assert f"{FILE}: its MD5 is " in (said := failed(w))
        assert ", and manifest-files.json says " in said
        assert "Copy the export anew, or export again: what was read of it before stays, and nothing of this file counts." in said
    first().write(into(w))
    w.must_sync()
    w.must_sync()
    assert found(w) == FIRST


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"lines": wrong(md5Checksum="AAAA")}, f"{FILE}: its MD5 is .*, and manifest-files.json says AAAA"),
        ({"lines": wrong(itemCount=2), "extra": {"itemCount": 4}}, f"{FILE}: it holds 1 lines, and manifest-files.json says 2 items"),
        ({"lines": wrong(itemCount=2)}, "it says 3 items, and the files of manifest-files.json hold 4"),
        ({"extra": {"itemCount": 2}}, "it says 2 items, and the files of manifest-files.json hold 3"),
        ({"lines": lambda listed: listed[:1]}, "it says 3 items, and the files of manifest-files.json hold 2"),
        ({"lines": lambda listed: [listed[0], listed[0]]}, "manifest-files.json names AWSDynamoDB/01-aaaa/data/0000.json.gz twice"),
        ({"lines": wrong(itemCount=-1)}, "line 2 of manifest-files.json cannot be read: itemCount: "),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/01-aaaa/data/none.json.gz")}, "data/none.json.gz is missing, which AWSDynamoDB/01-aaaa/manifest-summary.json names"),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/01-aaaa/data/../../../secret")}, "which is not in the export's own data folder"),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/01-aaaa/data/..")}, "which is no file"),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/01-aaaa/data/")}, "which is no file"),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/01-aaaa/data/a\0b")}, "which is no file"),
        ({"lines": wrong(dataFileS3Key="/etc/passwd")}, "names '/etc/passwd', which is not in the export's own data folder"),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/02-bbbb/data/0001.json.gz")}, "which is not in the export's own data folder"),
        ({"lines": wrong(dataFileS3Key="AWSDynamoDB/data/0001.json.gz")}, "which is not in the export's own data folder"),
        ({"extra": {"outputFormat": "ION"}}, "the export is written as ION. Export as DYNAMODB_JSON"),
        ({"extra": {"exportTime": "left out"}}, "exportTime is None, and must be the time that orders its rows"),
        ({"extra": {"exportTime": "9999-01-01T00:00:00Z"}}, "exportTime is 9999-01-01 00:00:00.00:00, and must be the time"),
        ({"extra": {"exportType": "PARTIAL_EXPORT"}}, "is no manifest of an export: exportType: "),
    ],
)  # fmt: skip
def test_an_export_that_does_not_add_up_fails_by_name_before_a_row_counts(landing: LandingMaker, broken: dict[str, Any], said: str) -> None:
    w = of(landing)
    (w.folder / "landing").mkdir(exist_ok=True)
    first(**broken).write(into(w))
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(failed(w))
    for n in range(2):  # it is taken away, and exported again
        (w.root / f"AWSDynamoDB/01-aaaa/data/000{n}.json.gz").unlink()
    (w.root / "AWSDynamoDB/01-aaaa/manifest-summary.json").unlink()
    full("02-cccc", 0, [fin("a"), fin("b"), fin("c")]).write(into(w))
    w.must_sync()
    w.must_sync()
    assert found(w) == FIRST


@pytest.mark.parametrize("wrongly", [{"md5Checksum": "AAAA"}, {"itemCount": 2}])
def test_a_list_of_files_that_is_mended_mends_the_window(landing: LandingMaker, wrongly: dict[str, Any]) -> None:
    w = of(landing)
    right = first()
    first(lines=wrong(**wrongly), extra={"itemCount": 4} if "itemCount" in wrongly else {}).write(into(w))
    assert "manifest-files.json says" in failed(w)
    right.write(lambda name, data: None if name.endswith(".gz") else into(w)(name, data))  # the data is what it was
    w.must_sync()
    w.must_sync()
    assert found(w) == FIRST


def test_a_key_that_two_items_of_a_file_have_is_none_and_nothing_of_it_counts(landing: LandingMaker) -> None:
    w = of(landing, source={"primary_key": ["pk"]}, columns={"pk": "text", "status": "text"})
    full("01-aaaa", 0, [fin("a", 1), "[1]", fin("b", 1), fin("a", 2)]).write(into(w))
    said = "AWSDynamoDB/01-aaaa/data/0000.json.gz: lines 1 and 4 have the same pk"
    assert said in failed(w)
    w.view["source"]["primary_key"] = ["pk", "sk"]
    w.view["columns"]["sk"] = "text"
    w.must_sync()
    assert w.target("pk, sk", "1, 2") == [("a", "FIN#1"), ("a", "FIN#2"), ("b", "FIN#1")]


def test_keys_are_told_apart_whatever_one_of_their_hashes_says(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = pl.DataFrame.hash_rows
    monkeypatch.setattr(pl.DataFrame, "hash_rows", lambda self, seed: honest(self, seed) // 2**61 if seed == 1 else honest(self, seed))
    unique = Unique(("pk",), "it")
    for first_of in range(0, 100, 10):
        unique.add(pa.table({"pk": [f"{n}" for n in range(first_of, first_of + 10)]}), pa.array(range(first_of + 1, first_of + 11)))
    unique.require()
    unique.add(pa.table({"pk": ["7"]}), pa.array([101]))
    with pytest.raises(ContractError, match="it: lines 8 and 101 have the same pk"):
        unique.require()


def test_a_broken_export_fails_the_run_when_those_before_it_are_read(landing: LandingMaker) -> None:
    w = of(landing)
    first().write(into(w))
    changes("02-bbbb", 0, 15, [change(1, old=fin("a")), change(2, fin("b", status="late"))], files=2).write(into(w))
    (w.root / "AWSDynamoDB/data/02-bbbb-0001.json.gz").unlink()
    changes("03-cccc", 15, 30, [change(16, fin("c", status="late"))]).write(into(w))
    for _ in range(2):
        assert "02-bbbb-0001.json.gz is missing" in str(w.sync().shards["files"].error)
        assert found(w) == FIRST
    changes("02-bbbb", 0, 15, [change(1, old=fin("a")), change(2, fin("b", status="late"))], files=2).write(into(w))
    w.must_sync()
    assert found(w) == [("b", "late"), ("c", "late")]


def test_a_list_of_files_that_is_missing_is_named(landing: LandingMaker) -> None:
    w = of(landing)
    first().write(into(w))
    (w.root / "AWSDynamoDB/01-aaaa/manifest-files.json").unlink()
    assert "AWSDynamoDB/01-aaaa/manifest-files.json is missing" in failed(w)


def test_a_line_that_cannot_be_read_is_a_reject_with_its_file_line_and_text_and_counts(landing: LandingMaker) -> None:
    w = of(landing, source={"item": "sk begins_with 'FIN#'"})
    good = [fin("a"), fin("b"), fin("c")]
    bad = [
        '{"Item": {"pk"', "[1]", '{"Keys": {}}', '{"Item": {"pk": {"S": "x"}}}', '{"Item": {"pk": {"S": "x"}, "sk": {"M": {}}}}',
        '{"Item": {"pk": {"S": "x"}, "sk": {"N": "1"}}}', '{"Item": {"pk": {"S": "x"}, "sk": {"S": "FIN#1"}, "v": {"N": "1e"}}}',
        '{"Item": {"pk": {"S": "x"}, "sk": {"S": "FIN#1"}, "v": 5}}',
        '{"Item": {"pk": {"S": "x"}, "sk": {"S": "FIN#1"}, "v": {"NS": ["1", "x"]}}}', '{"Item": {"pk": {"S": "\\ud800"}, "sk": {"S": "FIN#1"}}}',
        '{"Item": {"pk": {"S": "\udcff"}, "sk": {"S": "FIN#1"}}}', '{"Item": "\0"}',
    ]  # fmt: skip
    full("01-aaaa", 0, [good[0], *bad, *good[1:]]).write(into(w))
    report = w.must_sync()
    assert (found(w), report.shards["files"].read) == (FIRST, 15)
    told = w.rejects()
    assert [row[1] for row in told] == [{"_file": "AWSDynamoDB/01-aaaa/data/0000.json.gz", "_line": str(n)} for n in range(2, 14)]
    assert [row[3] for row in told][:10] == bad[:10]
    assert [row[4] for row in told] == [
        "is not JSON", "is no object of JSON", "has no Item, as each line of a full export has", "has no sk (primary_key)",
        "has a sk that is no text, number or binary, as a key's attribute is",
        "has a key of the types {'pk': 'S', 'sk': 'N'}, and those before it of {'pk': 'S', 'sk': 'S'}",
        "holds an item that cannot be read: '1e' is no number", "holds an item that cannot be read: 'int' object has no attribute 'items'",
        "holds an item that cannot be read: 'x' is no number", "is not JSON", "is not JSON", "is not JSON",
    ]  # fmt: skip


def test_a_change_without_its_time_or_with_another_key_is_a_reject(landing: LandingMaker) -> None:
    w = of(landing)
    whole = change(1, fin("x"))
    bad = [
        whole | {"Metadata": {}}, whole | {"Metadata": {"WriteTimestampMicros": {"N": "1" * 17}}}, whole | {"Keys": {"pk": {"S": "x"}}},
        whole | {"Keys": {"pk": {"S": "y"}, "sk": {"S": "FIN#1"}}}, {"Item": fin("x")}, whole | {"NewImage": [1]},
    ]  # fmt: skip
    changes("01-aaaa", 0, 15, [change(1, fin("a")), *bad]).write(into(w))
    report = w.must_sync()
    assert (found(w), report.shards["files"].read, len(w.rejects())) == ([("a", "paid")], 7, 6)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_breaks_at_any_step_is_made_good_by_the_next(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 1)
    w = of(landing)
    first().write(into(w))
    for passage in (2, 1):  # in the middle of the export, and at its beginning
        with suppress(ShardlakeError, RuntimeError), broken_at(step, passage):
            w.sync()
    w.must_sync()
    assert found(w) == FIRST
    changes("02-bbbb", 0, 15, [change(1, old=fin("a")), change(2, fin("b", status="late"))], files=2).write(into(w))
    with suppress(ShardlakeError, RuntimeError), broken_at(step):
        w.sync()
    w.must_sync()
    assert found(w) == AFTER


def test_a_process_that_is_killed_in_the_middle_of_an_export_leaves_nothing_that_the_next_does_not_mend(landing: LandingMaker) -> None:
    w = of(landing, source={"window": 1})
    first().write(into(w))
    assert w.engine_process(SHARDLAKE_FAILPOINT="extract.written=kill@2").returncode == -signal.SIGKILL
    w.must_sync()
    assert found(w) == FIRST


def test_raw_that_is_lost_is_read_again_from_the_exports_files(landing: LandingMaker) -> None:
    w = of(landing)
    first().write(into(w))
    with pytest.raises(RuntimeError), broken_at("extract.recorded"):
        w.sync()
    for file in (w.folder / "lake").rglob("*.parquet"):
        file.unlink()
    w.must_sync()
    assert found(w) == FIRST


def test_a_file_that_goes_before_it_is_read_leaves_its_manifest_for_the_next_pass(
    landing: LandingMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = of(landing)
    first().write(into(w))
    job = w.job()
    plan = job.source.plan(job.view, "files", None)
    (w.root / FILE).unlink()
    monkeypatch.setattr(type(job.source), "plan", lambda *_: plan)  # as it was a moment ago
    assert w.must_sync().shards["files"].read == 2
    monkeypatch.undo()
    assert "0001.json.gz is missing" in str(w.sync().shards["files"].error)
    first().write(into(w))
    w.must_sync()
    assert found(w) == FIRST


def test_a_file_that_is_still_being_copied_waits_and_is_no_damage(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = of(landing)
    whole = dict[str, bytes]()

    def half(name: str, data: bytes) -> bytes:
        whole[name] = data
        return data[: len(data) // 2]

    first(damage=half).write(into(w))
    honest = read.export_rows

    def as_it_goes_on(stream: Any, source: Any, place: str, expected: Expected) -> Any:
        begun = stream.read()
        for name, data in whole.items():
            into(w)(f"AWSDynamoDB/{name}", data)
        yield from honest(io.BytesIO(begun), source, place, expected)

    monkeypatch.setattr(read, "export_rows", as_it_goes_on)
    assert w.must_sync().shards["files"].read == 0
    monkeypatch.undo()
    w.must_sync()
    assert found(w) == FIRST


def test_a_data_file_that_was_written_just_now_waits_as_its_manifest_would(landing: LandingMaker) -> None:
    w = of(landing, source={"settle": "1h"})
    first().write(into(w))
    reads = []
    for name in ("manifest-summary.json", "data/0000.json.gz", "data/0001.json.gz"):
        os.utime(w.root / f"AWSDynamoDB/01-aaaa/{name}", (1, 1))
        reads.append(w.must_sync().shards["files"].read)
    assert (reads, found(w)) == ([0, 2, 1], FIRST)


def test_rows_that_are_lost_between_file_and_raw_commit_nothing(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = of(landing)
    first().write(into(w))
    real = rows._part

    def short(block: Any, *of: Any, **named: Any) -> Any:
        part = real(block, *of, **named)
        return rows.Part(
            part.table.slice(1), part.lines.slice(1), part.bad, part.records, None, part.kinds, part.times.slice(1), part.gone.slice(1)
        )

    monkeypatch.setattr(rows, "_part", short)
    assert "rows were read, and its" in failed(w)
    monkeypatch.undo()
    w.must_sync()
    assert found(w) == FIRST


def test_no_more_than_a_page_of_names_is_asked_for_at_once(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_PAGE", 2)
    w = of(landing)
    full("01-aaaa", 0, [fin(f"{n}") for n in range(5)], files=5).write(into(w))
    w.must_sync()
    assert len(found(w)) == 5


@given(st.lists(st.binary(max_size=40).filter(lambda text: b"\n" not in text), max_size=30), st.integers(1, 64), st.booleans())
def test_lines_are_the_same_whatever_is_taken_at_once(texts: list[bytes], block: int, ended: bool) -> None:
    data = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    packed = gzip.compress(data)
    held = sum(bool(text) and not text.isspace() for text in texts)
    expected = Expected(held, base64.b64encode(hashlib.md5(packed, usedforsecurity=False).digest()).decode(), incremental=False)
    found = list(lines(io.BytesIO(packed), expected, "it", block))
    numbered = [(of.first + n, text) for of in found for n, text in enumerate(of.texts) if text and not text.isspace()]
    assert numbered == [(n, text) for n, text in enumerate(texts, 1) if text and not text.isspace()]
    with pytest.raises(SourceFailed, match=f"it holds {held} lines"):
        list(lines(io.BytesIO(packed), Expected(held + 1, expected.md5, incremental=False), "it", block))
