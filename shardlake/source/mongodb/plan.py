"""Planning a database's next window: what to read, whether there is anything, and how complete raw is behind it. Reads no data."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bson.min_key import MinKey
from pymongo.errors import OperationFailure

from shardlake.connection.mongodb import MongoDB
from shardlake.errors import ContractError, WatermarkRefused
from shardlake.ledger.extent import Extent, Json
from shardlake.source.door import Plan
from shardlake.source.mongodb.client import Client, collection_of, hello
from shardlake.source.mongodb.cursor import FUTURE, TYPES, Bound, By, of_moment, value_at, version_kind, version_text
from shardlake.source.mongodb.intervals import intervals
from shardlake.source.mongodb.position import Interval, Window, behind, position_of, read_of, window_of
from shardlake.source.mongodb.query import COUNTED, any_of, both, filter_of, holds, not_in_arrays, own_filter, untold
from shardlake.source.mongodb.rows import kinds_of
from shardlake.view.mongodb import MongoCollection
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Asked:
    """A collection that is planned for, with what was asked of its server first: its clock, and how far a majority has what is written.

    One that is not `plain` is a view of the server's, or of time series: it has no index of `_id`.
    """

    client: Client
    spec: MongoDB
    view: View
    source: MongoCollection
    partition: str
    collection: Any
    now: datetime
    majority: datetime
    plain: bool = True

    @classmethod
    def of(cls, client: Client, spec: MongoDB, view: View, source: MongoCollection, partition: str) -> "Asked":
        """Ask. Raises ContractError where there is no such collection."""
        types = {found["name"]: found["type"] for found in client[partition].list_collections(authorizedCollections=True, nameOnly=True)}
        if source.collection not in types:
            there = ", ".join(sorted(types)[:30]) or "none"
            raise ContractError(f"{partition} has no collection {source.collection!r}; it has: {there}", hint="Check the name.")
        said = hello(client)
        now, last = said["localTime"], said.get("lastWrite") or {}
        primary = said.get("isWritablePrimary", True)  # another member that lags may think that a majority has all that it has itself
        behind = last and (not primary or last.get("majorityOpTime") != last.get("opTime"))
        written = [last[name] for name in ("majorityWriteDate", *(() if primary else ("lastWriteDate",))) if name in last]
        majority = min([now, *written]) if behind else now
        collection = collection_of(client, partition, source.collection)
        return cls(client, spec, view, source, partition, collection, now, majority, plain=types[source.collection] == "collection")

    @property
    def indexed(self) -> bool:
        """Whether an index of whole documents begins with the cursor: then it is read in that order."""
        indexes = self.collection.list_indexes() if self.plain else []
        keys = [next(iter(index["key"].items())) for index in indexes if "partialFilterExpression" not in index]
        return any(name == self.source.cursor and direction in (1, -1) for name, direction in keys)

    @property
    def may_have_arrays(self) -> bool:
        """Whether the cursor of a document may be an array: an index that has none knows it."""
        name = str(self.source.cursor)
        find = {"find": self.collection.name, "filter": {name: {"$gte": MinKey()}}, "sort": {name: 1}, "limit": 1}
        try:
            told = re.findall(
                r"'isMultiKey': (True|False)", str(self.client[self.partition].command("explain", find, verbosity="queryPlanner"))
            )
        except OperationFailure:
            return True
        return "True" in told or not told

    @property
    def latest(self) -> datetime:
        """The server's time up to which all that was written can be read, less the safety lag."""
        return min(self.now - self.source.safety_lag, self.majority)

    @property
    def held_by(self) -> str | None:
        """What keeps a window from reaching up to now."""
        if self.majority >= self.now - self.source.safety_lag:
            return None
        return f"{self.partition}: a majority of the replica set has what was written up to {self.majority:%Y-%m-%d %H:%M:%S} UTC"


def plan_window(asked: Asked, found: Any) -> Plan:
    """The window behind a position of the ledger. Raises ContractError, WatermarkRefused, and what the driver raises."""
    source = asked.source
    position = position_of(found, source.ids)
    if position is not None and position.left:
        window = Window(position.by, position.ids, upper=position.upper, intervals=position.left, complete_to=position.complete_to)
        return _planned(asked, window, found, anything=True)
    by = (position.by if position else cursor_type(asked)) if source.cursor else None
    # a window was closed early: the lookback came before the first of those up to this upper bound
    if by and position and position.cursor is not None and position.upper is not None:
        window = Window(by, source.ids, position.cursor, position.upper, ordered=asked.indexed, complete_to=position.complete_to)
        return _planned(asked, window, found)
    upper = upper_bound(asked, by) if by else None
    complete = asked.latest.replace(tzinfo=UTC).isoformat()
    if position is None:
        ranges = intervals(asked.collection, source, asked.spec.ranges) if asked.plain else (Interval(),)
        end = upper.text if upper else None
        window = Window(by, source.ids, upper=end, intervals=ranges, whole=not asked.plain, complete_to=complete)
        return _planned(asked, window, found, anything=_any_document(asked))
    if by is None or upper is None or position.cursor is None:
        raise WatermarkRefused("the ledger's position is not one of the view's cursor", hint="Run with --full to begin anew.")
    return _planned(asked, replace(_later(asked, by, position.cursor, upper), complete_to=complete), found)


