"""Lines of JSON as rows: each is a document, with its key beside it."""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.quoting import ansi, ansi_text
from shardlake.shape.duck import duck
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.layout import First, Layout
from shardlake.source.files.csv.read import read_csv
from shardlake.source.files.raw_rows import RECORD, Bad, Part
from shardlake.view.files import Files

_LINES = "\x1f"
"""No line of JSON holds this character but one that is none: lines are fields of one column."""
_EXCERPT = 500


def jsonl_rows(stream: BinaryIO, source: Files) -> Iterator[Part]:
    """The documents of a file, block by block. A line that is no object of JSON, or has no key, is a reject."""
    dialect = Dialect(delimiter=_LINES, quote=None, null=(), encoding=source.encoding or "utf-8")
    named = (*source.primary_key, *((source.timestamp,) if source.timestamp and source.timestamp not in source.primary_key else ()))
    kinds = {**dict.fromkeys(named, "text"), "document": "json"}

    def layout(_: First) -> Layout:
        return Layout(("document",))

    for block in read_csv(stream, dialect, layout):
        lines, rows = block.lines, block.table
        blank = pc.equal(pc.utf8_trim_whitespace(rows.column("document")), "")
        blanks = pc.sum(blank).as_py() or 0
        if blanks:  # a blank line between documents is none
            lines, rows = lines.filter(pc.invert(blank).combine_chunks()), rows.filter(pc.invert(blank))
        found = _with_keys(rows, named)
        reasons = _reasons(found, source.primary_key)
        wrong = pc.indices_nonzero(pc.is_valid(reasons)).to_pylist()
        bad = [Bad(fault.line, RECORD, fault.text, fault.reason) for fault in block.faults]
        bad += [Bad(lines[n].as_py(), RECORD, str(rows.column("document")[n].as_py())[:_EXCERPT], reasons[n].as_py()) for n in wrong]
        if wrong:
            good = pc.is_null(reasons)
            found, lines = found.filter(good), lines.filter(good)
        yield Part(found.select([*named, "document"]), lines, bad, block.records - blanks, None, kinds)


def _with_keys(rows: pa.Table, named: tuple[str, ...]) -> pa.Table:
    """The documents with what they have of the `named` keys, as text as it is spelt; `kind` says what each is."""
    connection = duck()
    connection.register("lines", rows)
    try:
        keys = ", ".join(
            f"json_extract_string(document, {ansi_text('/' + name.replace('~', '~0').replace('/', '~1'))}) AS {ansi(name)}"
            for name in named
        )
        valid = "CASE WHEN json_valid(document) THEN document END"
        query = f"SELECT {keys}, given AS document, json_type(document) AS _shardlake_kind FROM (SELECT document AS given, {valid} AS document FROM lines)"
        found: pa.Table = connection.sql(query).to_arrow_table()
        return found
    finally:
        connection.unregister("lines")


def _reasons(found: pa.Table, key: tuple[str, ...]) -> "pa.ChunkedArray":
    """Why a line is no row; NULL for one that is."""
    nothing = pa.scalar(None, pa.string())
    reasons = pc.if_else(pc.equal(found.column("_shardlake_kind"), "OBJECT"), nothing, "is no object of JSON")
    reasons = pc.coalesce(reasons, pc.if_else(pc.is_null(found.column("_shardlake_kind")), "is not JSON", nothing))
    for name in key:
        lacks = pc.and_(pc.is_null(reasons), pc.is_null(found.column(name)))
        reasons = pc.if_else(lacks, f"has no {name} (primary_key)", reasons)
    return reasons
