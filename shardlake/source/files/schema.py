"""What the columns of a partition's next files are: by what is declared, or by a look at the first of them."""

import io
from collections.abc import Sequence

from shardlake.source.files.csv_rows import csv_rows
from shardlake.source.files.export.look import export_kinds
from shardlake.source.files.order import role
from shardlake.source.files.parquet_rows import parquet_kinds
from shardlake.source.files.pattern import hive_values
from shardlake.source.files.raw_rows import Part
from shardlake.source.files.read import OWN_KINDS, Planned, peek
from shardlake.source.files.store import Moved, Store
from shardlake.view.files import Files


def schema_of(store: Store, source: Files, planned: Sequence[Planned], partition: str) -> dict[str, str]:
    """The columns with what they hold; none where there is no file. Raises ContractError, SourceFailed, SourceUnavailable."""
    if not planned:
        return {}
    file = planned[0].file
    kinds = {**dict.fromkeys(hive_values(file.name), "text"), **OWN_KINDS}
    try:
        if source.of_export:
            return {**kinds, **export_kinds(store, source, planned, partition), "document": "json"}
        if source.format == "jsonl":
            return {**kinds, **dict.fromkeys(source.primary_key, "text"), "document": "json"}
        if source.format == "parquet" or file.name.endswith(".parquet"):
            with store.seekable(file) as stream:
                return {**kinds, **parquet_kinds(stream, f"{partition}: {file.name}")}
        if source.format == "dms" and role(file.name) == "transactions":
            return {**kinds, **dict.fromkeys(source.fields or (), "text")}
        with store.stream(file) as stream:
            head = peek(stream)
    except Moved:  # it is read by a later pass
        return {}
    first: Part | None = next(csv_rows(io.BytesIO(head), head, source, f"{partition}: {file.name}", file.name), None)
    return {**kinds, **(first.kinds if first else {})}
