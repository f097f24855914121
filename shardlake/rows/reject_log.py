"""What is to be told of a window beside its rows, kept on the local disk: its rejects, and the keys of what was read."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import pyarrow as pa

from shardlake.shape.chunk import Reject

Line = tuple[str, str, str, str | None, str]
"""A reject: its stage, its row's key as JSON, column, value, reason."""


class RejectLog:
    """Rejects in the order in which they came; memory holds few of them, whatever their number."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._lines: IO[str] = tempfile.SpooledTemporaryFile(max_size=1 << 20, mode="w+", encoding="utf-8")  # noqa: SIM115 - ends with us

    def add(self, stage: str, rejects: Iterable[Reject]) -> None:
        """Rejects of a stage."""
        for reject in rejects:
            self.counts[stage] = self.counts.get(stage, 0) + 1
            self._lines.write(json.dumps([stage, json.dumps(reject.key), reject.column, reject.value, reject.reason]) + "\n")

    def __iter__(self) -> Iterator[Line]:
        self._lines.seek(0)
        for line in self._lines:
            stage, key, column, value, reason = json.loads(line)
            yield stage, key, column, value, reason


class KeyLog:
    """The keys of a window's rows as texts: by them the ledger tells which earlier rejects were read again."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - ends with us
        self._schema = pa.schema([(n, pa.string()) for n in names])
        self._writer = pa.ipc.new_stream(self._file, self._schema)

    def add(self, rows: pa.Table) -> None:
        """A chunk's."""
        self._writer.write_table(rows.select(self.names).cast(self._schema))

    def tables(self) -> Iterator[pa.Table]:
        """What was added, batch by batch."""
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
