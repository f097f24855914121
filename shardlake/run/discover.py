"""Drafting a view of a live table: columns and types that all partitions have, key, how changes are told, and the JSON found in a sample."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from shardlake.errors import SpecError
from shardlake.kinds import kind_of
from shardlake.schema.columns import Columns, drafted, one_line
from shardlake.source.door import Sample, Samples, SamplesKinds, Source
from shardlake.spec_file import explain
from shardlake.view.view import View


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
    columns = drafted(sample)
    return _draft(reference, _view_name(sample.name or table, taken), table, sample, columns, connections)


def _view_name(text: str, taken: Sequence[str]) -> str:
    """A view's name that none of those before it has, as kinds may be called alike but for capitals."""
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_") or "view"
    name = candidate = (name if name[0].isalpha() else f"v_{name}")[:48]
    n = 2
    while candidate in taken:
        candidate, n = f"{name[:44]}_{n}", n + 1
    return candidate


def _draft(reference: str, name: str, table: str, sample: Sample, columns: Columns, connections: Sequence[str]) -> Draft:
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
    return Draft("".join(f"# {one_line(remark)}\n" for remark in said) + text, _checked(text, name, table))


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
