"""Breaking a run of this process at one of the engine's failpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from shardlake import failpoints


@contextmanager
def broken_at(failpoint: str, passage: int = 1) -> Iterator[None]:
    """Within, the engine raises where the failpoint is passed for the `passage`-th time, and ever after."""
    assert failpoint in failpoints.NAMES
    failpoints._passed.clear()
    with patch.dict("os.environ", SHARDLAKE_FAILPOINT=f"{failpoint}=error@{passage}"):
        yield
