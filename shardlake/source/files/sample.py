"""A look at some files, for a view that is to be drafted: how they are written, their columns, and what their values may be."""

import io
import re
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set, Sized
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from pydantic import ValidationError

from shardlake.errors import ContractError
from shardlake.source.door import Described, Sample
from shardlake.source.files.columns import OP
from shardlake.source.files.csv.sniff import Guess, sniff
from shardlake.source.files.csv_rows import csv_rows
from shardlake.source.files.export.sample import export_sample_of, export_samples
from shardlake.source.files.jsonl_rows import jsonl_rows
from shardlake.source.files.order import role
from shardlake.source.files.parquet_rows import parquet_kinds, parquet_rows
from shardlake.source.files.pattern import Pattern, hive_values
from shardlake.source.files.raw_rows import Part
from shardlake.source.files.read import peek
from shardlake.source.files.store import Listed, Store
from shardlake.view.files import EXPORT, MANIFEST, Files
from shardlake.view.types import parse

_LISTED, _FILES, _ROWS = 5_000, 6, 2_000
"""Files that are listed, of which some are looked into, and rows of each."""
_KEYS = ("id", "_id", "oid_id", "oid__id", "uuid")
_TYPES = ("bigint", "numeric", "boolean", "timestamptz", "timestamp", "date")
_LEADING_ZERO = re.compile(r"[-+]?0\d")
_DMS_SIGNS = ("I", "U", "D")
_BY_KIND = {
    "int": "bigint", "decimal": "numeric", "float": "double precision", "bool": "boolean", "date": "date", "datetime": "timestamp",
    "instant": "timestamptz", "time": "interval", "json": "jsonb", "bytes": "bytea",
}  # fmt: skip


_NUMBERS = {"int", "decimal", "float"}


@dataclass(slots=True)
class _Look:
    """What was seen: the columns with what they hold in each file that was looked into, and texts of them. Those of `texts` are text,
    whatever their values look like.
    """

    seen: dict[str, set[str]] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)
    texts: Set[str] = frozenset()

    def add(self, part: Part) -> None:
        """The columns of a file and values of them. One of text in which none stands may hold anything in the next file."""
        for name in [n for n in part.table.column_names if n != part.op]:
            found = [str(value) for value in part.table.column(name).slice(0, _ROWS).to_pylist() if value is not None]
            self.values.setdefault(name, []).extend(found)
            self.say({name: part.kinds[name]} if name in part.kinds else {}, anything=not found)

    def say(self, kinds: Mapping[str, str], *, anything: bool) -> None:
        """What the columns of a file hold."""
        for name, kind in kinds.items():
            self.seen.setdefault(name, set()).update(() if anything and kind == "text" else {kind})

    @property
    def kinds(self) -> dict[str, str]:
        """What each column holds in all the files."""
        return {name: _kind_of_all(kinds) for name, kinds in self.seen.items()}

    def type_of(self, name: str) -> str:
        """The type that holds what a column holds in each of the files."""
        kind = self.kinds.get(name, "text")
        if kind == "text" and (name in self.texts or len(self.seen.get(name, ())) > 1):
            return "text"
        return _BY_KIND.get(kind) or type_of(self.values.get(name, []))


def _kind_of_all(kinds: Set[str]) -> str:
    """What a column holds of which the files say these kinds: numbers of several kinds are numbers, and all else is text.

    >>> _kind_of_all({"int", "float"}), _kind_of_all({"float"}), _kind_of_all({"int", "bool"}), _kind_of_all(set())
    ('decimal', 'float', 'text', 'text')
    """
    if len(kinds) == 1:
        return next(iter(kinds))
    return "decimal" if kinds and kinds <= _NUMBERS else "text"


def samples(reference: str, store: Store, text: str) -> list[Sample]:
    """What views of the files that match a pattern can be drafted from: one for each kind of item of exports, else one alone.

    Raises ContractError where nothing matches, SourceFailed.
    """
    try:
        Files.model_validate({"connection": reference, "files": text, "format": "csv", "primary_key": ["id"]})
    except ValidationError as error:
        raise ContractError(f"{text!r} is no pattern of files: {error.errors()[0]['msg']}") from None
    found, shards = _some(store, Pattern(text))
    if not found:
        raise ContractError(f"{reference}: nothing matches {text}", hint="Check the pattern, and the connection's url.")
    if text.endswith(MANIFEST):
        return export_samples(reference, store, found, text, max(1, len(shards)))
    return [_drafted(reference, store, text, found, shards)]


