"""The lake: a folder or a bucket, and the identity with which AWS is asked."""

from typing import ClassVar

from pydantic import Field

from shardlake.connection.bucket import Bucket


class Lake(Bucket):
    """The folder or bucket that holds the rows as they were read, and the tables made of them."""

    slug: ClassVar[str] = "athena-lake"
    called: ClassVar[str] = "the lake"
    kms_key: str | None = Field(None, description="The KMS key that encrypts what is written; the bucket's own settings where left out.")
    glue: bool = Field(False, description="Register the tables in AWS Glue, for Athena. Without, the ledger alone knows them.")
    glue_endpoint: str | None = Field(None, description="The address of a Glue other than AWS's.")
