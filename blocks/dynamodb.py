"""The block for DynamoDB: `dynamodb/platform`."""

from typing import ClassVar

from blocks.aws_block import AwsBlock
from shardlake.connection import dynamodb
from shardlake.connection.aws_identity import AwsIdentity


class DynamoDB(AwsBlock, dynamodb.DynamoDB):
    """Tables of DynamoDB in one account and region."""

    _block_type_name: ClassVar[str] = "DynamoDB Tables"
    _block_type_slug: ClassVar[str] = "dynamodb"
    kind: ClassVar[type[AwsIdentity]] = dynamodb.DynamoDB
