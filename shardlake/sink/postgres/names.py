"""Names in the warehouse, quoted by the driver: targets, staging tables, casts."""

import hashlib

from psycopg import sql

from shardlake.ledger.migrate import STAGING
from shardlake.view.types import Type
from shardlake.view.view import View


def quoted(name: str) -> str:
    """An identifier, quoted.

    >>> quoted('a"b')
    '"a""b"'
    """
    return sql.Identifier(name).as_string()


def quoted_list(names: tuple[str, ...], prefix: str = "") -> str:
    """Identifiers with commas between, each behind `prefix`."""
    return ", ".join(prefix + quoted(n) for n in names)


def text(value: str) -> str:
    """A literal, quoted."""
    return sql.Literal(value).as_string()


def target(view: View) -> str:
    """The view's table."""
    return f"{quoted(view.warehouse.schema_name)}.{quoted(view.warehouse.table_name)}"


def staging(window_id: int) -> str:
    """A window's staging table."""
    return f"{STAGING}.w{window_id}"


def staging_rejects(window_id: int) -> str:
    """What shape rejected of a window, until the merge commits it."""
    return f"{STAGING}.w{window_id}_rejects"


def cast(type_: Type, value: str) -> str:
    """Staged text as a value of the target's type."""
    if type_.array:
        return f"shardlake.text_array({value})::{type_}"
    return value if type_.name == "text" else f"{value}::{type_}"


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """An index's name: the same for the same columns, and never too long for Postgres."""
    full = "_".join((table, *columns))
    digest = hashlib.sha256("\0".join((table, *columns)).encode()).hexdigest()[:8]
    return f"{full.encode()[:48].decode(errors='ignore')}_{digest}"
