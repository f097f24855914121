"""The next window of a partition: which files it reads, in which order their rows stand to others, and where the pass goes on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from shardlake.errors import ContractError, SourceUnavailable
from shardlake.ledger.extent import Json
from shardlake.ledger.items import Inventory
from shardlake.source.files.export.find import unread
from shardlake.source.files.export.told import told
from shardlake.source.files.listing import Found, New, look
from shardlake.source.files.order import EPOCH, Order, micros_of, order_of_dms, order_of_file, role
from shardlake.source.files.pattern import LAST, Pattern
from shardlake.source.files.read import Planned
from shardlake.source.files.store import Store
from shardlake.view.files import Files


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over the files of a partition: when it `began`, which folders it lists and whether these are all of them (`whole`); from
    which name it goes on, in the prefix at the place `first`; and a file that it has passed by, which is being written (`held`).
    """

    began: datetime
    prefixes: tuple[str, ...]
    whole: bool
    after: str = ""
    first: int = 0
    held: str | None = None


def next_pass(pattern: Pattern, source: Files, position: Json | None) -> Pass:
    """A new pass. Where names hold a date it lists what is recent, and now and then all."""
    now = datetime.now(UTC)
    newest, listed = ((position or {}).get(name) for name in ("newest", "whole"))
    if source.recent and newest and listed and now - datetime.fromisoformat(listed) < source.relist:
        return Pass(now, tuple(pattern.prefixes(datetime.fromisoformat(newest) - source.recent, now)), whole=False)
    return Pass(now, (pattern.prefix,), whole=True)


def going_on(pattern: Pattern, position: Json) -> Pass:
    """The pass that a position stands in, from where it stands."""
    began, since = datetime.fromisoformat(position["began"]), position.get("since")
    prefixes = tuple(pattern.prefixes(datetime.fromisoformat(since), began)) if since else (pattern.prefix,)
    return Pass(began, prefixes, not since, position["after"], position.get("first", 0), position.get("held"))


def find(store: Store, pattern: Pattern, source: Files, inventory: Inventory, partition: str, on: Pass) -> Found:
    """What the next stretch of a pass finds. Raises SourceUnavailable, AccessRefused; of exports SourceFailed and ContractError, too."""
    settle = store.settle if source.settle is None else source.settle
    found = look(
        store, pattern, on.prefixes, inventory, partition, after=on.after, settle=settle, most=source.window, first=on.first,
        unread=partial(unread, store, inventory, partition, source.table, settle) if source.of_export else None,
    )  # fmt: skip
    if found.gone and not found.listed and store.empty():
        raise SourceUnavailable(
            f"{partition}: there is no file at all any more, and {len(found.gone)} that were read, such as {found.gone[0].name}",
            hint="Check the connection's url, and whether it is mounted. If all was removed on purpose, run with --full.",
        )
    return found


def end_position(pattern: Pattern, source: Files, position: Json | None, on: Pass, found: Found, loads: dict[str, int]) -> Json:
    """Where the partition stands behind a window: the pass, the newest date that was seen, and when all was listed last."""
    before = position or {}
    dates = [min(found_date, on.began) for one in found.new if (found_date := pattern.date(one.file.name))]
    known = [datetime.fromisoformat(before["newest"])] if before.get("newest") else []
    end: Json = {"began": on.began.isoformat(), "files": before.get("files", 0) + len(found.new)}
    end |= {"loads": loads} if loads else {}
    if source.of_export:
        end |= {"table": of} if (of := _table(before, found)) else {}
        periods = [one.period for one in found.new if one.period]
        end |= {"told": told(before.get("told", []), periods), "until": max([before.get("until", 0), *(until for _, until in periods)])}
    end |= {"newest": max(dates + known).isoformat()} if dates or known else {}
    end |= {"held": held} if (held := next(iter(found.waiting), on.held)) else {}
    if found.after is not None:
        end |= {"after": found.after, "first": found.prefix}
        if not on.whole and source.recent and before.get("newest"):
            end["since"] = before.get("since") or (datetime.fromisoformat(before["newest"]) - source.recent).isoformat()
        return end | ({"whole": before["whole"]} if before.get("whole") else {})
    return end | {"whole": on.began.isoformat() if on.whole else before["whole"]}


def _table(before: Json, found: Found) -> list[str]:
    """The table that the exports are of: its ARN, and its id where that is told. Raises ContractError where they are of several."""
    known, id = before.get("table", ("", ""))
    for of in (new.table for new in found.new if new.table):
        if known and of.arn != known:
            raise ContractError(
                f"{of.manifest} is an export of {of.arn}, and those before it are of {known}",
                hint=f"Say which table is meant, as in `table: {known.rpartition('/')[2]}`, or with its whole ARN; or narrow `files` down.",
            )
        if id and of.id and of.id != id:
            raise ContractError(
                f"{of.manifest} is an export of another table than those before it, which had the same name: its tableId is {of.id}, not {id}",
                hint="Leave the exports of one of them out of `files`. If the new one is meant, empty the target and run with --full.",
            )
        known, id = of.arn, of.id or id
    return [known, id] if known else []


def planned_files(source: Files, loads: dict[str, int], found: Found) -> list[Planned]:
    """The files of a window with their order; changes of DMS come behind the load that they belong to."""
    return [Planned(one.file, one.order or _order(source, loads, one), one.expected) for one in found.new]


def _order(source: Files, loads: dict[str, int], one: New) -> Order:
    file = one.file
    if source.format != "dms":
        return order_of_file(file.name, file.modified)
    since = max((at for folder, at in loads.items() if file.name.startswith(f"{folder}/")), default=0)
    if role(file.name) == "load" and micros_of(file.modified) < since:
        since = 0
    return order_of_dms(file.name, file.modified, since, one.before)


def loads_of(position: Json | None, found: Found, inventory: Inventory, partition: str) -> dict[str, int]:
    """By folder, since when DMS has loaded a table anew: LOAD files' names have come again, and the changes of before are gone, as DMS
    removes them. Where they are there still, the file was only mended, and stays behind them.
    """
    before: dict[str, int] = (position or {}).get("loads", {})
    loads, gone = dict(before), {item.name for item in found.gone}
    for one in (n for n in found.new if n.before and role(n.file.name) == "load"):
        folder, at = one.file.name.rpartition("/")[0], micros_of(one.file.modified)
        begun = loads.get(folder, 0)
        if (
            at > before.get(folder, 0)
            and (begun == before.get(folder, 0) or at < begun)
            and not _changes(inventory, partition, folder, at, gone)
        ):
            loads[folder] = at
    return loads


def _changes(inventory: Inventory, partition: str, folder: str, until: int, gone: set[str]) -> bool:
    """Whether changes of before a time are there still that were read."""
    known = inventory.between(partition, f"{folder}/", f"{folder}/{LAST}")
    earlier = (item.name for item, there in known if there and role(item.name) == "changes" and item.name not in gone)
    return any(order_of_dms(name, EPOCH).time < until for name in earlier)
