"""A commit's account: of every window how many rows came in and what became of each, and the rejects on the local disk.

Every figure is counted where it arises, none by taking others away, so that a row that is lost on the way shows.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
import polars as pl

from shardlake.errors import AccountingError
from shardlake.ledger.sinks import Applied
from shardlake.rows.spool import Made
from shardlake.rows.window_rows import of_others
from shardlake.sink.lake.partition import unfit
from shardlake.sink.lake.typed import LakeReject
from shardlake.view.view import View

Verdict = Literal["merged", "unchanged", "superseded", "removed"]
HINT = "Nothing was published, and the next run writes it again. Please report it."


class Rejects:
    """Rejects in a file without a name, so that memory holds none of them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="shardlake-")  # noqa: SIM115 - it goes with this object

    def add(self, window_id: int, shard: str, found: list[LakeReject]) -> None:
        """Keep rejects of a window."""
        for r in found:
            self._file.write(orjson.dumps((window_id, shard, r.row_key, r.column, r.value, r.reason), option=orjson.OPT_APPEND_NEWLINE))

    def __iter__(self) -> Iterator[tuple[int, str, dict[str, str | None], str, str | None, str]]:
        """(window_id, shard, row_key, column, value, reason) of each, in the order in which they came."""
        self._file.seek(0)
        for line in self._file:
            window_id, shard, key, column, value, reason = orjson.loads(line)
            yield window_id, shard, key, column, value, reason


@dataclass(slots=True)
class Tally:
    """What a window's rows came to. `rejected` are those that every sink rejects, and the lake's own; `taken` rows reached the layout."""

    rejects: Rejects
    raw_rows: int = 0
    made: Made = field(default_factory=Made)
    taken: int = 0
    merged: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: int = 0
    removed: int = 0

    def came(self, raw_rows: int, made: Made) -> None:
        """What the window's files hold, and what was made of it for every sink."""
        self.raw_rows, self.made = raw_rows, made
        self.rejected += made.rejected

    def reject(self, window_id: int, shard: str, found: list[LakeReject]) -> None:
        """Rows that the lake cannot hold."""
        self.rejected += len(found)
        self.rejects.add(window_id, shard, found)

    def counts(self) -> Applied:
        """The figures alone."""
        came, verdicts = self.made, (self.merged, self.unchanged, self.superseded, self.rejected)
        return Applied(self.raw_rows, came.shaped, came.shape_rejected, self.taken + came.rejected, *verdicts, self.removed, came.others)


@dataclass(slots=True)
class Account:
    """A commit's windows, by id. `name` says in an error which commit it is: view, lake table and number."""

    name: str
    rejects: Rejects = field(default_factory=Rejects)
    tallies: dict[int, Tally] = field(default_factory=dict)

    def of(self, window_id: int) -> Tally:
        """A window's tally."""
        return self.tallies.setdefault(window_id, Tally(self.rejects))

    def count(self, verdict: Verdict, windows: pl.Series) -> None:
        """Rows with a verdict: the window of each."""
        for window_id, rows in windows.value_counts().iter_rows():
            tally = self.of(window_id)
            setattr(tally, verdict, getattr(tally, verdict) + rows)

    def reject_partition(self, view: View, row: dict[str, Any], column: str) -> None:
        """A row (with `_window` and `_shard`) whose value of `column` cannot name a partition."""
        key = {k: None if row[k] is None else str(row[k]) for k in view.key if k != "_shard"}
        found = LakeReject(key, column, row[column][:500], str(unfit(row[column])))
        self.of(row["_window"]).reject(row["_window"], row["_shard"], [found])

    def windows(self) -> dict[int, Applied]:
        """Each window's counts."""
        return {window_id: tally.counts() for window_id, tally in self.tallies.items()}

    def total(self) -> Applied:
        """All windows together."""
        return sum(self.windows().values(), Applied())

    def require(self) -> None:
        """Raise AccountingError where the rows of a window came to more or fewer than have come in so far."""
        for window_id, c in sorted(self.windows().items()):
            if c.raw_rows != c.shaped + c.shape_rejected + c.others:
                raise AccountingError(
                    f"{self.name}, window {window_id}: its files hold {c.raw_rows} rows; shape made view rows of {c.shaped} and rejects of {c.shape_rejected}{of_others(c.others)}",
                    hint=HINT,
                )
            if not c.adds_up:
                raise AccountingError(
                    f"{self.name}, window {window_id}: rows do not add up: {c.view_rows} came in;"
                    f" merged {c.merged}, unchanged {c.unchanged}, superseded {c.superseded}, rejected {c.rejected}",
                    hint=HINT,
                )


def require_same(place: str, figures: dict[str, tuple[int, int]]) -> None:
    """Raise AccountingError where ours and another's figure of one thing differ. `figures` are (ours, theirs) by what they count."""
    if wrong := [f"{what} {theirs} where there are {ours}" for what, (ours, theirs) in figures.items() if ours != theirs]:
        raise AccountingError(f"{place}: rows do not add up: {', '.join(wrong)}", hint=HINT)
