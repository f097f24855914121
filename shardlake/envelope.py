"""The envelope: what every raw row carries, whatever it came from, and by which shape, sinks and ledger know it."""

from dataclasses import dataclass

UNDECODED = "_shardlake_bytes"
"""The column of raw rows, where a file has one, that names (as a JSON list) those of the row's columns of text that stand in
hexadecimal, as in `\\xeda080`, since their bytes are not UTF-8: the row is a reject."""

FAULT = "_shardlake_fault"
"""The column of raw rows, where a file has one, that says why its source could not read a row as it should be. It is a JSON list of
the column, the value (or null) and the reason of the reject that the row is; behind them may stand an object that tells the row,
in place of its key. NULL where the row is as it should be."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Which columns of a raw row tell its `key`, its `version`, and (`op`: where it is not NULL) that it is deleted; and (`change`: where
    it is not NULL) that it tells a change, so that a row that a view does not take may have been the view's before.

    Versions order what is known of a key, whatever they come from; `version_kind` says what they are (`int`, `instant`, …).
    Without a version what is read later counts.
    """

    key: tuple[str, ...]
    version: str | None = None
    version_kind: str | None = None
    op: str | None = None
    change: str | None = None
