"""Connections to MongoDB: what the driver is told, and its errors as ours."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern

from shardlake.connection.mongodb import MongoDB
from shardlake.errors import AccessRefused, ShardlakeError, SourceFailed, SourceTimeout, SourceUnavailable, SpecError

Client = MongoClient[dict[str, Any]]
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, uuid_representation=UuidRepresentation.STANDARD, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""How BSON is read: UUIDs of subtype 4 as such, dates that Python cannot hold as milliseconds."""
LENIENT = OPTIONS.with_options(unicode_decode_error_handler="backslashreplace")
"""The same for text that is not UTF-8."""
_REFUSED = {11, 13, 18, 31, 33, 8000}
"""Codes of a server that refuses: user not found, unauthorized, authentication failed, and Atlas's."""


@contextmanager
def connect(spec: MongoDB, *, pool: int = 2) -> Iterator[Client]:
    """A client with `pool` connections at most, beside the driver's one that watches the server. Raises SpecError."""
    try:
        client: Client = MongoClient(**_options(spec, pool))
    except OSError as error:
        ca = spec.tls.ca if spec.tls else None
        raise SpecError(f"tls.ca: {ca} cannot be read as certificates ({type(error).__name__})", hint="Check the file.") from None
    try:
        yield client
    finally:
        closing = Thread(target=client.close, daemon=True)  # it says good-bye to the server, which may hang
        closing.start()
        closing.join(1)


def _options(spec: MongoDB, pool: int) -> dict[str, Any]:
    address, wait = spec.address, int(spec.connect_timeout.total_seconds() * 1000)
    host = [f"mongodb+srv://{address.hosts[0][0]}/"] if address.srv else [f"{_bracketed(name)}:{port}" for name, port in address.hosts]
    found: dict[str, Any] = {
        "host": host, "appname": "shardlake", "connectTimeoutMS": wait, "serverSelectionTimeoutMS": wait,
        "socketTimeoutMS": int(spec.statement_timeout.total_seconds() * 1000), "maxPoolSize": pool, "waitQueueTimeoutMS": wait,
        "serverMonitoringMode": "poll", "readPreference": spec.read_preference, "retryReads": False, "connect": False,
    }  # fmt: skip
    if spec.replica_set:
        found["replicaSet"] = spec.replica_set
    elif len(address.hosts) == 1 and not address.srv:
        found["directConnection"] = True
    if address.user:
        found |= {"username": address.user, "password": spec.password.get_secret_value(), "authSource": spec.auth_source}
    if spec.tls:
        found["tls"] = spec.tls.mode != "disabled"
        if spec.tls.mode == "required":
            found["tlsAllowInvalidCertificates"] = True
        if spec.tls.mode == "verify_ca":
            found["tlsAllowInvalidHostnames"] = True
        if spec.tls.ca:
            found["tlsCAFile"] = spec.tls.ca
    return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def collection_of(client: Client, database: str, name: str) -> Any:
    """A collection as rows are read from it: what a majority has, as BSON is read here."""
    return client.get_database(database, OPTIONS).get_collection(name, read_concern=ReadConcern("majority"))


def hello(client: Client) -> Mapping[str, Any]:
    """What the server that is read says of itself: its clock, and how far a majority is."""
    found: Mapping[str, Any] = client.admin.command("hello", read_preference=client.read_preference)
    return found


@contextmanager
def failures(place: str, spec: MongoDB) -> Iterator[None]:
    """Within, the driver's errors are raised as ours; `place` is the partition. Their texts may hold a URL, and do not pass."""
    try:
        yield
    except ShardlakeError:
        raise
    except (PyMongoError, BSONError, ssl.SSLError, OSError) as error:
        raise failure(error, place, spec) from None


def failure(error: Exception, place: str, spec: MongoDB) -> ShardlakeError:
    """An error of the driver as ours, by what to do next."""
    where = f"{place} ({spec.address.shown})"
    if isinstance(error, OperationFailure) and not isinstance(error, ExecutionTimeout):
        said = f"{error.details.get('codeName', '') if error.details else ''} {error.code or ''}".strip()
        if error.code in _REFUSED:
            user = f"user {spec.address.user!r}" if spec.address.user else "who gives no user"
            return AccessRefused(f"{where} refuses {user} ({said})", hint="Check password, auth_source and the role read.")
        if error.has_error_label("RetryableError") or error.code in _PASSING:
            return SourceUnavailable(f"{where} cannot answer now ({said})", hint="It is tried again.")
        return SourceFailed(f"{where} refused the query ({said})", hint=_hint(error))
    if isinstance(error, ExecutionTimeout | NetworkTimeout):
        return SourceTimeout(f"{where} did not answer in {spec.statement_timeout.total_seconds():g} s", hint="Check the server, or raise statement_timeout.")  # fmt: skip
    if isinstance(error, ServerSelectionTimeoutError | AutoReconnect | ConnectionFailure | InvalidOperation | OSError):
        return SourceUnavailable(f"{where} cannot be reached, or broke off ({type(error).__name__})", hint="Check host, port, replica_set and TLS.")  # fmt: skip
    if isinstance(error, ConfigurationError) and type(error.__cause__).__module__.startswith("dns."):
        return SourceUnavailable(
            f"{where}: DNS does not tell its hosts ({type(error.__cause__).__name__})", hint="Check the host and the resolver."
        )
    if isinstance(error, ConfigurationError):
        return SourceFailed(f"{where} cannot be connected to ({type(error).__name__})", hint="Check url, replica_set and tls.")
    return SourceFailed(f"{where}: what came cannot be read ({type(error).__name__})", hint="Please report it.")


def late(client: Client, place: str, spec: MongoDB, seconds: float) -> ShardlakeError:
    """The error where no answer came in `seconds`. Of a server that has not said a word yet it is the driver's own, whoever notices first."""
    if not client.nodes:
        return failure(ServerSelectionTimeoutError(), place, spec)
    return SourceTimeout(
        f"{place} ({spec.address.shown}) did not answer in {seconds:g} s", hint="Check the server, or raise statement_timeout."
    )


_PASSING = {6, 7, 43, 89, 91, 133, 134, 136, 175, 189, 202, 237, 246, 262, 462, 9001, 10107, 11600, 11602, 13388, 13435, 13436}
"""Codes that pass: a network that failed, another primary, a cursor that was ended, a snapshot that is gone, too many requests, a shutdown."""


def _hint(error: OperationFailure) -> str:
    return {
        2: "Check source.filter: the server does not take it.", 9: "Check source.filter: the server does not take it.",
        26: "Check the collection's name.", 292: "Create an index on the cursor: without one the server sorts in memory.",
    }.get(error.code or 0, "Look the code up in MongoDB's manual; source.filter and the index on the cursor are what a query is made of.")  # fmt: skip
