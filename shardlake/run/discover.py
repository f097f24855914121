"""Drafting a view of a live table: columns and types that all partitions have, key, how changes are told, and the JSON found in a sample."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from shardlake.errors import SpecError
from shardlake.kinds import kind_of
from shardlake.run.documents import MOST, Documents, Steps, read_documents
from shardlake.source.door import Described, Sample, Samples, SamplesKinds, Source
from shardlake.spec import identifier, source_identifier
from shardlake.spec_file import explain
from shardlake.view.jsonpath import Path
from shardlake.view.view import POSTGRES_COLUMNS, RESERVED, View

_NAMED = 5
"""Keys that a remark names."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A view of a table as it was found: its file's text, and the view that this is."""

    text: str
    view: View


def discover(reference: str, source: Source, table: str, connections: Sequence[str] = ()) -> Draft:
    """The draft of a view, as YAML with remarks. `connections` are those that there are, where that is known.

    Raises SpecError where the source has no sample to give, or where no draft of the table would be a view, ContractError where its
    partitions are not alike.
    """
    if not isinstance(source, Samples):
        raise SpecError(f"{reference} cannot be drafted from", hint="Write the view by hand.")
    return _drafted(reference, table, source.sample(table), connections)


def discover_kinds(reference: str, source: Source, table: str, connections: Sequence[str] = ()) -> list[Draft]:
    """The draft of a view for each kind of rows in a table: one, where its source knows of no kinds. Raises as `discover` does."""
    if isinstance(source, SamplesKinds):
        made: list[Draft] = []
        for sample in source.samples(table):
            made.append(_drafted(reference, table, sample, connections, [one.view.name for one in made]))
        return made
    return [discover(reference, source, table, connections)]


def _drafted(reference: str, table: str, sample: Sample, connections: Sequence[str], taken: Sequence[str] = ()) -> Draft:
    columns = _Columns(sample)
    for column in sample.columns:
        columns.add(column)
    return _draft(reference, _view_name(sample.name or table, taken), table, sample, columns, connections)


def _view_name(text: str, taken: Sequence[str]) -> str:
    """A view's name that none of those before it has, as kinds may be called alike but for capitals."""
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_") or "view"
    name = candidate = (name if name[0].isalpha() else f"v_{name}")[:48]
    n = 2
    while candidate in taken:
        candidate, n = f"{name[:44]}_{n}", n + 1
    return candidate


@dataclass(slots=True)
class _Columns:
    """The columns of a draft as they come together, with what is to be said of them."""

    sample: Sample
    outs: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

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
        target = _free(column.name, self.outs)
        self.outs[target] = declared if target == column.name else {"type": declared, "from": [column.name]}
        if column.kind in ("json", "text"):
            self._remark(column, documents)
        if json:
            for path, type_ in documents.columns().items():
                self.outs[_free("_".join(path), self.outs)] = {"type": type_, "from": str(Path(column.name, path))}

    def _add_document(self, column: Described, documents: Documents) -> None:
        """The fields of whole documents, but for those of the key, which have columns of their own."""
        self._remark(column, documents)
        keys = [(name,) for name in self.sample.source["primary_key"]]
        for path, type_ in documents.columns().items():
            if path not in keys:
                name = _free("_".join(path), self.outs)
                ours = path[0].startswith("$") or path[0] == column.name  # such a field is reached through the document alone
                origin = Path(column.name, path) if ours else Path(path[0], path[1:])
                self.outs[name] = type_ if (name,) == path and not ours else {"type": type_, "from": str(origin)}

    def _unfit(self, column: Described) -> str | None:
        """Why a view cannot take a column, if it cannot."""
        if column.target is None:
            return f"{column.declared} cannot be read exactly" + (f"; in an extract.sql {column.advice}" if column.advice else "")
        if column.name.lower() in self._seen:
            return "it differs from another in capitals alone; rename it in an extract.sql"
        try:
            source_identifier(column.name)
        except ValueError as error:
            return str(error)
        return "names that begin with $ are ours; rename it in an extract.sql" if column.name.startswith("$") else None

    def _remark(self, column: Described, documents: Documents) -> None:
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
        if (more := len(documents.paths) - MOST) > 0:
            self.remarks.append(f"{column.name}: {more} more keys have no column; they are in {column.name} itself")
        if documents.odd:
            self.remarks.append(
                f"{column.name}: {len(documents.odd)} keys hold a NUL or half of a surrogate pair, which no column can be made of"
            )


def _some(column: Described, paths: list[Steps], rows: dict[Steps, int]) -> str:
    named = ", ".join(f"{Path(column.name, path)} ({rows[path]})" for path in paths[:_NAMED])
    return named + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


def _draft(reference: str, name: str, table: str, sample: Sample, columns: _Columns, connections: Sequence[str]) -> Draft:
    remarks = [f"drafted from {sample.partitions} shards of {reference}; look through it, then: shardlake plan {name}"]
    usual = View.model_fields["lake"].default.connection
    warehouse, lake = _connection("postgres-warehouse/main", connections), _connection(usual, connections)
    remarks += [f"{wanted} is no connection yet: add it to the connections file" for wanted in (warehouse, lake) if connections and wanted not in connections]  # fmt: skip
    view: dict[str, Any] = {
        "name": name,
        "owner": "you@example.com",
        "description": f"One row per row of {table}.",
        "source": sample.source,
        "columns": columns.outs,
        "warehouse": {"connection": warehouse, "table": f"analytics.{name}"} | ({} if sample.write == "merge" else {"write": sample.write}),
    }
    if lake != usual:
        view["lake"] = {"connection": lake}
    text = yaml.safe_dump(view, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    said = (*remarks, *sample.remarks, *columns.remarks)
    return Draft("".join(f"# {_one_line(remark)}\n" for remark in said) + text, _checked(text, name, table))


def _connection(usual: str, connections: Sequence[str]) -> str:
    """The usual connection; where there is none of that name, the first that has the same role."""
    same = [name for name in connections if (found := kind_of(name)) and found.role == kind_of(usual).role]  # type: ignore[union-attr]
    return usual if usual in connections or not same else same[0]


def _checked(text: str, name: str, table: str) -> View:
    """The view that a draft is. Raises SpecError for one that no draft can be made of, such as a key that is left out."""
    try:
        return View.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise SpecError(
            f"{table} cannot be drafted: its view would not pass `shardlake check`\n{explain(error, f'{name}/view.yaml')}",
            hint="Write the view by hand, and rename what is odd in an extract.sql.",
        ) from None


def _one_line(text: str) -> str:
    """A remark that stays in its line of the file, whatever names it holds."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _free(name: str, taken: dict[str, Any]) -> str:
    """A name for a column of the target that is neither taken nor kept for Shardlake or Postgres."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_").lower()[:50] or "column"
    kept = (*taken, *RESERVED, *POSTGRES_COLUMNS)
    candidate, n = name, 2
    while candidate in kept:
        candidate, n = f"{name}_{n}", n + 1
    return identifier(candidate)
