"""A folder or a bucket, and the identity with which it is asked: what a lake and a source of files have in common."""

import re

from pydantic import Field, field_validator

from shardlake.connection.aws_identity import AwsIdentity


class Bucket(AwsIdentity):
    """Where objects lie: `s3://bucket/prefix`, or a folder."""

    url: str = Field(description="s3://bucket/prefix, or a folder.")

    @field_validator("url")
    @classmethod
    def _folder_or_s3(cls, value: str) -> str:
        if "\0" in value or ".." in value.split("/") or ("://" in value and not re.match(r"s3://[a-z0-9.-]{3,63}(/|$)", value)):
            raise ValueError(f"{value!r} must be a folder or s3://bucket/prefix, and .. cannot be a part of it")
        return value
