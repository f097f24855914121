"""Columns and types for what a sample shows: of a view that is drafted, and of a view whose columns are inferred."""

import re
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from shardlake.schema.documents import MOST, Documents, Steps, read_documents
from shardlake.source.door import Described, Sample
from shardlake.spec import identifier, source_identifier
from shardlake.view.jsonpath import Path
from shardlake.view.view import POSTGRES_COLUMNS, RESERVED

PATHS = 300
"""Columns below documents that a schema has at most: Postgres takes 1,600 columns of a table, and fewer wide ones."""
_NAMED = 5
"""Keys that a remark names."""


@dataclass(slots=True)
class Columns:
    """The columns of a sample as they come together, with what is to be said of them. None has a name that is `taken`. Paths that are
    `kept` in a schema are looked at whatever comes of the others.
    """

    sample: Sample
    taken: Set[str] = frozenset()
    kept: Set[Path] = frozenset()
    outs: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _new: int = 0

    def add(self, column: Described) -> None:
        """A column of the source; where its values are documents, the columns of their keys, too."""
        if why := self._unfit(column):
            self.remarks.append(f"{column.name} is left out: {why}")
            return
        self._seen.add(column.name.lower())
        documents = read_documents(self.sample.documents.get(column.name, ()))
        if column.name == self.sample.document:
            self._add_document(column, documents)
            return
        json = column.kind == "json" or documents.all_json
        declared = "jsonb" if json else column.target
        target = self._free(column.name)
        self.outs[target] = declared if target == column.name else {"type": declared, "from": [column.name]}
        paths = self._paths(column, documents) if json else {}
        if column.kind in ("json", "text"):
            self._remark(column, documents, paths.keys())
        for path, type_ in paths.items():
            self.outs[self._free("_".join(path))] = {"type": type_, "from": str(Path(column.name, path))}

    def _add_document(self, column: Described, documents: Documents) -> None:
        """The fields of whole documents, but for those of the key, which have columns of their own."""
        paths = self._paths(column, documents)
        self._remark(column, documents, paths.keys())
        keys = [(name,) for name in self.sample.source["primary_key"]]
        for path, type_ in paths.items():
            if path not in keys:
                name = self._free("_".join(path))
                # what no source column is called is reached through the document alone
                through = path[0].startswith("$") or path[0] == column.name or _misnamed(path[0]) is not None
                origin = Path(column.name, path) if through else Path(path[0], path[1:])
                self.outs[name] = type_ if (name,) == path and not through else {"type": type_, "from": str(origin)}

    def _paths(self, column: Described, documents: Documents) -> dict[Steps, str]:
        """The paths of a column's documents that have columns, and their types: what is kept, and of the rest what there is room for."""
        kept = {path for path in documents.paths | documents.keys if Path(column.name, path) in self.kept}
        paths = documents.columns(kept, min(MOST, PATHS - self._new - sum(bool(path.steps) for path in self.kept)))
        self._new += len(paths) - len(kept)
        return paths

    def _free(self, name: str) -> str:
        return free_name(name, {*self.outs, *self.taken})

    def _unfit(self, column: Described) -> str | None:
        """Why a view cannot take a column, if it cannot."""
        if column.target is None:
            return f"{column.declared} cannot be read exactly" + (f"; in an extract.sql {column.advice}" if column.advice else "")
        if column.name.lower() in self._seen:
            return "it differs from another in capitals alone; rename it in an extract.sql"
        if why := _misnamed(column.name):
            return why
        return "names that begin with $ are ours; rename it in an extract.sql" if column.name.startswith("$") else None

    def _remark(self, column: Described, documents: Documents, paths: Set[Steps]) -> None:
        """What was seen in a sample of documents that the draft alone does not tell."""
        shapes, rows = documents.shapes, documents.rows
        objects, others = shapes["object"], rows - shapes["object"]
        if column.kind != "json" and not documents.all_json:
            if some := objects + shapes["array"]:
                self.remarks.append(f"{column.name}: {some} of {rows} rows looked at hold JSON, the others do not: it stays text")
            return
        if column.kind != "json":
            self.remarks.append(
                f"{column.name}: all {rows} rows looked at hold JSON: it is drafted as jsonb, and a row that holds none will be rejected"
            )
        if objects and others:
            of = ", ".join(f"{count} {shape}" for shape, count in sorted(shapes.items()) if shape != "object")
            self.remarks.append(
                f"{column.name}: {others} of {rows} rows looked at are no objects ({of}): they have NULL in the columns of its keys"
            )
        if rare := {path: n for path, types in documents.paths.items() if (n := types.total()) < objects}:
            listed = sorted(rare, key=lambda path: rare[path])
            self.remarks.append(f"{column.name}: {len(rare)} of {len(documents.paths)} keys are not in each of {objects} objects looked at: {_some(column, listed, rare)}")  # fmt: skip
        if more := sum(all(path[:n] not in paths for n in range(1, len(path) + 1)) for path in documents.paths):
            self.remarks.append(f"{column.name}: {more} more keys have no column; they are in {column.name} itself")
        if maps := documents.maps & paths:
            named = ", ".join(str(Path(column.name, path)) for path in sorted(maps)[:_NAMED])
            self.remarks.append(f"{column.name}: the keys of {len(maps)} objects look like data, so that each is one jsonb column: {named}")
        if documents.odd:
            self.remarks.append(
                f"{column.name}: {len(documents.odd)} keys hold a NUL or half of a surrogate pair, which no column can be made of"
            )


def _misnamed(name: str) -> str | None:
    """Why no source column can have a name, if none can."""
    try:
        source_identifier(name)
    except ValueError as error:
        return str(error)
    return None


def _some(column: Described, paths: list[Steps], rows: dict[Steps, int]) -> str:
    named = ", ".join(f"{Path(column.name, path)} ({rows[path]})" for path in paths[:_NAMED])
    return named + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


def drafted(sample: Sample, taken: Set[str] = frozenset(), kept: Set[Path] = frozenset()) -> Columns:
    """The columns of a sample, as `columns:` of a view has them in `outs`; `kept` are paths into raw that a schema has already."""
    columns = Columns(sample, taken, kept)
    for column in sample.columns:
        columns.add(column)
    return columns


def one_line(text: str) -> str:
    """A remark that stays in its line, and that any database takes, whatever names it holds.

    >>> one_line("a\\nb")
    'a\\\\nb'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def free_name(name: str, taken: Set[str]) -> str:
    """A name for a column of the target that is neither taken nor kept for Shardlake or Postgres."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_").lower()[:50] or "column"
    kept = (*taken, *RESERVED, *POSTGRES_COLUMNS)
    candidate, n = name, 2
    while candidate in kept:
        candidate, n = f"{name}_{n}", n + 1
    return identifier(candidate)