def _drafted(reference: str, store: Store, text: str, found: list[Listed], shards: set[str]) -> Sample:
    source: dict[str, Any] = {"connection": reference, "files": text, "format": _format(found)}
    remarks: list[str] = []
    look = _Look({name: {"text"} for name in hive_values(found[0].name)})
    by_format: dict[str, Callable[..., None]] = {"jsonl": _documents, "parquet": _parquet, "csv": _csv, "dms": _csv}
    by_format[source["format"]](store, found, source, look, remarks)
    key = source.setdefault("primary_key", [_key(look, remarks)])
    if source["format"] == "dms" and "timestamp" not in source:
        remarks.append("if the task has a TimestampColumnName, say it as `timestamp:`: the time of its commit tells the newer of two rows")
    return replace(_sample(source, key, look, remarks, shards), name=_named(text))


def sample_of(reference: str, store: Store, of: Files, key: Collection[str] = ()) -> Sample:
    """The columns of the files that a view reads, as it says that they are written. What is text in files and of the primary key, of the
    target's `key` or of a folder's name stays text: 007 and 7 are two rows. Raises ContractError where there is no file yet.
    """
    found, shards = _some(store, Pattern(of.files), sys.maxsize)
    if not found:
        raise ContractError(f"{reference}: nothing matches {of.files}", hint="Check `files`, or write the columns into the view.")
    if of.format == EXPORT:
        return export_sample_of(reference, store, found, of, max(1, len(shards)))
    hive = hive_values(found[0].name)
    look = _Look({name: {"text"} for name in hive}, texts={*of.primary_key, *hive})
    for one in found:
        for part in islice(_parts(store, one, of), 1):
            look.add(part)
    look.texts |= {name for name in look.seen if re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() in key}
    remarks = [f"{len(found)} files were looked at, such as {found[0].name}"]
    return _sample({"format": of.format, "primary_key": list(of.primary_key)}, of.primary_key, look, remarks, shards)


def _parts(store: Store, one: Listed, of: Files) -> Iterator[Part]:
    """The rows of a file, as far as a look at it goes."""
    if one.name.removesuffix(".gz").lower().endswith(".parquet") or of.format == "parquet":
        with store.seekable(one) as stream:
            yield from parquet_rows(stream, of, one.name)
    elif of.format == "jsonl":
        yield from jsonl_rows(_head(store, one), of)
    else:
        head = _head(store, one)
        yield from csv_rows(head, head.getvalue(), of, one.name, one.name)


def _sample(source: dict[str, Any], key: Sequence[str], look: _Look, remarks: Sequence[str], shards: Sized) -> Sample:
    """What was seen as columns; of lines of JSON, the key and the document."""
    lines = source["format"] == "jsonl"
    kinds = {name: kind for name, kind in look.kinds.items() if name != "document" or not lines}
    columns = [Described(n, k, k, look.type_of(n)) for n, k in kinds.items()]
    documents = {n: look.values.get(n, []) for n, k in look.kinds.items() if k in ("json", "text")}
    if lines:
        columns = [Described(n, "text", "text", look.type_of(n)) for n in key]
        columns.append(Described("document", "json", "json", "jsonb"))
    return Sample(
        source, "merge", tuple(columns), documents, tuple(remarks), max(1, len(shards)), "document" if lines else None
    )  # fmt: skip


def _named(text: str) -> str | None:
    """What the files are called: their last folder whose name is no pattern."""
    return next((part for part in reversed(text.split("/")[:-1]) if re.fullmatch(r"[A-Za-z][\w-]*", part)), None)


