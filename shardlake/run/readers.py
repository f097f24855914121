"""Sources that read in processes of their own: those are started ahead, and ended when nobody waits for what they read."""

from typing import Protocol, runtime_checkable

from shardlake.run.job import Job


@runtime_checkable
class Readers(Protocol):
    """A source that has processes which read."""

    def prepare(self) -> None:
        """Start them."""

    def stop(self) -> None:
        """End them, whatever they do."""


def prepare(job: Job) -> None:
    """Start the source's readers while others still plan."""
    if isinstance(job.source, Readers):
        job.source.prepare()


def stop(job: Job) -> None:
    """End the source's readers: they may hang for as long as the source does."""
    if isinstance(job.source, Readers):
        job.source.stop()
