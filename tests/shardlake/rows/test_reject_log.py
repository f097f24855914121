"""The rejects of a window, of which memory holds few whatever their number."""

from __future__ import annotations

import tracemalloc

from shardlake.rows.reject_log import RejectLog
from shardlake.shape.chunk import Reject


def test_two_hundred_thousand_rejects_are_held_on_the_disk_and_come_back_in_order() -> None:
    log = RejectLog()
    tracemalloc.start()
    try:
        for n in range(200):
            log.add("merge", [Reject({"id": str(n * 1000 + i)}, "amount", "x" * 300, "is not numeric(12,2)") for i in range(1000)])
        last, count = None, 0
        for line in log:
            last, count = line, count + 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (count, log.counts) == (200_000, {"merge": 200_000})
    assert last == ("merge", '{"id": "199999"}', "amount", "x" * 300, "is not numeric(12,2)")
    assert peak < 4 << 20  # a list of them takes 100 MB
