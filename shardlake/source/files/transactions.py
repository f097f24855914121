"""DMS's transaction files (`CDC_TXN-….csv`, of a task with CdcPath): changes of all tables, of which a view takes those of its own."""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow.compute as pc

from shardlake.errors import ContractError
from shardlake.source.files.columns import OP
from shardlake.source.files.csv.block import Fault
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.layout import First, Layout, fields_of
from shardlake.source.files.csv.read import read_csv
from shardlake.source.files.raw_rows import RECORD, Bad, Part
from shardlake.view.files import Files

_TABLE, _SCHEMA = "_shardlake_table", "_shardlake_schema"


def transaction_rows(stream: BinaryIO, dialect: Dialect, source: Files, place: str) -> Iterator[Part]:
    """The changes of the view's table, block by block. Raises ContractError where the view does not say which table that is."""
    if not source.table or not source.fields:
        raise ContractError(
            f"{place} holds the changes of several tables, one row op, table, schema, values",
            hint="Declare which are the view's: `table: schema.table`, and `fields` in order.",
        )
    schema, _, table = source.table.rpartition(".")
    timestamp = (source.timestamp,) if source.timestamp and source.timestamp not in source.fields else ()
    names = (OP, _TABLE, _SCHEMA, *timestamp, *source.fields)
    kinds = dict.fromkeys((OP, *names[3:]), "text")

    def layout(_: First) -> Layout:
        return Layout(names)

    for block in read_csv(stream, dialect, layout):
        mine = pc.equal(block.table.column(_TABLE), table)
        if schema:
            mine = pc.and_(mine, pc.equal(block.table.column(_SCHEMA), schema))
        mine = pc.fill_null(mine, fill_value=False)
        faults = [fault for fault in block.faults if not _of_another(fault, dialect, table, schema)]
        rows = block.table.filter(mine).drop_columns([_TABLE, _SCHEMA])
        others = (pc.sum(pc.invert(mine)).as_py() or 0) + len(block.faults) - len(faults)
        bad = [Bad(fault.line, RECORD, fault.text, fault.reason) for fault in faults]
        yield Part(
            rows,
            block.lines.filter(mine.combine_chunks() if hasattr(mine, "combine_chunks") else mine),
            bad,
            block.records - others,
            OP,
            kinds,
        )


def _of_another(fault: Fault, dialect: Dialect, table: str, schema: str) -> bool:
    """Whether a record is one of another table, which has as many fields as it has columns."""
    try:
        fields = [field.text for field in fields_of(fault.text.encode() + b"\n", dialect)]
    except (ValueError, IndexError):
        return False
    return len(fields) > 2 and (fields[1] != table or (bool(schema) and fields[2] != schema))
