"""Windows of a history replaced: their rows as they are now, and the files that held them as they were without them.

A partition has one folder, where every reader looks for it. So the partitions concerned are written as a whole into folders
of the commit's name, as a compaction writes them, and move there when the commit is published.
"""

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from shardlake.ledger.lake import LakeFile
from shardlake.raw.store import parquet_schema, reader
from shardlake.sink.lake.account import require_same
from shardlake.sink.lake.files import GROUP, Encoded, in_files, widened
from shardlake.sink.lake.partition import Values, folder
from shardlake.view.layout import Layout

WINDOW = "_window"


class Replacing:
    """The live files of a history, of which some windows are replaced by a commit named `stem`, under the table's folder `prefix`."""

    def __init__(self, layout: Layout, store: ObjectStore, live: list[LakeFile], windows: list[int], prefix: str, stem: str) -> None:
        self._layout, self._store, self._windows = layout, store, pa.array(sorted(windows), pa.int64())
        self._prefix, self._stem = prefix, stem
        self._files: dict[Values, list[LakeFile]] = defaultdict(list)
        for file in live:
            self._files[tuple(file.partition)].append(file)
        self.replaced: list[str] = []
        """Files whose other rows have been written anew."""
        self.places: dict[Values, str] = {values: files[0].key.rpartition("/")[0] for values, files in self._files.items()}
        """Where each partition is."""
        self.schema = (
            pa.unify_schemas([parquet_schema(store, f.key) for f in live], promote_options="permissive") if live else pa.schema([])
        )
        """What the files have. Those of the commit have it, too, and what is new."""

    def with_columns_of(self, rows: pa.Table) -> None:
        """Files of the commit have the columns of these rows."""
        self.schema = widened(rows.slice(0, 0), self.schema).schema

    def place(self, values: Values) -> str:
        """The folder of a partition that is written anew."""
        return "/".join(filter(None, (self._prefix, folder(self._layout.partition_by, values), self._stem)))

    def files(self, new: Iterator[Encoded]) -> Iterator[Encoded]:
        """The windows' new files, and behind them those of all other rows of the partitions that these or the old ones are in.

        Raises AccountingError where a row of another window is lost or comes twice.
        """
        written: dict[Values, int] = defaultdict(int)
        for encoded in new:
            written[tuple(encoded.file.partition)] += 1
            yield encoded
        for values in sorted({*written, *(v for v, files in self._files.items() if any(map(self._holds, files)))}, key=str):
            self.places.pop(values, None)
            if written[values]:
                self.places[values] = self.place(values)
            yield from self._without(values, written[values])

    def _without(self, values: Values, first: int) -> Iterator[Encoded]:
        """A partition's rows of other windows, in files that are numbered from `first` on."""
        files, kept = self._files[values], [0]

        def others() -> Iterator[pa.Table]:
            for file in files:
                rows = 0
                parquet = pq.ParquetFile(reader(self._store, file.key))
                for batch in parquet.iter_batches(GROUP):
                    table = pa.Table.from_batches([batch])
                    rows += table.num_rows
                    replaced = pc.is_in(table.column(WINDOW), self._windows)
                    kept[0] += table.num_rows - (pc.sum(replaced).as_py() or 0)
                    if (rest := table.filter(pc.invert(replaced))).num_rows:
                        yield widened(rest, self.schema)
                require_same(file.key, {"rows read": (file.rows, rows)})

        rows = 0
        for encoded in in_files(others(), self._layout.file_size, f"{self.place(values)}/{self._stem}", list(values), first=first):
            rows += encoded.file.rows
            self.places[values] = self.place(values)
            yield encoded
        require_same(f"rows of other windows in {self.place(values)}", {"rows in the new files' footers": (kept[0], rows)})
        self.replaced += [f.key for f in files]

    def _holds(self, file: LakeFile) -> bool:
        """Whether a file has a row of one of the windows; most are told by their statistics."""
        parquet = pq.ParquetFile(reader(self._store, file.key))
        place = parquet.schema_arrow.get_field_index(WINDOW)
        for group in range(parquet.num_row_groups):
            column = parquet.metadata.row_group(group)
            column = next(c for c in map(column.column, range(place, column.num_columns)) if c.path_in_schema == WINDOW)
            if column.statistics is not None and column.statistics.has_min_max:
                inside = pc.and_(
                    pc.greater_equal(self._windows, column.statistics.min), pc.less_equal(self._windows, column.statistics.max)
                )
                if not pc.any(inside).as_py():
                    continue
            if pc.any(pc.is_in(parquet.read_row_group(group, [WINDOW]).column(WINDOW), self._windows)).as_py():
                return True
        return False
