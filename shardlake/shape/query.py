"""The DuckDB query that makes view rows of a chunk of raw rows: paths to columns, arrays to rows, all as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from shardlake.envelope import Envelope
from shardlake.errors import ContractError
from shardlake.quoting import ansi, ansi_text
from shardlake.shape.json_limits import MARK
from shardlake.view.columns import version_type
from shardlake.view.jsonpath import Path
from shardlake.view.view import Column, View


@dataclass(frozen=True, slots=True)
class JsonColumn:
    """A JSON source column and the paths that the view takes from it, as text and as JSON."""

    name: str
    texts: tuple[tuple[str | int, ...], ...]
    documents: tuple[tuple[str | int, ...], ...]


TEXTS, DOCUMENTS = "_shardlake_t_", "_shardlake_d_"
"""Before a JSON column's name: what its paths find, as text and as JSON. No source column may begin so."""


def json_columns(view: View) -> tuple[JsonColumn, ...]:
    """The source columns that hold JSON, by the paths into them; a whole column that becomes jsonb counts as well."""
    texts: dict[str, list[tuple[str | int, ...]]] = {}
    documents: dict[str, list[tuple[str | int, ...]]] = {}
    for column in view.columns.values():
        if column.path.column.startswith("$"):
            continue
        if column.path.steps:
            (documents if is_json(column) else texts).setdefault(column.path.column, []).append(column.path.steps)
        elif column.type.name == "jsonb":
            documents.setdefault(column.path.column, [])
    if view.explode:
        documents.setdefault(view.explode.path.column, []).append(view.explode.path.steps)
    names = dict.fromkeys((*texts, *documents))
    return tuple(JsonColumn(n, tuple(dict.fromkeys(texts.get(n, ()))), tuple(dict.fromkeys(documents.get(n, ())))) for n in names)


def pointer(steps: tuple[str | int, ...]) -> str:
    """A path as a JSON pointer, the one spelling in which no key is syntax.

    >>> pointer(("items", 0, "a/b"))
    '/items/0/a~1b'
    """
    return "".join("/" + str(s).replace("~", "~0").replace("/", "~1") for s in steps)


def can_be_one_pass(view: View) -> bool:
    """Whether documents can be looked at once for texts and documents together; what is malformed raises then."""
    documents = json_columns(view)
    return bool(documents) and not view.explode and all(j.texts or j.documents for j in documents)


MISLEADING = r'"[\[{]|"\\u00'
"""A document with a match may hold a string that reads like an array or object once it has lost its quotes."""


def extraction(json: JsonColumn, *, one_pass: bool) -> str:
    """SELECT items TEXTS and DOCUMENTS with the column's name: lists of what its paths find; NULL for a document that is no JSON.

    With `one_pass` one list has both, as text: a string has no quotes then, so that it must be told from JSON by other means.
    """
    document = f"CAST({ansi(json.name)} AS VARCHAR)"
    if one_pass:
        return f"json_extract_string({document}, {pointers((*json.texts, *json.documents))}) AS {ansi(TEXTS + json.name)}"
    items = []
    if json.texts:
        items.append(f"try(json_extract_string({document}, {pointers(json.texts)})) AS {ansi(TEXTS + json.name)}")
    documents = json.documents or (() if json.texts else ((),))
    if documents:
        items.append(f"try(json_extract({document}, {pointers(documents)})) AS {ansi(DOCUMENTS + json.name)}")
    return ", ".join(items)


def pointers(paths: Sequence[tuple[str | int, ...]]) -> str:
    """Paths as a list in SQL."""
    return "[" + ", ".join(ansi_text(pointer(p)) for p in paths) + "]"


def expression(view: View, column: Column, raw: dict[str, pa.DataType], kinds: dict[str, str], *, one_pass: bool) -> str:
    """A view column's value as text. Elements give back numbers that MARK has carried past DuckDB's doubles."""
    path = column.path
    if path.column == "$index":
        return "CAST(_shardlake_index AS VARCHAR)"
    if path.column == "$element":
        return _element(column, path)
    if path.steps:
        json = next(j for j in json_columns(view) if j.name == path.column)
        if one_pass:
            place = len(json.texts) + json.documents.index(path.steps) if is_json(column) else json.texts.index(path.steps)
            return f"{ansi(TEXTS + json.name)}[{place + 1}]"
        if is_json(column):
            return f"nullif(CAST({ansi(DOCUMENTS + json.name)}[{json.documents.index(path.steps) + 1}] AS VARCHAR), 'null')"
        return f"{ansi(TEXTS + json.name)}[{json.texts.index(path.steps) + 1}]"
    return source_text(column, path.column, raw[path.column], kinds.get(path.column, "text"))


def source_text(column: Column | None, source: str, arrow: pa.DataType, kind: str) -> str:
    """A plain source column as the text that the target's type reads."""
    value, target = ansi(source), column.type.name if column else ""
    if pa.types.is_null(arrow):
        return "CAST(NULL AS VARCHAR)"
    if pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow):
        if target not in ("bytea", "uuid"):
            raise ContractError(
                f"the source column {source!r} holds bytes, which {target} does not",
                hint="Declare bytea (or uuid for 16 bytes), or convert it in extract.sql.",
            )
        return f"'\\x' || lower(hex({value}))" if target == "bytea" else f"lower(hex({value}))"
    if target == "bytea":
        return f"'\\x' || lower(hex(encode(CAST({value} AS VARCHAR))))"
    if kind == "instant" and target == "timestamptz":
        # Postgres writes the offset, and none after infinity; MySQL writes none
        return f"CASE WHEN contains({value}, '+') OR suffix({value}, 'infinity') THEN {value} ELSE {value} || '+00' END"
    return f"CAST({value} AS VARCHAR)"


