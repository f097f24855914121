"""The worlds of the other kinds of sources."""

from tests.shardlake.source.files.conftest import landing
from tests.shardlake.source.mongodb.conftest import collections

__all__ = ["collections", "landing"]
