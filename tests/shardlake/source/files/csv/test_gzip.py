"""Gzip: whole, of several members, damaged, cut off. What came before the fault goes in, and the fault is told."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest

from shardlake.source.files.csv.gunzip import Gunzip
from tests.shardlake.source.files.csv.writing import Read, read

ROWS = [(str(n), f"name {random.Random(n).random()}") for n in range(1, 2001)]
DATA = "".join(",".join(row) + "\n" for row in ROWS).encode()
ENDS = "the file ends in the middle of its gzip data"
CHECKSUM = "the checksum of the gzip data is wrong: what was read may be damaged, and nothing behind it is read"
DAMAGED = "the gzip data is damaged here, and nothing behind it is read"


def prefix(found: Read) -> int:
    """How many of the rows were read, which must be the first ones."""
    assert found.rows == ROWS[: len(found.rows)]
    return len(found.rows)


def test_gzip_is_recognised_and_read() -> None:
    for size in (100, 1 << 20):
        assert (prefix(read(gzip.compress(DATA), block_bytes=size)), read(gzip.compress(DATA)).faults) == (2000, [])
    assert read(gzip.compress(b"")).records == 0


def test_several_members_are_one_file_and_zeros_behind_them_are_padding() -> None:
    packed = b"".join(gzip.compress(DATA[at : at + 9999]) for at in range(0, len(DATA), 9999))
    for end in (b"", gzip.compress(b""), b"\0" * 512):
        found = read(packed + end)
        assert (prefix(found), found.faults) == (2000, [])


def test_of_a_file_cut_off_what_came_before_goes_in() -> None:
    packed = gzip.compress(DATA)
    for cut in (3, 12, len(packed) // 2, len(packed) - 9, len(packed) - 8, len(packed) - 1):
        found = read(packed[:cut], names=["a", "b"], block_bytes=4096)
        rows = prefix(found)
        assert found.reasons == [(rows + 1, rows + 1, f"the last record is cut off: {ENDS}" if found.faults[0].text else ENDS)]
        assert rows == 2000 or DATA[sum(len(",".join(row)) + 1 for row in ROWS[:rows]) :].decode().startswith(found.faults[0].text)
    assert rows == 2000
    assert prefix(read(packed[: len(packed) // 2])) > 900


def test_a_record_that_is_whole_by_chance_where_the_file_was_cut_off_does_not_go_in() -> None:
    pack = zlib.compressobj(wbits=31)
    packed = pack.compress(b"1,one\n2,tw") + pack.flush(zlib.Z_SYNC_FLUSH)
    found = read(packed)
    assert (found.rows, found.reasons, found.faults[0].text) == ([("1", "one")], [(2, 2, f"the last record is cut off: {ENDS}")], "2,tw")
    pack = zlib.compressobj(wbits=31)
    found = read(pack.compress(b'1,a,b\n2,"two\nlines",""') + pack.flush(zlib.Z_SYNC_FLUSH))
    assert (found.reasons, found.faults[0].text) == ([(2, 2, f"the last record is cut off: {ENDS}")], '2,"two\nlines",""')
    packed = (pack := zlib.compressobj(wbits=31)).compress(b'1,one\n2,"two\nlines') + pack.flush(zlib.Z_SYNC_FLUSH)
    found = read(packed)
    assert (found.rows, found.faults[0].text) == ([("1", "one")], '2,"two\nlines')
    assert found.reasons == [(2, 2, f"field 2: its quote is not closed before the file ends: {ENDS}")]


def test_a_wrong_checksum_is_a_fault_behind_the_rows() -> None:
    packed = bytearray(gzip.compress(DATA))
    packed[-8] ^= 1
    for size in (100, 1 << 20):
        found = read(bytes(packed), block_bytes=size)
        assert (prefix(found), found.reasons) == (2000, [(2001, 2001, CHECKSUM)])
    packed = bytearray(gzip.compress(DATA))
    packed[-1] ^= 1  # the length
    assert read(bytes(packed)).reasons == [(2001, 2001, CHECKSUM)]


def test_damage_in_the_middle_is_a_fault_behind_the_rows_before_it() -> None:
    pack = zlib.compressobj(wbits=31)
    half = DATA.index(b"\n1000,")
    packed = pack.compress(DATA[: half + 1]) + pack.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 100
    found = read(packed)
    assert (prefix(found), found.reasons) == (999, [(1000, 1000, DAMAGED)])


def test_what_follows_that_is_no_gzip_is_a_fault() -> None:
    found = read(gzip.compress(DATA) + b"2001,x\n")
    assert (prefix(found), found.reasons) == (2000, [(2001, 2001, "what follows the gzip data is not gzip")])


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_no_more_is_unpacked_at_once_than_is_asked_for(size: int) -> None:
    stream = Gunzip(io.BytesIO(gzip.compress(bytes(100_000)) + gzip.compress(b"end")))
    pieces = []
    while piece := stream.read(size):
        pieces.append(piece)
        if size == 1 and len(pieces) > 1000:
            return
    assert (max(map(len, pieces)) <= size, b"".join(pieces)) == (True, bytes(100_000) + b"end")


class Trickle(io.BytesIO):
    """A stream that gives a byte at a time, as a network may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(1, size or 0))


def test_a_stream_may_give_a_byte_at_a_time() -> None:
    stream = Gunzip(Trickle(gzip.compress(b"one") + gzip.compress(b"two")))
    assert (b"".join(iter(lambda: stream.read(100), b"")), stream.tear) == (b"onetwo", None)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_all_that_can_be_unpacked_before_a_tear_comes_out(size: int) -> None:
    packed = gzip.compress(b"ab" * 500 + b"end")
    for cut in range(11, len(packed) - 8):
        stream = Gunzip(io.BytesIO(packed[:cut]))
        assert b"".join(iter(lambda stream=stream: stream.read(size), b"")) == zlib.decompressobj(31).decompress(packed[:cut])
        assert stream.tear
