"""Postgres as a source: catalogue, clock, and the SELECT that brings each type over exactly."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as url_quote

import psycopg
import pyarrow as pa
from psycopg import sql as pgsql
from psycopg.adapt import Loader
from psycopg.errors import CharacterNotInRepertoire, UntranslatableCharacter

from shardlake import cancellation
from shardlake.connection.address import Shard
from shardlake.connection.postgres import SSLMODE, conninfo
from shardlake.errors import ShardlakeError
from shardlake.quoting import ansi
from shardlake.source.sql import postgres_clock, postgres_errors
from shardlake.source.sql.dialect import Access, Clock, Index, Kind, SourceColumn
from shardlake.source.sql.literal import BYTES, checked, hex_of
from shardlake.source.sql.postgres_types import types_of

_TEXT_OIDS = (25, 1043, 1042, 19, 705)
"""text, varchar, bpchar, name, and literals of no type yet."""
_NEVER_NULL = (
    "(a.attnotnull AND NOT EXISTS (SELECT 1 FROM pg_constraint n"
    " WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated))"
)
"""That a column `a` holds no NULL. Since Postgres 18 one may be declared NOT NULL that has older rows with NULL: NOT VALID."""
_ARROW: dict[Kind, pa.DataType] = {"int": pa.int64(), "bytes": pa.large_binary()}


def _noticing(connection: Any) -> list[str]:
    """What has the server look every two seconds whether the reader is still there, where it can (Postgres 14, not on every system): the
    statement of a reader that was ended goes on else until it has something to send.
    """
    statement = "SET client_connection_check_interval = 2000"
    try:
        connection.execute(statement)
    except psycopg.errors.DatabaseError:
        return []
    return [statement]


class Postgres:
    """The answers of Postgres to `Dialect`."""

    name = "postgres"
    errors: tuple[type[Exception], ...] = (psycopg.Error, OSError)

    def connect(self, shard: Shard) -> Any:
        """See Dialect."""
        try:
            connection = psycopg.connect(**conninfo(shard), client_encoding="UTF8", autocommit=True)
            cancellation.attach(lambda: cancellation.shut(connection))  # a shard that hangs does not hold a run that has ended
            for statement in self.session(connection, shard):
                connection.execute(statement)
            return connection
        except self.errors as error:
            raise self.failure(error, shard) from None

    def failure(self, error: BaseException, shard: Shard) -> ShardlakeError:
        """See Dialect."""
        return postgres_errors.failure(error, shard)

    def quote(self, name: str) -> str:
        """See Dialect."""
        return ansi(name)

    def literal(self, kind: Kind, value: str) -> str:
        """See Dialect."""
        if kind == "text":  # of no type yet, so that it becomes the column's own: uuid, inet, an enum
            if value.startswith(BYTES):
                return "E'" + re.sub("(..)", r"\\x\1", hex_of(value)) + "'"
            return "U&'" + "".join(f"\\+{ord(character):06x}" for character in value) + "'"
        value = checked(kind, value)
        if kind in ("time", "bool"):  # of no type yet either: time, interval, boolean
            return f"'{value}'"
        names = {"bytes": "bytea", "date": "date", "datetime": "timestamp", "instant": "timestamptz", "decimal": "numeric"}
        prefix = "\\x" if kind == "bytes" else ""
        return f"'{prefix}{value}'::{names[kind]}" if kind in names else value

    def columns(self, connection: Any, relation: str) -> list[SourceColumn]:
        """See Dialect."""
        described = connection.execute(f"SELECT * FROM {relation} LIMIT 0").description or ()
        types = types_of(connection, (d.type_code for d in described))
        required = self._required(connection, relation)
        encoded = connection.info.parameter_status("server_encoding") != "SQL_ASCII"
        found = []
        for column in described:
            name, known = types[column.type_code]
            found.append(
                SourceColumn(
                    column.name,
                    known.kind,
                    name,
                    column.name not in required,
                    known.ordered,
                    encoded,
                    target=known.target,
                    advice=known.advice,
                )
            )
        return found

    def _required(self, connection: Any, relation: str) -> set[str]:
        if relation.startswith("("):
            return set()
        return {
            row[0]
            for row in connection.execute(
                f"SELECT attname FROM pg_attribute a WHERE attrelid = %s::regclass AND {_NEVER_NULL} AND attnum > 0", (relation,)
            ).fetchall()
        }

    def tables(self, connection: Any, database: str) -> list[str]:
        """See Dialect. Partitioned and foreign tables are tables, and materialised views are views."""
        return [
            row[0]
            for row in connection.execute(
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relkind IN ('r', 'p', 'f', 'v', 'm') AND nspname = ANY(current_schemas(false)) ORDER BY 1"
            ).fetchall()
        ]

    def databases(self, connection: Any) -> list[str]:
        """See Dialect."""
        return [
            row[0]
            for row in connection.execute("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1").fetchall()
        ]

    def primary_key(self, connection: Any, table: str) -> list[str]:
        """See Dialect."""
        primary = next((columns for primary, _, columns in self._keys(connection, table) if primary), [])
        return [str(column) for column in primary]

    def indexes(self, connection: Any, table: str) -> list[Index]:
        """See Dialect."""
        return [Index.of(columns, unique=unique) for _, unique, columns in self._keys(connection, table)]

    def _keys(self, connection: Any, table: str) -> list[tuple[bool, bool, list[str | None]]]:
        """Of each btree index of all of a table's rows: whether it is the primary key's, and unique, and its columns without those
        that it only includes. An expression is None.
        """
        rows: list[tuple[bool, bool, list[str | None]]] = connection.execute(
            "SELECT i.indisprimary, i.indisunique, (SELECT array_agg(a.attname::text ORDER BY k.place)"
            "   FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)"
            "   LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts)"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " WHERE i.indrelid = %s::regclass AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' ORDER BY c.relname",
            (self.quote(table),),
        ).fetchall()
        return rows

    def unique_keys(self, connection: Any, table: str) -> list[list[str]] | None:
        """See Dialect. An index on a parent says nothing of what inherits from it, unless those are its partitions, and one in another
        collation than its column's nothing of texts that are equal in the column's.
        """
        kind, inherited = connection.execute(
            "SELECT relkind, relhassubclass FROM pg_class WHERE oid = %s::regclass", (self.quote(table),)
        ).fetchone()
        if kind not in ("r", "p") or (kind == "r" and inherited):
            return None
        rows = connection.execute(
            "SELECT array_agg(a.attname::text) FROM pg_index i"
            " CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1], i.indcollation[0:i.indnkeyatts - 1]) k(attnum, collated)"
            " LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
            " WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL"
            f" GROUP BY i.indexrelid HAVING bool_and(a.attcollation = k.collated AND {_NEVER_NULL})", (self.quote(table),)
        ).fetchall()  # fmt: skip
        return [row[0] for row in rows]

    def clock(self, connection: Any, shard: Shard) -> Clock:
        """See Dialect."""
        return postgres_clock.clock(connection, shard, self.connect)

    def estimate(self, connection: Any, table: str) -> tuple[int, int]:
        """See Dialect."""
        rows, size = connection.execute(
            "SELECT reltuples, pg_table_size(oid) FROM pg_class WHERE oid = %s::regclass", (self.quote(table),)
        ).fetchone()
        return max(0, int(rows)), int(size / rows) if rows and rows > 0 else 0

    def explain(self, connection: Any, sql: str) -> Access:
        """See Dialect."""
        plan = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}").fetchone()[0][0]["Plan"]
        nodes = [plan]
        for node in nodes:
            nodes += node.get("Plans", [])
        index = next((n["Index Name"] for n in nodes if "Index Name" in n), None)
        return Access(max(int(n["Plan Rows"]) for n in nodes), index, any(n["Node Type"] == "Seq Scan" for n in nodes))

    def safe(self, column: SourceColumn, quoted: str) -> str:
        """See Dialect. Postgres prints every type exactly, so that all but a few come as text."""
        if column.declared == "oid":
            return f"{quoted}::bigint"
        return quoted if column.kind in ("int", "bytes") or column.declared in ("text", "varchar") else f"{quoted}::text"

    def untimed(self, cursor: str, kind: Kind | None) -> str | None:
        """See Dialect: the infinite past."""
        return f"{cursor} = '-infinity'" if kind in ("date", "datetime", "instant") else None

    def finite(self, cursor: str, kind: Kind | None) -> str | None:
        """See Dialect: NaN and Infinity sort behind every number."""
        return f"{cursor} < '1e1000'::numeric" if kind == "decimal" else None

    def nulls_first(self) -> str:
        """See Dialect."""
        return " NULLS FIRST"

    def url(self, shard: Shard) -> str:
        """See Dialect."""
        secret = f":{url_quote(shard.password, safe='')}" if shard.password else ""
        tls = (
            f"?sslmode={SSLMODE[shard.tls.mode]}" + (f"&sslrootcert={url_quote(shard.tls.ca, safe='')}" if shard.tls.ca else "")
            if shard.tls
            else ""
        )
        return f"postgresql://{url_quote(shard.user, safe='')}{secret}@{shard.host}:{shard.port}/{url_quote(shard.database, safe='')}{tls}"

    def session(self, connection: Any, shard: Shard) -> list[str]:
        """See Dialect."""
        return [
            "SET default_transaction_read_only = on", "SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'",
            "SET IntervalStyle = 'postgres'", "SET extra_float_digits = 1", "SET bytea_output = 'hex'",
            "SET standard_conforming_strings = on", f"SET statement_timeout = {int(shard.statement_timeout * 1000)}",
            *_noticing(connection),
        ]  # fmt: skip

    def rowwise(self, shard: Shard, session: Sequence[str], sql: str) -> list[tuple[Any, ...]]:
        """See Dialect."""
        try:
            with psycopg.connect(**conninfo(shard), client_encoding="UTF8", autocommit=True) as connection:
                for statement in session:
                    connection.execute(pgsql.SQL(statement))
                try:
                    return connection.execute(sql).fetchall()
                except (CharacterNotInRepertoire, UntranslatableCharacter):
                    return _as_stored(connection, sql)
        except self.errors as error:
            raise self.failure(error, shard) from None

    def arrow_type(self, kind: Kind) -> pa.DataType:
        """See Dialect."""
        return _ARROW.get(kind, pa.large_string())


class _Undecoded(Loader):
    """Text as the bytes that the server has sent."""

    def load(self, data: Any) -> bytes:
        """See Loader."""
        return bytes(data)


def _as_stored(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """Rows of which the server cannot make UTF-8: text in the database's own encoding, decoded here, and as bytes where it is not in it.

    A database in SQL_ASCII has none and takes anything: there it is UTF-8, as for any client that does not say.
    """
    connection.execute(f"SET client_encoding TO {connection.info.parameter_status('server_encoding')}")
    codec = connection.info.encoding if connection.info.encoding != "ascii" else "utf-8"
    cursor = connection.cursor()
    for oid in _TEXT_OIDS:
        cursor.adapters.register_loader(oid, _Undecoded)
    cursor.execute(sql)
    texts = [column.type_code in _TEXT_OIDS for column in cursor.description]
    return [tuple(_decoded(v, codec) if text and v is not None else v for v, text in zip(row, texts, strict=True)) for row in cursor]


def _decoded(value: bytes, codec: str) -> str | bytes:
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return value
