"""Inferring the columns of a view from a look at what it takes of its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from shardlake.errors import ContractError, SpecError
from shardlake.schema.columns import drafted, one_line
from shardlake.source.door import SamplesView, Source
from shardlake.view.view import Column, View, in_raw

NONE_KEPT: Mapping[str, Column] = MappingProxyType({})
"""The columns of a view that has no schema yet."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """Columns as they were found, by paths that lead into raw, and what is to be said of them."""

    columns: dict[str, Column]
    remarks: tuple[str, ...]


def infer(view: View, source: Source, kept: Mapping[str, Column] = NONE_KEPT) -> Inferred:
    """Look at what the view takes. Columns that are `kept` are looked at first: no others take their room.

    Raises SpecError for a source that shows no sample, ContractError where there is nothing to look at, SourceUnavailable, AccessRefused.
    """
    if not isinstance(source, SamplesView):
        raise SpecError(
            f"{view.name}: columns: {view.source.connection} has no sample to infer them from", hint="Write the columns into the view."
        )
    sample = source.sample_of(view.filling())
    if sample.document and not sample.documents.get(sample.document):
        raise ContractError(
            f"{view.name}: {view.source.named} holds nothing yet that the view takes, so that its columns cannot be inferred",
            hint=f"Run `shardlake infer {view.name}` when there are rows, or write the columns into the view.",
        )
    partitions = {part.name for layout in view.lake.layouts for part in layout.partition_by if part.unit != "identity"}
    found = drafted(sample, partitions, {column.path for column in kept.values()})
    if not found.outs:
        raise ContractError(
            f"{view.name}: nothing that a column can be made of was found in {view.source.named}; {'; '.join(map(one_line, found.remarks))}",
            hint="Write the columns into the view.",
        )
    columns = {name: _column(view, name, said) for name, said in found.outs.items()}
    return Inferred(in_raw(view.source, columns), tuple(map(one_line, (*sample.remarks, *found.remarks))))


def _column(view: View, name: str, said: Any) -> Column:
    """A column as a draft spells it. Raises SpecError where no view can have it."""
    try:
        return Column.model_validate({"type": said, "from": [name]} if isinstance(said, str) else said)
    except ValidationError as error:
        raise SpecError(
            f"{view.name}: the column {name} that was inferred cannot be one of a view: {error.errors()[0]['msg']}",
            hint="Write the columns into the view: `shardlake discover` drafts them.",
        ) from None
