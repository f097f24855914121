"""Which of two rows is the newer: by the time of its commit or file, then by its file, then by its line, as one number of 38 digits.

| digits | what |
|---|---|
| 16 | microseconds since 1970: the row's timestamp, or else its file's time |
| 13 | the file: milliseconds in a change file's name, a LOAD file's counter, the number in another's name |
| 9 | the line |
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.errors import SourceFailed

KIND = "order"
"""What these versions are, for `view.columns.version_type`."""
_LOAD = re.compile(r"LOAD([0-9A-Fa-f]{8})")
_CHANGES = re.compile(r"(\d{8})-(\d{6})(\d{3,4})(?!\d)")
_TRANSACTIONS = re.compile(r"CDC_TXN-(\d{14})(\d{3})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_LINES = 10**9
_MOST_TIME = 10**16
Role = Literal["load", "changes", "transactions", "other"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a file's rows are ordered by: its `time` in microseconds, where a row has none of its own, and its `number`."""

    time: int
    number: int


def role(name: str) -> Role:
    """What DMS has written a file for, by its name.

    >>> role("shop/orders/LOAD0000000A.csv"), role("shop/orders/20141029-1134010000.csv.gz"), role("CDC_TXN-20201117153046033.csv")
    ('load', 'changes', 'transactions')
    """
    base = name.rpartition("/")[2]
    if _LOAD.match(base):
        return "load"
    return "transactions" if _TRANSACTIONS.match(base) else "changes" if _CHANGES.match(base) else "other"


def order_of_dms(name: str, modified: datetime, load_time: int) -> Order:
    """The order of a file of DMS. `load_time` is that of a full load, before every change where it is 0."""
    base = name.rpartition("/")[2]
    if found := _LOAD.match(base):
        return Order(load_time, int(found[1], 16))
    found = _TRANSACTIONS.match(base) or _CHANGES.match(base)
    written = _written(found) if found else None
    millis = micros_of(written or modified) // 1_000
    return Order(millis * 1_000, millis)


def order_of_file(name: str, modified: datetime) -> Order:
    """The order of any other file: its time, and of files of one time the number in its name.

    >>> order_of_file("orders/part-00012.csv", datetime(2026, 11, 28, tzinfo=UTC)).number
    12
    """
    base = name.rpartition("/")[2]
    digits = "".join(re.findall(r"\d+", base.partition(".")[0])) or "".join(re.findall(r"\d+", name))
    return Order(micros_of(modified), int(digits[-13:] or 0))


def versions(times: Any, order: Order, lines: Any, place: str) -> Any:
    """The versions of rows as texts: `times` are theirs in microseconds, or NULL where the file's counts, `lines` int64.

    Raises SourceFailed for a file of more lines than versions have digits for.
    """
    if len(lines) and pc.max(lines).as_py() >= _MOST_LINES:
        raise SourceFailed(f"{place} has more than {_MOST_LINES:,} lines", hint="Have it written as several files.")
    line = pc.utf8_slice_codeunits(pc.add(lines, _MOST_LINES).cast(pa.string()), 1)
    time = pc.fill_null(times, order.time).cast(pa.string())
    return pc.binary_join_element_wise(time, pa.scalar(f"{order.number:013d}"), line, "")


def micros(texts: Any, zone: str) -> tuple[Any, Any]:
    """Timestamps as microseconds since 1970, NULL for none; and which texts are no timestamp.

    ISO 8601 with a space or a T, with fractions and an offset or without (it is in `zone` then); or a whole number, as it is.
    """
    texts = pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), pa.scalar(None, texts.type), pc.utf8_trim_whitespace(texts))
    found = (
        pa.array([_micros_of(text, zone) for text in texts.to_pylist()], pa.int64()) if zone != "UTC" or _is_odd(texts) else _at_once(texts)
    )
    wrong = pc.and_(pc.is_valid(texts), pc.or_kleene(pc.is_null(found), pc.or_(pc.less(found, 0), pc.greater_equal(found, _MOST_TIME))))
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
        return int(text)
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
