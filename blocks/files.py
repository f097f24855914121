"""The block for files that others drop: `s3-files/landing`."""

from typing import ClassVar

from blocks.aws_block import AwsBlock
from shardlake.connection import files
from shardlake.connection.aws_identity import AwsIdentity


class S3Files(AwsBlock, files.S3Files):
    """A folder or a bucket where files are dropped: CSV, DMS's, lines of JSON, Parquet."""

    _block_type_name: ClassVar[str] = "S3 Files"
    _block_type_slug: ClassVar[str] = "s3-files"
    kind: ClassVar[type[AwsIdentity]] = files.S3Files
