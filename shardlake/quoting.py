"""Names and texts in SQL: one quoter a dialect, in the whole tree.

Postgres, DuckDB, DataFusion (Delta) and Trino (Athena) quote names as the standard does; MySQL has backticks. Values are
bound wherever a driver can bind them; texts are written only into what is kept or runs where nothing can be bound.
"""

from collections.abc import Iterable


def ansi(name: str) -> str:
    """A name as the SQL standard quotes it.

    >>> ansi('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def ansi_list(names: Iterable[str], prefix: str = "") -> str:
    """Names with commas between, each behind `prefix`."""
    return ", ".join(prefix + ansi(n) for n in names)


def ansi_text(value: str) -> str:
    """A text as the SQL standard has it: DuckDB, Trino.

    >>> ansi_text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def postgres_text(value: str) -> str:
    """A text for Postgres, whatever its `standard_conforming_strings`."""
    from psycopg import sql  # readers' processes quote, and need no driver of Postgres

    return sql.Literal(value).as_string()


def backtick(name: str) -> str:
    """A name as MySQL quotes it.

    >>> backtick("a`b")
    '`a``b`'
    """
    return "`" + name.replace("`", "``") + "`"
