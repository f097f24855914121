"""MySQL and MariaDB: catalogue, clock, and the SELECT that brings each type over exactly."""

import codecs
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote as url_quote

import pyarrow as pa
import pymysql
from pymysql.cursors import DictCursor, SSCursor

from shardlake import cancellation
from shardlake.connection.address import Shard
from shardlake.errors import ShardlakeError
from shardlake.quoting import backtick
from shardlake.source.sql import mysql_clock, mysql_errors, mysql_types
from shardlake.source.sql.dialect import Access, Clock, Index, Kind, SourceColumn
from shardlake.source.sql.literal import checked, hex_of

_ARROW: dict[Kind, pa.DataType] = {"int": pa.int64(), "float": pa.float64(), "bytes": pa.large_binary(), "bool": pa.uint64()}
_SLACK = 2.0
"""Seconds behind the limit of a statement."""
_SHOWN = "shardlake_utf8"
"""The codec of sessions for short questions: what is not UTF-8 (MariaDB takes lone surrogates) is shown as `\\xed`, and is no error."""


def _codec(name: str) -> codecs.CodecInfo | None:
    if name != _SHOWN:
        return None
    return codecs.CodecInfo(codecs.utf_8_encode, lambda data, _="": codecs.utf_8_decode(data, "backslashreplace", True), name=_SHOWN)


codecs.register(_codec)
_SHOW_GENERATED_KEYS = "SET @shown = 1/*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON*/"
"""So that SHOW COLUMNS has the generated invisible primary key of a table; MariaDB, which has none, skips the comment."""


