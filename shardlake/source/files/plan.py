"""The next window of a partition: which files it reads, in which order their rows stand to others, and where the pass goes on."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shardlake.ledger.extent import Json
from shardlake.ledger.items import Inventory
from shardlake.source.files.listing import Found, New, look
from shardlake.source.files.order import Order, micros_of, order_of_dms, order_of_file, role
from shardlake.source.files.pattern import Pattern
from shardlake.source.files.read import Planned
from shardlake.source.files.store import Store
from shardlake.view.files import Files


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over the files of a partition: when it `began`, from which name it goes on, and which folders it lists; `whole` is all of them."""

    began: datetime
    after: str
    prefixes: tuple[str, ...]
    whole: bool


def next_pass(pattern: Pattern, source: Files, position: Json | None) -> Pass:
    """A new pass. Where names hold a date it lists what is recent, and now and then all."""
    now = datetime.now(UTC)
    newest, listed = ((position or {}).get(name) for name in ("newest", "whole"))
    if source.recent and newest and listed and now - datetime.fromisoformat(listed) < source.relist:
        return Pass(now, "", tuple(pattern.prefixes(datetime.fromisoformat(newest) - source.recent, now)), whole=False)
    return Pass(now, "", (pattern.prefix,), whole=True)


def going_on(pattern: Pattern, position: Json) -> Pass:
    """The pass that a position stands in, from where it stands."""
    began, since = datetime.fromisoformat(position["began"]), position.get("since")
    prefixes = tuple(pattern.prefixes(datetime.fromisoformat(since), began)) if since else (pattern.prefix,)
    return Pass(began, position["after"], prefixes, whole=not since)


def find(store: Store, pattern: Pattern, source: Files, inventory: Inventory, partition: str, on: Pass) -> Found:
    """What the next stretch of a pass finds. Raises SourceUnavailable, AccessRefused."""
    settle = store.settle if source.settle is None else source.settle
    return look(store, pattern, on.prefixes, inventory, partition, after=on.after, settle=settle, most=source.window)


def end_position(pattern: Pattern, source: Files, position: Json | None, on: Pass, found: Found) -> Json:
    """Where the partition stands behind a window: the pass, the newest date that was seen, and when all was listed last."""
    before = position or {}
    dates = [found_date for one in found.new if (found_date := pattern.date(one.file.name))]
    known = [datetime.fromisoformat(before["newest"])] if before.get("newest") else []
    end: Json = {"began": on.began.isoformat(), "files": before.get("files", 0) + len(found.new)}
    end |= {"loads": loads} if (loads := _loads(before.get("loads", {}), found)) else {}
    end |= {"newest": max(dates + known).isoformat()} if dates or known else {}
    if found.after is not None:
        end["after"] = found.after
        if not on.whole and source.recent and before.get("newest"):
            end["since"] = before.get("since") or (datetime.fromisoformat(before["newest"]) - source.recent).isoformat()
        return end | ({"whole": before["whole"]} if before.get("whole") else {})
    return end | {"whole": on.began.isoformat() if on.whole else before["whole"]}


def planned_files(source: Files, end: Json, found: Found) -> list[Planned]:
    """The files of a window with their order; changes of DMS come behind the load that they belong to."""
    return [Planned(one.file, _order(source, end.get("loads", {}), one)) for one in found.new]


def _order(source: Files, loads: dict[str, int], one: New) -> Order:
    file = one.file
    if source.format != "dms":
        return order_of_file(file.name, file.modified)
    since = loads.get(file.name.rpartition("/")[0], 0)
    return order_of_dms(file.name, file.modified, since if micros_of(file.modified) >= since else 0)


def _loads(before: dict[str, int], found: Found) -> dict[str, int]:
    """By folder, since when DMS has loaded a table anew: a LOAD file's name has come again. The first load lies before all changes."""
    loads = dict(before)
    for one in (n for n in found.new if n.before and role(n.file.name) == "load"):
        folder = one.file.name.rpartition("/")[0]
        again = micros_of(one.file.modified)
        if folder not in before:
            loads[folder] = min(loads.get(folder, again), again)
        elif again > before[folder]:
            loads[folder] = again if loads[folder] == before[folder] else min(loads[folder], again)
    return loads
