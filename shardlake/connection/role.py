"""A role of AWS by which a lake is read and written."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Role(BaseModel):
    """A role that is assumed, and assumed again before its keys end."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    arn: Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/\S+$")]
    external_id: str | None = None
    session_name: str = "shardlake"
    seconds: Annotated[int, Field(ge=900, le=43_200)] = 3600
