"""MongoDB's connections: hosts and databases, what is refused and how it is said, and how many windows read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dns.resolver import NXDOMAIN
from pydantic import ValidationError
from pymongo.errors import ConfigurationError, OperationFailure

from deployments.limits import source_limits
from shardlake.connection.mongodb import MongoDB
from shardlake.errors import AccessRefused, SourceFailed, SourceUnavailable, SpecError
from shardlake.source.mongodb.client import _options, connect, failure
from shardlake.view.view import View
from tests.collections_world import people


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        MongoDB.model_validate({"url": "mongodb://reader@db/shop", **fields})
    return str(refused.value)


def test_several_hosts_are_a_replica_set_and_one_is_asked_alone_unless_a_set_is_named() -> None:
    one, several = MongoDB(url="mongodb://r@db/shop"), MongoDB(url="mongodb://r@a:27018,b/shop", replica_set="rs0")
    assert [
        (spec.address.hosts, _options(spec, 4).get("directConnection"), _options(spec, 4).get("replicaSet")) for spec in (one, several)
    ] == [
        ((("db", 27017),), True, None),
        ((("a", 27018), ("b", 27017)), None, "rs0"),
    ]
    assert several.endpoints() == {"a:27018": ("a", 27018), "b:27017": ("b", 27017)}


def test_tls_is_told_to_the_driver_in_its_own_words() -> None:
    spec = MongoDB.model_validate({"url": "mongodb+srv://r@cluster.example/shop", "tls": {"mode": "verify_ca", "ca": "/ca.pem"}})
    found = _options(spec, 4)
    assert (found["host"], found["tls"], found["tlsAllowInvalidHostnames"], found["tlsCAFile"]) == (
        ["mongodb+srv://cluster.example/"], True, True, "/ca.pem"
    )  # fmt: skip
    assert "directConnection" not in found


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"url": "mongodb://reader:secret@db/shop"}, "a URL holds a password"),
        ({"url": "mongodb://reader@db/shop?tls=true"}, "give what stands behind ? by keys"),
        ({"url": "mysql://reader@db/shop"}, "a URL must read mongodb://user@host:27017/database"),
        ({"url": "mongodb://reader@db"}, "name the database in the URL, or give `databases: tenant_*`"),
        ({"databases": "t_*"}, "name the database in the URL, or give `databases: tenant_*`"),
        ({"url": "mongodb://db/shop", "password": "secret"}, "a password without a user"),
        ({"ranges": 9}, "ranges: 9 are more than max_connections (8)"),
        ({"url": "mongodb://reader@db:x/shop"}, "a URL cannot be read"),
    ],
)
def test_what_cannot_be_a_connection_is_refused_and_shows_no_secret(fields: dict[str, Any], why: str) -> None:
    said = refusal(**fields)
    assert why in said
    assert "secret" not in said


def test_a_certificate_that_is_not_there_is_a_clear_error() -> None:
    spec = MongoDB.model_validate({"url": "mongodb://r@db/shop", "tls": {"mode": "verify_ca", "ca": "/nowhere/ca.pem"}})
    with pytest.raises(SpecError, match=r"tls\.ca: /nowhere/ca\.pem cannot be read as certificates"), connect(spec):
        pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        *[(OperationFailure("x", code), SourceUnavailable) for code in (134, 237, 246, 462)],
        (ConfigurationError("no dns"), SourceFailed),
        (OperationFailure("x", 13), AccessRefused),
    ],
)
def test_an_error_says_what_to_do_next(error: Exception, expected: type[Exception]) -> None:
    assert type(failure(error, "shop", MongoDB(url="mongodb://r@db/shop"))) is expected


def test_names_that_dns_does_not_tell_are_tried_again() -> None:
    error = ConfigurationError("x")
    error.__cause__ = NXDOMAIN()
    assert type(failure(error, "shop", MongoDB(url="mongodb+srv://r@cluster.example/shop"))) is SourceUnavailable


def test_windows_share_the_connections_and_so_does_the_limit_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View.model_validate(people())
    file = tmp_path / "connections.yaml"
    monkeypatch.setenv("SHARDLAKE_CONNECTIONS", str(file))
    for fields, expected in (("", 2), ("ranges: 1", 8), ("max_connections: 12", 3)):
        file.write_text(f"mongodb/platform:\n  url: mongodb://r@db/shop\n  {fields}\n")
        assert list(source_limits([view]).values()) == [expected]
    assert MongoDB(url="mongodb://r@db/shop").reads_at_once == 2
