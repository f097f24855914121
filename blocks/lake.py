"""The block for the lake: `athena-lake/main`."""

from typing import ClassVar

from blocks.aws_block import AwsBlock
from shardlake.connection import lake
from shardlake.connection.aws_identity import AwsIdentity


class AthenaLake(AwsBlock, lake.Lake):
    """The folder or bucket that holds the rows as they were read."""

    _block_type_name: ClassVar[str] = "Athena Lake"
    _block_type_slug: ClassVar[str] = "athena-lake"
    kind: ClassVar[type[AwsIdentity]] = lake.Lake
