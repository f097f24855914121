"""One pass over the files of a partition: which are new, which have other content now, which are being written, which are gone.

A file is known by its name and a mark of its content, never by its time. Memory holds a page of the listing and what the next
window reads, whatever the number of files.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from shardlake import cancellation
from shardlake.errors import ContractError, SourceFailed
from shardlake.ledger.extent import Item
from shardlake.ledger.items import Inventory
from shardlake.source.files.export.manifest import Expected, Table
from shardlake.source.files.order import Order
from shardlake.source.files.pattern import LAST, Pattern
from shardlake.source.files.store import Listed, Moved, Store

MOST_FILES = 500
"""Files of a window."""
MOST_GONE = 5_000
"""Files that a window tells as gone."""


@dataclass(frozen=True, slots=True)
class New:
    """A file to be read, and how often its name has been read with other content; of one that a manifest names what that says of it, of
    a manifest the period that its files tell of, and of both of which table they are.
    """

    file: Listed
    before: int
    order: Order | None = None
    expected: Expected | None = None
    period: tuple[int, int] | None = None
    table: Table | None = None


Unread = Callable[[Listed, int], Iterator[New]]
"""The files that a manifest names and that were not read yet, and behind them the manifest, which was read that often."""


@dataclass(slots=True)
class Found:
    """What a stretch of a pass has found. `after` is the last name that was looked at, and `prefix` the place of its prefix, where the
    pass is not at its end. `waiting` are files that are being written. `listed` says whether there was any file.
    """

    new: list[New] = field(default_factory=list)
    gone: list[Item] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    after: str | None = None
    prefix: int = 0
    listed: bool = False

    def full(self, most: int) -> bool:
        """Whether the files to be read are enough for a window."""
        return self.bytes >= most or len(self.new) >= MOST_FILES

    def take(self, files: Iterator[New], most: int) -> bool | None:
        """Take files until the window is full; whether these are all of them, None where their manifest has moved."""
        try:
            for one in files:
                if self.full(most) and one.expected:
                    return False
                self.new.append(one)
        except Moved:
            return None
        return True

    def note_gone(self, items: Iterator[Item]) -> None:
        """Items that are gone; those past MOST_GONE are told by a later pass."""
        self.gone += islice(items, max(0, MOST_GONE - len(self.gone)))

    @property
    def bytes(self) -> int:
        """Of the files to be read."""
        return sum(one.file.bytes for one in self.new)


def look(
    store: Store, pattern: Pattern, prefixes: Sequence[str], inventory: Inventory, partition: str, *, after: str, settle: timedelta, most: int,
    first: int = 0, unread: Unread | None = None,
) -> Found:  # fmt: skip
    """The files behind `after`, which lies in the prefix at the place `first`, until those to be read come to `most` bytes or MOST_FILES.
    With `unread` they are manifests, and each comes behind the files that it names: one that has more of them is met again.

    Raises SourceUnavailable, AccessRefused, and what `unread` raises of the first that it is asked of; a later one ends the stretch.
    """
    found, now = Found(), datetime.now(UTC)
    for place, prefix in enumerate(prefixes[first:], first):
        last = after if place == first else ""
        upto = max(last, prefix[:-1] + chr(ord(prefix[-1]) - 1) + LAST if prefix else "")
        for page in store.listing(prefix, last):
            cancellation.check()
            found.listed = True
            known, missing = _known(inventory, partition, upto, [one.name for one in page])
            for one in (one for one in page if pattern.matches(one.name)):
                marks = known.get(one.name, {})
                if marks.get(one.mark):
                    continue
                if timedelta(0) <= now - one.modified < settle:
                    found.waiting.append(one.name)
                    continue
                count = len(found.new)
                try:
                    whole = found.take(unread(one, len(marks)) if unread else iter((New(one, len(marks)),)), most)
                except (SourceFailed, ContractError):
                    del found.new[count:]
                    if not found.new:
                        raise
                    found.after, found.prefix = _before(one.name), place  # what was found before is read, and the next stretch raises
                    break
                if whole is None:
                    found.waiting.append(one.name)
                    continue
                found.gone += [Item(one.name, mark, 0) for mark, there in marks.items() if there and whole]
                if not whole or found.full(most):
                    found.after, found.prefix = one.name if whole else _before(one.name), place
                    break
            found.note_gone(_gone(store, missing if found.after is None else [item for item in missing if item.name <= found.after]))
            if found.after is not None:
                return found
            upto = max(upto, *(one.name for one in page))
        found.note_gone(_gone(store, (item for item, there in inventory.between(partition, upto, prefix + LAST) if there)))
    return found


def _before(name: str) -> str:
    """What sorts before a name and behind those before it."""
    return f"{name[:-1]}{chr(ord(name[-1]) - 1)}~"


def _known(inventory: Inventory, partition: str, after: str, names: list[str]) -> tuple[dict[str, dict[str, bool]], list[Item]]:
    """What is known of the names of a page: marks, and whether their content is there still; and items behind `after` that it lacks."""
    known: dict[str, dict[str, bool]] = {}
    missing, listed = list[Item](), set(names)
    for item, there in inventory.between(partition, after, max(names)):
        if item.name in listed:
            known.setdefault(item.name, {})[item.mark] = there
        elif there:
            missing.append(item)
    if earlier := [name for name in names if name <= after]:  # the listing is in another order than names are
        for item, there in inventory.named(partition, earlier):
            known.setdefault(item.name, {})[item.mark] = there
    return known, missing


def _gone(store: Store, items: Iterable[Item]) -> Iterator[Item]:
    """Those items that are not there, though a listing in another order may have had them elsewhere."""
    for item in items:
        cancellation.check()
        if not store.there(item.name):
            yield item
