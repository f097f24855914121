"""Files: a folder or a bucket where others drop them."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from shardlake.connection.bucket import Bucket
from shardlake.spec import Duration, Zone


class S3Files(Bucket):
    """A folder or a bucket where files are dropped. It is read, and never written to."""

    slug: ClassVar[str] = "s3-files"
    called: ClassVar[str] = "the files' bucket"
    timezone: Zone = Field("UTC", description="The zone of times without one.")
    max_connections: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Shards whose files are read at once.")
    timeout: Duration = Field(timedelta(seconds=30), description="How long to wait for an answer to one request.")

    @property
    def reads_at_once(self) -> int:
        """How many reads may be under way at once, over all runs."""
        return self.max_connections
