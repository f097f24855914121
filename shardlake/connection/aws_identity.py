"""With which identity AWS is asked: keys, a profile, a role, or what a block of prefect-aws holds."""

import re
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from shardlake.connection.spec import ConnectionSpec


class Role(BaseModel):
    """A role that is assumed, and assumed again before its keys end."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    arn: Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/\S+$")]
    external_id: str | None = None
    session_name: str = "shardlake"
    seconds: Annotated[int, Field(ge=900, le=43_200)] = 3600


class AwsIdentity(ConnectionSpec):
    """What the connections to services of AWS have in common. Without any of it AWS's own chain of credentials is asked."""

    called: ClassVar[str]
    """What messages call it, as in "the lake"."""
    region: str | None = Field(None, description="The region; AWS's own settings where it is left out.")
    endpoint: str | None = Field(None, description="The address of a server other than AWS.")
    credentials: str | None = Field(None, description="aws-credentials/<name>: a block of prefect-aws, in place of what follows.")
    access_key_id: SecretStr | None = Field(None, description="Where AWS's own chain of credentials is not wanted.")
    secret_access_key: SecretStr | None = Field(None, description="Goes with access_key_id.")
    session_token: SecretStr | None = Field(None, description="Goes with keys that end.")
    profile: str | None = Field(None, description="A profile of AWS's own configuration, in place of keys.")
    role: Role | None = Field(None, description="A role that the keys, the profile or AWS's own chain may assume.")

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if isinstance(self.credentials, str) and not re.fullmatch(r"aws-credentials/[A-Za-z0-9-]+", self.credentials):
            raise ValueError(f"credentials: {self.credentials!r} must read aws-credentials/<name>, a block of prefect-aws")
        if self.credentials and (self.access_key_id or self.profile or self.role):
            raise ValueError("give either `credentials`, or keys, `profile` and `role` here")
        if (self.access_key_id is None) != (self.secret_access_key is None) or (self.session_token and not self.access_key_id):
            raise ValueError("`access_key_id` and `secret_access_key` go together, `session_token` with both")
        if self.access_key_id and self.profile:
            raise ValueError("give either keys or `profile`")
        return self

    @property
    def credentials_block(self) -> str | None:
        """The Prefect block that holds its credentials, where it names one."""
        return self.credentials

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        return tuple(s.get_secret_value() for s in (self.access_key_id, self.secret_access_key, self.session_token) if s)
