"""Which column each field of a CSV file is: by its header, or by what the view declares; and whether DMS's Op stands before them."""

from collections.abc import Sequence
from dataclasses import dataclass

from shardlake.errors import ContractError
from shardlake.source.files.order import Role
from shardlake.view.files import OWN, Files

OP = "Op"
_OPERATIONS = ("I", "U", "D")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a file's fields in order, and whether its first record is a header."""

    names: tuple[str, ...]
    header: bool

    @property
    def op(self) -> str | None:
        """The column that holds the operation, of a file of DMS."""
        return self.names[0] if self.names and self.names[0].lower() == OP.lower() else None


def columns_of(first: Sequence[str], source: Files, place: str, role: Role = "other") -> Columns:
    """What the fields of a file are whose first record is `first`. Raises ContractError that names the file (`place`)."""
    header = source.header if source.header is not None else _is_header(first, source)
    if header:
        return _checked(Columns(tuple(first), header=True), place)
    if not source.fields:
        raise ContractError(
            f"{place} has no header with {' and '.join(source.primary_key)} in it; it begins with {_shown(first)}",
            hint="Declare the columns in order: `fields: [id, status, …]`, or correct primary_key.",
        )
    names = source.fields
    if source.timestamp and source.timestamp not in names:
        names = (source.timestamp, *names)  # DMS has it before the columns
    if source.format == "dms" and len(first) == len(names) + 1 and (role == "changes" or first[0] in (*_OPERATIONS, "", "NULL")):
        return _checked(Columns((OP, *names), header=False), place)
    if len(first) != len(names) or role == "changes":  # which begin with Op in any case
        more = "" if source.format != "dms" else ", and Op before them" if role == "changes" else f" (or {len(names) + 1} with Op)"
        raise ContractError(
            f"{place} has {len(first)} fields, where {len(names)} are declared{more}; it begins with {_shown(first)}",
            hint="Correct `fields`, or have the file written anew.",
        )
    return _checked(Columns(names, header=False), place)


def _is_header(first: Sequence[str], source: Files) -> bool:
    """Whether the first record names the columns: all of the primary key stand in it, or it is what is declared."""
    if source.format == "dms" and source.fields and first and first[0] in _OPERATIONS:
        return False
    return set(source.primary_key) <= set(first)


def _checked(found: Columns, place: str) -> Columns:
    lowered = [name.lower() for name in found.names]
    if twice := [name for name in found.names if lowered.count(name.lower()) > 1]:
        raise ContractError(f"{place} has the column {twice[0]!r} twice", hint="Have the file written with different names.")
    if taken := [name for name in found.names if name in OWN or name.startswith("_shardlake_")]:
        raise ContractError(f"{place} has a column {taken[0]!r}, which is Shardlake's own", hint="Have it written under another name.")
    if not all(found.names):
        raise ContractError(f"{place} has a column without a name", hint="Declare `header: false` and `fields`, or mend the header.")
    return found


def lacking(names: Sequence[str], wanted: Sequence[str], place: str, *, fill: bool) -> tuple[str, ...]:
    """The columns that the view wants and a file has not, where they are to be filled with NULL. Raises ContractError else."""
    missing = tuple(name for name in wanted if name not in names)
    if missing and not fill:
        raise ContractError(
            f"{place} has no column {missing[0]!r}; it has: {', '.join(names[:30])}",
            hint="Have the file written anew, or say `source.drift: missing` to fill such a column with NULL.",
        )
    return missing


def _shown(first: Sequence[str]) -> str:
    return repr(",".join(first)[:80])
