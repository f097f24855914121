"""How DynamoDB is reached: as boto3's own clients would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shardlake.connection.dynamodb import DynamoDB
from shardlake.source.dynamodb.client import Client


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_proxies_and_authorities_of_the_environment_count(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("botocore.httpsession.URLLib3Session", lambda **options: given.update(options))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "authorities.pem"))
    Client(DynamoDB(region="eu-west-1", access_key_id=variable, secret_access_key="x"), variable)
    assert given["proxies"]["https"] == "http://proxy.example:3128"
    assert given["verify"] == str(tmp_path / "authorities.pem")
