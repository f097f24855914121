"""Which files a view reads: `dms/{shard}/orders/{date:YYYY/MM/DD}/*.csv`, as prefixes to list and names to match."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import unquote

from shardlake.errors import SpecError

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|\{shard\}|\{date:([YMDH/_-]+)\}")
_DATE = re.compile(r"YYYY|MM|DD|HH")
_DATE_PARTS = {"YYYY": r"(?P<year>\d{4})", "MM": r"(?P<month>\d{2})", "DD": r"(?P<day>\d{2})", "HH": r"(?P<hour>\d{2})"}
_SPELT = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H"}
_STEPS = {"HH": timedelta(hours=1), "DD": timedelta(days=1)}
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
LAST = "\U0010ffff"
"""Behind a prefix: what sorts behind every name that begins with it."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of names under the connection's URL: `*` and `?` within a folder, `**` over folders, `{shard}`, `{date:…}`."""

    text: str

    @cached_property
    def _matcher(self) -> re.Pattern[str]:
        found, at = [], 0
        for token in _TOKEN.finditer(self.text):
            found += [re.escape(self.text[at : token.start()]), _expression(token)]
            at = token.end()
        try:
            return re.compile("".join([*found, re.escape(self.text[at:])]), re.DOTALL)
        except re.error:  # a part of a date that stands twice
            raise SpecError(f"files: {self.text!r} has a part of the date twice", hint="Write {date:…} once.") from None

    @cached_property
    def date_format(self) -> str | None:
        """The form of the date in the names; None without one."""
        found = re.search(r"\{date:([YMDH/_-]+)\}", self.text)
        return found[1] if found else None

    def matches(self, name: str) -> bool:
        """Whether a name is one of the files.

        >>> Pattern("dms/{shard}/orders/**/*.csv*").matches("dms/s1/orders/2026/11/28/20261128-101500123.csv.gz")
        True
        >>> Pattern("orders/*.csv").matches("orders/old/1.csv")
        False
        """
        return self._matcher.fullmatch(name) is not None

    def shard(self, name: str) -> str | None:
        """The `{shard}` in the name of a file."""
        found = self._matcher.fullmatch(name)
        return found["shard"] if found and "shard" in found.groupdict() else None

    def date(self, name: str) -> datetime | None:
        """The date in the name of a file, in UTC; None where there is none, or no such day.

        >>> Pattern("orders/{date:DDMMYYYY}/*.csv").date("orders/28112026/1.csv").isoformat()
        '2026-11-28T00:00:00+00:00'
        """
        found = self._matcher.fullmatch(name)
        parts = found.groupdict() if found else {}
        if not parts.get("year"):
            return None
        try:
            month, day, hour = int(parts.get("month") or 1), int(parts.get("day") or 1), int(parts.get("hour") or 0)
            return datetime(int(parts["year"]), month, day, hour, tzinfo=UTC)
        except ValueError:
            return None

    def of(self, shard: str) -> "Pattern":
        """The pattern of one shard's files; a shard's name holds nothing that means anything here."""
        return Pattern(self.text.replace("{shard}", shard))

    @property
    def prefix(self) -> str:
        """What every name begins with.

        >>> Pattern("dms/s1/orders_*/**/*.csv").prefix, Pattern("*.csv").prefix
        ('dms/s1/orders_', '')
        """
        found = _TOKEN.search(self.text)
        return self.text[: found.start()] if found else self.text

    def prefixes(self, since: datetime, until: datetime) -> list[str]:
        """What the names of a stretch of time begin with, each once, in the order of time.

        >>> Pattern("o/{date:YYYY/MM}/*.csv").prefixes(datetime(2026, 11, 28, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
        ['o/2026/11/', 'o/2026/12/']
        """
        form = str(self.date_format)
        step = next((size for part, size in _STEPS.items() if part in form), timedelta(days=1))
        at, found = since.replace(minute=0, second=0, microsecond=0), dict[str, None]()
        while at < until + step:
            spelt = at.strftime(_DATE.sub(lambda part: _SPELT[part[0]], form))
            found[Pattern(self.text.replace(f"{{date:{form}}}", spelt)).prefix] = None
            at += step
        return list(found)


def hive_values(name: str) -> dict[str, str | None]:
    """The columns that a file's folders hold.

    >>> hive_values("sales/year=2026/city=K%C3%B6ln/x=__HIVE_DEFAULT_PARTITION__/1.csv")
    {'year': '2026', 'city': 'Köln', 'x': None}
    """
    pairs = (folder.partition("=") for folder in name.split("/")[:-1] if "=" in folder)
    return {unquote(key): None if value == HIVE_NULL else unquote(value) for key, _, value in pairs if key}


def _expression(token: re.Match[str]) -> str:
    text = token[0]
    if token[1]:
        return _DATE.sub(lambda part: _DATE_PARTS[part[0]], token[1])
    if text.startswith("["):
        inner = text[1:-1].replace("\\", "\\\\")
        return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]", "{shard}": "(?P<shard>[^/]+?)"}[text]
