"""What the blocks for services of AWS share: their credentials may be a block of prefect-aws."""

from typing import Any, ClassVar

from prefect_aws import AwsCredentials
from pydantic import Field, FieldSerializationInfo, SerializerFunctionWrapHandler, field_serializer

from blocks.aws import as_plain
from blocks.connection_block import ConnectionBlock
from shardlake.connection.aws_identity import AwsIdentity


class AwsBlock(ConnectionBlock):
    """A connection of the engine's `kind`, with credentials of its own or a block's."""

    kind: ClassVar[type[AwsIdentity]]
    credentials: AwsCredentials | None = Field(None, description="AWS credentials, in place of the keys here.", repr=False)

    @field_serializer("credentials", mode="wrap")
    def _masked(self, value: Any, handler: SerializerFunctionWrapHandler, info: FieldSerializationInfo) -> Any:
        """prefect-aws takes a session's token for no secret."""
        found = handler(value)
        if isinstance(found, dict) and found.get("aws_session_token") and not (info.context or {}).get("include_secrets"):
            found["aws_session_token"] = "*" * 8
        return found

    def spec(self) -> AwsIdentity:
        """The connection as a plain value, with what the credentials hold in it."""
        own = {name: getattr(self, name) for name in self.kind.model_fields if name != "credentials"}
        return as_plain(self.kind.model_validate(own), self.credentials)
