"""When a view runs: `every 15m`, or a cron expression in a time zone; and when it was last due."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shardlake.spec import duration

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Intervals are counted from here."""
SPREAD = timedelta(hours=1)
"""Starts are spread over an interval, and over this much at most."""


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again after `interval`. Its first minute depends on the name of what runs."""

    interval: timedelta

    def anchor(self, name: str) -> datetime:
        """The first time that it is due.

        >>> Every(timedelta(minutes=15)).anchor("orders").isoformat()
        '2026-01-01T00:01:28+00:00'
        """
        return EPOCH + timedelta(seconds=_hash(name) % int(min(self.interval, SPREAD).total_seconds()))

    def last_due(self, name: str, now: datetime) -> datetime:
        """The last time that it was due, up to `now`."""
        anchor = self.anchor(name)
        return anchor + (now - anchor) // self.interval * self.interval

    @property
    def period(self) -> timedelta:
        """The time from one run to the next."""
        return self.interval

    def __str__(self) -> str:
        seconds = int(self.interval.total_seconds())
        unit, size = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % s == 0)
        return f"every {seconds // size}{unit}"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields in a time zone. `H` as the minute is one that depends on the name of what runs."""

    expression: str
    timezone: str = "UTC"

    def fields(self, name: str) -> str:
        """The expression with its minute.

        >>> Cron("H 6 * * *").fields("orders")
        '28 6 * * *'
        """
        return re.sub(r"^H(?=\s)", str(_hash(name) % 60), self.expression)

    def last_due(self, name: str, now: datetime) -> datetime:
        """The last time that it was due, up to `now`."""
        local = now.astimezone(ZoneInfo(self.timezone)) + timedelta(seconds=1)
        return next(CronSim(self.fields(name), local, reverse=True)).astimezone(UTC)

    @property
    def period(self) -> timedelta:
        """The longest time from one run to the next: over nights and weekends, not in the busiest hour.

        >>> str(Cron("*/15 8-18 * * 1-5").period)
        '2 days, 13:15:00'
        """
        return _longest_gap(self.fields(""))

    def __str__(self) -> str:
        return f"{self.expression} {self.timezone}"


Schedule = Every | Cron


def parse_schedules(value: Any) -> tuple[Schedule, ...]:
    """Read one schedule or a list of them. Raises ValueError.

    >>> [str(s) for s in parse_schedules(["every 15m", "0 6 * * 1-5 Europe/Berlin", {"cron": "H 3 * * *"}])]
    ['every 15m', '0 6 * * 1-5 Europe/Berlin', 'H 3 * * * UTC']
    """
    given = value if isinstance(value, list | tuple) else [value]
    found = tuple(item if isinstance(item, Every | Cron) else _parse(item) for item in given)
    if len(set(found)) < len(found):
        raise ValueError("the same schedule stands twice")
    return found


def _parse(value: Any) -> Schedule:
    if isinstance(value, dict) and set(value) <= {"cron", "timezone"} and "cron" in value:
        return _cron(str(value["cron"]), str(value.get("timezone", "UTC")))
    if isinstance(value, str) and value.startswith("every "):
        interval = duration(value.removeprefix("every ").strip())
        if not isinstance(interval, timedelta) or not timedelta(minutes=1) <= interval <= timedelta(days=31):
            raise ValueError(f"{value!r}: an interval is a minute at least and 31 days at most")
        return Every(interval)
    if isinstance(value, str) and (found := re.fullmatch(r"\s*((?:\S+\s+){4}\S+)(?:\s+(\S*[A-Za-z]{2}\S*))?\s*", value)):
        return _cron(found[1], found[2] or "UTC")
    raise ValueError(f"{value!r} is no schedule; write `every 15m`, or five cron fields and a time zone, as in `0 6 * * 1-5 Europe/Berlin`")


def _cron(expression: str, timezone: str) -> Cron:
    made = Cron(" ".join(expression.split()), timezone)
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{timezone!r} is not a time zone; it reads like Europe/Berlin") from None
    try:
        next(CronSim(made.fields(""), EPOCH))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"{expression!r} is no cron expression ({error}); it reads like `0 6 * * 1-5`") from None
    return made


@cache
def _longest_gap(fields: str) -> timedelta:
    """The longest of the gaps of the fifteen days that follow a Thursday, and of the ten that follow it at least."""
    longest, last = timedelta(0), EPOCH
    for count, run in enumerate(CronSim(fields, EPOCH)):
        longest = max(longest, run - last) if count else longest
        last = run
        if count >= 10 and run - EPOCH > timedelta(days=15):
            break
    return longest


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
