"""The keys that each scan of a segment has seen, in the lake beside raw: what tells which items are absent from the next whole scan."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from shardlake.errors import LakeUnavailable, SourceFailed
from shardlake.quoting import ansi_list, ansi_text
from shardlake.raw.store import get, put, remove
from shardlake.rows.spool import scratched

_ROWS = 50_000
"""Keys of absent items that are handed on at a time."""
_SCAN = str.maketrans("", "", "-: .")


_WHOLE = "whole-"
"""Before the number of a whole scan's files, as the name of an object beside them."""


def _parquet(keys: list[str]) -> list[str]:
    return [key for key in keys if key.endswith(".parquet")]


@dataclass
class Keys:
    """The keys of a feed's segment in a store, a folder a scan. `names` are the key's attributes."""

    store: ObjectStore = field(repr=False)
    feed: str
    partition: str
    names: tuple[str, ...]

    def write(self, scan: str, window: str, keys: list[pa.Table]) -> None:
        """The keys of a window; `window` names it and the attempt at it. Raises LakeUnavailable."""
        sink = pa.BufferOutputStream()
        pq.write_table(pa.concat_tables(keys), sink, compression="zstd", use_dictionary=False)
        put(self.store, f"{self._folder(scan)}/{window}.parquet", sink.getvalue())

    def finish(self, scan: str) -> None:
        """Write down that the scan is whole, and how many files of keys it has. Raises LakeUnavailable."""
        count = len(_parquet(self._files().get(scan.translate(_SCAN), [])))
        put(self.store, f"{self._folder(scan)}/{_WHOLE}{count}", b"whole")

    def absent(self, scan: str, before: str | None) -> Iterator[pa.Table]:
        """The keys of earlier scans that this one has not seen, from `before` on, the last whole scan.

        Raises SourceFailed where its keys are not there any more, LakeUnavailable.
        """
        found = self._files()
        if before and not self._is_whole(found.get(before.translate(_SCAN), [])):
            raise SourceFailed(
                f"{self.partition}: the keys of the scan of {before} are gone from the lake: which items were deleted since cannot be told",
                hint="Empty the targets of the views that read this table, and run one of them with --full.",
            )
        first = before.translate(_SCAN) if before else ""
        mine = _parquet(found.get(scan.translate(_SCAN), []))
        theirs = [key for earlier, keys in found.items() if first <= earlier < scan.translate(_SCAN) for key in _parquet(keys)]
        if not theirs:
            return
        with (
            scratched() as folder,
            duckdb.connect(config={"memory_limit": "256MB", "threads": 1, "temp_directory": str(folder / "spill")}) as db,
        ):
            names = ansi_list(self.names)
            seen = f" ANTI JOIN {self._local(mine, folder / 'present')} AS p USING ({names})" if mine else ""
            reader = db.sql(f"SELECT DISTINCT * FROM {self._local(theirs, folder / 'earlier')} AS e{seen}")
            yield from (pa.Table.from_batches([batch]) for batch in reader.to_arrow_reader(_ROWS))

    def _is_whole(self, keys: list[str]) -> bool:
        """Whether there are as many files as when a scan was finished."""
        counts = [int(key.rpartition(_WHOLE)[2]) for key in keys if _WHOLE in key]
        return bool(counts) and len(_parquet(keys)) >= min(counts)

    def forget_before(self, scan: str) -> None:
        """Remove the keys of scans older than the whole one before this, which is whole: it may have to be read again. Raises LakeUnavailable."""
        found = self._files()
        oldest = max((older for older, keys in found.items() if older < scan.translate(_SCAN) and self._is_whole(keys)), default="")
        for older, keys in found.items():
            if older < oldest:
                remove(self.store, keys)

    def _local(self, keys: list[str], folder: Path) -> str:
        """The files in a folder, as what SQL may select from."""
        folder.mkdir()
        for number, key in enumerate(keys):
            (folder / f"{number}.parquet").write_bytes(get(self.store, key))
        return f"read_parquet({ansi_text(str(folder / '*.parquet'))})"

    def _files(self) -> dict[str, list[str]]:
        """The files by scan."""
        found: dict[str, list[str]] = {}
        try:
            for page in obstore.list(self.store, prefix=f"keys/{self.feed}/{self.partition}/"):
                for one in page:
                    found.setdefault(str(one["path"]).split("/")[-2], []).append(str(one["path"]))
        except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold addresses
            raise LakeUnavailable(
                f"the keys of {self.feed} cannot be listed ({type(error).__name__})", hint="Check the rights to the lake."
            ) from None
        return found

    def _folder(self, scan: str) -> str:
        return f"keys/{self.feed}/{self.partition}/{scan.translate(_SCAN)}"
