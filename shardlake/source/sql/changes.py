"""Which column of a table tells what has changed, for a view that is to be drafted."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from shardlake.source.sql.dialect import SourceColumn

_CHANGED = (
    "updatedat", "modifiedat", "lastmodified", "updated", "modified", "changedat", "updatedon", "mtime", "lastupdate", "lastupdated",
    "lastmodifiedat", "lastupdatedat", "lastmodifiedon", "lastupdatedon", "lastmodifieddate", "lastmodifieddatetime", "lastmodifiedtime",
    "lastupdatedate", "lastupdatetime", "lastupdatets", "lastchange", "lastchanged", "lastchangedat", "modifiedon", "modifieddate",
    "modifiedtime", "modificationdate", "modificationtime", "datemodified", "dateupdated", "datechanged", "dateupd", "updatedate",
    "updateddate", "updatetime", "updatedtime", "updatets", "updatedts", "updatetimestamp", "changed", "changedon", "changedate",
    "changetime", "writedate", "editedat", "touchedat", "systemmodstamp", "sysupdatedon", "rowupdatedat", "recordupdatedat",
)  # fmt: skip
"""Names of a time that is written whenever a row is, the surest first, without capitals and underscores."""
_MADE = re.compile(
    r"(date|time|row|record|sys|is)?(created?|creation|inserted?|insertion|added|recorded|registered)(at|on|date|time|ts|timestamp|datetime|utc)?|ctime"
)
"""Names of a time at which a row was made."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The column that tells changes, if one does, what a view then makes of its rows, and remarks for people."""

    cursor: str | None
    write: Literal["merge", "append", "replace"]
    remarks: tuple[str, ...] = ()


def changes_of(columns: Iterable[SourceColumn], leading: Collection[str]) -> Changes:
    """Guess it: what the server writes at each update, then a name, then an index that begins with it; last a time of creation.

    `leading` are the columns that an index begins with.
    """
    times = [c for c in columns if c.kind in ("datetime", "instant")]
    plain = {c.name: re.sub(r"[^a-z0-9]", "", c.name.lower()) for c in times}
    named = sorted((c.name for c in times if plain[c.name] in _CHANGED), key=lambda name: _CHANGED.index(plain[name]))
    written = [c.name for c in times if c.on_update]
    if sure := [*(name for name in named if name in written), *written, *named]:
        return Changes(sure[0], "merge")
    made = [c.name for c in times if _MADE.fullmatch(plain[c.name])]
    if indexed := [c.name for c in times if c.name in leading and c.name not in made]:
        return Changes(
            indexed[0], "merge",
            (f"{indexed[0]} is taken for the cursor since it is indexed: a row that changes must get a later one, or it is not read again",),
        )  # fmt: skip
    if made:
        first = next((name for name in made if name in leading), made[0])
        return Changes(
            first, "append",
            (f"{first} tells when a row was made, not when it changed: new rows alone are taken (write: append); where rows change, take the"
             " cursor away and say write: replace",),
        )  # fmt: skip
    return Changes(None, "replace", ("no datetime that looks like a cursor: the table is loaded whole (write: replace)",))
