"""The columns that a view is opened with: those of its newest schema in the lake, or the first that is inferred."""

from dataclasses import dataclass
from datetime import UTC, datetime

from obstore.store import ObjectStore

from shardlake.errors import ContractError
from shardlake.schema.infer import infer
from shardlake.schema.schema import Schema
from shardlake.schema.store import newest
from shardlake.source.door import Source
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Held:
    """The schema that a view was opened with; it is `new` where this very opening has inferred it."""

    schema: Schema
    new: bool = False

    def notes(self, rejected: int) -> tuple[str, ...]:
        """What a run that rejected so many rows has to say of its columns."""
        view, called, count = self.schema.view, self.schema.called, len(self.schema.columns)
        said = []
        if self.new:
            said.append(f"no schema was kept yet: {count} columns were inferred and are {called} from now on (`shardlake plan {view}`)")
        if rejected:
            said.append(
                f"{rejected:,} {'row' if rejected == 1 else 'rows'} did not fit; the columns are those of {called}: `shardlake infer {view}` renews it, and"
                f" `shardlake replay {view}` then brings in what fits"
            )
        return tuple(said)


def hold(view: View, source: Source, store: ObjectStore, *, infers: bool) -> tuple[View, Held]:
    """The view with its columns, and the schema that they are of. Where none is kept and this opening `infers`, one is inferred, to be kept yet.

    Raises SpecError, ContractError, LakeUnavailable, SourceUnavailable, AccessRefused.
    """
    if found := newest(store, view.name):
        return found.of(view), Held(found)
    if not infers:
        raise ContractError(
            f"{view.name}: its columns are inferred, and no schema of them is kept yet",
            hint=f"`shardlake run {view.name}` infers the first, or `shardlake infer {view.name}`.",
        )
    inferred = infer(view, source)
    first = Schema(view=view.name, version=1, at=datetime.now(UTC), columns=inferred.columns, remarks=inferred.remarks)
    return first.of(view), Held(first, new=True)
