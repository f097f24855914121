"""DynamoDB: an account's tables in one region, and the identity with which they are read."""

from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from shardlake.connection.aws_identity import AwsIdentity
from shardlake.spec import Duration


class DynamoDB(AwsIdentity):
    """Tables of DynamoDB in one account and region."""

    slug: ClassVar[str] = "dynamodb"
    called: ClassVar[str] = "DynamoDB"
    max_connections: int = Field(8, ge=1, le=64, description="Segments that are read at once.")
    connect_timeout: Duration = Field(timedelta(seconds=10), description="How long to wait for a connection.")
    answer_timeout: Duration = Field(timedelta(seconds=30), description="How long to wait for the answer to one request.")

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname or "@" in value):
            raise ValueError("endpoint: it reads like http://localhost:8000, without a user")
        return value

    @property
    def reads_at_once(self) -> int | None:
        """See ConnectionSpec."""
        return self.max_connections

    def endpoints(self) -> dict[str, tuple[str, int]]:
        """See ConnectionSpec."""
        parts = urlsplit(self.endpoint or "")
        return {"DynamoDB": (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))} if parts.hostname else {}
