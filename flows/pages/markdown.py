"""Markdown as Prefect's pages show it: tables whose numbers are set right, and text that stays what it is."""

import re
from collections.abc import Sequence
from datetime import datetime

_SYNTAX = re.compile(r"([\\*_{}\[\]<>#|~$])")
BARS = "▁▂▃▄▅▆▇█"


def text(value: str) -> str:
    r"""A text as it is: nothing in it is markup, and it is one line.

    >>> print(text("shop_03: 'a|b'\n<b>"))
    shop\_03: 'a\|b' \<b\>
    """
    said = _SYNTAX.sub(r"\\\1", " ".join(value.split()))
    return said if said.count("`") == 2 and "\\" not in said.split("`")[1] else said.replace("`", "\\`")  # a command to type


def code(value: str) -> str:
    """A command, to be copied.

    >>> code("shardlake run orders")
    '`shardlake run orders`'
    """
    return "`" + " ".join(value.split()).replace("`", "'") + "`"


def link(said: str, url: str | None) -> str:
    """A text that leads somewhere, where it is known where.

    >>> link("log", "http://127.0.0.1:4200/runs"), link("log", None)
    ('[log](http://127.0.0.1:4200/runs)', 'log')
    """
    return f"[{said}]({url})" if url else said


def number(value: int | float) -> str:
    """A number as people read it; nothing for none.

    >>> number(1234567), number(0.4567), number(0)
    ('1,234,567', '0.5', '')
    """
    return f"{value:,.1f}" if isinstance(value, float) and value else f"{value:,}" if value else ""


def moment(value: datetime | str | None) -> str:
    """A time to the second, which is not broken where a column is narrow; a position that is no time stays what it is.

    >>> moment("2026-11-07 20:48:35.410786").replace(chr(160), " "), moment("(7, 12)"), moment(None)
    ('7 Nov 2026, 20:48:35', '(7, 12)', '')
    """
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", value):
        value = datetime.fromisoformat(value[:19])
    if isinstance(value, datetime):
        return f"{value.day} {value:%b %Y, %H:%M:%S}".replace(" ", "\u00a0")
    return text(value or "")


def span(seconds: float) -> str:
    """A time span in the unit that fits it.

    >>> span(5), span(125), span(7322), span(200000)
    ('5 s', '2 min', '2 h 2 min', '2 d 7 h')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min".removesuffix(" 0 min")
    return f"{whole // 86400} d {whole % 86400 // 3600} h".removesuffix(" 0 h")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table; the columns in `right` are set to the right, and left out where they are empty. Cells are Markdown already.

    >>> print(table(["shard", "rows", "rejected"], [["a", "1", ""]], ["rows", "rejected"]))
    | shard | rows |
    | --- | ---: |
    | a | 1 |
    """
    shown = [place for place, column in enumerate(columns) if column not in right or any(row[place] for row in rows)]
    lines = [columns, ["---:" if column in right else "---" for column in columns], *rows]
    return "\n".join(f"| {' | '.join(line[place] for place in shown)} |" for line in lines)


def reasons(said: Sequence[tuple[str, str]]) -> str:
    """What went wrong as a list; what several say alike stands once. Reasons are Markdown already.

    >>> print(reasons([("east", "is down"), ("west", "is down")]))
    - **east, west**: is down
    """
    by_reason: dict[str, list[str]] = {}
    for name, why in said:
        by_reason.setdefault(why, []).append(name)
    return "\n".join(f"- **{text(few(names))}**: {why}" for why, names in by_reason.items())


def few(names: Sequence[str]) -> str:
    """Names in a row, ten of them at most."""
    return ", ".join([*names[:10], *([f"and {len(names) - 10:,} more"] if len(names) > 10 else [])])


def bars(values: Sequence[float | None], full: float) -> str:
    """A row of bars, the highest at `full` and above; `·` where there is nothing.

    >>> bars([None, 0, 30, 60, 61], 60)
    '·▁▄██'
    """
    return "".join("·" if v is None else BARS[min(7, int(7 * v / full)) if full else 0] for v in values)
