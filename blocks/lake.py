"""The block for the lake: `athena-lake/main`."""

from typing import Any, ClassVar

from prefect_aws import AwsCredentials
from pydantic import Field, FieldSerializationInfo, SerializerFunctionWrapHandler, field_serializer

from blocks.aws import as_plain
from blocks.connection_block import ConnectionBlock
from shardlake.connection import lake


class AthenaLake(ConnectionBlock, lake.Lake):
    """The folder or bucket that holds the rows as they were read."""

    _block_type_name: ClassVar[str] = "Athena Lake"
    _block_type_slug: ClassVar[str] = "athena-lake"
    credentials: AwsCredentials | None = Field(  # type: ignore[assignment]  # the engine has a reference in its place
        None, description="AWS credentials, in place of the keys here.", repr=False
    )

    @field_serializer("credentials", mode="wrap")
    def _masked(self, value: Any, handler: SerializerFunctionWrapHandler, info: FieldSerializationInfo) -> Any:
        """prefect-aws takes a session's token for no secret."""
        found = handler(value)
        if isinstance(found, dict) and found.get("aws_session_token") and not (info.context or {}).get("include_secrets"):
            found["aws_session_token"] = "*" * 8
        return found

    def spec(self) -> lake.Lake:
        """The connection as a plain value, with what the credentials hold in it."""
        own = {name: getattr(self, name) for name in lake.Lake.model_fields if name != "credentials"}
        return as_plain(lake.Lake.model_validate(own), self.credentials)
