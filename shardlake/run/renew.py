"""Renewing a schema: what a look at the source finds is taken in, as far as every sink can follow."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shardlake.connection.kinds import Connection
from shardlake.errors import ContractError
from shardlake.failpoints import failpoint
from shardlake.raw.store import open_store
from shardlake.run.job import Job, open_job, require_followed
from shardlake.schema.infer import infer
from shardlake.schema.schema import Schema
from shardlake.schema.store import keep
from shardlake.schema.widen import widen
from shardlake.view.view import Column, View
from shardlake.view.view_file import find_view, readable_views


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of a schema: the one that is kept now, whether it is `new`, and what it brings to the one before."""

    view: str
    schema: Schema
    new: bool
    added: dict[str, str]
    widened: dict[str, tuple[str, str]]
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "view": self.view, "version": self.schema.version, "at": self.schema.at.isoformat(), "new": self.new, "added": self.added,
            "widened": {name: list(types) for name, types in self.widened.items()}, "remarks": list(self.remarks),
        }  # fmt: skip

    def headline(self) -> str:
        """The renewal in a line."""
        if not self.new:
            return f"{self.view}: {self.schema.called} stays, nothing is new"
        counts = (("new", len(self.added)), ("wider", len(self.widened)))
        parts = [f"{count} {'column is' if count == 1 else 'columns are'} {what}" for what, count in counts if count]
        return f"{self.view}: {self.schema.called}, {', '.join(parts)}"

    def changes(self) -> list[str]:
        """What it brings, a line each."""
        found = [f"{name} {type_} is new" for name, type_ in self.added.items()]
        return found + [f"{name} {before} becomes {after}" for name, (before, after) in self.widened.items()]


def inferred_views(folder: Path, names: list[str] | None = None) -> tuple[dict[str, View], dict[str, str]]:
    """The views of a folder whose columns are inferred, or those of these names, by name; and why others cannot be read. Raises SpecError."""
    if names:
        return {name: find_view(folder, name) for name in dict.fromkeys(names)}, {}
    found, wrong = readable_views(folder)
    return {name: view for name, view in found.items() if view.inferred}, wrong


def renew(view: View, connect: Callable[[str], Connection], ledger: str | None = None) -> Renewal:
    """Look at the view's source, and keep the next schema where it is another. Of two at once, the later takes in what the first has kept.

    Raises SpecError for a view that names its columns, and what opening a view raises.
    """
    while True:
        job = open_job(view, connect, ledger)
        found = next_of(job)
        if found.schema is job.schema or keep(open_store(job.lake), found.schema):
            failpoint("schema.kept")
            return found


def next_of(job: Job) -> Renewal:
    """What would follow the job's schema: another version, or the same where nothing is new or wider. Looks at the source; writes nothing."""
    now, view = job.schema, job.view
    if job.held and job.held.new:
        return Renewal(view.name, now, True, {name: str(column.type) for name, column in now.columns.items()}, {}, now.remarks)
    inferred = infer(view, job.source, now.columns)
    fixed = _fixed(view)
    for name in (found := widen(now.columns, inferred.columns, fixed)).widened:
        if why := _refused(job, {**now.columns, name: found.columns[name]}):
            fixed[name] = why
    found = widen(now.columns, inferred.columns, fixed)
    types = {name: str(column.type) for name, column in found.columns.items()}
    kept = tuple(f"{name} stays {types[name]}, though {type_} was found: {why}" for name, (type_, why) in found.kept.items())
    following = now
    if found.anything:
        remarks = (*inferred.remarks, *kept)
        following = Schema(view=view.name, version=now.version + 1, at=datetime.now(UTC), columns=found.columns, remarks=remarks)
        following.of(view)
    widened = {name: (str(now.columns[name].type), types[name]) for name in found.widened}
    return Renewal(view.name, following, found.anything, {name: types[name] for name in found.added}, widened, kept)


def _fixed(view: View) -> dict[str, str]:
    """Columns whose type is never another, and why: by them rows are told apart, put in order, and laid out."""
    by = {
        part.column: f"the lake table {layout.table} is partitioned by it" for layout in view.lake.layouts for part in layout.partition_by
    }
    if view.version_column:
        by[view.version_column] = "it tells the newer of two rows"
    return by | dict.fromkeys(view.key, "it is of the key")


def _refused(job: Job, columns: dict[str, Column]) -> str | None:
    """Why one of the sinks cannot follow to these columns; None where all can."""
    try:
        require_followed(job.sinks, job.view.with_columns(columns))
    except ContractError as error:
        return error.message
    return None
