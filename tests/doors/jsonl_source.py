"""A source of JSON lines: every sub-folder is a partition, its files are read in the order of their names, each is a window."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from shardlake.connection.spec import ConnectionSpec
from shardlake.envelope import Envelope
from shardlake.errors import ContractError, SourceFailed, SourceUnavailable
from shardlake.ledger.extent import Extent, Json, Reading
from shardlake.raw.files import RawTarget
from shardlake.source.door import Plan
from shardlake.view.source import SourceSpec
from shardlake.view.view import View

CHUNK = 10_000
"""Lines of a raw file."""
KINDS = {"_version": "int", "_op": "text", "document": "json"}
"""What raw holds beside the key: a line's version, `d` where it is deleted, and the whole line."""


class JsonLines(ConnectionSpec):
    """A folder of folders of `*.jsonl`. Every line has the fields of the `key` and an integer `version`; `deleted` is one that may be true."""

    slug: ClassVar[str] = "json-lines"
    folder: Path
    key: tuple[str, ...]
    version: str
    deleted: str = "deleted"


class JsonLinesView(SourceSpec):
    """A view's `source:` has nothing of its own; columns read like `document.customer.name`."""

    @property
    def tells_deletes(self) -> bool:
        """See SourceSpec."""
        return True


class JsonLinesSource:
    """The folder. All views on it take their rows from one reading."""

    max_connections = 4
    timezone = "UTC"

    def __init__(self, spec: JsonLines, reference: str) -> None:
        self._spec, self._reference = spec, reference
        self._kinds = {**dict.fromkeys(spec.key, "text"), **KINDS}

    def feed(self, view: View) -> str:
        """See Source: the folder's."""
        return self._reference.replace("-", "_").replace("/", "__")

    def partitions(self, view: View) -> Sequence[str]:
        """See Source."""
        return sorted(path.name for path in self._spec.folder.iterdir() if path.is_dir())

    def envelope(self, view: View, schema: Mapping[str, str]) -> Envelope:
        """See Source."""
        return Envelope(self._spec.key, "_version", "int", "_op")

    def plan(self, view: View, partition: str, position: Json | None) -> Plan:
        """See Source: the first file behind the last one that was read."""
        if unknown := [name for name in view.source_columns if name not in self._kinds]:
            raise ContractError(f"{partition}: a line has no {unknown[0]!r}", hint=f"Write `from: document.{unknown[0]}`.")
        now, last = datetime.now(UTC), position["file"] if position else ""
        left = self._files(partition, last)
        file = left[0] if left else last
        complete = now if len(left) < 2 else None  # whoever reads the last file has all that was there
        extent = Extent({"file": file}, position, {"file": file}, "int", complete_to=complete, shown=file or "nothing")
        return Plan(partition, extent, self._kinds, anything=bool(left))

    def again(self, view: View, partition: str, extent: Extent) -> Plan:
        """See Rereads."""
        return Plan(partition, extent, self._kinds, anything=True)

    def read(
        self, view: View, partition: str, extent: Extent, raw: RawTarget, *, as_null: tuple[str, ...] = (), smaller: int = 1
    ) -> Reading:
        """See Source."""
        writer = raw.writer(self._kinds, self.envelope(view, self._kinds))
        schema = pa.schema([(name, pa.int64() if name == "_version" else pa.large_string()) for name in self._kinds])
        rows = self._rows(partition, extent.plan["file"])
        came = 0
        while chunk := list(islice(rows, CHUNK // smaller)):
            came += len(chunk)
            writer.write(pa.Table.from_pylist(chunk, schema))
        return Reading(tuple(writer.files), came, more=bool(self._files(partition, extent.plan["file"])), seconds={"raw": writer.seconds})

    def _files(self, partition: str, after: str) -> list[str]:
        return sorted(path.name for path in (self._spec.folder / partition).glob("*.jsonl") if path.name > after)

    def _rows(self, partition: str, file: str) -> Iterator[dict[str, Any]]:
        try:
            with (self._spec.folder / partition / file).open("rb") as lines:
                for nth, line in enumerate(lines, 1):
                    yield self._row(line.decode(), f"{partition}: {file}, line {nth}")
        except OSError as error:
            raise SourceUnavailable(f"{partition}: {file} cannot be read ({type(error).__name__})") from None

    def _row(self, text: str, place: str) -> dict[str, Any]:
        try:
            found = json.loads(text, parse_float=str, parse_int=str)  # a key stays as it was written
            key, version = {name: str(found[name]) for name in self._spec.key}, int(found[self._spec.version])
            return {**key, "_version": version, "_op": "d" if found.get(self._spec.deleted) is True else None, "document": text.strip()}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise SourceFailed(f"{place} is no row of JSON with key and version", hint="Mend the file, and run again.") from None