def _element(column: Column, path: Path) -> str:
    if is_json(column):
        found = f"json_extract({ELEMENT}, {ansi_text(pointer(path.steps))})" if path.steps else ELEMENT
        return _unmarked(f"nullif(CAST({found} AS VARCHAR), 'null')")
    # a number that stands alone has no quotes any more
    return f"replace({_unmarked(f'json_extract_string({ELEMENT}, {ansi_text(pointer(path.steps))})')}, '{MARK}', '')"


def _unmarked(text: str) -> str:
    return f"regexp_replace({text}, '\"{MARK}([^\"]*)\"', '\\1', 'g')"


ROW = "_shardlake_row"
"""A raw row's place in its chunk."""
ELEMENTS = "_shardlake_elements"
"""How many elements an exploded raw row has, counted in its document; 0 for what is gone."""
ELEMENT = "_shardlake_element"
"""The element that an exploded view row is made of, as JSON."""


def element_paths(view: View) -> tuple[tuple[str | int, ...], ...]:
    """The paths that a view takes of the elements of an array."""
    return tuple(dict.fromkeys(c.path.steps for c in view.columns.values() if c.path.column == "$element" and c.path.steps))


def shape_query(
    view: View, raw: dict[str, pa.DataType], kinds: dict[str, str], envelope: Envelope, *, extracted: str, one_pass: bool
) -> str:
    """View rows of `extracted` (raw columns, TEXTS and DOCUMENTS): the columns, `_cursor`, `_op`, ROW, ELEMENTS and ELEMENT of exploded ones.

    `_op` is 'd' for a unit that has no rows any more: deleted at its source, or exploded from an empty array. Such a
    row holds the unit's key and version, and NULLs. It is 'm' where a document is malformed, or has something else where
    the array to explode should be: no view row at all.
    """
    columns = {n: expression(view, c, raw, kinds, one_pass=one_pass) for n, c in view.columns.items()}
    gone = f"{ansi(envelope.op)} IS NOT NULL" if envelope.op else "false"
    version = [f"{_version(envelope, raw)} AS _cursor"] if view.version_column == "_cursor" else []
    source, malformed = extracted, "false" if one_pass else _malformed(view)
    if view.explode:
        json = next(j for j in json_columns(view) if j.name == view.explode.path.column)
        document = f"{ansi(DOCUMENTS + json.name)}[{json.documents.index(view.explode.path.steps) + 1}]"
        malformed += f" OR (NOT ({gone}) AND json_type({document}) NOT IN ('ARRAY', 'NULL'))"
        none = f"{gone} OR json_type({document}) IS DISTINCT FROM 'ARRAY'"
        items = f"CASE WHEN {none} THEN [] ELSE from_json({document}, '[\"JSON\"]') END"
        count = f"CASE WHEN {none} THEN 0 ELSE json_array_length({document}) END AS {ELEMENTS}"
        # an empty list still gives one row here, so that the parent is known to have no elements
        empty, found = "len(_shardlake_items) = 0", "_shardlake_items"
        source = (
            f"(SELECT *, unnest(CASE WHEN {empty} THEN [NULL] ELSE {found} END) AS {ELEMENT},"
            f" unnest(CASE WHEN {empty} THEN [NULL] ELSE range(len({found})) END) AS _shardlake_index"
            f" FROM (SELECT *, {items} AS {found}, {count} FROM {extracted}))"
        )
        gone = "_shardlake_index IS NULL"
    op = f"CASE WHEN {malformed} THEN 'm' WHEN {gone} THEN 'd' END AS _op"
    kept = {*view.unit_key, view.version_column}
    selected = [
        f"{e} AS {ansi(n)}" if n in kept or gone == "false" else f"CASE WHEN {gone} THEN NULL ELSE {e} END AS {ansi(n)}"
        for n, e in columns.items()
    ]
    return f"SELECT {', '.join([*selected, *version, op, ROW, *([ELEMENTS, f'CAST({ELEMENT} AS VARCHAR) AS {ELEMENT}'] if view.explode else [])])} FROM {source}"


def _malformed(view: View) -> str:
    parts = []
    for json in json_columns(view):
        found = TEXTS if json.texts else DOCUMENTS
        parts.append(f"({ansi(json.name)} IS NOT NULL AND {ansi(found + json.name)} IS NULL)")
    return " OR ".join(parts) or "false"


def _version(envelope: Envelope, raw: dict[str, pa.DataType]) -> str:
    kind = envelope.version_kind or "text"
    stamp = Column.model_validate({"type": version_type(kind), "from": [envelope.version]})
    return source_text(stamp, str(envelope.version), raw[str(envelope.version)], kind)


def is_json(column: Column) -> bool:
    """Whether what is found for a column is JSON, and no text."""
    return column.type.name == "jsonb" or column.type.array
