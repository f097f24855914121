"""A segment's pages, one behind the other: no faster than its share of the table's capacity, and slower where the table throttles."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shardlake import cancellation
from shardlake.errors import SourceTimeout, SourceUnavailable
from shardlake.ledger.extent import Json
from shardlake.source.dynamodb.client import Client, Throttled
from shardlake.source.dynamodb.position import Key, key_of

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 10.0
"""Seconds; between them pauses double."""
FIRST_RETRY, LONGEST_RETRY = 0.2, 8.0
"""Seconds before what failed is asked again, likewise."""
_FAILURES = 8
"""Answers in a row that failed on the way or did not come, before the reading fails: about 20 seconds of pauses."""


@dataclass(frozen=True, slots=True)
class Page:
    """Items as the server spells them, how many it says that there are, the bytes of its answer, and the key to go on behind."""

    items: list[dict[str, Any]]
    count: int
    size: int
    after: Key | None


def pages(client: Client, plan: Json, place: str, deadline: timedelta) -> Iterator[Page]:
    """The pages of a plan from where it begins. A page may be empty and not the last. Raises what `Client.ask` does, SourceTimeout."""
    began = time.monotonic()
    after, free_at = key_of(plan["after"]), began
    while True:
        left = began + deadline.total_seconds() - time.monotonic()
        answer = _ask(client, _request(plan, after), place, began + deadline.total_seconds(), left)
        found = answer.body
        if plan["units"]:
            used = float((found.get("ConsumedCapacity") or {}).get("CapacityUnits", 0.0))
            free_at = max(free_at, time.monotonic()) + used / plan["units"]
        after = found.get("LastEvaluatedKey")
        yield Page(found["Items"], int(found["Count"]), answer.size, after)
        if after is None:
            return
        if plan.get("again"):  # what was read once in time is not cut short
            began = time.monotonic()
        if (wait := free_at - time.monotonic()) > 0:
            cancellation.pause(wait)


def _request(plan: Json, after: Key | None) -> dict[str, Any]:
    request = {
        "TableName": plan["table"], "Segment": plan["segment"], "TotalSegments": plan["segments"], "ConsistentRead": plan["consistent"],
        "ReturnConsumedCapacity": "TOTAL",
    }  # fmt: skip
    return request | ({"ExclusiveStartKey": after} if after else {}) | ({"Limit": plan["limit"]} if plan.get("limit") else {})


def _ask(client: Client, request: dict[str, Any], place: str, end: float, left: float) -> Any:
    """One page. What is throttled is asked again after a pause that doubles, with jitter so that segments do not come together;
    so is what failed on the way, some times.
    """
    pause, retry, failed = FIRST_PAUSE, FIRST_RETRY, 0
    while True:
        try:
            return client.ask("Scan", request, place, max(left, 0.2))
        except Throttled as throttled:
            if time.monotonic() + pause > end:
                raise SourceTimeout(
                    f"{place}: the table throttles, and its deadline is over ({throttled})",
                    hint="Declare less by `read_units`, or give the table more capacity; the next run goes on from there.",
                ) from None
            wait, pause = pause, min(2 * pause, LONGEST_PAUSE)
        except (SourceUnavailable, SourceTimeout):
            failed += 1
            if failed == _FAILURES or time.monotonic() + retry > end:
                raise
            wait, retry = retry, min(2 * retry, LONGEST_RETRY)
        cancellation.pause(random.uniform(wait / 2, wait))
        left = end - time.monotonic()
