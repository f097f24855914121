"""Every failure that Shardlake names, grouped by what to do next: mend, retry, or look at one shard.

A message says where (view, shard, table, column), what was found, and the next step. It never holds a secret, and
holds a value only where the value itself is the fault.
"""

from pathlib import Path
from traceback import extract_tb

_HOUSE = Path(__file__).parent


class ShardlakeError(Exception):
    """Anything that Shardlake itself reports. `hint` is the next step, in the imperative."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message, self.hint = message.rstrip("."), hint
        super().__init__(f"{self.message}. {hint}" if hint else self.message)

    def __reduce__(self) -> tuple[object, ...]:  # crosses process borders with its hint
        return (_rebuild, (type(self), self.message, self.hint))


def shown(error: BaseException) -> str:
    """What a report says of an error. Of a fault in Shardlake itself its name and its line, and not its message, which may hold a secret."""
    if isinstance(error, ShardlakeError):
        return str(error)
    frames = [frame for frame in extract_tb(error.__traceback__) if _HOUSE in Path(frame.filename).parents]
    where = f" ({Path(frames[-1].filename).relative_to(_HOUSE.parent)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__} in Shardlake itself{where}"


def _rebuild(kind: type["ShardlakeError"], message: str, hint: str) -> "ShardlakeError":
    return kind(message, hint=hint)


# --- mend: trying again without a change will fail again -------------------------------------------------------------
class SpecError(ShardlakeError):
    """A view or connection file says something that cannot be built."""


class ContractError(ShardlakeError):
    """A shard's or target's columns are not what the view says, or differ from shard to shard."""


class NarrowingRefused(ContractError):
    """The target has a wider type than the view; the message holds the statement to run by hand."""


class AccessRefused(ShardlakeError):
    """The server answered and refused: password, grant, TLS, unknown database."""


class WatermarkRefused(ShardlakeError):
    """The ledger's position of a shard cannot be right; going on would skip rows."""


class AccountingError(ShardlakeError):
    """Rows do not add up. Nothing was committed."""


class ClaimLost(ShardlakeError):
    """Another run has taken over a partition while this one was at work on it; nothing of this one's is committed."""


class SourceFailed(ShardlakeError):
    """The source refused the statement itself, or sent what cannot be read."""


class SinkBusy(ShardlakeError):
    """Another run is at work on a sink that one alone can write."""


class RunEnded(ShardlakeError):
    """The run was cancelled or met its timeout while a step of it was under way, which must not go on."""


class ReaderStopped(RunEnded):
    """The extracting process was ended on purpose, with its run."""


# --- retry: the same call may pass in a moment -----------------------------------------------------------------------
class Retryable(ShardlakeError):
    """Base of what the tasks retry with backoff."""


class SourceUnavailable(Retryable):
    """A shard cannot be reached, or broke off."""


class SourceTimeout(Retryable):
    """A shard did not answer before its deadline; the reading process was ended."""


class WorkerDied(Retryable):
    """The extracting process was ended from outside, as an out-of-memory killer does."""


class WarehouseUnavailable(Retryable):
    """Postgres cannot be reached, restarted, or broke off."""


class WarehouseBusy(Retryable):
    """A lock was not had in time; the message names who holds it."""


class LakeUnavailable(Retryable):
    """The raw store did not take or give a file."""


class FileGone(LakeUnavailable):
    """A file that the ledger knows is gone, or is not what was written: a raw one's window is read again where the source can."""


class CatalogueUnavailable(Retryable):
    """Glue cannot be reached, throttles, or did not take a table or partition."""


class StagingLost(Retryable):
    """Staging holds fewer rows than were sent (a crash empties unlogged tables): stage again."""
