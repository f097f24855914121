"""One pass over the files of a partition: which are new, which have other content now, which are being written, which are gone.

A file is known by its name and a mark of its content, never by its time. Memory holds a page of the listing and what the next
window reads, whatever the number of files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shardlake import cancellation
from shardlake.ledger.extent import Item
from shardlake.ledger.items import Inventory
from shardlake.source.files.pattern import LAST, Pattern
from shardlake.source.files.store import Listed, Store

MOST_FILES = 500
"""Files of a window."""


@dataclass(frozen=True, slots=True)
class New:
    """A file to be read. `before` is true where its name has been read with other content."""

    file: Listed
    before: bool


@dataclass(slots=True)
class Found:
    """What a stretch of a pass has found. `after` is the last name that was looked at where the pass is not at its end. `waiting`
    are files that are being written.
    """

    new: list[New] = field(default_factory=list)
    gone: list[Item] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    after: str | None = None

    @property
    def bytes(self) -> int:
        """Of the files to be read."""
        return sum(one.file.bytes for one in self.new)


def look(
    store: Store, pattern: Pattern, prefixes: Sequence[str], inventory: Inventory, partition: str, *, after: str, settle: timedelta, most: int
) -> Found:  # fmt: skip
    """The files behind `after`, until those to be read come to `most` bytes or MOST_FILES. Raises SourceUnavailable, AccessRefused."""
    found, now = Found(), datetime.now(UTC)
    for prefix in prefixes:
        last = after if after.startswith(prefix) else ""
        if after and not last and prefix + LAST <= after:
            continue  # listed before this stretch
        upto = max(last, prefix[:-1] + chr(ord(prefix[-1]) - 1) + LAST if prefix else "")
        for page in store.listing(prefix, last):
            cancellation.check()
            names, chosen = [one.name for one in page], [one for one in page if pattern.matches(one.name)]
            known = inventory.named(partition, [one.name for one in chosen])
            for one in chosen:
                marks = known.get(one.name, {})
                if marks.get(one.mark):
                    continue
                if timedelta(0) <= now - one.modified < settle:
                    found.waiting.append(one.name)
                    continue
                found.new.append(New(one, bool(marks)))
                found.gone += [Item(one.name, mark, 0) for mark, there in marks.items() if there]
                if found.bytes >= most or len(found.new) >= MOST_FILES:
                    found.after = one.name
                    break
            until = max(upto, found.after or max(names))
            found.gone += _missing(store, inventory, partition, upto, until, names)
            if found.after is not None:
                return found
            upto = until
        found.gone += _missing(store, inventory, partition, upto, prefix + LAST, [])
    return found


def _missing(store: Store, inventory: Inventory, partition: str, after: str, until: str, listed: list[str]) -> list[Item]:
    """The items between two names that are not listed, and not there either: a listing may be in another order than names are."""
    gone = []
    for item in inventory.missing(partition, after, until, listed):
        cancellation.check()
        if not store.there(item.name):
            gone.append(item)
    return gone