def _some(store: Store, pattern: Pattern, most: int = _LISTED) -> tuple[list[Listed], set[str]]:
    """Some of the files: first ones and last ones, of each role that DMS's have; and the shards that were seen. `most` are listed."""
    first: dict[str, list[Listed]] = {kind: [] for kind in ("load", "changes", "transactions", "other")}
    last = {kind: deque[Listed](maxlen=_FILES // 2) for kind in first}
    shards: set[str] = set()
    seen = 0
    for page in store.listing(pattern.prefix):
        for one in page:
            if not pattern.matches(one.name) or not one.bytes:
                continue
            kind = role(one.name)
            (first[kind] if len(first[kind]) < _FILES // 2 else last[kind]).append(one)
            shards |= {shard for shard in (pattern.shard(one.name),) if shard}
            seen += 1
        if seen >= most:
            break
    few = [one for kind in first for one in (*first[kind], *last[kind])]
    return few[: 2 * _FILES], shards


def _format(found: list[Listed]) -> str:
    base = found[0].name.removesuffix(".gz").lower()
    if any(role(one.name) != "other" for one in found):
        return "dms"
    if base.endswith(".parquet"):
        return "parquet"
    return "jsonl" if base.endswith((".jsonl", ".ndjson", ".json")) else "csv"


def _documents(store: Store, found: list[Listed], source: dict[str, Any], look: _Look, remarks: list[str]) -> None:
    """Lines of JSON; the key is a field that every document has."""
    of = Files.model_validate({**source, "primary_key": ["_"]})
    for one in found:
        for name in _KEYS:
            of = of.model_copy(update={"primary_key": (name,)})
            if (part := next(jsonl_rows(_head(store, one), of), None)) and part.table.num_rows:
                look.add(part)
                source.setdefault("primary_key", [name])
                break
    if "primary_key" not in source:
        source["primary_key"] = ["id"]
        remarks.append(f"no document has one of {', '.join(_KEYS)}: say which fields are the primary_key")


def _parquet(store: Store, found: list[Listed], source: dict[str, Any], look: _Look, _: list[str]) -> None:
    of = Files.model_validate({**source, "primary_key": ["_"]})
    for one in found:
        with store.seekable(one) as stream:
            kinds = parquet_kinds(stream, one.name).items()
        look.say({n: k for n, k in kinds if n.lower() != OP.lower() or source["format"] != "dms"}, anything=True)
        with store.seekable(one) as stream:
            if part := next(parquet_rows(stream, of, one.name), None):
                look.add(part)


def _csv(store: Store, found: list[Listed], source: dict[str, Any], look: _Look, remarks: list[str]) -> None:
    if found[0].name.endswith(".parquet"):
        _parquet(store, found, source, look, remarks)
        return
    heads = [(one, _head(store, one).getvalue()) for one in found]
    guess = sniff(heads[0][1])
    guess = replace(guess, header=guess.header or _names(guess))
    if source["format"] == "csv":
        source |= _written(guess)
    if not guess.header:
        first = guess.records[0] if guess.records else ()
        skip = 1 if source["format"] == "dms" and role(found[0].name) != "load" and first and first[0].text in _DMS_SIGNS else 0
        source["fields"] = [f"column_{n + 1}" for n in range(len(first) - skip)]
        remarks.append("the files have no header: name the columns in `fields`, in order, and under `columns`")
    of = Files.model_validate({**source, "primary_key": [source["fields"][0] if "fields" in source else guess.records[0][0].text]})
    for one, head in heads:
        try:
            if part := next(csv_rows(io.BytesIO(head), head, of, one.name, one.name), None):
                look.add(part)
        except ContractError as error:
            remarks.append(error.message)


def _names(guess: Guess) -> bool:
    """Whether the first record may name columns that are all of text: no two of its fields are alike, and all are like names."""
    first = [field.text for field in guess.records[0]] if guess.records else []
    return len(guess.records) > 1 and len(set(first)) == len(first) and all(re.fullmatch(r"[A-Za-z_][\w .-]{0,63}", text) for text in first)


def _head(store: Store, file: Listed) -> io.BytesIO:
    with store.stream(file) as stream:
        return io.BytesIO(peek(stream))


def _written(guess: Guess) -> dict[str, Any]:
    """How a file is written, where that is not the usual."""
    dialect = guess.dialect
    found = {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "encoding": dialect.encoding,
        "header": guess.header,
    }
    usual = {"quote": '"', "escape": None, "encoding": "utf-8", "header": True}
    return {name: value for name, value in found.items() if name == "delimiter" or value != usual[name]}


def _key(look: _Look, remarks: list[str]) -> str:
    names = {name.lower(): name for name in look.kinds}
    if known := next((names[key] for key in _KEYS if key in names), None):
        return known
    unique = [n for n, values in look.values.items() if values and len(set(values)) == len(values)]
    chosen = (unique or list(look.kinds))[0]
    remarks.append(
        f"{chosen} is taken for the primary_key, since {'no value of it came twice' if unique else 'there is no better'}: check it"
    )
    return chosen


def type_of(values: list[str]) -> str:
    """The type that holds every one of some texts exactly.

    >>> type_of(["1", "-20"]), type_of(["1.10", "7"]), type_of(["007"]), type_of(["2026-11-28"]), type_of([])
    ('bigint', 'numeric', 'text', 'date', 'text')
    """
    if not values or any(_LEADING_ZERO.match(value) for value in values):
        return "text"
    for name in _TYPES:
        certain = re.compile(rf"(?:{parse(name).certain})\Z", re.DOTALL)
        if name == "boolean":
            certain = re.compile(r"(?:true|false)\Z")
        if all(certain.match(value) for value in values):
            return "timestamp" if name == "timestamptz" and not all(re.search(r"(?:Z|[+-]\d\d(?::?\d\d)?)$", v) for v in values) else name
    return "text"
