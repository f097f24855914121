"""Where a segment stands, as JSON: at which scan, and behind which key of it, or that the scan is whole."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shardlake.ledger.extent import Json

Key = dict[str, Any]
"""A key as DynamoDB spells it: `{"pk": {"S": "a"}}`."""


@dataclass(frozen=True, slots=True)
class Position:
    """`scan` is the version of the scan's rows, the time of our clock at which it began, and `began` that of the server's; `after`
    the last key that was read, None where the scan is whole. `before` is the whole scan before it, and `table` what tells the table from
    another of its name.
    """

    scan: str
    began: str
    after: str | None = None
    before: str | None = None
    table: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all of the segment was read."""
        return self.after is None

    def json(self) -> Json:
        """For the ledger."""
        return asdict(self)


def position_of(json: Json | None) -> Position | None:
    """What `json` wrote."""
    return Position(**json) if json else None


def key_text(key: Key) -> str:
    """A key as text that the ledger keeps as it is: jsonb takes neither NUL nor half a surrogate pair.

    >>> key_text({"pk": {"S": "a\\0é"}})
    '{"pk": {"S": "a\\\\u0000\\\\u00e9"}}'
    """
    return json.dumps(key)


def key_of(text: str | None) -> Key | None:
    """What `key_text` wrote."""
    found: Key | None = json.loads(text) if text else None
    return found


def version_at(now: datetime, last: str | None) -> str:
    """The version of a scan that begins: our clock's time, and later than that of the scan before, whatever clocks say.

    >>> version_at(datetime(2026, 11, 28, 9, tzinfo=UTC), "2026-11-28 09:00:00.000000")
    '2026-11-28 09:00:00.000001'
    """
    if last is not None:
        now = max(now, datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(microseconds=1))
    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