def plan_unseen(view: View, partition: str, found: Json) -> Plan:
    """Nothing, of a database that is dropped or that the user may not see: its position stays, and status says why.

    Raises ContractError in a first load, which is not whole.
    """
    assert isinstance(view.source, MongoCollection)
    why = f"{partition} is not there any more, or the user may not see it"
    position = position_of(found, view.source.ids)
    if position is None or position.cursor is None:
        raise ContractError(why, hint="Check the user's roles.")
    window = Window(position.by, position.ids, position.cursor, position.cursor, whole=True)
    extent = replace(extent_of(window, found, why), end=found)
    return Plan(partition, extent, kinds_of(view, window.by), anything=False, notes=(why,))


def _later(asked: Asked, by: By, cursor: str, upper: Bound) -> Window:
    """The window behind a cursor, up to a bound."""
    mark = Bound(by, cursor)
    if by != "number" and of_moment(by, asked.now + FUTURE).precedes(mark):
        raise WatermarkRefused(
            f"the watermark {cursor} is ahead of the server's clock ({asked.now})",
            hint="Check the clock and the ledger; `--full` reads everything anew.",
        )
    end = mark if upper.precedes(mark) else upper
    return Window(by, asked.source.ids, mark.minus(asked.source.lookback).text, end.text, ordered=asked.indexed)


def plan_again(asked: Asked, extent: Extent) -> Plan:
    """A window that is given, up to where it was read."""
    window = window_of(extent.plan)
    reached = position_of(extent.end, window.ids)
    if window.intervals:
        window = replace(window, intervals=read_of(window, reached.left if reached else ()), whole=True)
    elif reached and reached.cursor is not None:
        window = replace(window, upper=reached.cursor, whole=True)
    anything = holds(asked.collection, filter_of(asked.source, window))
    return Plan(asked.partition, replace(extent, plan=window.json()), kinds_of(asked.view, window.by), anything)


def _planned(asked: Asked, window: Window, found: Any, *, anything: bool | None = None) -> Plan:
    source, notes = asked.source, list[str]()
    if anything is None:
        anything = holds(asked.collection, filter_of(source, window))
        if not anything:
            _same_type(asked, window.by)
    unreachable: dict[str, int] = {}
    if window.by and not window.intervals:
        unreachable = untold(asked.collection, source, window.by, asked.now, arrays=not window.ordered or asked.may_have_arrays)
        if not window.ordered:
            notes.append(f"no index begins with {source.cursor}: each run reads the whole collection")
    notes += [
        f"{number}{'+' if number > COUNTED else ''} documents have {why}: no window takes them" for why, number in unreachable.items()
    ]
    return Plan(
        asked.partition, extent_of(window, found, asked.held_by), kinds_of(asked.view, window.by), anything, tuple(notes), unreachable
    )


def extent_of(window: Window, start: Any, held_by: str | None = None) -> Extent:
    """A window as the ledger knows it."""
    complete = datetime.fromisoformat(window.complete_to) if window.complete_to else None
    snapshot = bool(window.intervals)
    shown = "replaced" if window.by is None else window.upper
    kind = version_kind(window.by) if window.by else None
    return Extent(window.json(), start, behind(window).json(), kind, window.lower, window.upper, snapshot, complete, held_by, shown)


def cursor_type(asked: Asked) -> By:
    """The type of the cursor's values: the first of date, number and ObjectId that is there."""
    return next((by for by in TYPES if _has_type(asked, by)), "date")


def _same_type(asked: Asked, by: By | None) -> None:
    """Where a window holds nothing: that this is not since the cursor is of another type by now. Raises WatermarkRefused."""
    if by and not _has_type(asked, by) and (other := next((it for it in TYPES if _has_type(asked, it)), None)):
        raise WatermarkRefused(
            f"{asked.partition}: {asked.source.cursor} was of type {by}, and is of type {other} now", hint="Run with --full to begin anew."
        )


def _has_type(asked: Asked, by: By) -> bool:
    name = str(asked.source.cursor)
    return any_of(asked.collection, asked.source, both([{name: {"$type": by}}, *not_in_arrays(name)]))


def _any_document(asked: Asked) -> bool:
    told = asked.plain and not asked.source.filter and asked.collection.estimated_document_count()
    return bool(told) or any_of(asked.collection, asked.source, {})  # after a crash the server's own count may be too low


def upper_bound(asked: Asked, by: By) -> Bound:
    """Up to where a window reaches: what the clock says or, for numbers, the greatest there is. Raises WatermarkRefused."""
    if by != "number":
        return of_moment(by, asked.latest)
    name = str(asked.source.cursor)
    finite = {name: {"$gt": float("-inf"), "$lt": float("inf")}}
    query = both([*own_filter(asked.source), finite, *not_in_arrays(name)])  # an array would come first by the greatest of its items
    greatest = next(iter(asked.collection.find(query, {"_id": 0} | {name: 1}).sort(name, -1).limit(1)), None)
    if greatest is None:
        return Bound(by, "0")
    text = version_text(value_at(greatest, tuple(name.split("."))), by)
    if text is None:
        raise WatermarkRefused(f"{asked.partition}: the greatest {name} is no number that can be read", hint="Please report it.")
    return Bound(by, text)
