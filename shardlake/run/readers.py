"""Sources that read in processes of their own: those are started ahead, and ended when nobody waits for what they read."""

from typing import Protocol, runtime_checkable

from shardlake.run.job import Job


@runtime_checkable
class Readers(Protocol):
    """A source that has processes which read."""

    def prepare(self, count: int) -> None:
        """Start that many."""

    def stop(self) -> None:
        """End them where nothing is being read."""


def prepare(job: Job) -> None:
    """Start the source's readers while others still plan."""
    if isinstance(job.source, Readers):
        job.source.prepare(job.parallelism.readers)


def stop(job: Job) -> None:
    """End the source's readers, of which this run was the last to read."""
    if isinstance(job.source, Readers):
        job.source.stop()