class MySQL:
    """The answers of MySQL and MariaDB to `Dialect`."""

    name = "mysql"
    errors: tuple[type[Exception], ...] = (pymysql.Error, OSError)

    def connect(self, shard: Shard) -> Any:
        """See Dialect."""
        try:
            connection = pymysql.connect(
                host=shard.host, port=shard.port, user=shard.user, password=shard.password.encode(),
                database=shard.database or None, charset="utf8mb4", autocommit=True,
                connect_timeout=max(1, int(shard.connect_timeout)), read_timeout=max(1, int(shard.connect_timeout) * 2),
                write_timeout=max(1, int(shard.connect_timeout)), defer_connect=True, **_tls(shard),
            )  # fmt: skip
            # a shard that hangs does not hold a run that has ended, not even while it is greeted
            cancellation.attach(lambda: connection._sock.shutdown(socket.SHUT_RDWR))  # type: ignore[attr-defined]
            connection.connect()
            with connection.cursor() as cursor:
                for statement in self.session(connection, shard):
                    cursor.execute(statement)
            connection.encoding = _SHOWN
            # the server ends a statement by itself; a little later it is taken to hang
            connection._read_timeout = shard.statement_timeout + _SLACK  # type: ignore[attr-defined]  # pymysql has no other way in
            return connection
        except self.errors as error:
            raise mysql_errors.failure(error, shard, shard.connect_timeout) from None

    def failure(self, error: BaseException, shard: Shard) -> ShardlakeError:
        """See Dialect."""
        return mysql_errors.failure(error, shard)

    def quote(self, name: str) -> str:
        """See Dialect.

        >>> MySQL().quote("a`b")
        '`a``b`'
        """
        return backtick(name)

    def literal(self, kind: Kind, value: str) -> str:
        """See Dialect."""
        if kind == "text":
            return f"_utf8mb4 0x{hex_of(value)}" if value else "''"
        value = checked(kind, value)
        if kind == "bytes":
            return f"0x{value}" if value else "''"
        if kind in ("date", "datetime", "instant", "time"):
            return "'" + value.replace("+00:00", "").replace("+00", "") + "'"
        return value

    def columns(self, connection: Any, relation: str) -> list[SourceColumn]:
        """See Dialect. By the protocol's own column packets, and of a table by SHOW COLUMNS, which knows invisible ones, too."""
        with connection.cursor(DictCursor) as cursor:
            shown = {}
            if not relation.startswith("("):
                with suppress(pymysql.Error):  # a server that is like MySQL and has no such variable
                    cursor.execute(_SHOW_GENERATED_KEYS)
                cursor.execute(f"SHOW COLUMNS FROM {relation}")
                shown = {line["Field"]: line for line in cursor.fetchall()}
            cursor.execute(f"SELECT {', '.join(map(self.quote, shown)) or '*'} FROM {relation} LIMIT 0")
            fields = cursor._result.fields  # the only place where pymysql keeps character set and flags
        return [mysql_types.column(field, **_spelt(shown.get(field.name))) for field in fields]

    def tables(self, connection: Any, database: str) -> list[str]:
        """See Dialect."""
        return _names(connection, "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1", database)

    def databases(self, connection: Any) -> list[str]:
        """See Dialect."""
        own = "'information_schema', 'mysql', 'performance_schema', 'sys'"
        return _names(connection, f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({own}) ORDER BY 1")

    def primary_key(self, connection: Any, table: str) -> list[str]:
        """See Dialect."""
        return [part["Column_name"] for part in self._index_parts(connection, table) if part["Key_name"] == "PRIMARY"]

    def indexes(self, connection: Any, table: str) -> list[Index]:
        """See Dialect. A part that is an expression has no column, one that is the beginning of a text has a length."""
        parts: dict[str, list[dict[str, Any]]] = {}
        for part in self._index_parts(connection, table):
            parts.setdefault(part["Key_name"], []).append(part)
        found = []
        for lines in parts.values():
            first = lines[0]
            if first["Index_type"] == "BTREE" and first.get("Visible") != "NO" and first.get("Ignored") != "YES":
                columns = [None if line["Sub_part"] else line["Column_name"] for line in lines]
                found.append(Index.of(columns, unique=not first["Non_unique"]))
        return found

    def unique_keys(self, connection: Any, table: str) -> list[list[str]] | None:
        """See Dialect. Each statement names schema and table as constants: a join would look at every table of the server."""
        of_it = "WHERE table_schema = database() AND table_name = %s"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR '\\0'), MAX(nullable = 'YES' OR column_name IS NULL)"
                f" FROM information_schema.statistics {of_it} AND non_unique = 0 GROUP BY index_name",
                (table,),
            )
            found = cursor.fetchall()
            if not found:
                cursor.execute(f"SELECT 1 FROM information_schema.tables {of_it} AND table_type <> 'VIEW'", (table,))
                return [] if cursor.fetchone() else None
        return [columns.split("\0") for columns, unsure in found if columns and not unsure]

    def _index_parts(self, connection: Any, table: str) -> list[dict[str, Any]]:
        with connection.cursor(DictCursor) as cursor:
            cursor.execute(f"SHOW INDEX FROM {self.quote(table)}")
            return sorted(cursor.fetchall(), key=lambda part: (part["Key_name"], part["Seq_in_index"]))

    def clock(self, connection: Any, shard: Shard) -> Clock:
        """See Dialect."""
        return mysql_clock.clock(connection, shard, self.connect)

    def estimate(self, connection: Any, table: str) -> tuple[int, int]:
        """See Dialect."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_rows, avg_row_length FROM information_schema.tables WHERE table_schema = database() AND table_name = %s",
                (table,),
            )
            rows, length = cursor.fetchone() or (0, 0)
        return int(rows or 0), int(length or 0)

    def explain(self, connection: Any, sql: str) -> Access:
        """See Dialect."""
        with connection.cursor(DictCursor) as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            lines = cursor.fetchall()
        worst: dict[str, Any] = max(lines, key=lambda line: int(line.get("rows") or 0), default={})
        return Access(
            int(worst.get("rows") or 0),
            worst.get("key"),
            any(line.get("type") == "ALL" and not str(line.get("table")).startswith("<") for line in lines),
        )

    def safe(self, column: SourceColumn, quoted: str) -> str:
        """See Dialect. Each cast closes a hole of connectorx: cut decimals, panics on zero dates and long times."""
        if column.kind == "bool":
            return f"{quoted}+0"
        if column.kind == "float":
            return f"CAST({quoted} AS DOUBLE)"
        if column.kind == "geometry":  # EWKT; MySQL would else print latitude first, which MariaDB (that skips the comment) does not
            text = f"ST_AsText({quoted}/*!80000 , 'axis-order=long-lat'*/)"
            return f"IF(ST_SRID({quoted}) = 0, {text}, CONCAT('SRID=', ST_SRID({quoted}), ';', {text}))"
        if column.kind in ("decimal", "date", "datetime", "instant", "time", "json", "null"):
            return f"CAST({quoted} AS CHAR)"
        return quoted

    def untimed(self, cursor: str, kind: Kind | None) -> str | None:
        """See Dialect: zero dates."""
        return f"{cursor} < '0001-01-01'" if kind in ("date", "datetime", "instant") else None

    def finite(self, cursor: str, kind: Kind | None) -> str | None:
        """See Dialect. MySQL has no others."""
        return None

    def nulls_first(self) -> str:
        """See Dialect. MySQL does so by itself."""
        return ""

    def url(self, shard: Shard) -> str:
        """See Dialect."""
        secret = f":{url_quote(shard.password, safe='')}" if shard.password else ""
        tls = ""
        if shard.tls and shard.tls.mode != "disabled":
            tls = f"&ssl-mode={shard.tls.mode.upper()}" + (f"&ssl-ca={url_quote(shard.tls.ca, safe='')}" if shard.tls.ca else "")
        return f"mysql://{url_quote(shard.user, safe='')}{secret}@{shard.host}:{shard.port}/{url_quote(shard.database, safe='')}?prefer_socket=false{tls}"

    def session(self, connection: Any, shard: Shard) -> list[str]:
        """See Dialect. The limit has another name and unit on MariaDB."""
        seconds = shard.statement_timeout
        mariadb = "mariadb" in connection.get_server_info().lower()
        limit = f"SET SESSION max_statement_time={seconds:g}" if mariadb else f"SET SESSION max_execution_time={int(seconds * 1000)}"
        return ["SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone='+00:00'", limit]

    def rowwise(self, shard: Shard, session: Sequence[str], sql: str) -> list[tuple[Any, ...]]:
        """See Dialect."""
        try:
            connection = pymysql.connect(
                host=shard.host, port=shard.port, user=shard.user, password=shard.password.encode(), database=shard.database,
                charset="utf8mb4", use_unicode=False, conv={}, cursorclass=SSCursor, **_tls(shard), autocommit=True,
                connect_timeout=max(1, int(shard.connect_timeout)), read_timeout=int(shard.statement_timeout) + 1,
            )  # fmt: skip
            with connection, connection.cursor() as cursor:
                for statement in session:
                    cursor.execute(statement)
                cursor.execute(sql)
                return list(cursor.fetchall())
        except self.errors as error:
            raise self.failure(error, shard) from None

    def arrow_type(self, kind: Kind) -> pa.DataType:
        """See Dialect."""
        return _ARROW.get(kind, pa.large_string())


def _spelt(line: dict[str, Any] | None) -> dict[str, str]:
    """Type and Extra of a line of SHOW COLUMNS."""
    return {"declared": line["Type"], "extra": line["Extra"]} if line else {}


def _names(connection: Any, sql: str, *values: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [row[0] for row in cursor.fetchall()]


def _tls(shard: Shard) -> dict[str, Any]:
    """pymysql's words for it. Left to itself it reads the system's certificates for each connection, 30 ms of work."""
    if not shard.tls or shard.tls.mode == "disabled":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cafile=shard.tls.ca)
    context.check_hostname = shard.tls.mode == "verify_identity"
    context.verify_mode = ssl.CERT_NONE if shard.tls.mode == "required" else ssl.CERT_REQUIRED
    return {"ssl": context}
