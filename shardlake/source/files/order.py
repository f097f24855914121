"""Which of two rows is the newer: by the time of its commit or file, then by its file, then by its line, as one number of 38 digits.

| digits | what |
|---|---|
| 16 | microseconds since 1970: the row's timestamp, or else its file's time |
| 14 | the file: of DMS the hundredths of a second in a change file's name, or a LOAD file's counter, and how often its name has come; of exports |
| | of DynamoDB 0 for a table and 1 for changes; of others the number in its name, and for rows with a time of their own the hundredths of a |
| | second of the file's |
| 8 | the line, or the last that has a number: what is read later counts then |
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

KIND = "order"
"""What these versions are, for `view.columns.version_type`."""
_LOAD = re.compile(r"LOAD([0-9A-Fa-f]{8})")
_CHANGES = re.compile(r"(\d{8})-(\d{6})(\d{3,4})(?!\d)")
_TRANSACTIONS = re.compile(r"CDC_TXN-(\d{14})(\d{3})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_LINES = 10**8
_HUNDREDTH, _AGAIN = 10_000, 100
MOST_TIME = 10**16
"""Microseconds that no version reaches: the year 2286."""
_EPOCHS = {10: 1_000_000, 13: 1_000}
"""Seconds and milliseconds since 1970, by the digits that they have until 2286."""
Role = Literal["load", "changes", "transactions", "other"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a file's rows are ordered by: its `time` in microseconds, where a row has none of its own, and its `number`; rows with a
    time of their own have `timed`. `least` is the earliest time that a row may have.
    """

    time: int
    number: int
    timed: int
    least: int = 0


def role(name: str) -> Role:
    """What DMS has written a file for, by its name.

    >>> role("shop/orders/LOAD0000000A.csv"), role("shop/orders/20141029-1134010000.csv.gz"), role("CDC_TXN-20201117153046033.csv")
    ('load', 'changes', 'transactions')
    """
    base = name.rpartition("/")[2]
    if _LOAD.match(base):
        return "load"
    return "transactions" if _TRANSACTIONS.match(base) else "changes" if _CHANGES.match(base) else "other"


def order_of_dms(name: str, modified: datetime, since: int = 0, times_seen: int = 0) -> Order:
    """The order of a file of DMS whose name was read `times_seen` before. A full load lies before all changes, and one that was
    begun anew at `since` behind all that were written before.
    """
    base, again = name.rpartition("/")[2], min(times_seen, _AGAIN - 1)
    if found := _LOAD.match(base):
        number = int(found[1], 16) * _AGAIN + again
        return Order(since, number, number)
    found = _TRANSACTIONS.match(base) or _CHANGES.match(base)
    written = micros_of((_written(found) if found else None) or modified)
    number = written // _HUNDREDTH * _AGAIN + again
    return Order(max(written, since) if written >= since else written, number, number, since if written >= since else 0)


def order_of_file(name: str, modified: datetime) -> Order:
    """The order of any other file: its time, and of files of one time the number in its name.

    >>> order_of_file("orders/part-00012.csv", datetime(2026, 11, 28, tzinfo=UTC)).number
    12
    """
    base, at = name.rpartition("/")[2], micros_of(modified)
    digits = "".join(re.findall(r"\d+", base.partition(".")[0])) or "".join(re.findall(r"\d+", name))
    return Order(at, int(digits[-14:] or 0), at // _HUNDREDTH * _AGAIN)


def versions(times: Any, order: Order, lines: Any) -> Any:
    """The versions of rows as texts: `times` are theirs in microseconds, or NULL where the file's counts, `lines` int64."""
    line = pc.utf8_slice_codeunits(pc.add(pc.min_element_wise(lines, _MOST_LINES - 1), _MOST_LINES).cast(pa.string()), 1)
    own = pc.max_element_wise(times, order.least, skip_nulls=False)
    number = pc.if_else(pc.is_valid(times), pa.scalar(f"{order.timed:014d}"), pa.scalar(f"{order.number:014d}"))
    return pc.binary_join_element_wise(pc.fill_null(own, order.time).cast(pa.string()), number, line, "")


def micros(texts: Any, zone: str) -> tuple[Any, Any]:
    """Timestamps as microseconds since 1970, NULL for none; and which texts are no timestamp.

    ISO 8601 with a space or a T, with fractions and an offset or without (it is in `zone` then); or a whole number: of ten digits seconds,
    of thirteen milliseconds since 1970, else as it is.
    """
    texts = pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), pa.scalar(None, texts.type), pc.utf8_trim_whitespace(texts))
    found = (
        pa.array([_micros_of(text, zone) for text in texts.to_pylist()], pa.int64()) if zone != "UTC" or _is_odd(texts) else _at_once(texts)
    )
    wrong = pc.and_(pc.is_valid(texts), pc.or_kleene(pc.is_null(found), pc.or_(pc.less(found, 0), pc.greater_equal(found, MOST_TIME))))
    return pc.if_else(pc.fill_null(wrong, fill_value=False), pa.scalar(None, pa.int64()), found), pc.fill_null(wrong, fill_value=False)


_PLAIN = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?$"


def _is_odd(texts: Any) -> bool:
    """Whether there is any text but plain timestamps."""
    return not pc.all(pc.fill_null(pc.match_substring_regex(texts, _PLAIN), fill_value=True), min_count=0).as_py()


def _at_once(texts: Any) -> Any:
    try:
        return texts.cast(pa.timestamp("us")).cast(pa.int64())
    except pa.ArrowInvalid:  # the 30th of February
        return pa.array([_micros_of(text, "UTC") for text in texts.to_pylist()], pa.int64())


def _micros_of(text: str | None, zone: str) -> int | None:
    if text is None:
        return None
    if re.fullmatch(r"\d{1,16}", text, re.ASCII):
        return int(text) * _EPOCHS.get(len(text), 1)
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?", text, re.ASCII)
    if not found:
        return None
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}{found[4] or ''}")
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return micros_of(at) + int(f"{found[3] or 0:0<6}"[:6])


def _written(found: re.Match[str]) -> datetime | None:
    """The time in a change file's name."""
    digits = "".join(found.groups())
    try:
        return datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC) + timedelta(milliseconds=int(digits[14:17]))
    except ValueError:
        return None


def micros_of(at: datetime) -> int:
    """An instant as microseconds since 1970, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)
