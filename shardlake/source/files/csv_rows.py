"""CSV files, DMS's among them, as rows."""

from collections.abc import Iterator
from typing import BinaryIO

from shardlake.source.files.columns import Columns, columns_of
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.layout import First, Layout
from shardlake.source.files.csv.read import read_csv
from shardlake.source.files.csv.sniff import sniff
from shardlake.source.files.order import role
from shardlake.source.files.raw_rows import RECORD, Bad, Part
from shardlake.view.files import Files

HEAD = 256 << 10
"""Bytes of a file by which it is guessed how it is written."""
_DMS_NULL = "NULL"


def dialect_of(source: Files, head: bytes) -> Dialect:
    """How a file is written: as the view says, and what it does not say as the file's `head` looks, or as DMS writes it."""
    dms = source.format == "dms"
    guessed = Dialect() if dms or (source.delimiter and source.quote) else sniff(head, source.nulls or ("",)).dialect
    null = source.nulls if source.nulls is not None else (_DMS_NULL,) if dms else ("",)
    quote = None if source.quote == "none" else source.quote or guessed.quote
    return Dialect(
        source.delimiter or guessed.delimiter, quote, source.escape or guessed.escape, null, encoding=source.encoding or guessed.encoding
    )


def csv_rows(stream: BinaryIO, head: bytes, source: Files, place: str, name: str = "") -> Iterator[Part]:
    """The rows of a file, block by block. Raises ContractError where its columns are not what the view says."""
    found: list[Columns] = []

    def layout(first: First) -> Layout:
        found.append(columns_of([field.text for field in first.fields], source, place, role(name)))
        return Layout(found[0].names, found[0].header)

    for block in read_csv(stream, dialect_of(source, head), layout):
        bad = [Bad(fault.line, RECORD, fault.text, fault.reason) for fault in block.faults]
        kinds = dict.fromkeys(block.table.column_names, "text")
        yield Part(block.table, block.lines, bad, block.records, found[0].op if found and source.format == "dms" else None, kinds)
